"""Kafka for a person at a terminal: read a topic to its end or follow it, write and know what arrived.

The stages do not use this: theirs is the engine.
"""

import heapq
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from time import monotonic
from types import TracebackType
from typing import Final, NamedTuple, Self

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient

from agents.clients import librdkafka, topics_of
from agents.engine.cluster import LEADERLESS
from agents.settings import BadSettings, Settings

REACH_S: Final = 10.0
DELIVER_S: Final = 60.0
POLL_S: Final = 0.2
READ_S: Final = 0.02  # librdkafka waits for so long unless 1,000 records came: the end of a log is not to be waited for

Headers = Sequence[tuple[str, bytes | None]]


class Entry(NamedTuple):
    """A record as it stands in the log; *appended_ms* is the broker's time."""

    partition: int
    offset: int
    appended_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class Extent(NamedTuple):
    """What a partition holds: offsets from *first* up to, not including, *end*."""

    first: int
    end: int


class NotDelivered(Exception):
    """Kafka did not take a record; the message says which topic and why."""


class TopicLog:
    """One topic, read without a group's positions and as ``read_committed``; raises ``BadSettings`` if it can't be reached."""

    def __init__(self, settings: Settings, topic: str) -> None:
        """Connect and find the topic's partitions."""
        self.topic = topic
        self._options = librdkafka(settings)
        self._consumer = Consumer(
            self._options
            | {
                "group.id": topic,  # asked for by the client, never joined and nothing committed
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "fetch.queue.backoff.ms": 5,
                "queued.max.messages.kbytes": 8 * 1024,
                "fetch.wait.max.ms": 50,  # a partition that ends with a transaction has its end told only after such a wait
            }
        )
        try:
            self.partitions = self._found(settings)
        except BadSettings:
            self._consumer.close()
            raise

    def __enter__(self) -> Self:
        """Give the log itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Leave Kafka."""
        self._consumer.close()

    def extents(self) -> dict[int, Extent]:
        """Ask what each partition holds now."""
        return {partition: self._extent(partition) for partition in self.partitions}

    def topic_id(self) -> str:
        """Ask for Kafka's id of the topic, spelt as Kafka does: a topic made again has another."""
        admin = AdminClient(self._options)  # one without a name would end before it is answered
        uuid = admin.describe_topics(TopicCollection([self.topic]))[self.topic].result(REACH_S).topic_id
        halves = (uuid.get_most_significant_bits(), uuid.get_least_significant_bits())
        return urlsafe_b64encode(b"".join((half & (2**64 - 1)).to_bytes(8, "big") for half in halves)).rstrip(b"=").decode()

    def read(self, partition: int | None = None, first: int | None = None) -> Iterator[Entry]:
        """Read to the end as it is now: all partitions from their beginning, or one from *first* on."""
        chosen = self.partitions if partition is None else (partition,)
        ends = {each: self._extent(each) for each in chosen}
        waiting = {each for each, extent in ends.items() if extent.end > extent.first}
        self._consumer.assign([TopicPartition(self.topic, each, ends[each].first if first is None else first) for each in waiting])
        while waiting:
            for entry in self._poll(waiting.discard, READ_S):
                if entry.offset < ends[entry.partition].end:  # also what came together with word of the partition's end
                    yield entry
                if entry.offset >= ends[entry.partition].end - 1:
                    waiting.discard(entry.partition)

    def follow(self, *, beginning: bool) -> Iterator[Entry | None]:
        """Read on and on, from the beginning or from the end; None whenever nothing came for a while."""
        starts = {each: extent.first if beginning else extent.end for each, extent in self.extents().items()}
        self._consumer.assign([TopicPartition(self.topic, each, start) for each, start in starts.items()])
        while True:
            entries = self._poll(_nobody, POLL_S)
            yield from entries or (None,)

    def at(self, partition: int, offset: int) -> Entry | None:
        """Read one record; None if it is not there."""
        if partition not in self.partitions or not self._extent(partition).first <= offset < self._extent(partition).end:
            return None
        for entry in self.read(partition, offset):
            return entry if entry.offset == offset else None
        return None

    def _found(self, settings: Settings) -> tuple[int, ...]:
        found = topics_of(self._consumer, settings, self.topic)[self.topic]
        if found.error is not None:
            raise BadSettings(f"{self.topic}: {found.error.str()}")
        return tuple(sorted(found.partitions))

    def _extent(self, partition: int) -> Extent:
        """Ask the partition's leader, once it has one that the client knows."""
        deadline = monotonic() + REACH_S
        while True:
            try:
                watermarks = self._consumer.get_watermark_offsets(TopicPartition(self.topic, partition), timeout=REACH_S)
                break
            except KafkaException as error:
                if error.args[0].code() not in LEADERLESS or monotonic() > deadline:
                    raise
                self._consumer.list_topics(self.topic, timeout=REACH_S)  # learns who leads now
        if watermarks is None:
            raise BadSettings(f"{self.topic}: partition {partition} does not answer")
        return Extent(*watermarks)

    def _poll(self, ended: Callable[[int], None], seconds: float) -> list[Entry]:
        """Take what comes within so many *seconds*; tell *ended* of each partition whose end was reached."""
        entries = []
        for message in self._consumer.consume(1_000, seconds):
            error = message.error()
            if error is None:
                entries.append(_entry(message))
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
                ended(message.partition() or 0)
            elif not error.retriable():
                raise BadSettings(f"{self.topic}: {error.str()}")
        return entries


