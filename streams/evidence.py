"""The ids of the latest five events that count for something, packed.

An entry is the event time (8 bytes), the offset at which it was folded (8), the
length of the id (2) and the id; the latest comes first, of equal times the
greater id.  Packed, because a member
has many of these and an event touches few.

Source: CONTRACT 3 (evidence).
"""

from struct import Struct
from typing import Final

from schemas.member_state import Recent
from schemas.state import EVIDENCE

Entry = tuple[int, str, int]
"""Event time, event id, offset."""

_HEAD: Final = 18
_TIME: Final = 8
_FULL: Final = EVIDENCE * _HEAD
"""Shorter than this, there are fewer than five."""
_pack_head: Final = Struct(">qqH").pack
_unpack_head: Final = Struct(">qqH").unpack_from


def entries(recent: Recent) -> list[Entry]:
    """Unpack what is kept, latest first."""
    found: list[Entry] = []
    at = 0
    while at < len(recent):
        t_ms, offset, size = _unpack_head(recent, at)
        end = at + _HEAD + size
        found.append((t_ms, recent[at + _HEAD : end].decode(), offset))
        at = end
    return found


def remember(recent: Recent, entry: bytes) -> Recent:
    """Add the event that *entry* (``packed``) names, unless five later ones are there."""
    if entry[:_TIME] > recent[:_TIME]:
        return _first_five(entry + recent) if len(recent) >= _FULL else entry + recent
    return _pack(sorted(entries(entry + recent), reverse=True)[:EVIDENCE])


def forget(recent: Recent, t_ms: int, event: str) -> Recent:
    """Drop an event that counts no longer."""
    return _pack([entry for entry in entries(recent) if entry[:2] != (t_ms, event)])


def _first_five(recent: Recent) -> Recent:
    at = 0
    for _ in range(EVIDENCE):
        if at >= len(recent):
            return recent
        at += _HEAD + 256 * recent[at + 16] + recent[at + 17]
    return recent[:at]


def _pack(found: list[Entry]) -> Recent:
    return b"".join([packed(*entry) for entry in found])


def packed(t_ms: int, event: str, offset: int) -> bytes:
    """Pack one entry."""
    identity = event.encode()
    head: bytes = _pack_head(t_ms, offset, len(identity))
    return head + identity
