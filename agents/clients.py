"""Kafka clients as the settings say: address and login, in each library's own words."""

import time
from collections.abc import Mapping
from typing import Any, Final, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError as KafkaPythonError

from agents.engine.departed import RETRY_MS
from agents.settings import BadSettings, Settings

PATIENCE_S: Final = 30
REACH_S: Final = 5.0
"""How long Kafka may take to answer at all."""


def librdkafka(settings: Settings) -> dict[str, Any]:
    """Give confluent-kafka's configuration."""
    found: dict[str, Any] = {"bootstrap.servers": settings.bootstrap(), "log_level": 2}  # librdkafka would write to stderr itself
    if settings.kafka_security != "plaintext":
        found |= {"security.protocol": settings.kafka_security.upper(), "sasl.mechanism": "SCRAM-SHA-512"}
        found |= {"sasl.username": settings.kafka_user, "sasl.password": settings.password()}
    if settings.kafka_ca_file:
        found["ssl.ca.location"] = str(settings.kafka_ca_file)
    return found


def kafka_python(settings: Settings) -> dict[str, Any]:
    """Give kafka-python's configuration."""
    found: dict[str, Any] = {"bootstrap_servers": settings.bootstrap().split(","), "reconnect_backoff_max_ms": RETRY_MS}
    if settings.kafka_security != "plaintext":
        found |= {"security_protocol": settings.kafka_security.upper(), "sasl_mechanism": "SCRAM-SHA-512"}
        found |= {"sasl_plain_username": settings.kafka_user, "sasl_plain_password": settings.password()}
    if settings.kafka_ca_file:
        found["ssl_cafile"] = str(settings.kafka_ca_file)
    return found


def admin(settings: Settings) -> Any:
    """Connect for administration; raises ``BadSettings`` when Kafka does not answer.  Close it, or use it as a context."""
    try:
        return KafkaAdminClient(**kafka_python(settings), bootstrap_timeout_ms=int(REACH_S * 1000))
    except KafkaPythonError as error:
        raise BadSettings(f"kafka: {settings.bootstrap()} does not answer: {error}") from None


def send(settings: Settings, topic: str, key: bytes, value: bytes | None) -> Message:
    """Write one record and return it as delivered, with its partition and offset; raises ``KafkaException``."""
    delivered: list[Message] = []
    refused: list[KafkaError] = []

    def took(error: KafkaError | None, message: Message) -> None:
        if error is None:
            delivered.append(message)
        else:
            refused.append(error)

    # Not idempotent: that costs half a second to begin with, and the same record twice in a compacted topic is no harm.
    producer = Producer(librdkafka(settings) | {"acks": "all", "message.timeout.ms": PATIENCE_S * 1000})
    producer.produce(topic, value, key, on_delivery=took)
    producer.flush(PATIENCE_S + 5)
    if refused:
        raise KafkaException(refused[0])
    return delivered[0]


def latest(settings: Settings, topic: str) -> Mapping[bytes, Message]:
    """Read a compacted topic of one partition to its end: the last record of each key; a deleted key is left out.

    Empty if the topic is not there.  Raises ``BadSettings`` when Kafka does not
    answer, or is too slow.
    """
    quick = {"fetch.wait.max.ms": 10, "fetch.error.backoff.ms": 10, "topic.metadata.refresh.fast.interval.ms": 10}
    exact = {
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "earliest",
    }
    reader = Consumer(librdkafka(settings) | quick | exact | {"group.id": "huiliu-reader"})
    try:
        if topic not in topics_of(reader, settings):
            return {}
        reader.assign([TopicPartition(topic, 0, 0)])
        return _to_the_end(reader)
    finally:
        reader.close()


def topics_of(client: Consumer | AdminClient, settings: Settings, topic: str | None = None) -> Mapping[str, Any]:
    """Ask for all topics, by name, or for *topic* alone; raises ``BadSettings`` when Kafka does not answer."""
    try:
        return cast(Mapping[str, Any], client.list_topics(topic, timeout=REACH_S).topics)
    except KafkaException as error:
        raise BadSettings(f"kafka: {settings.bootstrap()} can't be reached: {error.args[0].str()}") from None


def _to_the_end(reader: Consumer) -> dict[bytes, Message]:
    found: dict[bytes, Message] = {}
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        for message in reader.consume(500, 0.05):
            if (error := message.error()) is not None:
                if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's own codes begin so
                    return found
                raise KafkaException(error)
            key = message.key() or b""
            found.pop(key, None)
            if message.value() is not None:
                found[key] = message
    raise BadSettings(f"kafka: {PATIENCE_S} s were not enough to read a topic to its end; is the broker well?")
