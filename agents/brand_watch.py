"""The brands that are registered, as they come: ``huiliu.internal.brands`` followed from its beginning.

Source: CONTRACT 1, DESIGN 6.
"""

from collections.abc import Callable

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas import brands, topics
from schemas.brands import Registration

PLACE = TopicPartition(topics.BRANDS, 0)
WAIT_MS = 500


class BrandWatch:
    """A ``TopicSource``: the events topics of all registered brands.

    *changed* is told each registration before its topic is named, and again
    when it was replaced.
    """

    def __init__(self, servers: str, changed: Callable[[Registration], None]) -> None:
        self._servers, self._changed = servers, changed
        self._consumer: AIOKafkaConsumer | None = None
        self._registered: dict[str, Registration] = {}

    async def current(self) -> frozenset[str]:
        """Read what is new, and name the topics to read now."""
        consumer = await self._connected()
        end = (await consumer.end_offsets([PLACE]))[PLACE]
        while await consumer.position(PLACE) < end:
            for records in (await consumer.getmany(timeout_ms=WAIT_MS)).values():
                for record in records:
                    self._take(record.key, record.value)
        return frozenset(topics.events(brand) for brand in self._registered)

    async def _connected(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            consumer = AIOKafkaConsumer(
                bootstrap_servers=self._servers, enable_auto_commit=False, auto_offset_reset="earliest", isolation_level="read_committed"
            )
            await consumer.start()
            consumer.assign([PLACE])
            consumer.seek(PLACE, 0)
            self._consumer = consumer
        return self._consumer

    def _take(self, key: bytes, value: bytes | None) -> None:
        """Note one registration; one that is no registration is not ours to repair, and hides no other."""
        brand = key.decode("utf-8", "replace")
        if value is None:
            self._registered.pop(brand, None)
            return
        try:
            registration = brands.decode(value)
        except msgspec.DecodeError:
            return
        if registration.brand == brand and topics.is_slug(brand):
            self._registered[brand] = registration
            self._changed(registration)

    def registration(self, brand: str) -> Registration:
        """Give the registration of *brand*; KeyError if there is none."""
        return self._registered[brand]

    async def stop(self) -> None:
        """Disconnect."""
        if self._consumer is not None:
            await self._consumer.stop()
