"""Publishers and CRMs that know nothing of Huiliu but its contract: kafka-python, kcat, confluent-kafka, Python's msgpack.

Each refusal reason and each kind of duplicate, from one of them, ends in the
right place with the right headers.
"""

import json
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import kafka as kafka_python
import msgpack
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from agents import admin
from agents.servers import start_kafka
from agents.settings import Settings
from agents.topic_log import TopicLog
from schemas.brands import Registration
from tests.integration.crew import Crew, eventually

BRAND = "acme-shop"
EVENTS, CRM, LETTERS = (f"huiliu.{BRAND}.{name}" for name in ("events", "crm", "dead-letters"))
Headers = list[tuple[str, str | bytes | None]]
JSON_EVENT = ("content-type", b"application/cloudevents+json")


def event(name: str, **changes: Any) -> dict[str, Any]:
    """Write a click of the member *name*, or what *changes* make of it."""
    data = {"identities": [{"type": "brand_member", "id": name}], "item": {"sku": "s1", "category": "茶"}}
    written = datetime.now(UTC).isoformat(timespec="milliseconds")
    sound = {"specversion": "1.0", "id": f"id-{name}", "source": f"/brand/{BRAND}/shop", "type": "cn.huiliu.click.v1", "time": written}
    made = {**sound, "data": data, **changes}
    return {key: value for key, value in made.items() if value is not None}


def order(name: str, **changes: Any) -> dict[str, Any]:
    """Write a payment of the member *name*."""
    stated = {"order_id": f"o-{name}", "status": "paid", "status_version": 1, "currency": "CNY", "total": "19.90"}
    data = {"identities": [{"type": "brand_member", "id": name}], **stated, **changes}
    return event(name, type="cn.huiliu.order.v1", data=data)


def packed(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode()


class Outside:
    """A brand and its CRM, on the outside of Kafka."""

    def __init__(self, servers: str) -> None:
        self.servers = servers

    def confluent(self, *records: tuple[bytes | None, Headers]) -> list[tuple[int, int]]:
        """Publish with confluent-kafka's default partitioner; gives partition and offset of each record."""
        placed: list[tuple[int, int]] = []
        producer = Producer({"bootstrap.servers": self.servers})
        for value, headers in records:
            producer.produce(EVENTS, value, b"key", headers=headers, on_delivery=lambda _, m: placed.append(_place(m)))
        assert producer.flush(20) == 0
        return placed

    def kafka_python(self, *records: tuple[bytes | None, Headers]) -> list[tuple[int, int]]:
        """Publish with kafka-python, which hashes keys with murmur2."""
        producer = kafka_python.KafkaProducer(bootstrap_servers=self.servers)
        sent = [producer.send(EVENTS, value, b"key", headers=headers) for value, headers in records]
        placed = [(one.partition, one.offset) for one in (future.get(20) for future in sent)]
        producer.close()
        return placed

    def kcat(self, *documents: Any) -> None:
        """Publish with kcat and its default partitioner, a line a record, the key before a tab."""
        lines = b"".join(b"key\t" + packed(document) + b"\n" for document in documents)
        command = ["kcat", "-P", "-b", self.servers, "-t", EVENTS, "-K", "\t"]
        subprocess.run(command, input=lines, check=True, timeout=30)

    def read(self, topic: str) -> list[Any]:
        """Read a topic whole with confluent-kafka."""
        consumer = Consumer({"bootstrap.servers": self.servers, "group.id": f"{BRAND}.test", "enable.auto.commit": False})
        try:
            partitions = [TopicPartition(topic, number, 0) for number in consumer.list_topics(topic, timeout=10).topics[topic].partitions]
            left = sum(consumer.get_watermark_offsets(each, timeout=10)[1] for each in partitions)
            consumer.assign(partitions)
            found: list[Any] = []
            deadline = time.monotonic() + 20
            while len(found) < left and time.monotonic() < deadline:
                found += [message for message in consumer.consume(500, 0.2) if message.error() is None]
            return found
        finally:
            consumer.close()

    def letter(self, place: tuple[int, int]) -> Any:
        """Wait for the dead letter of the record at *place*."""
        found: list[Any] = []

        def came() -> bool:
            found[:] = [one for one in self.read(LETTERS) if _origin_of_letter(one) == place]
            return bool(found)

        eventually(came, f"the dead letter of {place}", 20)
        assert len(found) == 1
        return found[0]

    def enriched(self, place: tuple[int, int]) -> Any:
        """Wait for the enriched record of the record at *place*."""
        found: list[Any] = []

        def came() -> bool:
            found[:] = [one for one in self.read(CRM) if _headers(one).get("ce_huiliuorigin") == f"{place[0]}:{place[1]}".encode()]
            return bool(found)

        eventually(came, f"the enriched event of {place}", 20)
        assert len(found) == 1
        return found[0]


def _headers(message: Any) -> dict[str, bytes]:
    return dict(message.headers() or ())


def _place(message: Any) -> tuple[int, int]:
    return message.partition(), message.offset()


def _origin_of_letter(message: Any) -> tuple[int, int]:
    headers = _headers(message)
    return int(headers["huiliu-partition"]), int(headers["huiliu-offset"])


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crew]:
    with start_kafka() as server:
        settings = Settings(kafka=server.bootstrap, data=tmp_path_factory.mktemp("outside"), partitions=4, tick_s=1)
        with Crew(settings) as crew:
            admin.add_brand(settings, Registration(BRAND, "Acme", admin.now()))
            crew.start("control", "intake", "members")
            crew.wait_until_ready()
            yield crew


