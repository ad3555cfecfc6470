"""A stage without a table on a real Kafka: untrusted topics that come, go and are made again, kills, another routing."""

import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from agents.engine.worker import CANNOT_RUN, CLOSE_S, GRACE_S
from agents.servers import start_kafka
from tests.integration.crew import Process, start_alone
from tests.integration.toy_cluster import read_all, wait_until

SHORT_S = 2.0
SETTINGS = {"message.timestamp.type": "LogAppendTime"}


class EchoCluster:
    """Topics, workers and what they handed on."""

    def __init__(self, servers: str, name: str, folder: Path) -> None:
        self.servers, self.name, self.folder = servers, name, folder
        self.admin = AdminClient({"bootstrap.servers": servers})
        self.anchor, self.output = f"{name}-anchor", f"{name}-out"
        self.sources = folder / "sources"
        self.sources.write_text("")
        self.workers: list[Process] = []
        self._logs: dict[int, Path] = {}
        self.make(self.anchor, 1)
        self.make(self.output, 2)

    def make(self, topic: str, partitions: int = 2) -> str:
        for made in self.admin.create_topics([NewTopic(topic, partitions, 1, config=SETTINGS)]).values():
            made.result()
        return topic

    def remove(self, topic: str) -> None:
        for gone in self.admin.delete_topics([topic]).values():
            gone.result()
        wait_until(lambda: topic not in self.admin.list_topics(timeout=5).topics, 10, lambda: f"{topic} is still there")

    def read_from(self, *topics: str) -> None:
        self.sources.write_text("\n".join(topics))

    def publish(self, topic: str, values: list[bytes], **settings: str) -> None:
        producer = Producer({"bootstrap.servers": self.servers, "linger.ms": 50, **settings})
        for number, value in enumerate(values):
            producer.produce(topic, value, b"key", number % 2)
        assert producer.flush(20) == 0

    def fill(self, topic: str, counts: tuple[int, ...]) -> None:
        """Publish so many records to each partition."""
        producer = Producer({"bootstrap.servers": self.servers, "linger.ms": 50})
        for partition, count in enumerate(counts):
            for number in range(count):
                producer.produce(topic, b"%d" % number, b"key", partition)
        assert producer.flush(20) == 0

    def offsets(self) -> dict[tuple[str, str, int], list[int]]:
        """Which offsets came, in the order in which they came first, by topic, topic id and partition."""
        found: dict[tuple[str, str, int], list[int]] = {}
        for message in read_all(self.servers, self.output):
            headers = {name: bytes(value or b"") for name, value in message.headers() or []}  # type: ignore[str-unpack, arg-type]
            topic, topic_id, partition, offset = headers["origin"].decode().split()
            came = found.setdefault((topic, topic_id, int(partition)), [])
            if int(offset) not in came:
                came.append(int(offset))
        return found

    def start(self, routing: str = "r1", *options: str) -> Process:
        arguments = ["-m", "tests.shell.echo_worker", "--servers", self.servers, "--app", self.name, "--anchor", self.anchor]
        arguments += ["--sources", str(self.sources), "--output", self.output, "--data", str(self.folder), "--routing", routing, *options]
        log = self.folder / f"{len(self.workers)}.log"
        worker = start_alone(arguments, {}, log)
        self.workers.append(worker)
        self._logs[worker.pid] = log
        return worker

    def said(self, worker: Process) -> str:
        return self._logs[worker.pid].read_text()

    def handed_on(self) -> list[tuple[bytes, bytes]]:
        """What came out, how and what: in order, copies by origin once."""
        found: dict[bytes, tuple[bytes, bytes]] = {}
        for message in read_all(self.servers, self.output):
            headers = {name: bytes(value or b"") for name, value in message.headers() or []}  # type: ignore[str-unpack, arg-type]
            found.setdefault(headers["origin"], (headers["how"], message.value() or b""))
        return list(found.values())

    def written(self) -> int:
        """Count the records of the output."""
        reader = Consumer({"bootstrap.servers": self.servers, "group.id": "counts"})
        try:
            return sum(reader.get_watermark_offsets(TopicPartition(self.output, partition), timeout=5)[1] for partition in range(2))
        finally:
            reader.close()

    def wait_for(self, count: int, seconds: float = 40) -> list[tuple[bytes, bytes]]:
        wait_until(lambda: len(self.handed_on()) >= count, seconds, lambda: f"{len(self.handed_on())} of {count} were handed on")
        return self.handed_on()

    def stop(self, worker: Process) -> str:
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(20) == 0
        return self.said(worker)

    def end(self) -> None:
        for worker in self.workers:
            if worker.poll() is None:
                worker.kill()
            worker.wait()


