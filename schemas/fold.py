"""The shape of a keyed stage's fold: what the engine calls, and all that it knows of a stage.

The engine folds a batch as a transaction in memory::

    fold.begin()
    for record in records: fold.fold(record)      # raises only for a bug
    folded = fold.commit()

If ``fold`` raises, the engine calls ``abort()``, reads ``culprit``, and folds
the batch again from its beginning: with ``refuse(record)`` in place of
``fold(record)`` when the culprit is None, else with that key in ``begin``'s
*skip*.  Nothing may depend on where a batch begins or ends.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from schemas.effects import Effect, Headers


class Record(Protocol):
    """A record as read from the log.  *timestamp* is its append time in ms; value is never decoded by the engine."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]: ...


class Folded(NamedTuple):
    """What a batch came to.

    *states*: packed states that changed, by key; None = forgotten.  Each value
    begins with 8 bytes, big-endian: the offset of the last record folded into
    it (``stamp``).  *clock_ms* is the partition's clock after the batch.
    """

    effects: list[Effect]
    states: dict[bytes, bytes | None]
    clock_ms: int


class Home(NamedTuple):
    """Where a fold lives.  *epoch* counts from 1, one more for each rebuild."""

    topic: str
    topic_id: bytes
    partition: int
    partitions: int
    epoch: int


class PartitionFold(Protocol):
    """The fold of one partition of a keyed stage; made when the partition is taken over."""

    @property
    def culprit(self) -> bytes | None:
        """Name the key whose fold raised last; None where the record itself did."""

    def restore(self, home: Home, states: Mapping[bytes, bytes], clock_ms: int) -> None:
        """Begin from what was committed.  *states* is the engine's own table: live, read-only for the fold."""

    def begin(self, skip: Collection[tuple[int, bytes]] = ()) -> None:
        """Open a batch.  Each (offset, key) in *skip* raised there before: pass it over."""

    def fold(self, record: Record) -> None:
        """Fold one record; an exception is a bug, and ``culprit`` then names the key it belongs to, or None for the record."""

    def refuse(self, record: Record, bug: BaseException) -> None:
        """In place of a record whose fold raised: the dead letter ``crashed``."""

    def commit(self) -> Folded:
        """Close the batch."""

    def abort(self) -> None:
        """Forget the batch, as if it had never begun."""


class StatelessFold(Protocol):
    """A stage without a table (intake): one record in, effects out."""

    def __call__(self, record: Record) -> list[Effect]:
        """Fold one record; an exception is a bug."""

    def refuse(self, record: Record, bug: BaseException) -> list[Effect]:
        """In place of a record whose fold raised: the dead letter ``crashed``."""


class OversizedBatch(bytes):
    """The value of a record that stands for a whole batch over the decompression cap: the batch as it came, compressed.

    *first* and *last* are the offsets that it covers; the record's own offset is *last*.
    """

    first: int
    last: int


STAMP = 8


def stamp(offset: int, packed: bytes) -> bytes:
    """Prefix *packed* with the offset of the last record folded into it; -1 = none of this log, it was carried over."""
    return (offset + 1).to_bytes(STAMP, "big") + packed


def stamped_offset(state: bytes) -> int:
    """Read the offset that ``stamp`` wrote."""
    return int.from_bytes(state[:STAMP], "big") - 1


__all__ = ["STAMP", "Folded", "Headers", "Home", "OversizedBatch", "PartitionFold", "Record", "StatelessFold", "stamp", "stamped_offset"]