@pytest.fixture(scope="module")
def outside(running: Crew) -> Outside:
    return Outside(running.settings.bootstrap())


def test_each_publisher_gets_its_events_back_enriched(outside: Outside) -> None:
    binary = [(f"ce_{name}", str(value).encode()) for name, value in event("bin").items() if name != "data"]
    body = msgpack.packb(event("bin")["data"])
    places = outside.confluent((packed(event("conf")), [JSON_EVENT]), (msgpack.packb(event("pack")), []))
    places += outside.kafka_python((packed(event("kpy")), []), (body, [*binary, ("content-type", b"application/msgpack")]))
    for place, name in zip(places, ("conf", "pack", "kpy", "bin"), strict=True):
        told = outside.enriched(place)
        value, headers = json.loads(told.value()), _headers(told)
        assert value["event"]["id"] == f"id-{name}"
        assert value["event"]["data"]["item"] == {"sku": "s1", "category": "茶"}
        assert told.key() == value["member"]["id"].encode()
        assert headers["ce_specversion"] == b"1.0"
        assert headers["ce_source"] == b"/huiliu"
        assert headers["ce_type"] == b"cn.huiliu.enriched.v1"
        assert headers["content-type"] == b"application/json"
        assert {"ce_id", "ce_time", "ce_huiliupartition", "ce_huiliuepoch", "ce_huiliusequence"} <= headers.keys()


def test_a_member_is_one_whatever_partition_a_client_chooses(outside: Outside) -> None:
    """CRC32 and murmur2 disagree on keys; the member's state is the same."""
    first = outside.confluent((packed({**event("one"), "id": "a"}), []))[0]
    second = outside.kafka_python((packed({**event("one"), "id": "b"}), []))[0]
    assert outside.enriched(first).key() == outside.enriched(second).key()
    assert outside.enriched(first).partition() == outside.enriched(second).partition()


def test_kcat_publishes_and_subscribes(outside: Outside) -> None:
    outside.kcat(*(event(f"cat-{number}") for number in range(20)))

    def back() -> set[str]:
        command = ["kcat", "-C", "-q", "-e", "-b", outside.servers, "-t", CRM, "-f", "%s\n"]
        lines = subprocess.run(command, capture_output=True, check=True, timeout=30).stdout.splitlines()
        return {value["event"]["id"] for line in lines if (value := json.loads(line)).get("event")}

    eventually(lambda: {f"id-cat-{number}" for number in range(20)} <= back(), "what kcat published", 20)


def test_a_crm_reads_with_kafka_python_what_is_its_own(outside: Outside) -> None:
    place = outside.kafka_python((packed(event("reader")), []))[0]
    outside.enriched(place)
    reader = kafka_python.KafkaConsumer(CRM, bootstrap_servers=outside.servers, auto_offset_reset="earliest", consumer_timeout_ms=3_000)
    seen = [json.loads(record.value) for record in reader]
    reader.close()
    assert "id-reader" in {value["event"]["id"] for value in seen if "event" in value}