@pytest.fixture
def echo(kafka: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EchoCluster]:
    made = EchoCluster(kafka, request.node.name.replace("_", "-"), tmp_path)
    yield made
    made.end()


def values(count: int, start: int = 0) -> list[bytes]:
    return [b"%d" % number for number in range(start, start + count)]


def test_a_topic_that_comes_while_it_runs_is_read_without_a_restart(echo: EchoCluster) -> None:
    worker = echo.start()
    first = echo.make(f"{echo.name}-first")
    echo.publish(first, values(100))
    echo.read_from(first)
    assert sorted(echo.wait_for(100)) == sorted((b"read", value) for value in values(100))
    second = echo.make(f"{echo.name}-second")
    echo.read_from(first, second)
    echo.publish(second, values(100, 100))
    echo.publish(first, values(50, 200))
    assert sorted(echo.wait_for(250)) == sorted((b"read", value) for value in values(250))
    assert "clean=True" in echo.stop(worker)


def test_a_record_that_raises_and_a_batch_that_unpacks_to_too_much_stop_nothing(echo: EchoCluster) -> None:
    topic = echo.make(f"{echo.name}-in", 1)
    echo.read_from(topic)
    producer = Producer(
        {"bootstrap.servers": echo.servers, "compression.type": "gzip", "linger.ms": 500, "message.max.bytes": 60_000_000,
         "batch.size": 60_000_000}
    )  # fmt: skip
    for value in (b"\0" * 10_000_000, b"\0" * 10_000_000):
        producer.produce(topic, value, b"key")
    # Not flush, which may send the first before it has seen the second.
    wait_until(lambda: producer.poll(0.1) is not None and not len(producer), 30, lambda: f"{len(producer)} are not delivered")
    for value in (b"before", b"boom", b"after"):
        producer.produce(topic, value, b"key")
    assert producer.flush(30) == 0
    echo.start()
    assert echo.wait_for(4) == [(b"oversized", b"0 to 1"), (b"read", b"before"), (b"refused", b"boom"), (b"read", b"after")]


def test_a_topic_made_again_is_read_from_its_beginning_as_a_new_origin(echo: EchoCluster) -> None:
    topic, other = echo.make(f"{echo.name}-again"), echo.make(f"{echo.name}-other")
    echo.read_from(topic, other)
    echo.publish(topic, values(100))
    echo.start()
    echo.wait_for(100)
    echo.remove(topic)
    echo.publish(other, values(20, 500))
    echo.wait_for(120)
    echo.make(topic)
    echo.publish(topic, values(40, 100))
    came = echo.wait_for(160)
    assert Counter(came) == Counter((b"read", value) for value in [*values(140), *values(20, 500)])


def hold_while_made_again(echo: EchoCluster, former: tuple[int, int]) -> None:
    """Make a topic again while the worker stands still; each record must come once, and those of a partition in order.

    The worker does not look at the ids of its topics by the clock.
    """
    topic = echo.make(f"{echo.name}-topic")
    echo.read_from(topic)
    echo.fill(topic, former)
    worker = echo.start("r1", "--refresh", "300")
    echo.wait_for(sum(former))
    worker.send_signal(signal.SIGSTOP)
    time.sleep(0.4)  # longer than a broker keeps a question: nobody is told that the topic goes
    echo.remove(topic)
    echo.make(topic)
    echo.fill(topic, (20, 20))
    worker.send_signal(signal.SIGCONT)
    echo.wait_for(sum(former) + 40)
    came = sorted(echo.offsets().values())
    assert came == sorted(list(range(count)) for count in (*former, 20, 20))


