"""How simulated workers carry out what the engine decides: each ``yield`` is a place where the process may end.

The stateless stage runs the engine's own ``StatelessBackend``, step by step; a
keyed stage runs the engine's plan of a take-over.
"""

from collections.abc import Callable, Coroutine, Generator, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from agents.engine.backend import Done, Lost, Overtaken, Start
from agents.engine.cluster import Cluster, Ends
from agents.engine.cluster import Topic as About
from agents.engine.folding import fold_stateless
from agents.engine.group import Position
from agents.engine.observer import Quiet
from agents.engine.pipeline import Pipeline, Place, Transaction
from agents.engine.stage import StatelessStage
from agents.engine.takeover import Answer, Commit, Fence, Inspect, Log, Marker, Request, Restore, Taken
from schemas.fold import Home, PartitionFold, Record
from tests.simulation import folds
from tests.simulation.kafka import FencedOff, Refused
from tests.simulation.messages import BUDGETS, EVENTS, MEMBERS, Input

if TYPE_CHECKING:
    from tests.simulation.worker import Worker

T = TypeVar("T")
Steps = Generator[None, None, T]
Due = Sequence[tuple[Pipeline, Transaction]]


class Step:
    """A place where the process may end, within a coroutine."""

    def __await__(self) -> Generator[None, None, None]:
        yield


def drive(coroutine: Coroutine[Any, Any, T]) -> Steps[T]:
    """Run *coroutine* from step to step."""
    try:
        while True:
            coroutine.send(None)
            yield
    except StopIteration as end:
        result: T = end.value
        return result


class FakeCluster(Cluster):
    """Look-ups in the fake Kafka, each of which may fail."""

    def __init__(self, worker: "Worker") -> None:
        self._worker = worker

    async def topics(self, names: Iterable[str]) -> dict[str, About]:
        await self._worker.call()
        return {name: About(found.id, len(found.logs)) for name in sorted(names) for found in (self._worker.kafka.topics[name],)}

    async def ends(self, places: Iterable[Place], *, committed: bool = False) -> dict[Place, Ends]:  # noqa: ARG002 - its signature
        await self._worker.call()
        return {place: Ends(0, self._worker.kafka.end(place)) for place in places}


class FakeMember:
    """The group as *worker* sees it."""

    def __init__(self, worker: "Worker") -> None:
        self._worker = worker

    async def positions(self, places: list[Place]) -> dict[Place, Position]:
        await self._worker.call()
        believed = self._worker.parts.believed
        return {place: believed(at) for place in places if (at := self._worker.group.commits.get(place)) is not None}

    async def report(self, positions: Mapping[Place, Position]) -> bool:
        await self._worker.call()
        done = self._worker.group.report(self._worker, positions)
        self._worker.may_fail()
        return done


class Brands:
    """The topics that intake reads: all."""

    async def current(self) -> frozenset[str]:
        return frozenset(EVENTS.values())


class Stateless:
    """Intake's side."""

    def __init__(self, worker: "Worker") -> None:
        self._fold = folds.Intake(len(worker.kafka.topics[MEMBERS].logs), worker.routing)
        opened = self._fold.topic_ids.__setitem__
        stage = StatelessStage("intake", "anchor", Brands(), self._fold, str(worker.routing), opened)
        self._engines = worker.parts.stateless(stage, FakeCluster(worker), lambda: FakeMember(worker), Quiet())

    def take_over(self, places: Sequence[Place], goes_on: Callable[[], bool]) -> Steps[dict[Place, Start]]:
        return drive(self._engines.take_over(places, goes_on))

    def kept(self, durable: dict[Place, int]) -> Steps[None]:
        return drive(self._engines.kept(durable))

    def settled(self, durable: dict[Place, int]) -> Steps[None]:
        return drive(self._engines.settled(durable))

    def commits(self, due: Due) -> list[list[tuple[Pipeline, Transaction]]]:
        return self._engines.commits(due)

    def commit(self, due: Due) -> Steps[None]:
        return drive(self._engines.commit(due))

    def fold(self, _: Place, records: Sequence[Record]) -> Done:
        return Done(fold_stateless(self._fold, records, lambda _record, _bug: None), {}, 0)

    def lose(self, place: Place) -> None:
        self._engines.lose(place)

    def is_stale(self, place: Place, topic_id: bytes) -> bool:
        return place in self._engines.stale({place.topic: About(topic_id, 0)})


class Table:
    """What is held of one partition."""

    def __init__(self, taken: Taken, fold: PartitionFold, epoch: int | None) -> None:
        self.states, self.marker, self.fold, self.epoch = taken.states, taken.marker, fold, epoch


