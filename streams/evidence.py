"""The ids of the latest five events that count for something, packed.

An entry is the event time (8 bytes), the length of the id (2) and the id; the
latest comes first, of equal times the greater id.  Packed, because a member
has many of these and an event touches few.

Source: CONTRACT 3 (evidence).
"""

from typing import Final

from schemas.state import EVIDENCE, Recent

Entry = tuple[int, str]
_HEAD: Final = 10


def entries(recent: Recent) -> list[Entry]:
    """Unpack (event time, id), latest first."""
    found: list[Entry] = []
    at = 0
    while at < len(recent):
        end = at + _HEAD + int.from_bytes(recent[at + 8 : at + _HEAD], "big")
        found.append((int.from_bytes(recent[at : at + 8], "big"), recent[at + _HEAD : end].decode()))
        at = end
    return found


def remember(recent: Recent, t_ms: int, event: str) -> Recent:
    """Add an event, unless five later ones are there."""
    identity = event.encode()
    entry = t_ms.to_bytes(8, "big") + len(identity).to_bytes(2, "big") + identity
    if entry[:8] > recent[:8]:
        return _first_five(entry + recent)
    return _pack(sorted([*entries(recent), (t_ms, event)], reverse=True)[:EVIDENCE])


def forget(recent: Recent, t_ms: int, event: str) -> Recent:
    """Drop an event that counts no longer."""
    return _pack([entry for entry in entries(recent) if entry != (t_ms, event)])


def _first_five(recent: Recent) -> Recent:
    at = 0
    for _ in range(EVIDENCE):
        if at >= len(recent):
            return recent
        at += _HEAD + int.from_bytes(recent[at + 8 : at + _HEAD], "big")
    return recent[:at]


def _pack(found: list[Entry]) -> Recent:
    packed = []
    for t_ms, event in found:
        identity = event.encode()
        packed.append(t_ms.to_bytes(8, "big") + len(identity).to_bytes(2, "big") + identity)
    return b"".join(packed)
