"""Duplicates: ours by origin, the publisher's by id and by natural key.

Source: CONTRACT 2 (duplicates), DESIGN 2 (law 4).
"""

from typing import Final

from schemas.state import BODY_HASH, ID_HASH, MARKS, RING

_ENTRY: Final = ID_HASH + BODY_HASH


def passed(marks: dict[int, int], origin: int, offset: int) -> bool:
    """Tell whether *offset* of *origin* was had before; if not, it is the last had from now on.

    The 8 origins used last are remembered.
    """
    last = marks.pop(origin, -1)
    marks[origin] = max(last, offset)
    if len(marks) > MARKS:
        del marks[next(iter(marks))]
    return offset <= last


def heard(marks: dict[int, tuple[int, int]], origin: int, offset: int, index: int, most: int = MARKS) -> bool:
    """Tell whether the effect *index* of the record *offset* of *origin* was had before; if not, it is the last had from now on.

    The *most* origins used last are remembered.
    """
    came, last = (offset, index), marks.pop(origin, (-1, -1))
    marks[origin] = max(last, came)
    if len(marks) > most:
        del marks[next(iter(marks))]
    return came <= last


def find(ring: bytes, entry: int, key: bytes) -> int:
    """Find *key* at the beginning of one of the entries (*entry* bytes each) of *ring*; -1 = it is not there."""
    at = ring.find(key)
    while at > 0 and at % entry:
        at = ring.find(key, at + 1)
    return at


def body_of(ids: bytes, id_hash: bytes) -> bytes | None:
    """Give the body hash that came with *id_hash*; None if it is not among the last 64."""
    at = find(ids, _ENTRY, id_hash)
    return ids[at + ID_HASH : at + _ENTRY] if at >= 0 else None


def push(ring: bytes, entry: bytes) -> bytes:
    """Put *entry* last; the oldest of more than 64 goes."""
    return (ring + entry)[-RING * len(entry) :]
