"""One owned partition between reading and durable: what may be written when.

This is law 3 and nothing else: effects delivered, then one transaction of
states and position, then durable, then the group commit.  It does no I/O and
knows no clock, so that the simulation drives the same code as the worker.
Folding goes on while the effects of earlier batches are under way.

Source: DESIGN 2 (law 3), 4.
"""

from collections import deque
from typing import NamedTuple

States = dict[bytes, bytes | None]


class Place(NamedTuple):
    """A partition of a topic."""

    topic: str
    partition: int


class Transaction(NamedTuple):
    """What becomes durable together: *states* changed by whole batches, and the *position* after the last of them."""

    position: int
    clock_ms: int
    states: States
    records: int
    size: int


class Batch:
    """A folded batch whose effects are on their way.  *waiting* counts those that are not delivered yet."""

    __slots__ = ("clock_ms", "position", "records", "size", "states", "waiting")

    def __init__(self, position: int, clock_ms: int, states: States, waiting: int, records: int, size: int) -> None:
        self.position, self.clock_ms, self.states = position, clock_ms, states
        self.waiting, self.records, self.size = waiting, records, size


class Pipeline:
    """The order of writes of one partition.

    *position* is the next offset to fold, *durable* the one that was
    committed.  At most one transaction is open.  A closed pipeline (the
    partition was lost, the worker failed) begins nothing more, and what
    arrives late for it changes nothing.
    """

    def __init__(self, place: Place, position: int, clock_ms: int = 0) -> None:
        self.place = place
        self.position = position
        self.durable = position
        self.clock_ms = clock_ms
        self.closed = False
        self.batches: deque[Batch] = deque()
        self.open: Transaction | None = None

    def folded(self, position: int, clock_ms: int, states: States, effects: int, records: int, size: int) -> Batch:
        """Note a batch that was folded up to *position*; its effects may be sent now."""
        batch = Batch(position, clock_ms, states, effects, records, size)
        self.position, self.clock_ms = position, clock_ms
        self.batches.append(batch)
        return batch

    def delivered(self, batch: Batch, effects: int) -> None:
        """Note that so many *effects* of *batch* are in the log."""
        batch.waiting -= effects

    @property
    def ready(self) -> bool:
        """Whether a transaction could begin: none is open, and the effects of the oldest batch are delivered."""
        return not self.closed and self.open is None and bool(self.batches) and not self.batches[0].waiting

    def due(self) -> Transaction | None:
        """Begin a transaction of every batch up to the first whose effects are still on their way."""
        if not self.ready:
            return None
        states: States = {}
        records = size = 0
        while self.batches and not self.batches[0].waiting:
            batch = self.batches.popleft()
            states.update(batch.states)
            records += batch.records
            size += batch.size
        self.open = Transaction(batch.position, batch.clock_ms, states, records, size)
        return self.open

    def committed(self) -> Transaction:
        """Note that the open transaction is durable; its position may be reported to the group now."""
        assert self.open is not None
        done, self.open = self.open, None
        self.durable = done.position
        return done

    def close(self) -> tuple[int, int]:
        """Begin nothing more; tell how many records and bytes were pending and never will be durable here."""
        self.closed = True
        records = sum(batch.records for batch in self.batches)
        size = sum(batch.size for batch in self.batches)
        self.batches.clear()
        return (records + self.open.records, size + self.open.size) if self.open else (records, size)

    @property
    def idle(self) -> bool:
        """Whether all that was folded is durable."""
        return not self.batches and self.open is None
