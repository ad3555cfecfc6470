"""Real workers of the toy stage on a real Kafka, and what an oracle says that must have come of it."""

import json
import shutil
import signal
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from confluent_kafka import (
    Consumer,
    ConsumerGroupState,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from kafka import KafkaAdminClient
from kafka.admin import MemberToRemove

from agents.engine.takeover import MARKER, unpack
from schemas.fold import STAMP
from tests.integration.crew import Process, start_alone
from tests.shell.toy import SEQUENCE, STATE

PARTITIONS = 4
OUTPUTS = 2
SESSION_S = 6.0
SAID = "said"


class Copy(NamedTuple):
    """One record of the output."""

    origin: tuple[int, int]
    sequence: int
    value: bytes


class ToyCluster:
    """Topics of one test, its workers, and their judge."""

    def __init__(self, servers: str, name: str) -> None:
        self.servers, self.name = servers, name
        self.source, self.output, self.changelog = f"{name}-in", f"{name}-out", f"{name}-toy-changelog"
        self.workers: list[Process] = []
        self._data: dict[int, Path] = {}
        self.sent = 0
        settings = {"message.timestamp.type": "LogAppendTime"}
        wanted = [
            NewTopic(self.source, PARTITIONS, 1, config=settings),
            NewTopic(self.output, OUTPUTS, 1, config=settings),
            NewTopic(self.changelog, PARTITIONS, 1, config={**settings, "cleanup.policy": "compact"}),
        ]
        admin = AdminClient({"bootstrap.servers": servers})
        for made in admin.create_topics(wanted).values():
            made.result()
        self._producer = Producer({"bootstrap.servers": servers, "linger.ms": 5})

    def start(self, *options: str) -> Process:
        """Start one more worker."""
        data = Path(tempfile.mkdtemp())
        arguments = ["-m", "tests.shell.toy_worker", "--servers", self.servers, "--app", self.name, "--topic", self.source]
        arguments += ["--output", self.output, "--data", str(data), "--session", str(SESSION_S), *options]
        worker = start_alone(arguments, {}, data / SAID)
        self.workers.append(worker)
        self._data[worker.pid] = data
        return worker

    def said(self, worker: Process) -> str:
        """Read what *worker* said so far."""
        return (self._data[worker.pid] / SAID).read_text()

    def publish(self, count: int) -> None:
        """Write *count* records of 200 keys; one in a hundred makes the fold raise."""
        for _ in range(count):
            number = self.sent
            key = b"key-%d" % (number * 7919 % 200)
            value = b"boom" if number % 100 == 99 else b"%d" % number
            self._producer.produce(self.source, value, key, number * 7919 % 200 % PARTITIONS)
            self.sent += 1
        assert self._producer.flush(20) == 0

    def stop_all(self) -> list[int]:
        """Stop every worker in order; gives their exit statuses."""
        for worker in self.workers:
            worker.send_signal(signal.SIGTERM)
        return [worker.wait(20) for worker in self.workers]

    def end(self) -> None:
        """Leave nothing running, whatever happened."""
        for worker in self.workers:
            if worker.poll() is None:
                worker.kill()
            worker.wait()
            shutil.rmtree(self._data[worker.pid])

    def positions(self) -> list[int]:
        """Read each partition's committed position from its marker."""
        markers = {
            message.partition() or 0: unpack(message.value() or b"") for message in self.read(self.changelog) if message.key() == MARKER
        }
        return [markers[partition].position if partition in markers else 0 for partition in range(PARTITIONS)]

    def wait_until_durable(self, seconds: float = 60) -> None:
        """Wait until all that was published is folded and durable."""
        ends = [len(records) for records in self.inputs()]
        wait_until(lambda: self.positions() == ends, seconds, lambda: f"positions {self.positions()}, ends {ends}")

    def put_out(self) -> None:
        """Put every member out of the group, as the broker does with one unheard of; it learns that with its next request."""
        admin = AdminClient({"bootstrap.servers": self.servers})
        members = admin.describe_consumer_groups([self.name])[self.name].result().members
        remover = KafkaAdminClient(bootstrap_servers=self.servers)
        try:
            remover.remove_group_members(self.name, [MemberToRemove(one.member_id) for one in members])
        finally:
            remover.close()

    def both(self) -> set[str]:
        """Name the two members, once the group has settled with them."""
        admin = AdminClient({"bootstrap.servers": self.servers})
        names: set[str] = set()

        def have_settled() -> bool:
            group = admin.describe_consumer_groups([self.name])[self.name].result()
            names.clear()
            names.update(one.member_id for one in group.members)
            return group.state is ConsumerGroupState.STABLE and len(names) == 2

        wait_until(have_settled, 20, lambda: f"in the group: {names}")
        return names

    def told(self) -> list[int]:
        """Read each partition's position as the group was told of it."""
        admin = AdminClient({"bootstrap.servers": self.servers})
        asked = ConsumerGroupTopicPartitions(self.name, [TopicPartition(self.source, each) for each in range(PARTITIONS)])
        found = admin.list_consumer_group_offsets([asked])[self.name].result().topic_partitions
        return [max(0, each.offset) for each in found]

    def inputs(self) -> list[list[Message]]:
        """Read the input, by partition."""
        found: list[list[Message]] = [[] for _ in range(PARTITIONS)]
        for message in self.read(self.source):
            found[message.partition() or 0].append(message)
        return found

    def read(self, topic: str) -> list[Message]:
        """Read what is committed of *topic*, to its end."""
        return read_all(self.servers, topic)

    # -- judgement

    def judge(self) -> None:
        """Nothing lost, nothing doubled, nothing wrong."""
        expected_states, expected_copies = self._expected()
        assert self._states() == expected_states
        for partition in range(PARTITIONS):
            assert self._received(partition) == expected_copies[partition]

    def _expected(self) -> tuple[dict[bytes, tuple[int, int, int]], list[list[Copy]]]:
        """Fold the input once more, record by record."""
        states: dict[bytes, tuple[int, int, int]] = {}
        copies: list[list[Copy]] = [[] for _ in range(PARTITIONS)]
        for partition, records in enumerate(self.inputs()):
            for sequence, record in enumerate(records, 1):
                key, offset = record.key() or b"", record.offset() or 0
                if record.value() == b"boom":
                    said: dict[str, object] = {"crashed": "RuntimeError('boom')"}
                else:
                    count, total, chain = states.get(key, (0, 0, 0))
                    states[key] = (count + 1, total + int(record.value() or b""), (chain * 31 + offset + 1) % 2**64)
                    said = dict(zip(("count", "total", "chain"), states[key], strict=True))
                    said = {"key": key.decode(), **said}
                copies[partition].append(Copy((partition, offset), sequence, json.dumps(said).encode()))
        return states, copies

    def _states(self) -> dict[bytes, tuple[int, int, int]]:
        found: dict[bytes, tuple[int, int, int]] = {}
        for message in self.read(self.changelog):
            key, value = message.key() or b"", message.value()
            if key not in {MARKER, SEQUENCE}:
                assert value is not None
                found[key] = STATE.unpack(value[STAMP:])
        return found

    def _received(self, partition: int) -> list[Copy]:
        """Read the output as a receiver with marks does; copies of one origin must be the same bytes."""
        bytes_of: dict[tuple[int, int], set[bytes]] = defaultdict(set)
        had: list[Copy] = []
        for message in self.read(self.output):
            headers = {name: bytes(value or b"") for name, value in message.headers() or []}  # type: ignore[str-unpack, arg-type]
            origin = [int(part) for part in headers["ce_id"].split(b"-")]
            if origin[0] == partition:
                copy = Copy((origin[0], origin[1]), int(headers["sequence"]), message.value() or b"")
                bytes_of[copy.origin].add(copy.value)
                if not had or copy.origin > had[-1].origin:
                    had.append(copy)
        assert all(len(copies) == 1 for copies in bytes_of.values())
        return had


def read_all(servers: str, topic: str) -> list[Message]:
    """Read what is committed of *topic*, to its end."""
    reader = Consumer(
        {"bootstrap.servers": servers, "group.id": "judge", "enable.partition.eof": True, "isolation.level": "read_committed",
         "auto.offset.reset": "earliest", "enable.auto.commit": False}
    )  # fmt: skip
    try:
        partitions = reader.list_topics(topic, 10).topics[topic].partitions
        reader.assign([TopicPartition(topic, partition, 0) for partition in partitions])
        found: list[Message] = []
        ended: set[int] = set()
        while len(ended) < len(partitions):
            for message in reader.consume(5_000, 1):
                error = message.error()
                if error is None:
                    found.append(message)
                elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the client's name for it
                    ended.add(message.partition() or 0)
                else:
                    raise KafkaException(error)
        return found
    finally:
        reader.close()


def wait_until(holds: Callable[[], bool], seconds: float, what: Callable[[], str]) -> None:
    """Wait for a condition; says *what* was found when it does not come."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, what()
        time.sleep(0.1)


__all__ = ["ToyCluster", "read_all", "wait_until"]
