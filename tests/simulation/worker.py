"""A simulated worker: the engine's own deciding code, and every I/O of it a step that may fail or be the last."""

from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from agents.engine.folding import fold_batch
from agents.engine.keyed import contents
from agents.engine.ledger import Ledger
from agents.engine.pipeline import Batch, Pipeline, Place, Transaction
from agents.engine.takeover import Answer, Commit, Fence, Inspect, Marker, Request, Restore, Taken, take_over
from schemas.effects import Effect
from schemas.fold import Home
from tests.simulation.fold import CountingFold
from tests.simulation.kafka import TOPIC, TOPIC_ID, FencedOff, Kafka, Refused
from tests.simulation.oracle import Input

Plan = Generator[Request, Answer, Taken]
Contents = Callable[[Transaction, Marker], dict[bytes, bytes | None]]


@dataclass(frozen=True)
class Parts:
    """The deciding code that a worker runs; a mutant replaces one of these."""

    take_over: Callable[[str], Plan] = take_over
    ledger: type[Ledger] = Ledger
    transactions: Callable[[Transaction, Marker], list[dict[bytes, bytes | None]]] = lambda transaction, marker: [
        contents(transaction, marker)
    ]


class Work(NamedTuple):
    pipeline: Pipeline
    generation: int
    begins: int
    records: list[Input]


class Table:
    def __init__(self, taken: Taken, epoch: int | None) -> None:
        self.states, self.marker, self.epoch = taken.states, taken.marker, epoch
        self.fold = CountingFold()
        self.fold.restore(Home(TOPIC, TOPIC_ID, 0, 0, 1), self.states, 0)


