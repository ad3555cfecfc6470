import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from agents.servers import ServerFailed, free_port, start_kafka, start_redis

PARENT = """
import signal
from agents.servers import start_kafka, start_redis
kafka, redis = start_kafka(), start_redis()
print(kafka.process.pid, redis.process.pid, flush=True)
signal.pause()
"""


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def make_topic(bootstrap: str, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(20)


def read_one(bootstrap: str, topic: str) -> tuple[int, bytes | None]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "reader", "auto.offset.reset": "earliest"})
    consumer.assign([TopicPartition(topic, 0, 0)])
    message = consumer.poll(20)
    consumer.close()
    assert message is not None
    assert message.error() is None
    return message.timestamp()[0], message.value()


def test_kafka_serves_and_stamps_records_as_it_takes_them(kafka: str) -> None:
    make_topic(kafka, "servers-serve")
    producer = Producer({"bootstrap.servers": kafka})
    producer.produce("servers-serve", b"hello", timestamp=1)
    assert producer.flush(20) == 0
    log_append_time = 2
    assert read_one(kafka, "servers-serve") == (log_append_time, b"hello")


def test_redis_serves(redis_url: str) -> None:
    client = redis.Redis.from_url(redis_url)
    client.set("servers", "here")
    assert client.get("servers") == b"here"


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_kafka_starts_again_on_the_same_data_and_port(tmp_path: Path, end: str) -> None:
    with start_kafka(tmp_path / "kafka") as first:
        make_topic(first.bootstrap, "kept")
        producer = Producer({"bootstrap.servers": first.bootstrap})
        producer.produce("kept", b"still here")
        assert producer.flush(20) == 0
        getattr(first, end)()
    with start_kafka(tmp_path / "kafka") as second:
        assert second.bootstrap == first.bootstrap
        assert read_one(second.bootstrap, "kept")[1] == b"still here"


def test_redis_starts_again_on_the_same_data(tmp_path: Path) -> None:
    with start_redis(tmp_path / "redis") as first:
        redis.Redis.from_url(first.url).set("kept", "still here")
    with start_redis(tmp_path / "redis") as second:
        assert redis.Redis.from_url(second.url).get("kept") == b"still here"


def test_a_temporary_folder_goes_with_its_server() -> None:
    with start_redis() as server:
        assert server.folder.is_dir()
    assert not server.folder.exists()
    assert not lives(server.process.pid)


def test_both_die_with_a_parent_that_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert [lives(pid) for pid in pids] == [True, True]
        os.kill(parent.pid, 9)
    assert within(10, lambda: not any(map(lives, pids)))


def test_a_kafka_that_cannot_start_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "kafka"
    with start_kafka(folder):
        pass
    (folder / "log" / "meta.properties").write_text("version=1\ncluster.id=another\nnode.id=7\n")
    with pytest.raises(ServerFailed, match=r"(?s)ended with status 1.*node id 7"):
        start_kafka(folder)


def test_missing_jars_are_named(tmp_path: Path) -> None:
    with pytest.raises(ServerFailed, match="make setup"):
        start_kafka(jars=tmp_path)


def test_a_free_port_is_no_outgoing_one() -> None:
    assert 20_000 <= free_port() < 32_000


def test_a_port_that_nobody_listens_on_yet_is_not_given_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "sample", lambda ports, _: list(ports))
    assert free_port() != free_port()
