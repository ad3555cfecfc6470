"""The product with one law taken out each.  Only the harness has them: the product has no such switches."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from agents.engine import takeover
from agents.engine.backend import Lost, Overtaken
from agents.engine.cluster import Ends, Topic
from agents.engine.folding import OnCrash
from agents.engine.group import Position
from agents.engine.ledger import Ledger
from agents.engine.pipeline import Pipeline, Place, Transaction
from agents.engine.standing import parse, write
from agents.engine.stateless import StatelessBackend
from agents.engine.takeover import MARKER, Answer, Commit, Fence, Inspect, Log, Marker, Request, Restore, Restored, Taken, pack
from schemas.envelope import Origin
from schemas.fold import Folded, Home, PartitionFold, Record
from streams.dedupe import passed
from streams.partition import Deadlines, Partition
from tests.simulation import folds
from tests.simulation.backends import Due, Steps
from tests.simulation.kafka import Refused
from tests.simulation.messages import From
from tests.simulation.worker import Parts, Worker

States = dict[bytes, bytes | None]


class Mutant(NamedTuple):
    """*rare*: it takes hundreds of schedules, so the short form leaves it out."""

    name: str
    parts: Parts
    rare: bool = False


# -- take-over


def fence_after_restore(_: str) -> Generator[Request, Answer, Taken]:
    """Restore first: a former owner may commit between."""
    restored = yield Restore()
    log = yield Inspect()
    yield Fence()
    assert isinstance(restored, Restored)
    assert isinstance(log, Log)
    if restored.marker is None:
        marker = Marker(0, 0, log.topic_id, log.partitions, 1)
        yield Commit({MARKER: pack(marker)})
        return Taken(restored.states, marker)
    return Taken(restored.states, restored.marker)


def no_fence(name: str) -> Generator[Request, Answer, Taken]:
    """Go on without a fence, by plain writes."""
    plan = takeover.take_over(name)
    next(plan)
    request = plan.send(None)
    while True:
        answer = yield request
        try:
            request = plan.send(answer)
        except StopIteration as end:
            taken: Taken = end.value
            return taken


def at_the_groups(marker: Marker, committed: Position | None) -> Marker:
    return Marker(committed.offset, marker.clock_ms, marker.topic_id, marker.partitions, marker.epoch) if committed else marker


# -- the ledger and the pipeline


class Ageless(Ledger):
    """Folds what was read under another generation."""

    def accepts(self, pipeline: Pipeline, generation: int, begins: int) -> bool:  # noqa: ARG002
        return not self.broken and not pipeline.closed and begins >= pipeline.position


class Hasty(Pipeline):
    """Commits before the effects are delivered."""

    @property
    def ready(self) -> bool:
        return not self.closed and self.open is None and bool(self.batches)

    def due(self) -> Transaction | None:
        if not self.ready:
            return None
        batch = self.batches.popleft()
        self.open = Transaction(batch.position, batch.clock_ms, batch.states, batch.records, batch.size)
        return self.open


class HastyLedger(Ledger):
    def opened(self, place: Place, position: int, clock_ms: int = 0) -> Pipeline:
        pipeline = self.pipelines[place] = Hasty(place, position, clock_ms)
        return pipeline


class Forgetful(Ledger):
    """Commits the position of a batch whose effects came before those of an earlier one."""

    def due(self, pipeline: Pipeline) -> Transaction | None:
        for batch in pipeline.batches:
            if not batch.waiting and not pipeline.open and not self.broken:
                pipeline.batches.remove(batch)
                pipeline.open = Transaction(batch.position, 0, batch.states, batch.records, batch.size)
                return pipeline.open
        return None


class Stubborn(Ledger):
    """Goes on after a failed write."""

    def fail(self, bug: BaseException) -> bool:  # noqa: ARG002
        return True


class Boastful(Ledger):
    """Tells the group what is folded, not what is durable."""

    def committed(self, pipeline: Pipeline) -> Transaction:
        done = super().committed(pipeline)
        pipeline.durable = pipeline.position
        return done


class SeeksBack(Ledger):
    """Reads a partition that it kept from what is durable again."""

    def start(self) -> dict[Place, int]:
        self.generation += 1
        for pipeline in self.pipelines.values():
            pipeline.position = pipeline.durable
        return {place: pipeline.position for place, pipeline in self.pipelines.items()}


class Unmoved(Ledger):
    """Drops whatever another has, and does not ask whether it should have known."""

    def fenced(self, pipeline: Pipeline) -> bool:
        self.lose(pipeline.place)
        return True


# -- the transaction


def marker_first(transaction: Transaction, marker: Marker) -> list[States]:
    return [{MARKER: pack(marker)}, dict(transaction.states)]


def marker_last(transaction: Transaction, marker: Marker) -> list[States]:
    return [dict(transaction.states), {MARKER: pack(marker)}]


def one_by_one(transaction: Transaction, marker: Marker) -> list[States]:
    return [{key: value} for key, value in transaction.states.items()] + [{MARKER: pack(marker)}]


# -- the fold of a batch


def acknowledges(fold: PartitionFold, records: Sequence[Record], on_crash: OnCrash) -> Folded:
    """A record that raised is passed over."""
    left = list(records)
    while True:
        raised: list[Record] = []
        fold.begin()
        for record in left:
            try:
                fold.fold(record)
            except RuntimeError as bug:
                on_crash(record, bug)
                raised.append(record)
                break
        if not raised:
            return fold.commit()
        fold.abort()
        left.remove(raised[0])


def keeps_halves(fold: PartitionFold, records: Sequence[Record], on_crash: OnCrash) -> Folded:
    """What a record did before it raised stays; then it is refused."""
    fold.begin()
    for record in records:
        try:
            fold.fold(record)
        except RuntimeError as bug:
            on_crash(record, bug)
            if fold.culprit is None:
                fold.refuse(record, bug)
    return fold.commit()


class NumbersStay(Partition):
    """Sequences that a batch took stay taken when it is given up."""

    def abort(self) -> None:
        self._books |= self._new_books
        super().abort()


class DeadlinesGo(Partition):
    """Who was said to be due in a batch that was given up is forgotten."""

    def abort(self) -> None:
        self._popped = []
        super().abort()


class ClockStays(Partition):
    """The clock of a batch that was given up goes on from where that batch had it."""

    def abort(self) -> None:
        self._clock_before = self.clock_ms
        super().abort()


class NoHeap(Partition):
    """Deadlines are not rebuilt at a restore."""

    def restore(self, states: Mapping[bytes, bytes], clock_ms: int) -> None:
        super().restore(states, clock_ms)
        self.deadlines = Deadlines()


def with_partition(kind: type[Partition]) -> type[folds.Members]:
    class Mutated(folds.Members):
        partition_of = kind

    return Mutated


class OutOfOrder(folds.Members):
    """Who is due is judged in another order after a restore than before."""

    def restore(self, home: Home, states: Mapping[bytes, bytes], clock_ms: int) -> None:
        super().restore(home, states, clock_ms)
        self.in_order = not states


# -- marks


def never_passed(marks: dict[int, int], origin: int, number: int) -> bool:
    return False


def passed_once_more(marks: dict[int, int], origin: int, number: int) -> bool:
    """Drops what is below the mark, and lets the mark itself through."""
    last = marks.get(origin, -1)
    passed(marks, origin, number)
    return number < last


def of_one_origin(marks: dict[int, int], origin: int, number: int) -> bool:
    """Remembers the last origin alone."""
    for other in [known for known in marks if known != origin]:
        del marks[other]
    return passed(marks, origin, number)


def nameless(origin: From) -> Origin:
    """Tell brands apart, but not a topic from the one that was deleted."""
    return Origin(origin.topic_id[:1], origin.partition, origin.offset)


def of_the_topic(origin: From) -> Origin:
    return Origin(origin.topic_id, 0, origin.offset)


# -- the stage without a table


class AlwaysClean(StatelessBackend):
    """Every commit says that nothing above it was sent."""

    async def _say(self, positions: dict[Place, int], *, clean: bool) -> None:  # noqa: ARG002
        await super()._say(positions, clean=True)


class Trusting(StatelessBackend):
    """A clean stop vouches for former owners, too."""

    async def settled(self, durable: dict[Place, int]) -> None:
        self._doubtful = dict.fromkeys(self._doubtful, 0)
        await super().settled(durable)


class StillClean(StatelessBackend):
    """Goes on after a rebalance, and the word of its clean stop stands."""

    async def kept(self, durable: dict[Place, int]) -> None:
        """Say nothing."""


def any_routing(position: Position) -> Position:
    standing = parse(position.metadata)
    assert standing is not None
    return position._replace(metadata=write(bytes.fromhex(standing.topic_id), standing.routing, clean=True))


# -- the worker


class Quits(Worker):
    """Drops what a late answer says was moved, although it may have it again by now."""

    def _commit(self, due: Due) -> Steps[None]:
        try:
            yield from self.backend.commit(due)
        except (Lost, Overtaken):
            self._lose([pipeline.place for pipeline, _ in due if self.ledger.pipelines.get(pipeline.place) is pipeline])
        else:
            self._is_durable(due)


class Rash(Worker):
    """Says to the group where it stopped before it has looked at what it was given last."""

    def _knows_its_own(self) -> bool:
        return self.changing is None


class Restless(Worker):
    """Begins to read although a rebalance, or a stop, began while it said that it goes on."""

    def _standing(self, rebalance: int) -> int:  # noqa: ARG002
        return self.rebalances


class Optimist(Worker):
    """Takes a commit whose answer was an error for done."""

    def _commit(self, due: Due) -> Steps[None]:
        with suppress(Refused, Lost, Overtaken):
            yield from self.backend.commit(due)
        self._is_durable(due)


class ByName(StatelessBackend):
    """A commit of a topic that was deleted counts for the one that was made again."""

    async def _look(self, places: Sequence[Place]) -> tuple[dict[str, Topic], dict[Place, Ends], dict[Place, Position]]:
        topics, ends, commits = await super()._look(places)
        return topics, ends, {place: _claimed(at, topics[place.topic].id) for place, at in commits.items()}


def _claimed(at: Position, topic_id: bytes) -> Position:
    standing = parse(at.metadata)
    assert standing is not None
    return Position(at.offset, write(topic_id, standing.routing, clean=standing.clean))


ISSUE = [
    Mutant("order: committed before effects are delivered", Parts(ledger=HastyLedger)),
    Mutant("position: from the group's offset", Parts(begin_at=at_the_groups)),
    Mutant("position: committed before the states", Parts(transactions=marker_first)),
    Mutant("position: committed after the states", Parts(transactions=marker_last)),
    Mutant("transaction: none", Parts(transactions=one_by_one, transactional=False)),
    Mutant("fencing: none", Parts(take_over=no_fence)),
    Mutant("restore: of uncommitted records", Parts(committed_only=False)),
    Mutant("effects: sent past the session", Parts(effects_fence=False)),
    Mutant("effects: sent after a failed one", Parts(gapless=False)),
    Mutant("marks: none", Parts(marks=folds.Marks(kept=False))),
    Mutant("marks: not moved by duplicates", Parts(marks=folds.Marks(for_repeats=False))),
    Mutant("position: a retained partition is sought back", Parts(ledger=SeeksBack)),
    Mutant("exception: the record is acknowledged", Parts(fold_batch=acknowledges)),
    Mutant("exception: the half-folded state stays", Parts(fold_batch=keeps_halves)),
    Mutant("marks: a topic made again is taken for a replay", Parts(marks=folds.Marks(origin=nameless))),
    Mutant("restore: the clock's last tick is lost", Parts(restored_clock=lambda _: 0)),
    Mutant("restore: deadlines are not rebuilt", Parts(members=with_partition(NoHeap))),
]
OWN = [
    Mutant("fencing: restore before the fence", Parts(take_over=fence_after_restore), rare=True),
    Mutant("epochs: what was read before a rebalance is folded", Parts(ledger=Ageless)),
    Mutant("order: a later batch committed before an earlier one", Parts(ledger=Forgetful)),
    Mutant("order: reported before it is durable", Parts(ledger=Boastful)),
    Mutant("failure: writing goes on after a failed write", Parts(ledger=Stubborn)),
    Mutant("failure: a commit whose answer is an error is taken for done", Parts(worker=Optimist)),
    Mutant("fencing: whoever is fenced drops the place and stays", Parts(ledger=Unmoved)),
    Mutant("rebalance: a late answer drops what was assigned anew", Parts(worker=Quits)),
    Mutant("rebalance: reading begins again after a stop", Parts(worker=Restless), rare=True),
    Mutant("rebalance: a stop speaks for what was another's in between", Parts(worker=Rash), rare=True),
    Mutant("exception: numbers stay taken", Parts(members=with_partition(NumbersStay))),
    Mutant("exception: deadlines stay popped", Parts(members=with_partition(DeadlinesGo))),
    Mutant("exception: the clock stays moved", Parts(members=with_partition(ClockStays))),
    Mutant("restore: who is due is judged in another order", Parts(members=OutOfOrder)),
    Mutant("marks: the mark itself is let through", Parts(marks=folds.Marks(passed=passed_once_more))),
    Mutant("marks: of the last origin alone", Parts(marks=folds.Marks(passed=of_one_origin))),
    Mutant("marks: without the index", Parts(marks=folds.Marks(number=lambda origin: origin.offset))),
    Mutant("marks: of a topic, not of its partition", Parts(marks=folds.Marks(origin=of_the_topic))),
    Mutant("position: of the topic that was deleted", Parts(stateless=ByName)),
    Mutant("routing: every commit is called a clean stop", Parts(stateless=AlwaysClean)),
    Mutant("routing: a clean stop vouches for former owners", Parts(stateless=Trusting)),
    Mutant("routing: a clean stop's word stands while reading goes on", Parts(stateless=StillClean), rare=True),
    Mutant("routing: another starts from an unclean stop", Parts(believed=any_routing)),
]
ALL = [*ISSUE, *OWN]

__all__ = ["ALL", "ISSUE", "OWN", "Mutant"]
