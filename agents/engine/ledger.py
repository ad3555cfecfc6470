"""One worker's standing: what it owns, under which generation it reads, and whether it may still write.

A record read under one generation is never folded under another: it may have
been read for an owner that this worker no longer is.  The first failed write
ends everything.  No I/O and no clock here: the simulation drives the same code.

Source: DESIGN 2 (law 3), 4.
"""

from collections.abc import Iterable
from typing import NamedTuple

from agents.engine.pipeline import Batch, Pipeline, Place, States, Transaction


class Plan(NamedTuple):
    """What a rebalance came to."""

    lost: list[Place]
    kept: list[Place]
    new: list[Place]


class Ledger:
    """Which partitions this worker owns and what it may do for them.

    *broken* is the first failure: from then on nothing is folded, sent or
    committed, whatever was already under way.
    """

    def __init__(self) -> None:
        self.generation = 0
        self.moving = False
        self.broken: BaseException | None = None
        self.pipelines: dict[Place, Pipeline] = {}
        self.pending_records = 0
        self.pending_size = 0

    def pause(self) -> None:
        """Stop reading; what was read and not folded is dropped, what was folded may still become durable."""
        self.generation += 1

    def revoked(self) -> None:
        """Stop reading; who owns what is not known until ``assigned``."""
        self.pause()
        self.moving = True

    def assigned(self, active: Iterable[Place]) -> Plan:
        """Compare what Kafka gave with what is owned; what was lost is closed at once."""
        self.moving = False
        wanted = set(active)
        lost = sorted(set(self.pipelines) - wanted)
        for place in lost:
            self.lose(place)
        return Plan(lost, sorted(set(self.pipelines)), sorted(wanted - set(self.pipelines)))

    def lose(self, place: Place) -> None:
        """Close what is owned of *place*: another worker goes on from what is durable."""
        pipeline = self.pipelines.pop(place, None)
        if pipeline is not None:
            records, size = pipeline.close()
            self.release(records, size)

    def opened(self, place: Place, position: int, clock_ms: int = 0) -> Pipeline:
        """Note that *place* was taken over, and where it goes on."""
        pipeline = self.pipelines[place] = Pipeline(place, position, clock_ms)
        return pipeline

    def start(self) -> dict[Place, int]:
        """Begin to read: where each owned partition goes on.  What was read before, and is not folded, will be read again."""
        self.generation += 1
        return {place: pipeline.position for place, pipeline in self.pipelines.items()}

    def accepts(self, pipeline: Pipeline, generation: int, begins: int) -> bool:
        """Tell whether a batch read under *generation* from the offset *begins* on may be folded: it follows on what was folded."""
        return not self.broken and not pipeline.closed and generation == self.generation and begins == pipeline.position

    def read(self, records: int, size: int) -> None:
        """Note what was read: it counts as pending until it is durable or dropped."""
        self.pending_records += records
        self.pending_size += size

    def release(self, records: int, size: int) -> None:
        """Note what is pending no more."""
        self.pending_records -= records
        self.pending_size -= size

    def folded(self, pipeline: Pipeline, position: int, clock_ms: int, states: States, effects: int, records: int, size: int) -> Batch:
        """Note a folded batch; its effects may be sent now, while ``may_send`` holds."""
        return pipeline.folded(position, clock_ms, states, effects, records, size)

    @property
    def may_send(self) -> bool:
        """Whether effects may leave: nothing may after the first failed write."""
        return self.broken is None

    def due(self, pipeline: Pipeline) -> Transaction | None:
        """Begin the next transaction of *pipeline*, if its effects allow one and nothing has failed."""
        return None if self.broken else pipeline.due()

    def committed(self, pipeline: Pipeline) -> Transaction:
        """Note that the open transaction of *pipeline* is durable."""
        done = pipeline.committed()
        if not pipeline.closed:
            self.release(done.records, done.size)
        return done

    def fenced(self, pipeline: Pipeline) -> bool:
        """Note that another has taken the place of *pipeline* over; tell whether that is in order.

        It is between a revocation and the next assignment, and for what was
        lost: then the place is dropped.  Else this worker missed its own end,
        and must exit.
        """
        if pipeline.closed:
            return True
        if not self.moving:
            return False
        self.lose(pipeline.place)
        return True

    def fail(self, bug: BaseException) -> bool:
        """Note the first failure and end everything; tell whether it was the first."""
        if self.broken is not None:
            return False
        self.broken = bug
        self.generation += 1
        return True

    @property
    def idle(self) -> bool:
        """Whether all that was folded is durable."""
        return all(pipeline.idle for pipeline in self.pipelines.values())