class Worker:
    """One process.  ``steps`` names what it could do next; doing one may raise ``Refused``, which ends it."""

    def __init__(self, kafka: Kafka, random: Random, parts: Parts) -> None:
        self.kafka, self.random, self.parts = kafka, random, parts
        self.ledger = parts.ledger()
        self.tables: dict[Place, Table] = {}
        self.plans: dict[Place, tuple[Plan, Request]] = {}
        self.fences: dict[Place, int] = {}
        self.positions: dict[Place, int] = {}
        self.queue: deque[Work] = deque()
        self.outbox: dict[tuple[str, int], deque[tuple[Effect, Batch]]] = {}
        self.writes: dict[Place, tuple[Pipeline, list[dict[bytes, bytes | None]]]] = {}
        self.unreported: dict[Place, int] = {}
        self.error_rate = 0.0
        self.rebalances = self.taking_for = 0
        self.wanted: tuple[list[int], int] | None = None

    # -- membership

    def revoked(self) -> None:
        self.rebalances += 1
        self.ledger.revoked()
        self.positions.clear()

    def assigned(self, partitions: list[int]) -> None:
        """Take-overs of an earlier assignment go on to their end first."""
        self.wanted = (partitions, self.rebalances)

    def _go_on_with(self) -> None:
        assert self.wanted is not None
        (partitions, rebalance), self.wanted = self.wanted, None
        if rebalance != self.rebalances:
            return
        self.taking_for = rebalance
        plan = self.ledger.assigned(Place(TOPIC, partition) for partition in partitions)
        for place in plan.lost:
            self._forget(place)
        for place in plan.new:
            self._forget(place)
            steps = self.parts.take_over(place.topic)
            self.plans[place] = (steps, next(steps))
        self._start()

    def _start(self) -> None:
        if not self.plans and self.taking_for == self.rebalances:
            self.positions = self.ledger.start()

    def _forget(self, place: Place) -> None:
        self.tables.pop(place, None)
        self.unreported.pop(place, None)
        self.writes.pop(place, None)

    # -- steps

    def steps(self) -> list[Callable[[], None]]:
        """Name what could happen next in this process."""
        if self.ledger.broken:
            return []
        can: list[Callable[[], None]] = [lambda place=place: self._take(place) for place in self.plans]  # type: ignore[misc]
        if self.wanted is not None and not self.plans:
            can.append(self._go_on_with)
        can += [lambda place=place: self._read(place) for place, at in self.positions.items() if at < self.kafka.visible[place.partition]]  # type: ignore[misc]
        if self.queue:
            can.append(self._fold)
        can += [lambda to=to: self._deliver(to) for to, waiting in self.outbox.items() if waiting]  # type: ignore[misc]
        can += [lambda place=place: self._begin(place) for place, line in self.ledger.pipelines.items() if line.batches and not line.open]  # type: ignore[misc]
        can += [lambda place=place: self._write(place) for place in self.writes]  # type: ignore[misc]
        if self.unreported:
            can.append(self._report)
        return can

    def _take(self, place: Place) -> None:
        """One step of a take-over."""
        plan, request = self.plans[place]
        try:
            self.plans[place] = (plan, plan.send(self._answer(place, request)))
        except StopIteration as end:
            del self.plans[place]
            taken: Taken = end.value
            self.tables[place] = Table(taken, self.fences.pop(place, None))
            self.ledger.opened(place, taken.marker.position)
            self.unreported[place] = taken.marker.position
            self._start()
        except FencedOff:
            if self.taking_for == self.rebalances:
                raise
            del self.plans[place]

    def _answer(self, place: Place, request: Request) -> Answer:
        self._may_fail()
        partition = place.partition
        match request:
            case Fence():
                self.fences[place] = self.kafka.fence(partition)
                return None
            case Restore():
                return self.kafka.restore(partition)
            case Inspect():
                return self.kafka.inspect(partition)
            case Commit(records):
                self.kafka.commit(partition, self.fences.get(place), records)
                return None

    def _read(self, place: Place) -> None:
        pipeline = self.ledger.pipelines.get(place)
        at = self.positions[place]
        records = self.kafka.inputs[place.partition][at : min(self.kafka.visible[place.partition], at + self.random.randint(1, 5))]
        self.positions[place] = at + len(records)
        if pipeline is not None:
            self.ledger.read(len(records), len(records))
            self.queue.append(Work(pipeline, self.ledger.generation, at, records))

    def _fold(self) -> None:
        pipeline, generation, begins, records = self.queue.popleft()
        if not self.ledger.accepts(pipeline, generation, begins):
            self.ledger.release(len(records), len(records))
            return
        table = self.tables[pipeline.place]
        folded = fold_batch(table.fold, records, lambda _record, _bug: None)
        for key, value in folded.states.items():
            if value is not None:
                table.states[key] = value
        position = records[-1].offset + 1
        batch = self.ledger.folded(pipeline, position, 0, folded.states, len(folded.effects), len(records), len(records))
        if self.ledger.may_send:
            for effect in folded.effects:
                self.outbox.setdefault((effect.topic, effect.partition), deque()).append((effect, batch))

    def _deliver(self, to: tuple[str, int]) -> None:
        effect, batch = self.outbox[to].popleft()
        try:
            self._may_fail()
        except Refused:
            self.outbox[to].clear()  # an idempotent producer leaves no gap
            raise
        self.kafka.deliver(effect)
        batch.waiting -= 1

    def _begin(self, place: Place) -> None:
        pipeline = self.ledger.pipelines[place]
        transaction = self.ledger.due(pipeline)
        if transaction is not None:
            old = self.tables[place].marker
            marker = Marker(transaction.position, 0, old.topic_id, old.partitions, old.epoch)
            self.writes[place] = (pipeline, self.parts.transactions(transaction, marker))

    def _write(self, place: Place) -> None:
        """One transaction; its answer may be lost after Kafka did it."""
        pipeline, left = self.writes[place]
        self._may_fail()
        try:
            self.kafka.commit(place.partition, self.tables[place].epoch, left.pop(0))
        except FencedOff:
            del self.writes[place]
            if not self.ledger.fenced(pipeline):
                raise
            self._forget(place)
            return
        self._may_fail()
        if not left:
            del self.writes[place]
            self.ledger.committed(pipeline)
            self.unreported[place] = pipeline.durable

    def _report(self) -> None:
        place, position = self.unreported.popitem()
        self.kafka.report(place.partition, position)

    # -- ends

    def _may_fail(self) -> None:
        if self.random.random() < self.error_rate:
            raise Refused("an error, or no answer")

    def fail(self, bug: BaseException) -> None:
        """As the engine: nothing more is sent, but what had left may still arrive."""
        self.ledger.fail(bug)
        if self.ledger.broken:
            self.die()

    def die(self) -> None:
        """Of what was on its way to each partition, some first part arrives, now or much later."""
        for waiting in self.outbox.values():
            self.kafka.late.append(deque(effect for effect, _ in list(waiting)[: self.random.randint(0, len(waiting))]))
        self.outbox.clear()
        self.queue.clear()


__all__ = ["Parts", "Worker"]
