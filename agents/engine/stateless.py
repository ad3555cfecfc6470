"""A stage without a table: its position is the group's committed offset, read and sought by us.

A commit is fenced by the group's generation, as a transaction is by the
producer's epoch: a former owner's commit is refused.
"""

from collections.abc import Callable, Mapping, Sequence

from agents.engine.backend import Done, Group, Lost, Start
from agents.engine.cluster import Cluster, Ends, Topic
from agents.engine.folding import fold_stateless
from agents.engine.group import Position
from agents.engine.observer import Observer
from agents.engine.pipeline import Pipeline, Place, Transaction
from agents.engine.stage import StatelessStage
from agents.engine.standing import Committed, SetAside, doubtful, resume, write
from schemas.fold import Record


class MadeAgain(Exception):
    """A topic was made again while some of its partitions were taken over: the others' positions are the former one's."""


class StatelessBackend:
    """Positions in the group's commits, with the topic's id, the routing and the clean stop beside them."""

    def __init__(self, stage: StatelessStage, cluster: Cluster, group: Callable[[], Group], observer: Observer) -> None:
        self._stage, self._cluster, self._group, self._observer = stage, cluster, group, observer
        self._topic_ids: dict[Place, bytes] = {}
        self._doubtful: dict[Place, int] = {}
        self.heard_at = 0.0

    async def take_over(self, places: Sequence[Place], goes_on: Callable[[], bool]) -> dict[Place, Start]:
        """Go on where the group stopped, and say so in its own words first: from then on the stop is not clean."""
        topics, ends, commits = await self._look(places)
        if left := self.stale(topics):
            raise MadeAgain(f"{left[0].topic}: made again while partition {left[0].partition} was kept")
        starts: dict[Place, Start] = {}
        for place, (begin, end) in ends.items():
            topic_id = topics[place.topic].id
            commit = commits.get(place)
            committed = Committed(*commit) if commit is not None else None
            try:
                position = resume(f"{place.topic} [{place.partition}]", committed, topic_id, begin, end, self._stage.routing)
            except SetAside as problem:
                self._observer.set_aside(place.topic, place.partition, str(problem))
                continue
            self._topic_ids[place] = topic_id
            self._doubtful[place] = doubtful(committed, topic_id, end)
            starts[place] = Start(position, 0)
        for name in {place.topic for place in starts}:
            self._stage.opened(name, topics[name].id)
        if not goes_on():
            raise Lost
        await self._say({place: start.position for place, start in starts.items()}, clean=False)
        return starts

    async def _look(self, places: Sequence[Place]) -> tuple[dict[str, Topic], dict[Place, Ends], dict[Place, Position]]:
        """Look at the topics of *places* that are there, at their ends and the group's commits, all of the same topics.

        Kafka forgets the commits of a topic that is deleted: with the id of the
        former one, the new one's records would be told for its first ones.
        """
        names = {place.topic for place in places}
        topics = await self._cluster.topics(names)
        while True:
            there = [place for place in places if place.topic in topics]
            ends = await self._cluster.ends(there)
            commits = await self._group().positions(there)
            found, topics = topics, await self._cluster.topics(names)
            if found == topics:
                return topics, ends, commits

    async def kept(self, durable: dict[Place, int]) -> None:
        """Take the word of a clean stop back: reading goes on."""
        await self._say(durable, clean=False)

    async def settled(self, durable: dict[Place, int]) -> None:
        """Say that nothing above these positions was sent, where that is known of former owners, too."""
        await self._say(durable, clean=True)

    def fold(self, place: Place, records: Sequence[Record]) -> Done:
        """Turn *records* into effects."""
        effects = fold_stateless(
            self._stage.fold, records, lambda record, bug: self._observer.crashed(place.topic, place.partition, record.offset, bug)
        )
        return Done(effects, {}, 0)

    def commits(self, due: Sequence[tuple[Pipeline, Transaction]]) -> list[list[tuple[Pipeline, Transaction]]]:
        """Commit all places in one request."""
        return [list(due)] if due else []

    async def commit(self, due: Sequence[tuple[Pipeline, Transaction]]) -> None:
        """Commit all positions in one request, but those of places that were dropped meanwhile."""
        await self._say({pipeline.place: transaction.position for pipeline, transaction in due if not pipeline.closed}, clean=False)

    async def _say(self, positions: dict[Place, int], *, clean: bool) -> None:
        routing = self._stage.routing
        said = {
            place: Position(at, write(self._topic_ids[place], routing, clean=clean and at >= self._doubtful[place]))
            for place, at in positions.items()
        }
        if said and not await self._group().report(said):
            raise Lost

    def lose(self, place: Place) -> None:
        """Forget which topic it was."""
        self._topic_ids.pop(place, None)
        self._doubtful.pop(place, None)

    def stale(self, found: Mapping[str, Topic]) -> list[Place]:
        """Find the places whose topic was made again: *found* are the topics that are there now."""
        return [place for place, topic_id in self._topic_ids.items() if place.topic in found and found[place.topic].id != topic_id]

    def positions(self, durable: dict[Place, int]) -> dict[Place, int]:  # noqa: ARG002 - lag monitors see the commits themselves
        """Tell lag monitors nothing more: the commits are there for all to see."""
        return {}
