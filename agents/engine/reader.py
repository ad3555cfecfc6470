"""The log, from the positions that the states hold.

An aiokafka consumer of its own: no group, assigned and sought by us, no reset
to anywhere, committed records only.

Source: DESIGN 4 (reader).
"""

from collections.abc import Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import ConsumerStoppedError

from agents.engine import fetched, pace
from agents.engine.fetched import Run
from agents.engine.options import Options
from agents.engine.pipeline import Place

WAIT_MS = 200


class Reader:
    """Reads the places that it was given, from where it was told.

    *doubted* are topics that may have been made again: a position of the former
    one would pass over the beginning.  Whoever looks at a topic's id takes it out.
    """

    def __init__(self, options: Options, client_id: str) -> None:
        self._options = options
        self._client_id = client_id
        self._consumer: AIOKafkaConsumer | None = None
        self.doubted: set[str] = set()

    async def start(self) -> None:
        """Connect."""
        pace.install()
        fetched.install(self._options.decompressed_bytes, self._options.record_bytes)
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=self._options.servers,
            client_id=self._client_id,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            check_crcs=False,  # CappedRecords checks them before it unpacks
            max_poll_records=2 * self._options.batch_records,
            max_partition_fetch_bytes=self._options.fetch_bytes,
            metadata_max_age_ms=int(self._options.refresh_s * 1000),
        )
        await self._consumer.start()
        self._doubt_what_is_looked_up(self._consumer._client)  # noqa: SLF001 - there is no hook for it

    def _doubt_what_is_looked_up(self, client: Any) -> None:
        """Doubt whenever topics are looked up anew: where a fetch was refused because one was not there, and after a pause."""
        look_up = client.force_metadata_update

        def doubting() -> Any:
            topics = {at.topic for at in self._running.assignment()}
            missing = {topic for topic in topics if not client.cluster.partitions_for_topic(topic)}
            self.doubted |= missing or topics
            return look_up()

        client.force_metadata_update = doubting

    async def stop(self) -> None:
        """Disconnect."""
        if self._consumer is not None:
            await self._consumer.stop()

    @property
    def _running(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            raise ConsumerStoppedError
        return self._consumer

    def assign(self, positions: Mapping[Place, int]) -> None:
        """Read *positions* from now on, and nothing else; what was fetched before is forgotten."""
        self._running.assign([TopicPartition(*place) for place in positions])
        for place, position in positions.items():
            self._running.seek(TopicPartition(*place), position)

    async def read(self) -> dict[Place, Run]:
        """Give the next records by place, waiting for a moment if there are none."""
        found = await self._running.getmany(timeout_ms=WAIT_MS)
        return {Place(*at): records for at, records in found.items()}

    async def position(self, place: Place) -> int | None:
        """Tell the next offset to read of *place*; past the marks of transactions, which no record shows.  None if it is not read."""
        at = TopicPartition(*place)
        return int(await self._running.position(at)) if at in self._running.assignment() else None
