"""The ids of the latest five events that count for something, packed.

An entry is the event time (8 bytes), the offset at which it was folded (8), the
length of the id (2) and the id; the latest comes first, of equal times the
greater id.  Packed, because a member
has many of these and an event touches few.

Source: CONTRACT 3 (evidence).
"""

from struct import Struct
from typing import Final

from schemas.state import EVIDENCE, Recent

Entry = tuple[int, str, int]
"""Event time, event id, offset."""

_HEAD: Final = 18
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


def remember(recent: Recent, t_ms: int, event: str, offset: int) -> Recent:
    """Add an event, unless five later ones are there."""
    entry = _entry(t_ms, event, offset)
    if entry[:8] > recent[:8]:
        return _first_five(entry + recent)
    return _pack(sorted([*entries(recent), (t_ms, event, offset)], reverse=True)[:EVIDENCE])


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
    return b"".join([_entry(*entry) for entry in found])


def _entry(t_ms: int, event: str, offset: int) -> bytes:
    identity = event.encode()
    head: bytes = _pack_head(t_ms, offset, len(identity))
    return head + identity
