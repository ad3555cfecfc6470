"""What the engine asks the cluster: topics' ids, partition counts, ends of logs."""

import asyncio
from collections.abc import Iterable
from concurrent.futures import Future
from time import monotonic
from typing import Any, Final, NamedTuple, cast

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

from agents.engine.pipeline import Place
from agents.engine.writer import CLIENT

TIMEOUT_S = 10.0
PATIENCE_S = TIMEOUT_S + 5
MEET_S = 5.0
LEADERLESS: Final = frozenset({KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE})
"""What is said of a partition that was made or moved a moment ago."""
LEADERLESS_S = 0.05  # until it is asked again
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

    async def answers(self) -> bool:
        """Tell whether Kafka is there; waits ``MEET_S`` for it."""
        try:
            await _result(self._admin.describe_cluster(request_timeout=MEET_S))
        except (KafkaException, TimeoutError):
            return False
        return True

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
        """Tell where the logs of *places* begin and end; with *committed*, where the first open transaction begins.

        One that was made or moved a moment ago has no leader yet, or another
        than the client knows: it is asked for again.
        """
        isolation = IsolationLevel.READ_COMMITTED if committed else IsolationLevel.READ_UNCOMMITTED
        wanted, found = set(places), dict[Place, Ends]()
        deadline = monotonic() + TIMEOUT_S
        while wanted:
            earliest = self._list_offsets(wanted, EARLIEST, IsolationLevel.READ_UNCOMMITTED)
            latest = self._list_offsets(wanted, LATEST, isolation)
            for place in sorted(wanted):
                try:
                    begin, end = await _result(earliest[place]), await _result(latest[place])
                except KafkaException as refused:
                    if refused.args[0].code() not in LEADERLESS or monotonic() > deadline:
                        raise
                    continue
                found[place] = Ends(begin.offset, end.offset)
            wanted -= found.keys()
            if wanted:
                await asyncio.sleep(LEADERLESS_S)
        return found

    def _list_offsets(self, places: Iterable[Place], at: OffsetSpec, isolation: IsolationLevel) -> dict[Place, "Future[Any]"]:
        asked = {TopicPartition(*place): at for place in sorted(places)}
        futures = self._admin.list_offsets(asked, isolation_level=isolation, request_timeout=TIMEOUT_S)
        return {Place(of.topic, of.partition): future for of, future in futures.items()}


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
