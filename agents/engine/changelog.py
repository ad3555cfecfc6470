"""The changelog on Kafka: one transactional producer for each partition, whose id fences every former owner.

confluent-kafka's: librdkafka's transactions fence and start anew properly.
Everything here blocks, and runs in threads.

Source: DESIGN 4 (the changelog).
"""

from collections.abc import Callable, Mapping
from time import monotonic
from typing import cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from agents.engine.takeover import MARKER, Restored, highest_applied, unpack
from agents.engine.writer import CLIENT

TRANSACTION_S = 30
LARGEST = 64 * 1024 * 1024  # the broker judges what is compressed; librdkafka alone would refuse a state over 1 MB before
FETCH = 1024 * 1024  # more is no faster, and each would be new memory from the system
RESTORE_CHUNK = 1_000
CHUNK_S = 0.005  # a chunk that is not full is waited for as long, also at the end: with a second, each take-over took two


class Changelog:
    """The changelog *topic* of the app *app_id*."""

    def __init__(self, servers: str, app_id: str, topic: str) -> None:
        self.servers, self.app_id, self.topic = servers, app_id, topic

    def fence(self, partition: int) -> Producer:
        """Become the only one who can commit *partition*; what a former owner had open is aborted."""
        producer = Producer(
            {
                "bootstrap.servers": self.servers,
                **CLIENT,
                "transactional.id": f"{self.app_id}-{partition}",
                "transaction.timeout.ms": TRANSACTION_S * 1000,
                "linger.ms": 0,
                "compression.type": "lz4",
                "queue.buffering.max.messages": 1_000_000,
                "batch.size": 512 * 1024,
                "message.max.bytes": LARGEST,
            }
        )
        self._meet(producer)
        producer.init_transactions(TRANSACTION_S)
        return producer

    def restore(self, partition: int, progress: Callable[[int], None]) -> Restored:
        """Read what is committed of *partition*, to its end."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.servers,
                **CLIENT,
                "group.id": self.app_id,
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                "auto.offset.reset": "error",
                "fetch.queue.backoff.ms": 5,
                "fetch.wait.max.ms": 10,  # a partition that ends with a transaction's mark tells its end one wait later
                "queued.max.messages.kbytes": 16 * 1024,
                "max.partition.fetch.bytes": FETCH,
            }
        )
        try:
            self._meet(consumer)
            at = TopicPartition(self.topic, partition)
            at.offset = consumer.get_watermark_offsets(at, timeout=TRANSACTION_S)[0]
            consumer.assign([at])
            states, marker = _read_to_end(consumer, progress)
        finally:
            consumer.close()
        return Restored(states, unpack(marker) if marker is not None else None, highest_applied(states))

    def _meet(self, client: Producer | Consumer) -> None:
        """Let *client* know the brokers before anything is asked of it.

        librdkafka drops its first connection as soon as it knows whose it is,
        with what was asked over it, and asks again half a second later.  The
        first answer may come over that one, the second over one that stays.
        """
        for _ in range(2):
            client.list_topics(self.topic, TRANSACTION_S)

    def commit(self, producer: Producer, partition: int, records: Mapping[bytes, bytes | None]) -> None:
        """Write *records* in one transaction.  Any error means that we are out: there is no second try."""
        producer.begin_transaction()
        for key, value in records.items():
            while True:
                try:
                    producer.produce(self.topic, value, key, partition)
                    break
                except BufferError:
                    producer.poll(0.05)
        producer.commit_transaction(TRANSACTION_S)


def _read_to_end(consumer: Consumer, progress: Callable[[int], None]) -> tuple[dict[bytes, bytes], bytes | None]:
    """Keep the last record of each key.  The marker is a key like the others, set apart."""
    states: dict[bytes, bytes] = {}
    read, told = 0, monotonic()
    while True:
        messages = consumer.consume(RESTORE_CHUNK, CHUNK_S)
        for message in messages:
            error = message.error()
            if error is not None:
                if error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - the client's name for it
                    raise KafkaException(error)
                return states, states.pop(MARKER, None)
            key, value = cast(bytes, message.key()), message.value()
            if value is None:
                states.pop(key, None)
            else:
                states[key] = value
        read += len(messages)
        if monotonic() - told > 1:
            told = monotonic()
            progress(read)