REFUSED: list[tuple[str, bytes | None]] = [
    ("too_large", b'{"a": "' + b"x" * 262_144 + b'"}'),
    ("undecodable", b'{"specversion": "1.0"'),
    ("undecodable", b""),
    ("undecodable", None),
    ("not_cloudevent", packed(event("r", specversion="0.3"))),
    ("not_cloudevent", packed([event("r")])),
    ("wrong_brand", packed(event("r", source="/brand/another/shop"))),
    ("unknown_type", packed(event("r", type="com.example.like"))),
    ("bad_time", packed(event("r", time="yesterday"))),
    ("no_identity", packed(event("r", data={"identities": [{"type": "cookie", "id": "null"}], "item": {"sku": "s"}}))),
    ("invalid_data", packed(event("r", data={"identities": [{"type": "brand_member", "id": "r"}]}))),
    ("bad_money", packed(order("r", total=19.9))),
]


@pytest.mark.parametrize(("reason", "value"), REFUSED, ids=[f"{number}-{reason}" for number, (reason, _) in enumerate(REFUSED)])
def test_each_refusal_is_a_dead_letter_with_the_original_bytes(outside: Outside, reason: str, value: bytes | None) -> None:
    own: Headers = [("x-trace", b"7"), ("huiliu-reason", b"an old one")]
    place = outside.confluent((value, own))[0]
    letter = outside.letter(place)
    headers = _headers(letter)
    assert (letter.value(), letter.key(), letter.partition()) == (value, b"key", place[0])
    assert headers["huiliu-reason"] == reason.encode()
    assert [name for name, _ in letter.headers()].count("huiliu-reason") == 1
    assert (headers["huiliu-topic"], headers["x-trace"]) == (EVENTS.encode(), b"7")
    assert headers["huiliu-detail"]
    assert headers["huiliu-topic-id"]
    assert headers["huiliu-at"].endswith(b"Z")


def test_copies_are_duplicates_and_contradictions_dead_letters(outside: Outside, running: Crew) -> None:
    """(b) the same id, (c) the same natural key; the same with another body or amount is refused."""
    refund = {"status": "refunded", "refund_id": "rf", "refund": {"amount": "1.00"}}
    chat = {"conversation_id": "c", "message_id": "m", "direction": "in", "msgtype": "text", "text": "你好"}
    chatted = event("dup-chat", type="cn.huiliu.chat.v1", data={"identities": [{"type": "brand_member", "id": "dup"}], **chat})
    coupon = {"reward_id": "rw", "status": "claimed"}
    claimed = event("dup-cpn", type="cn.huiliu.coupon.v1", data={"identities": [{"type": "brand_member", "id": "dup"}], **coupon})
    originals = [event("dup-click"), order("dup-order"), order("dup-refund", **refund), chatted, claimed]
    copies = [
        {**originals[0], "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
        {**originals[1], "id": "another"},
        {**originals[2], "id": "another refund"},
        {**originals[3], "id": "another chat"},
        {**originals[4], "id": "another coupon"},
    ]
    contradictions = [
        {**originals[0], "subject": "changed"},
        {**order("dup-order", total="20.00"), "id": "third"},
        {**order("dup-refund", **{**refund, "refund": {"amount": "2.00"}}), "id": "third refund"},
    ]
    places = outside.confluent(*((packed(one), []) for one in [*originals, *copies, *contradictions]))
    for place in places[:5]:
        outside.enriched(place)
    for place in places[10:]:
        assert _headers(outside.letter(place))["huiliu-reason"] == b"invalid_data"
    running.wait_until_drained([BRAND])
    seen = {_headers(one).get("ce_huiliuorigin") for one in outside.read(CRM)} | {
        b"%d:%d" % _origin_of_letter(one) for one in outside.read(LETTERS)
    }
    assert not {b"%d:%d" % place for place in places[5:10]} & seen


def test_a_manifest_at_the_stop_states_the_duplicates(outside: Outside, running: Crew) -> None:
    copy = packed(event("twice"))
    outside.confluent((copy, []), (copy, []))
    running.wait_until_drained([BRAND])
    running.stop("members")
    stated = [json.loads(one.value()) for one in outside.read(CRM) if _headers(one)["ce_type"] == b"cn.huiliu.manifest.v1"]
    placed = sum(extent.end for extent in _extents(running))
    enriched = {_headers(one).get("ce_huiliuorigin") for one in outside.read(CRM)} - {None}
    assert sum(one["duplicates"] for one in stated) == placed - len(enriched) - len(outside.read(LETTERS)) > 0
    assert all(one["crashed"] == 0 for one in stated)


def _extents(running: Crew) -> list[Any]:
    with TopicLog(running.settings, EVENTS) as log:
        return list(log.extents().values())
