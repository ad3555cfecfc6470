"""A stage with a table: packed states in memory, committed with the position in one transaction a partition.

A table is ``dict[bytes, bytes]``: nothing for the garbage collector to walk,
restored without decoding.
"""

import asyncio
import ctypes
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import repeat
from time import monotonic
from typing import ParamSpec, TypeVar, cast

from confluent_kafka import KafkaError, KafkaException, Producer

from agents.engine.backend import Done, Group, Lost, Overtaken, Start
from agents.engine.changelog import Changelog
from agents.engine.cluster import Cluster, Topic
from agents.engine.folding import fold_batch
from agents.engine.observer import Observer
from agents.engine.pipeline import Pipeline, Place, Transaction
from agents.engine.stage import Durable, KeyedStage
from agents.engine.takeover import (
    MARKER,
    REBUILD,
    Answer,
    CannotStart,
    Commit,
    Fence,
    Inspect,
    Log,
    Marker,
    Request,
    Restore,
    Taken,
    pack,
    take_over,
)
from schemas.fold import Home, PartitionFold, Record

THREADS = 8
FENCED = frozenset({KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH})  # noqa: SLF001 - librdkafka's own

P = ParamSpec("P")
T = TypeVar("T")


class Table:
    """What is held of one partition: its states, its fold, and the producer that alone may commit it."""

    def __init__(self, taken: Taken, fold: PartitionFold, producer: Producer) -> None:
        self.states, self.marker, self.fold, self.producer = taken.states, taken.marker, fold, producer
        self.size = sum(map(len, self.states)) + sum(map(len, self.states.values()))

    def keep(self, changed: Mapping[bytes, bytes | None]) -> None:
        """Take in what a batch changed; every step goes over all of it at once."""
        states = self.states
        self.size -= sum(map(len, map(states.get, changed, repeat(b""))))
        states.update(cast(Mapping[bytes, bytes], changed))
        self.size += sum(map(len, filter(None, changed.values())))
        for key in [key for key, value in changed.items() if value is None]:
            del states[key]


