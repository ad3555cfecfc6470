"""What the engine asks the cluster: topics' ids, partition counts, ends of logs."""

import asyncio
from collections.abc import Iterable
from concurrent.futures import Future
from typing import Any, NamedTuple, cast

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

from agents.engine.pipeline import Place
from agents.engine.writer import CLIENT

TIMEOUT_S = 10.0
PATIENCE_S = TIMEOUT_S + 5
EARLIEST, LATEST = OffsetSpec.for_timestamp(-2), OffsetSpec.for_timestamp(-1)


class Topic(NamedTuple):
    """A topic as it is now: Kafka's 16-byte id, so that one made again is another."""

    id: bytes
    partitions: int


class Ends(NamedTuple):
    """The first offset that is still there, and the next to be written."""

    begin: int
    end: int


class Cluster:
    """Look-ups, nothing that changes anything."""

    def __init__(self, servers: str) -> None:
        self._admin = AdminClient({"bootstrap.servers": servers, "topic.metadata.refresh.sparse": True, **CLIENT})

    async def topics(self, names: Iterable[str]) -> dict[str, Topic]:
        """Describe the topics of *names* that exist."""
        wanted = sorted(set(names))
        if not wanted:
            return {}
        futures = self._admin.describe_topics(TopicCollection(wanted), request_timeout=TIMEOUT_S)
        found = {}
        for name, future in futures.items():
            try:
                about = await _result(future)
            except KafkaException as refused:
                if refused.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                    continue
                raise
            found[name] = Topic(_id_bytes(about.topic_id), len(about.partitions))
        return found

    async def ends(self, places: Iterable[Place], *, committed: bool = False) -> dict[Place, Ends]:
        """Tell where the logs of *places* begin and end; with *committed*, where the first open transaction begins."""
        wanted = [TopicPartition(*place) for place in sorted(set(places))]
        if not wanted:
            return {}
        earliest = self._admin.list_offsets(dict.fromkeys(wanted, EARLIEST), request_timeout=TIMEOUT_S)
        isolation = IsolationLevel.READ_COMMITTED if committed else IsolationLevel.READ_UNCOMMITTED
        latest = self._admin.list_offsets(dict.fromkeys(wanted, LATEST), isolation_level=isolation, request_timeout=TIMEOUT_S)
        begins = {Place(at.topic, at.partition): (await _result(future)).offset for at, future in earliest.items()}
        ends = {Place(at.topic, at.partition): (await _result(future)).offset for at, future in latest.items()}
        return {place: Ends(begin, ends[place]) for place, begin in begins.items()}


async def _result(future: "Future[Any]") -> Any:
    """Wait for an answer; raises TimeoutError where librdkafka forgets its own limit.

    librdkafka 2.16's ListOffsets may never answer when a broker goes while it
    looks for a leader: a watch that waited on would watch no more.
    """
    async with asyncio.timeout(PATIENCE_S):
        return await asyncio.wrap_future(future)


def _id_bytes(uuid: Any) -> bytes:
    """Write Kafka's UUID as its 16 bytes."""
    high, low = uuid.get_most_significant_bits(), uuid.get_least_significant_bits()
    return cast(int, high & (2**64 - 1)).to_bytes(8, "big") + cast(int, low & (2**64 - 1)).to_bytes(8, "big")