class Keyed:
    """A keyed stage's side."""

    def __init__(self, worker: "Worker") -> None:
        self._worker = worker
        self.tables: dict[Place, Table] = {}

    # -- take-over

    def take_over(self, places: Sequence[Place], goes_on: Callable[[], bool]) -> Steps[dict[Place, Start]]:
        """All side by side; then the first error counts."""
        running = {place: self._take_over(place, goes_on) for place in places}
        starts: dict[Place, Start] = {}
        errors: list[Exception] = []
        while running:
            place = self._worker.draws.choice(list(running))
            try:
                next(running[place])
                yield
            except StopIteration as end:
                starts[place] = end.value
                del running[place]
            except (Refused, Overtaken) as error:
                errors.append(error)
                del running[place]
        if errors:
            raise errors[0]
        return starts

    def _take_over(self, place: Place, goes_on: Callable[[], bool]) -> Steps[Start]:
        plan = self._worker.parts.take_over(place.topic)
        epochs: list[int] = []
        answer: Answer = None
        try:
            while True:
                request = plan.send(answer)
                yield
                answer = self._carry_out(place, request, epochs, goes_on)
        except StopIteration as end:
            taken: Taken = end.value
        except FencedOff as fenced:
            raise Overtaken from fenced
        marker = self._worker.parts.begin_at(taken.marker, self._worker.group.commits.get(place))
        table = self.tables[place] = Table(Taken(taken.states, marker), self._new_fold(place), epochs[0] if epochs else None)
        home = Home(place.topic, marker.topic_id, place.partition, marker.partitions, marker.epoch)
        table.fold.restore(home, table.states, self._worker.parts.restored_clock(marker))
        return Start(marker.position, marker.clock_ms)

    def _carry_out(self, place: Place, request: Request, epochs: list[int], goes_on: Callable[[], bool]) -> Answer:
        worker, kafka = self._worker, self._worker.kafka
        worker.may_fail()
        match request:
            case Fence():
                if not goes_on():
                    raise Overtaken("a rebalance began")
                epochs.append(kafka.fence(place))
                worker.may_fail()
                return None
            case Restore():
                return kafka.restore(place, committed_only=worker.parts.committed_only)
            case Inspect():
                commit = worker.group.commits.get(place)
                topic = kafka.topics[place.topic]
                return Log(topic.id, len(topic.logs), 0, kafka.end(place), commit.offset if commit else None)
            case Commit(records):
                kafka.commit(place, kafka.write(place, epochs[0] if epochs else None, records))
                worker.may_fail()
                return None

    def _new_fold(self, place: Place) -> PartitionFold:
        parts = self._worker.parts
        if place.topic == MEMBERS:
            return parts.members(len(self._worker.kafka.topics[BUDGETS].logs), parts.marks)
        return parts.budgets(parts.marks)

    # -- the rest

    def kept(self, durable: dict[Place, int]) -> Steps[None]:  # noqa: ARG002 - the producer still holds the fence
        yield from ()

    def settled(self, durable: dict[Place, int]) -> Steps[None]:  # noqa: ARG002 - the last transaction says it all
        yield from ()

    def commits(self, due: Due) -> list[list[tuple[Pipeline, Transaction]]]:
        return [[one] for one in due]

    def commit(self, due: Due) -> Steps[None]:
        """One transaction, written and then committed; its answer may be lost after Kafka did it."""
        worker, kafka = self._worker, self._worker.kafka
        ((pipeline, transaction),) = due
        table = self.tables.get(pipeline.place)
        if table is None or pipeline.closed:
            raise Lost
        old = table.marker
        marker = Marker(transaction.position, transaction.clock_ms, old.topic_id, old.partitions, old.epoch)
        try:
            for records in worker.parts.transactions(transaction, marker):
                worker.may_fail()
                begun = kafka.write(pipeline.place, table.epoch if worker.parts.transactional else None, records)
                yield
                worker.may_fail()
                kafka.commit(pipeline.place, begun)
                yield
                worker.may_fail()
        except FencedOff as fenced:
            raise Overtaken from fenced

    def fold(self, place: Place, records: Sequence[Record]) -> Done:
        table = self.tables[place]
        folded = self._worker.parts.fold_batch(table.fold, records, lambda _record, _bug: None)
        for key, value in folded.states.items():
            if value is not None:
                table.states[key] = value
        return Done(folded.effects, folded.states, folded.clock_ms)

    def lose(self, place: Place) -> None:
        self.tables.pop(place, None)

    def is_stale(self, place: Place, topic_id: bytes) -> bool:  # noqa: ARG002 - the internal topics stay
        return False


__all__ = ["Due", "Input", "Keyed", "Stateless", "Steps"]