class KeyedBackend:
    """Positions in the changelog, with the states."""

    def __init__(self, stage: KeyedStage, servers: str, cluster: Cluster, group: Callable[[], Group], observer: Observer) -> None:
        self._stage, self._cluster, self._group, self._observer = stage, cluster, group, observer
        self._changelog = Changelog(servers, stage.app_id, stage.changelog)
        self._threads = ThreadPoolExecutor(THREADS, "changelog")
        self.tables: dict[int, Table] = {}
        self.heard_at = 0.0

    async def take_over(self, places: Sequence[Place], goes_on: Callable[[], bool]) -> dict[Place, Start]:
        """Take over side by side; what one of them is refused for stops the worker."""
        await self._check_changelog()
        taken = await asyncio.gather(*(self._take_over(place.partition, goes_on) for place in places), return_exceptions=True)
        for one in taken:
            if isinstance(one, BaseException):
                raise one
        await self._in_thread(give_back)
        return {place: start for place, start in zip(places, taken, strict=True) if isinstance(start, Start)}

    async def _check_changelog(self) -> None:
        """Refuse a changelog that is not there, or has another number of partitions than the input."""
        stage = self._stage
        found = await self._cluster.topics([stage.topic, stage.changelog])
        for name in (stage.topic, stage.changelog):
            if name not in found:
                raise CannotStart(f"{stage.app_id}: topic {name} does not exist; `huiliu up` makes the internal topics")
        source, changelog = found[stage.topic].partitions, found[stage.changelog].partitions
        if source != changelog:
            raise CannotStart(f"{stage.app_id}: {stage.changelog} has {changelog} partitions, expected {source}, as {stage.topic} has")

    async def _take_over(self, partition: int, goes_on: Callable[[], bool]) -> Start:
        """Carry out the plan; raises ``Overtaken`` when another took the partition over meanwhile."""
        try:
            return await self._carry_out(partition, goes_on)
        except KafkaException as error:
            raise Overtaken(f"{self._stage.topic} [{partition}]: {error}") if is_fenced(error) else error from None

    async def _carry_out(self, partition: int, goes_on: Callable[[], bool]) -> Start:
        began = monotonic()
        plan = take_over(f"{self._stage.topic} [{partition}]")
        producer: Producer | None = None
        answer: Answer = None
        try:
            while True:
                request = plan.send(answer)
                if isinstance(request, Fence):
                    producer = await self._in_thread(self._fence, partition, goes_on)
                    answer = None
                else:
                    answer = await self._perform(partition, producer, request)
        except StopIteration as end:
            taken: Taken = end.value
        assert producer is not None
        table = self.tables[partition] = Table(taken, self._stage.fold(), producer)
        marker = taken.marker
        home = Home(self._stage.topic, marker.topic_id, partition, marker.partitions, marker.epoch)
        await self._in_thread(table.fold.restore, home, table.states, marker.clock_ms)
        self._observer.restored(partition, len(table.states), table.size, monotonic() - began)
        return Start(marker.position, marker.clock_ms)

    def _fence(self, partition: int, goes_on: Callable[[], bool]) -> Producer:
        """Fence former owners, but never a later one: not once the partition may be another's."""
        if not goes_on():
            raise Overtaken(f"{self._stage.topic} [{partition}]: a rebalance began")
        return self._changelog.fence(partition)

    async def _perform(self, partition: int, producer: Producer | None, request: Request) -> Answer:
        """Carry out one step of a take-over."""
        if isinstance(request, Restore):
            return await self._in_thread(self._changelog.restore, partition, lambda read: self._goes_on(partition, read))
        if isinstance(request, Inspect):
            return await self._inspect(Place(self._stage.topic, partition))
        assert isinstance(request, Commit)
        assert producer is not None
        await self._in_thread(self._changelog.commit, producer, partition, request.records)
        return None

    def _goes_on(self, partition: int, read: int) -> None:
        self.heard_at = monotonic()
        self._observer.restoring(partition, read)

    async def _inspect(self, place: Place) -> Log:
        topics, ends, commits = await asyncio.gather(
            self._cluster.topics([place.topic]), self._cluster.ends([place]), self._group().positions([place])
        )
        topic, commit = topics[place.topic], commits.get(place)
        return Log(topic.id, topic.partitions, ends[place].begin, ends[place].end, commit.offset if commit is not None else None)

    async def kept(self, durable: dict[Place, int]) -> None:
        """Go on: the producer still holds the fence."""

    async def settled(self, durable: dict[Place, int]) -> None:
        """Add nothing: the last transaction says it all."""

    def stale(self, found: Mapping[str, Topic]) -> list[Place]:
        """Refuse to go on when the input was made again under the states."""
        topic = self._stage.topic
        now = found.get(topic)
        for partition, table in self.tables.items():
            was = table.marker.topic_id
            if now is not None and now.id != was:
                raise CannotStart(
                    f"{topic} [{partition}]: the states belong to the topic with id {was.hex()}, found {now.id.hex()}; {REBUILD}"
                )
        return []

    def fold(self, place: Place, records: Sequence[Record]) -> Done:
        """Fold *records* as one transaction in memory, and keep what changed."""
        table = self.tables[place.partition]
        folded = fold_batch(
            table.fold, records, lambda record, bug: self._observer.crashed(place.topic, place.partition, record.offset, bug)
        )
        table.keep(folded.states)
        return Done(folded.effects, folded.states, folded.clock_ms)

    def commits(self, due: Sequence[tuple[Pipeline, Transaction]]) -> list[list[tuple[Pipeline, Transaction]]]:
        """Commit each place by itself: one that is slow holds up no other."""
        return [[one] for one in due]

    async def commit(self, due: Sequence[tuple[Pipeline, Transaction]]) -> None:
        """Write the states and the position of each in one transaction.

        What was begun for a place before it was dropped is another's to fold,
        even if the place has come back.
        """
        for pipeline, transaction in due:
            if pipeline.closed:
                raise Lost
            await self._commit(pipeline.place, transaction)

    async def _commit(self, place: Place, transaction: Transaction) -> None:
        table = self.tables.get(place.partition)
        if table is None:
            raise Lost
        began = monotonic()
        old = table.marker
        marker = Marker(transaction.position, transaction.clock_ms, old.topic_id, old.partitions, old.epoch)
        records = contents(transaction, marker)
        try:
            await self._in_thread(self._changelog.commit, table.producer, place.partition, records)
        except KafkaException as error:
            raise Overtaken(f"{place.topic} [{place.partition}]: {error}") if is_fenced(error) else error from None
        self._observer.committed(place.topic, place.partition, len(transaction.states), monotonic() - began)
        self._observer.size(place.partition, len(table.states), table.size)
        if self._stage.on_durable is not None:
            self._stage.on_durable(Durable(place.partition, old.epoch, transaction.position, transaction.clock_ms, transaction.states))

    def lose(self, place: Place) -> None:
        """Forget the table: another worker has it."""
        self.tables.pop(place.partition, None)

    def positions(self, durable: dict[Place, int]) -> dict[Place, int]:
        """Tell lag monitors every durable position: nothing reads them back."""
        return durable

    async def _in_thread(self, function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(function, *arguments, **named))


def give_back() -> None:
    """Return to the system what restores have freed, where the C library can.

    The client's fetched messages are as large as the states: 1,930 bytes a
    member of 760 packed ones stayed resident, then 1,020 of 790 (one run each).
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def is_fenced(error: KafkaException) -> bool:
    """Tell whether the broker refused a producer because another has its transactional id."""
    return error.args[0].code() in FENCED


def contents(transaction: Transaction, marker: Marker) -> dict[bytes, bytes | None]:
    """Say what one transaction writes: states and position together, or neither."""
    return {**transaction.states, MARKER: pack(marker)}
