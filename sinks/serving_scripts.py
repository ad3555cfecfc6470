"""What Redis itself does for the serving copy: each script is one atomic step (Lua 5.1, Redis 7).

Numbers in a script are doubles: offsets are exact up to 2^53.
"""

from typing import Final

WRITE: Final = """
local rows = cmsgpack.unpack(ARGV[1])
local written = 0
for i, key in ipairs(KEYS) do
  local epoch, offset, as_of, fields = unpack(rows[i])
  local standing = redis.call('HMGET', key, 'version', 'as_of')
  local at_epoch, at_offset = string.match(standing[1] or '', '^(%d+)%.(%d+)$')
  at_epoch, at_offset = tonumber(at_epoch), tonumber(at_offset)
  if not at_epoch or epoch > at_epoch or (epoch == at_epoch and
      (offset > at_offset or (offset == at_offset and as_of >= (standing[2] or '')))) then
    redis.call('HSET', key, unpack(fields))
    written = written + 1
  end
end
return written
"""
"""Write members, unless what stands is newer.

KEYS: their hashes; ARGV[1]: MessagePack [[epoch, offset, as_of, [field, value, …]], …] in the same order.  Of one
version the later worded stands.  Returns how many were written.
"""

SETTLE: Final = """
local gaps = {}
for i = 1, #ARGV, 4 do
  local field = 'partition:' .. ARGV[i]
  local epoch, from = tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
  local standing = redis.call('HGET', KEYS[1], field)
  local at_epoch, at = string.match(standing or '', '^(%d+)%.(%d+)$')
  at_epoch, at = tonumber(at_epoch) or -1, tonumber(at) or -1
  if at_epoch < epoch or (at_epoch == epoch and at < from) then
    table.insert(gaps, tonumber(ARGV[i]))
  elseif at_epoch == epoch and at < tonumber(ARGV[i + 3]) then
    redis.call('HSET', KEYS[1], field, ARGV[i + 1] .. '.' .. ARGV[i + 3])
  end
end
return {gaps, redis.call('HGET', KEYS[1], 'stale_since')}
"""
"""Note that partitions are written from one position up to another.

ARGV: partition, epoch, from, to; and again.  Returns the partitions of which
Redis has less than *from* - it was emptied, or went back to an older copy -
and since when the copy is stale.
"""

OPEN: Final = """
local epoch = tonumber(ARGV[2])
local field = 'partition:' .. ARGV[1]
local standing = redis.call('HGET', KEYS[1], field)
local at_epoch = tonumber(string.match(standing or '', '^(%d+)%.%d+$'))
if not at_epoch or at_epoch < epoch then
  redis.call('HSET', KEYS[1], field, ARGV[2] .. '.0')
end
return standing
"""
"""Ask how far a partition (ARGV[1]) is written, and let it begin at 0 of its epoch (ARGV[2]) if that is new here."""

MARK: Final = """
redis.call('HSETNX', KEYS[1], 'stale_since', ARGV[1])
redis.call('HSETNX', KEYS[1], 'problem', ARGV[2])
return redis.call('HINCRBY', KEYS[1], 'marks', 1)
"""
"""Mark the copy as stale since ARGV[1] because of ARGV[2]; it stays as first marked, and the marks are counted."""

CLEAR: Final = """
if redis.call('HGET', KEYS[1], 'rebuild') ~= ARGV[1] then return 'lost' end
redis.call('HDEL', KEYS[1], 'rebuild')
if (redis.call('HGET', KEYS[1], 'marks') or '0') ~= ARGV[2] then return 'marked' end
redis.call('HDEL', KEYS[1], 'stale_since', 'problem')
return 'whole'
"""
"""End the rebuild called ARGV[1], which began when there were ARGV[2] marks.

The mark stays if it was made again since, or if Redis was emptied meanwhile.
"""
