"""How a keyed stage's partition is taken over: fence, restore, look, judge, begin.

``take_over`` is a plan: a generator that yields what is to be done and is sent
what came of it.  The worker carries it out on Kafka, the simulation on a fake
log, so that both decide by the same code.

Source: DESIGN 4 (the changelog).
"""

from collections.abc import Generator
from typing import NamedTuple

import msgspec

from schemas.fold import STAMP, stamped_offset

MARKER = b"\0marker"
PROBE = b"\0probe"
REBUILD = "`huiliu reset` folds what the log holds anew, in a new epoch"


class CannotStart(Exception):
    """The worker must not start: what was found, and which command decides."""


class Marker(msgspec.Struct, frozen=True):
    """Where a partition stands, committed in the same transaction as its states.

    *position* is the next offset to fold of the input topic whose id is
    *topic_id* and that has *partitions*; *epoch* counts rebuilds from 1.
    """

    position: int
    clock_ms: int
    topic_id: bytes
    partitions: int
    epoch: int


def pack(marker: Marker) -> bytes:
    """Write *marker* as the changelog's value."""
    return msgspec.json.encode(marker)


def unpack(value: bytes) -> Marker:
    """Read what ``pack`` wrote."""
    return msgspec.json.decode(value, type=Marker)


class Restored(NamedTuple):
    """What the changelog holds: packed states without the marker, the marker if any, and the highest ``applied``."""

    states: dict[bytes, bytes]
    marker: Marker | None
    applied: int


class Log(NamedTuple):
    """What the input partition is now: *begin* and *end* offsets, and what the group has committed, if anything."""

    topic_id: bytes
    partitions: int
    begin: int
    end: int
    group_commit: int | None


class Fence:
    """Fence every former owner at the broker, and end what it had open."""


class Restore:
    """Read the changelog to its end.  Answer: ``Restored``."""


class Inspect:
    """Look at the input partition.  Answer: ``Log``."""


class Commit(NamedTuple):
    """Write these records in one transaction."""

    records: dict[bytes, bytes | None]


Request = Fence | Restore | Inspect | Commit
Answer = Restored | Log | None


class Taken(NamedTuple):
    """A partition that is ours: its states, and where it goes on."""

    states: dict[bytes, bytes]
    marker: Marker


def take_over(name: str) -> Generator[Request, Answer, Taken]:
    """Take the partition called *name* over; raises ``CannotStart`` where going on would lose or repeat.

    The fence comes first: what is restored after it can't be overwritten by a
    former owner.
    """
    yield Fence()
    restored = yield Restore()
    log = yield Inspect()
    assert isinstance(restored, Restored)
    assert isinstance(log, Log)
    problem = contradiction(restored.marker, restored.applied, log) if restored.marker else no_beginning(restored, log)
    if problem:
        yield Commit({PROBE: None})  # refused if another took over meanwhile: then what was seen is no contradiction
        raise CannotStart(f"{name}: {problem}")
    if restored.marker:
        return Taken(restored.states, restored.marker)
    marker = Marker(0, 0, log.topic_id, log.partitions, 1)
    yield Commit({MARKER: pack(marker)})
    return Taken(restored.states, marker)


def no_beginning(restored: Restored, log: Log) -> str | None:
    """Say why a partition without a marker is not a new one, to be begun at 0; None if it is."""
    if restored.states:
        return f"the changelog holds {len(restored.states)} states and no marker, expected neither or both; {REBUILD}"
    if log.begin != 0:
        return f"the changelog has no marker, but the log begins at {log.begin}, not at 0: its start is gone; {REBUILD}"
    if log.group_commit is not None:
        return (
            f"the changelog has no marker, but the group has committed {log.group_commit}: "
            f"the states were lost, or this is another cluster's group; {REBUILD}"
        )
    return None


def contradiction(marker: Marker, applied: int, log: Log) -> str | None:
    """Say why the states of *marker* can't go on with *log*; None if they can."""
    if marker.topic_id != log.topic_id:
        return f"the states belong to the topic with id {marker.topic_id.hex()}, found {log.topic_id.hex()}: it was made again; {REBUILD}"
    if marker.partitions != log.partitions:
        return (
            f"the states were made with {marker.partitions} partitions, found {log.partitions}: members would change places; "
            f"recreate the topic with {marker.partitions}, or {REBUILD}"
        )
    if marker.position > log.end:
        return f"the states stop at offset {marker.position}, but the log ends at {log.end}: records were lost; {REBUILD}"
    if marker.position < log.begin:
        return (
            f"the states stop at offset {marker.position}, but the log begins at {log.begin}: "
            f"{log.begin - marker.position} records were deleted unread; {REBUILD}"
        )
    if applied >= marker.position:
        return f"a state has offset {applied} applied, not below the position {marker.position}: a torn transaction; {REBUILD}"
    return None


def highest_applied(states: dict[bytes, bytes]) -> int:
    """Find the last offset that any of *states* has applied; -1 without states."""
    return stamped_offset(max((state[:STAMP] for state in states.values()), default=b"")) if states else -1


__all__ = [
    "MARKER", "REBUILD", "Answer", "CannotStart", "Commit", "Fence", "Inspect", "Log", "Marker", "Request", "Restore", "Restored", "Taken",
    "contradiction", "highest_applied", "no_beginning", "pack", "take_over", "unpack",
]  # fmt: skip
