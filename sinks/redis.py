"""The serving copy: each member as each brand sees them, in Redis, for whoever has no time to ask a log.

``huiliu:<brand>:member:<pairwise id>`` is a hash; ``huiliu:serving`` says how
far each partition is written, and since when the copy is stale, if it is.  A
row never gives way to an older one, whoever writes it.

Nothing here waits longer than ``TIMEOUT_S`` for Redis, and nothing is tried
twice: the caller decides when to ask again.

Source: DESIGN 3.
"""

from collections.abc import Awaitable, Sequence
from hashlib import sha1
from typing import Any, Final, Literal, NamedTuple, cast

import msgspec
from msgspec import Struct
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

from schemas.crm import MemberView
from sinks.serving_scripts import CLEAR, MARK, OPEN, SETTLE, WRITE

STANDING: Final = "huiliu:serving"
TIMEOUT_S: Final = 1.0
BATCH: Final = 100
"""Rows of one script call: Redis does nothing else meanwhile (about 1 ms)."""

UNREACHABLE: Final = (RedisError, OSError, TimeoutError)
"""What calls raise while Redis is down, slow, loading, full or read-only."""

_json = msgspec.json.Encoder().encode
_to_msgpack = msgspec.msgpack.Encoder().encode


class Version(NamedTuple):
    """Which of two copies is newer: the epoch of the partition, then the last offset folded."""

    epoch: int
    offset: int

    def __str__(self) -> str:
        """Spell it as Redis has it."""
        return f"{self.epoch}.{self.offset}"


class TagSince(Struct, frozen=True):
    """A tag that holds, and the clock at which it was entered, RFC 3339."""

    tag: str
    since: str


class Row(NamedTuple):
    """A member at *brand*; *rewards* as ``huiliu member`` shows them, *points* the balance."""

    brand: str
    version: Version
    view: MemberView
    tags: list[TagSince]
    rewards: Sequence[Struct] = ()
    points: int = 0

    @property
    def key(self) -> str:
        """Name the hash."""
        return member_key(self.brand, self.view.id)

    def fields(self) -> list[str]:
        """Give the hash: names and values in turn."""
        view = self.view
        return [
            "tags", _to_json(self.tags),
            "engagement", _to_json(view.engagement),
            "orders", str(view.orders),
            "spend", _to_json(view.spend),
            "last", _to_json(view.last),
            "first_seen", view.first_seen,
            "as_of", view.as_of,
            "rewards", _to_json(self.rewards),
            "points", str(self.points),
            "version", str(self.version),
        ]  # fmt: skip


class Claim(NamedTuple):
    """All that *partition* changed from the position *since* up to *position* is written."""

    partition: int
    epoch: int
    since: int
    position: int


class Settled(NamedTuple):
    """*gaps*: partitions of which Redis has less than was claimed.  *stale_since*: RFC 3339; None for a copy that is whole."""

    gaps: list[int]
    stale_since: str | None


Ended = Literal["whole", "marked", "lost"]
"""What became of a rebuild: the copy is whole; something was missed meanwhile; Redis was emptied meanwhile."""


def _to_json(shown: Any) -> str:
    """Write JSON as text: a script of Redis reads no MessagePack ``bin``."""
    return _json(shown).decode()


def member_key(brand: str, pairwise: str) -> str:
    """Name the hash of a member at *brand*."""
    return f"huiliu:{brand}:member:{pairwise}"


class ServingCopy:
    """The copy at *url*.  Everything raises one of ``UNREACHABLE`` when Redis does not do it in time."""

    def __init__(self, url: str, timeout_s: float = TIMEOUT_S) -> None:
        """Prepare; nothing is connected yet."""
        self._redis: Any = Redis.from_url(
            url, socket_timeout=timeout_s, socket_connect_timeout=timeout_s, retry=Retry(NoBackoff(), 0), protocol=2
        )

    async def close(self) -> None:
        """Leave Redis."""
        await self._redis.aclose()

    async def write(self, rows: Sequence[Row]) -> int:
        """Write *rows*, but no older row over a newer; returns how many were written."""
        packed = _to_msgpack([(*row.version, row.view.as_of, row.fields()) for row in rows])
        return int(await self._run(WRITE, [row.key for row in rows], packed))

    async def settle(self, claims: Sequence[Claim]) -> Settled:
        """Note how far partitions are written."""
        gaps, stale_since = await self._run(SETTLE, [STANDING], *(number for claim in claims for number in claim))
        return Settled(gaps, stale_since.decode() if stale_since is not None else None)

    async def open(self, partition: int, epoch: int) -> Version | None:
        """Ask up to which position *partition* is written; None if Redis has nothing of it.  It is known from now on."""
        standing = await self._run(OPEN, [STANDING], partition, epoch)
        return None if standing is None else Version(*map(int, standing.split(b".")))

    async def mark_stale(self, since: str, problem: str) -> None:
        """Say to readers that the copy lacks something since *since* (RFC 3339)."""
        await self._run(MARK, [STANDING], since, problem)

    async def begin_rebuild(self, name: str) -> int:
        """Begin the rebuild called *name*; returns how often the copy was marked as stale so far."""
        await cast(Awaitable[int], self._redis.hset(STANDING, "rebuild", name))
        return int(await self._redis.hget(STANDING, "marks") or 0)

    async def end_rebuild(self, name: str, marks: int) -> Ended:
        """Take the mark off, unless something was missed since the rebuild *name* began."""
        return cast(Ended, (await self._run(CLEAR, [STANDING], name, marks)).decode())

    async def _run(self, script: str, keys: Sequence[str], *arguments: str | bytes | int) -> Any:
        """Run *script* by its digest; give it to Redis where it is not known, as after a restart."""
        digest = sha1(script.encode(), usedforsecurity=False).hexdigest()
        try:
            return await self._redis.evalsha(digest, len(keys), *keys, *arguments)
        except NoScriptError:
            await self._redis.script_load(script)
            return await self._redis.evalsha(digest, len(keys), *keys, *arguments)