def in_order_of_append(settings: Settings, topic: str) -> Iterator[Entry]:
    """Read all partitions to their ends as they are now, merged by append time."""
    with ExitStack() as stack:
        log = stack.enter_context(TopicLog(settings, topic))
        others = [stack.enter_context(TopicLog(settings, topic)) for _ in log.partitions[1:]]
        streams = [each.read(partition) for partition, each in zip(log.partitions, (log, *others), strict=True)]
        yield from heapq.merge(*streams, key=lambda entry: entry.appended_ms)


class Writer:
    """Writes records and counts those that Kafka has; leaving the ``with`` waits for all of them."""

    def __init__(self, settings: Settings) -> None:
        """Connect."""
        self._producer = Producer(librdkafka(settings) | {"enable.idempotence": True, "linger.ms": 20, "compression.type": "lz4"})
        self._failed: NotDelivered | None = None
        self.delivered = 0

    def __enter__(self) -> Self:
        """Give the writer itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Wait for what is under way; what is not delivered is raised, unless another error is on its way already."""
        if error is None:
            self.flush()
        else:
            self._producer.flush(REACH_S)

    def send(self, topic: str, value: bytes | None, key: bytes | None = None, headers: Headers = ()) -> None:
        """Write one record; raises ``NotDelivered`` once any before it failed."""
        while True:
            self.check()
            try:
                self._producer.produce(topic, value, key, headers=list(headers), on_delivery=self._on_delivery)
            except BufferError:
                self._producer.poll(POLL_S)
            except KafkaException as error:
                raise NotDelivered(f"{topic}: {error.args[0].str()}") from None
            else:
                self._producer.poll(0)
                return

    def check(self) -> None:
        """Raise ``NotDelivered`` if any record failed."""
        if self._failed is not None:
            raise self._failed

    def flush(self) -> None:
        """Wait until Kafka has everything; raises ``NotDelivered`` if it does not."""
        left = self._producer.flush(DELIVER_S)
        self.check()
        if left:
            raise NotDelivered(f"{left} records are not delivered after {DELIVER_S:.0f} s")

    def _on_delivery(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            self.delivered += 1
        elif self._failed is None:
            self._failed = NotDelivered(f"{message.topic()}: {error.str()}")


def _entry(message: Message) -> Entry:
    headers = tuple((str(name), _bytes(value)) for name, value in list(message.headers() or ()))
    _, appended_ms = message.timestamp()
    return Entry(message.partition() or 0, message.offset() or 0, appended_ms, _bytes(message.key()), _bytes(message.value()), headers)


def _bytes(part: str | bytes | None) -> bytes | None:
    return part.encode() if isinstance(part, str) else part


def _nobody(partition: int) -> None:
    """Take no notice of an end."""
