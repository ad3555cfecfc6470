"""Faust's Kafka driver, for group membership alone.

Faust decides who owns which partition; its consumer fetches nothing, seeks
nothing and commits only what the engine tells it to.  Registered as transport
``member://``.  Everything here leans on faust-streaming 0.15.3 and aiokafka
0.14, whose insides it names.

Source: DESIGN 4 (reader, fence).
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import CommitFailedError, IllegalStateError, UnknownTopicOrPartitionError
from aiokafka.structs import OffsetAndMetadata
from faust.transport.drivers import TRANSPORTS
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from agents.engine.fence import boot_s
from agents.engine.pipeline import Place

if TYPE_CHECKING:
    from agents.engine.app import EngineApp

SCHEME = "member"


class Position(NamedTuple):
    """A position as committed to the group, with what was said beside it."""

    offset: int
    metadata: str = ""


class TopicGone(Exception):
    """One of the topics whose position was to be committed was deleted."""


class Thread(driver.AIOKafkaConsumerThread):
    """The thread that keeps the membership: heartbeats go on while the worker's loop is busy."""

    def _create_worker_consumer(self, transport: Any) -> AIOKafkaConsumer:
        """Make Faust's consumer, with an assignor that moves as few partitions as it can."""
        consumer = super()._create_worker_consumer(transport)
        consumer._partition_assignment_strategy = (StickyPartitionAssignor,)  # noqa: SLF001 - Faust passes its own, co-partitioned
        return consumer

    async def on_start(self) -> None:
        """Note each heartbeat that was answered, by the time at which it left; let a commit for a topic that is gone come back.

        aiokafka would repeat such a commit until the member loses its session,
        and hold the other topics up for as long.
        """
        await super().on_start()
        coordinator = self._ensure_consumer()._coordinator  # noqa: SLF001 - there is no hook for either
        fence = cast("EngineApp", self.app).fence
        heartbeat, commit = coordinator._do_heartbeat, coordinator._do_commit_offsets  # noqa: SLF001

        async def noted() -> bool:
            sent_s = boot_s()
            answered = bool(await heartbeat())
            if answered:
                fence.beat(sent_s)
            return answered

        async def tried(*asked: Any) -> None:
            try:
                await commit(*asked)
            except UnknownTopicOrPartitionError as unknown:
                raise TopicGone from unknown

        coordinator._do_heartbeat, coordinator._do_commit_offsets = noted, tried  # noqa: SLF001

    async def report(self, positions: Mapping[Place, Position]) -> bool:
        """Commit *positions* that are still ours; False when the group has moved on.  A topic that is gone has no position to keep."""
        consumer = self._ensure_consumer()
        mine = consumer.assignment()
        offsets = {TopicPartition(*place): OffsetAndMetadata(*position) for place, position in positions.items() if place in mine}
        try:
            if offsets:
                await self._commit_topics(offsets)
        except (CommitFailedError, IllegalStateError):
            return False
        return len(offsets) == len(positions)

    async def _commit_topics(self, offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> None:
        """Commit in one request, or where a topic is gone, which is not told, topic by topic."""
        consumer = self._ensure_consumer()
        try:
            await consumer.commit(offsets)
        except TopicGone:
            for topic in {tp.topic for tp in offsets}:
                with suppress(TopicGone):
                    await consumer.commit({tp: at for tp, at in offsets.items() if tp.topic == topic})

    async def committed(self, places: list[Place]) -> dict[Place, Position]:
        """Read what the group has committed, with its metadata; a place without a commit is absent."""
        coordinator = self._ensure_consumer()._coordinator  # noqa: SLF001 - the public call leaves the metadata out
        found = await coordinator.fetch_committed_offsets([TopicPartition(*place) for place in places])
        return {Place(*tp): Position(at.offset, at.metadata) for tp, at in found.items() if at.offset >= 0}


class Consumer(driver.Consumer):
    """Faust's consumer, which reads nothing."""

    def _new_consumer_thread(self) -> Thread:
        return Thread(self, loop=self.loop, beacon=self.beacon)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Pause what was assigned, or aiokafka prefetches what nobody will read."""
        if assigned:
            self._thread._ensure_consumer().pause(*(TopicPartition(*tp) for tp in assigned))  # noqa: SLF001
        cast("EngineApp", self.app).fence.beat(boot_s())
        await super().on_partitions_assigned(assigned, generation_id)

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> dict[TP, Any]:  # noqa: ARG002, ASYNC109 - Faust's signature
        await self.sleep(min(timeout, 0.5))
        return {}

    async def perform_seek(self) -> None:
        """Seek nothing: positions are the engine's."""

    async def verify_all_partitions_active(self) -> None:
        """Complain of nothing: that this consumer fetches nothing is meant."""

    async def report(self, positions: Mapping[Place, Position]) -> bool:
        """Commit *positions* to the group; False when it has moved on."""
        return bool(await self._thread.call_thread(cast(Thread, self._thread).report, positions))

    async def positions(self, places: list[Place]) -> dict[Place, Position]:
        """Read what the group has committed for *places*."""
        return cast(dict[Place, Position], await self._thread.call_thread(cast(Thread, self._thread).committed, places))


class Transport(driver.Transport):
    """Faust's Kafka, with the consumer above."""

    Consumer = Consumer


def register() -> None:
    """Make ``member://`` known to Faust."""
    TRANSPORTS.aliases[SCHEME] = f"{__name__}:Transport"


__all__ = ["SCHEME", "Consumer", "Position", "Transport", "register"]
