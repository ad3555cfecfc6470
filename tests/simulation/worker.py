"""A simulated worker: the engine's own deciding code, and every I/O of it a step that may fail or be the last."""

from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from agents.engine.backend import Lost, Overtaken
from agents.engine.fence import HeartbeatFence
from agents.engine.folding import OnCrash, fold_batch
from agents.engine.group import Position
from agents.engine.keyed import contents
from agents.engine.ledger import Ledger
from agents.engine.pipeline import Batch, Pipeline, Place, Transaction
from agents.engine.stateless import MadeAgain, StatelessBackend
from agents.engine.takeover import Answer, CannotStart, Marker, Request, Taken, take_over
from schemas.effects import Effect
from schemas.fold import Folded, PartitionFold, Record
from tests.simulation import folds
from tests.simulation.backends import Due, Keyed, Stateless, Step, Steps
from tests.simulation.draws import Draws
from tests.simulation.group import Group
from tests.simulation.kafka import Kafka, Refused, Violation
from tests.simulation.messages import Input

Plan = Generator[Request, Answer, Taken]
SESSION_S = 50.0


def _as_it_is(transaction: Transaction, marker: Marker) -> list[dict[bytes, bytes | None]]:
    return [contents(transaction, marker)]


@dataclass(frozen=True)
class Parts:
    """What a worker is made of; a mutant replaces one of these."""

    take_over: Callable[[str], Plan] = take_over
    ledger: type[Ledger] = Ledger
    transactions: Callable[[Transaction, Marker], list[dict[bytes, bytes | None]]] = _as_it_is
    transactional: bool = True
    committed_only: bool = True
    begin_at: Callable[[Marker, Position | None], Marker] = lambda marker, _: marker
    restored_clock: Callable[[Marker], int] = lambda marker: marker.clock_ms
    fold_batch: Callable[[PartitionFold, Sequence[Record], OnCrash], Folded] = fold_batch
    members: type[folds.Members] = folds.Members
    budgets: type[folds.Budgets] = folds.Budgets
    marks: folds.Marks = field(default_factory=folds.Marks)
    stateless: type[StatelessBackend] = StatelessBackend
    believed: Callable[[Position], Position] = lambda position: position
    worker: "type[Worker] | None" = None
    effects_fence: bool = True
    gapless: bool = True


class Work(NamedTuple):
    pipeline: Pipeline
    generation: int
    begins: int
    records: list[Input]