def test_a_topic_made_again_that_is_longer_than_the_former_was_is_read_from_its_beginning(echo: EchoCluster) -> None:
    hold_while_made_again(echo, (2, 2))


def test_a_topic_made_again_whose_former_position_is_refused_in_one_partition_is_read_anew_in_all(echo: EchoCluster) -> None:
    hold_while_made_again(echo, (50, 2))


def test_a_topic_that_is_deleted_holds_no_other_up(echo: EchoCluster) -> None:
    topic, other = echo.make(f"{echo.name}-gone"), echo.make(f"{echo.name}-other")
    echo.read_from(topic, other)
    echo.publish(topic, values(100, 1000))
    echo.start()
    echo.wait_for(100)
    echo.remove(topic)
    producer = Producer({"bootstrap.servers": echo.servers, "linger.ms": 0})
    for number in range(80):  # longer than the session: a member that waits in a rebalance would lose it
        producer.produce(other, b"%d" % number, b"key", number % 2)
        producer.flush(5)
        time.sleep(0.1)
    echo.wait_for(180)
    appended = {message.value(): message.timestamp()[1] for message in read_all(echo.servers, other)}
    handed_on = {message.value(): message.timestamp()[1] for message in read_all(echo.servers, echo.output) if message.value() in appended}
    assert len(appended) == 80
    assert max(handed_on[value] - appended[value] for value in appended) < 3000


def test_another_routing_starts_from_a_clean_stop_only(echo: EchoCluster) -> None:
    topic = echo.make(f"{echo.name}-in")
    echo.read_from(topic)
    echo.publish(topic, values(50))
    worker = echo.start("r1")
    echo.wait_for(50)
    worker.kill()
    worker.wait()
    other = echo.start("r2")
    assert other.wait(40) == 2
    assert "routed by r1 up to an unclean stop, this worker routes by r2" in echo.said(other)
    former = echo.start("r1")
    echo.publish(topic, values(50, 50))
    echo.wait_for(100)
    echo.stop(former)
    other = echo.start("r2")
    echo.publish(topic, values(50, 100))
    assert Counter(echo.wait_for(150)) == Counter((b"read", value) for value in values(150))


def test_kills_and_joins_lose_nothing_and_an_orderly_stop_repeats_nothing(echo: EchoCluster) -> None:
    topics = [echo.make(f"{echo.name}-{number}") for number in range(3)]
    echo.read_from(*topics)
    echo.start()
    echo.start()
    sent = 0
    for round_number in range(4):
        for topic in topics:
            echo.publish(topic, values(400, sent))
            sent += 400
        time.sleep(0.7)
        worker = next(worker for worker in echo.workers if worker.poll() is None)
        worker.send_signal((signal.SIGKILL, signal.SIGTERM)[round_number % 2])
        echo.start()
    assert Counter(echo.wait_for(sent, 60)) == Counter((b"read", value) for value in values(sent))


def test_a_worker_whose_broker_does_not_answer_ends_soon_after_it_gives_up(tmp_path: Path) -> None:
    kafka = start_kafka(tmp_path / "kafka")
    echo = EchoCluster(kafka.bootstrap, "mute", tmp_path)
    try:
        topic = echo.make("mute-source")
        # So many that some are on their way whenever the broker falls silent.
        echo.publish(topic, values(200_000), **{"queue.buffering.max.messages": "200000"})
        echo.read_from(topic)
        worker = echo.start("r1", "--session", str(SHORT_S))
        wait_until(lambda: echo.written() > 1_000, 20, lambda: f"{echo.written()} were handed on")
        kafka.process.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        assert worker.wait(30) == CANNOT_RUN
        assert time.monotonic() - began < SHORT_S + CLOSE_S + GRACE_S + 2
    finally:
        echo.end()
        kafka.kill()
