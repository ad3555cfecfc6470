"""A fake consumer group: who is in it, what is whose, and what was committed; with the law of what may be reported."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from agents.engine.group import Position
from agents.engine.pipeline import Place
from tests.simulation.kafka import Kafka, Violation

if TYPE_CHECKING:
    from tests.simulation.worker import Worker


class Group:
    """Commits are taken from members only, and only for what is theirs."""

    def __init__(self, kafka: Kafka, topics: tuple[str, ...], *, keyed: bool) -> None:
        self.kafka, self.topics, self.keyed = kafka, topics, keyed
        self.members: list[Worker] = []
        self.zombies: list[Worker] = []
        self.assignment: dict[Place, Worker] = {}
        self.commits: dict[Place, Position] = {}

    def places(self) -> list[Place]:
        return [Place(topic, number) for topic in self.topics for number in range(len(self.kafka.topics[topic].logs))]

    def report(self, worker: "Worker", positions: Mapping[Place, Position]) -> bool:
        """Commit what is *worker*'s; False when the group has moved on, or when not all was."""
        mine = {place: at for place, at in positions.items() if self.assignment.get(place) is worker}
        if worker not in self.members:
            return False
        for place, position in mine.items():
            if self.keyed:
                self._judge(place, position.offset)
            self.commits[place] = position
        return len(mine) == len(positions)

    def _judge(self, place: Place, offset: int) -> None:
        """Lag monitors are told what is durable, never more."""
        if offset > self.kafka.durable(place):
            raise Violation(f"{place.topic} [{place.partition}]: {offset} was reported before it was durable")