class Worker:
    """One process.  ``steps`` names what it could do next; doing one may raise ``Refused``, which ends it."""

    def __init__(self, name: str, kafka: Kafka, group: Group, draws: Draws, parts: Parts, routing: int) -> None:
        self.name, self.kafka, self.group, self.draws, self.parts, self.routing = name, kafka, group, draws, parts, routing
        self.ledger = parts.ledger()
        self.fence = HeartbeatFence(SESSION_S)
        self.heard_s = 0.0
        self.now_s = 0.0
        self.backend: Keyed | Stateless = Keyed(self) if group.keyed else Stateless(self)
        self.positions: dict[Place, int] = {}
        self.queue: deque[Work] = deque()
        self.outbox: dict[tuple[str, int], deque[tuple[Effect, Batch]]] = {}
        self.unreported: dict[Place, int] = {}
        self.error_mille = 0
        self.rebalances = 0
        self.changing: Steps[None] | None = None
        self.settling: Steps[None] | None = None
        self.committing: list[Steps[None]] = []
        self.wanted: deque[tuple[list[Place], int]] = deque()
        self.must_settle = self.stopping = False

    def note(self, what: str, *about: object) -> None:
        self.kafka.note(self.name, what, *about)

    # -- membership

    def beat(self, now_s: float) -> None:
        """A heartbeat was answered."""
        self.heard_s = now_s
        self.fence.beat(now_s)

    def revoked(self) -> None:
        self.rebalances += 1
        self.ledger.revoked()
        self.positions.clear()
        self.must_settle = True

    def stop(self) -> None:
        """SIGTERM: no more is read, what is folded becomes durable, and the group is told so."""
        self.rebalances += 1
        self.ledger.pause()
        self.positions.clear()
        self.must_settle = self.stopping = True

    def assigned(self, places: list[Place]) -> None:
        """What earlier assignments came to goes on to its end first."""
        self.must_settle = False
        self.wanted.append((places, self.rebalances))

    @property
    def stopped(self) -> bool:
        """Whether a stop came to its end."""
        return self.stopping and not self.must_settle and self.settling is None and not self.committing and self.changing is None

    # -- what takes several steps

    def _go_on_with(self, places: list[Place], rebalance: int) -> Steps[None]:
        """As the engine: drop what is gone, go on with what was kept, take over what is new."""
        if rebalance != self.rebalances:
            self._overtaken(places)
            return
        plan = self.ledger.assigned(places)
        self._lose(plan.lost)
        stale = [place for place in plan.kept if self.backend.is_stale(place, self.kafka.topics[place.topic].id)]
        self._lose(stale)
        yield
        try:
            owned = self.ledger.pipelines
            yield from self.backend.kept({place: owned[place].durable for place in plan.kept if place in owned})
        except Lost:
            self._lose(plan.kept)
        yield from self._take_over([*plan.new, *stale], self._standing(rebalance))

    def _overtaken(self, places: list[Place]) -> None:
        """What was another's in between is not kept, even if it comes back."""
        self._lose([place for place in self.ledger.pipelines if place not in places])

    def _take_again(self, places: list[Place]) -> Steps[None]:
        self.ledger.pause()
        self.positions.clear()
        self._lose(places)
        yield from self._take_over(places, self.rebalances)

    def _standing(self, rebalance: int) -> int:
        """A rebalance, or a stop, that began meanwhile counts."""
        return rebalance

    def _take_over(self, places: list[Place], rebalance: int) -> Steps[None]:
        try:
            starts = (yield from self.backend.take_over(places, lambda: rebalance == self.rebalances)) if places else {}
        except (Lost, Overtaken) as moved:
            if rebalance == self.rebalances:
                raise Refused("overtaken") from moved
            return
        except MadeAgain as again:
            raise Refused("made again") from again
        for place, start in starts.items():
            self.note("has taken over", place, "at", start.position)
            self.ledger.opened(place, start.position, start.clock_ms)
            self.unreported[place] = start.position
        if rebalance == self.rebalances and not self.ledger.broken:
            self.positions = self.ledger.start()

    def _settle(self) -> Steps[None]:
        try:
            yield from self.backend.settled({place: pipeline.durable for place, pipeline in self.ledger.pipelines.items()})
        except Lost:
            self._lose(list(self.ledger.pipelines))

    def _commit(self, due: Due) -> Steps[None]:
        try:
            yield from self.backend.commit(due)
        except (Lost, Overtaken) as moved:
            for pipeline, _ in due:
                owned = self.ledger.pipelines.get(pipeline.place) is pipeline
                if not self.ledger.fenced(pipeline):
                    raise Refused("overtaken") from moved
                if owned:
                    self.note("drops", pipeline.place)
                    self.backend.lose(pipeline.place)
        else:
            self._is_durable(due)

    def _is_durable(self, due: Due) -> None:
        for pipeline, _ in due:
            self.ledger.committed(pipeline)
            self.unreported[pipeline.place] = pipeline.durable
            self.note("has committed", pipeline.place, "at", pipeline.durable)

    def _lose(self, places: list[Place]) -> None:
        for place in places:
            self.note("drops", place)
            self.ledger.lose(place)
            self.backend.lose(place)
            self.unreported.pop(place, None)

    def _knows_its_own(self) -> bool:
        """Whether each assignment so far was seen to: else what it holds may have been another's since."""
        return self.changing is None and not self.wanted

    # -- steps

    def steps(self) -> list[Callable[[], None]]:
        """Name what could happen next in this process."""
        if self.ledger.broken:
            return []
        can: list[Callable[[], None]] = []
        if self.changing is not None:
            can.append(self._change)
        elif self.wanted:
            can.append(self._begin_to_change)
        if self.settling is not None:
            can.append(self._go_on_settling)
        elif self.must_settle and self._knows_its_own() and self.ledger.idle and not self.committing:
            can.append(self._begin_to_settle)
        kafka = self.kafka
        for place, at in self.positions.items():
            if at < kafka.end(place) or (kafka.made_again and self.backend.is_stale(place, kafka.topics[place.topic].id)):
                can.append(lambda place=place: self._read(place))  # type: ignore[misc]
        if self.queue:
            can.append(self._fold)
        can += [lambda to=to: self._deliver(to) for to in self.outbox]  # type: ignore[misc]
        for line in self.ledger.pipelines.values():
            if line.batches and not line.open:
                can.append(self._begin_to_commit)
                break
        can += [lambda task=task: self._go_on_committing(task) for task in self.committing]  # type: ignore[misc]
        if self.unreported and self.group.keyed and self.positions:
            can.append(self._report)
        return can

    def _begin_to_change(self) -> None:
        self.changing = self._go_on_with(*self.wanted.popleft())
        self._change()

    def _change(self) -> None:
        assert self.changing is not None
        if next(self.changing, self) is self:
            self.changing = None

    def _begin_to_settle(self) -> None:
        self.must_settle = False
        self.settling = self._settle()
        self._go_on_settling()

    def _go_on_settling(self) -> None:
        assert self.settling is not None
        if next(self.settling, self) is self:
            self.settling = None

    def finish_settling(self) -> None:
        """Let the rebalance wait, as it does, for what is being said to the group."""
        while self.settling is not None and not self.ledger.broken:
            self._go_on_settling()

    def _read(self, place: Place) -> None:
        self.may_fail()
        topic = self.kafka.topics[place.topic]
        if self.backend.is_stale(place, topic.id):
            if self.changing is None:
                self.changing = self._take_again([place for place in self.positions if self.backend.is_stale(place, topic.id)])
                self._change()
            return
        pipeline, at = self.ledger.pipelines.get(place), self.positions[place]
        records = topic.logs[place.partition][at : at + self.draws.between(1, 5)]
        self.positions[place] = at + len(records)
        if pipeline is not None:
            self.ledger.read(len(records), len(records))
            self.queue.append(Work(pipeline, self.ledger.generation, at, records))

    def _fold(self) -> None:
        pipeline, generation, begins, records = self.queue.popleft()
        if not self.ledger.accepts(pipeline, generation, begins):
            self.ledger.release(len(records), len(records))
            return
        done = self.backend.fold(pipeline.place, records)
        ends = records[-1].offset + 1
        self.note("folds", pipeline.place, begins, "to", ends)
        batch = self.ledger.folded(pipeline, ends, done.clock_ms, done.states, len(done.effects), len(records), len(records))
        if self.ledger.may_send and done.effects:
            self._send(done.effects, batch)

    def _send(self, effects: list[Effect], batch: Batch) -> None:
        """Hand effects to the producer, while Kafka can't have given the partitions to another."""
        if self.parts.effects_fence and not self.fence.is_open(self.now_s):
            raise Refused("no heartbeat was answered for a session timeout")
        if self.now_s - self.heard_s >= SESSION_S:
            raise Violation(f"{self.name} sends effects {self.now_s - self.heard_s:.0f} s after its last heartbeat")
        for effect in effects:
            self.outbox.setdefault((effect.topic, effect.partition), deque()).append((effect, batch))

    def _deliver(self, to: tuple[str, int]) -> None:
        waiting = self.outbox[to]
        effect, batch = waiting.popleft()
        if not waiting:
            del self.outbox[to]
        try:
            self.may_fail()
        except Refused:
            if self.parts.gapless:
                self.outbox.pop(to, None)
            raise
        self.note("delivers", effect)
        self.kafka.deliver(effect)
        batch.waiting -= 1

    def _begin_to_commit(self) -> None:
        due = [(line, begun) for line in self.ledger.pipelines.values() if (begun := self.ledger.due(line)) is not None]
        self.committing += [self._commit(part) for part in self.backend.commits(due)]

    def _go_on_committing(self, task: Steps[None]) -> None:
        if next(task, self) is self:
            self.committing.remove(task)

    def _report(self) -> None:
        owned = {place: Position(at) for place, at in self.unreported.items() if place in self.ledger.pipelines}
        self.unreported.clear()
        self.note("reports", owned)
        self.may_fail()
        self.group.report(self, owned)

    # -- ends

    async def call(self) -> None:
        """Call Kafka from a coroutine."""
        await Step()
        self.may_fail()

    def may_fail(self) -> None:
        if self.draws.happens(self.error_mille):
            raise Refused("an error, or no answer")

    def fail(self, bug: BaseException) -> None:
        """As the engine: nothing more is sent, but what had left may still arrive."""
        self.note("fails:", bug)
        self.ledger.fail(bug)
        if self.ledger.broken:
            self.die()

    def die(self) -> None:
        """Of what was on its way to each partition, some first part arrives, now or much later."""
        for waiting in self.outbox.values():
            if waiting:
                self.kafka.late.append(deque(effect for effect, _ in list(waiting)[: self.draws.between(0, len(waiting))]))
        self.outbox.clear()
        self.queue.clear()
        self.committing.clear()
        self.changing = self.settling = None


__all__ = ["SESSION_S", "CannotStart", "Parts", "Worker"]
