"""The engine with one law taken out each.  Only the harness has them: the engine has no such switches."""

from collections.abc import Generator
from typing import NamedTuple

from agents.engine import takeover
from agents.engine.ledger import Ledger
from agents.engine.pipeline import Pipeline, Place, Transaction
from agents.engine.takeover import MARKER, Answer, Commit, Fence, Inspect, Log, Marker, Request, Restore, Restored, Taken, pack
from tests.simulation.worker import Parts


class Mutant(NamedTuple):
    name: str
    parts: Parts


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


def marker_first(transaction: Transaction, marker: Marker) -> list[dict[bytes, bytes | None]]:
    return [{MARKER: pack(marker)}, dict(transaction.states)]


def marker_last(transaction: Transaction, marker: Marker) -> list[dict[bytes, bytes | None]]:
    return [dict(transaction.states), {MARKER: pack(marker)}]


ALL = [
    Mutant("fencing: none", Parts(take_over=no_fence)),
    Mutant("fencing: restore before the fence", Parts(take_over=fence_after_restore)),
    Mutant("epochs: what was read before a rebalance is folded", Parts(ledger=Ageless)),
    Mutant("position: committed before the states", Parts(transactions=marker_first)),
    Mutant("position: committed after the states", Parts(transactions=marker_last)),
    Mutant("order: committed before effects are delivered", Parts(ledger=HastyLedger)),
    Mutant("order: a later batch committed before an earlier one", Parts(ledger=Forgetful)),
    Mutant("order: reported before it is durable", Parts(ledger=Boastful)),
    Mutant("failure: writing goes on after a failed write", Parts(ledger=Stubborn)),
]

__all__ = ["ALL", "Mutant"]
