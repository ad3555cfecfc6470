"""One keyed stage beside other ways of doing its job: events per CPU-second.

Interleaved rounds in shuffled order on one real Kafka, each contender a
process of its own on a core of its own; CPU is the process's, with all its
threads.  Before anything is timed, each contender's outputs over a short run
are held against what the job has to give.  The ratios are medians over rounds.

Run: ``python -m benchmarks --only engine [--quick]``
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import msgspec
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from agents.servers import start_kafka
from benchmarks.contenders import engine, faust_agent, job, straight
from benchmarks.contenders.job import Enriched, Job
from benchmarks.machine import broker_cores, client_cores, on
from benchmarks.rounds import Rounds

PARTITIONS: Final = 16
TARGETS: Final = {"straight": 0.7, "faust": 40.0}
CHECKED: Final = 2_000
READ_S: Final = 30
CONTENDERS: Final = {"straight": straight.run, "engine": engine.run, "faust": faust_agent.run}
JSON: Final = frozenset({"faust"})
"""Whose events are JSON; they are too slow for as many as the others do."""


def measure(quick: bool, tell: Callable[[str], None]) -> dict[str, Any]:
    """Run the rounds; gives events per CPU-second of each contender, and the engine's ratios."""
    rounds, many, few = (2, 100_000, 2_000) if quick else (5, 400_000, 8_000)
    with on(broker_cores()), start_kafka(tuned=True) as kafka:
        bench = Bench(kafka.bootstrap, many, few)
        for name in CONTENDERS:
            bench.check(name)
        found = Rounds()
        found.run({name: partial(bench.rate, name) for name in CONTENDERS}, rounds, tell)
    over = {name: found.over("engine", name) for name in CONTENDERS if name != "engine"}
    return {
        "events_per_cpu_s": {name: found.rate(name) for name in CONTENDERS},
        "engine_over": over,
        "targets": TARGETS,
        "rounds": rounds,
        "samples": found.told(),
    }


def missed(found: dict[str, Any], quick: bool) -> bool:
    """Tell whether a ratio is below its target, or could not be had; a quick run is too short to say."""
    return not quick and any((found["engine_over"][name] or 0) < target for name, target in TARGETS.items())


class Bench:
    """Contenders on one Kafka: topics with *many* packed events and *few* as JSON, and as many as are checked."""

    def __init__(self, servers: str, many: int, few: int = 0) -> None:
        self._servers = servers
        self._events = {False: many, True: few}
        for as_json, count in self._events.items():
            for kind, events in (("all", count), ("check", CHECKED)):
                self._fill(_source(kind, as_json), events, as_json)

    def _fill(self, topic: str, count: int, as_json: bool) -> None:
        topics(self._servers, {topic: PARTITIONS})
        fill(self._servers, topic, job.events(count), job_json if as_json else bytes)

    def rate(self, name: str, number: int) -> float:
        """Let *name* do all events in round *number*; gives events per CPU-second."""
        total = self._events[name in JSON]
        return total / self._run(name, "all", f"{name}-{number}", total)

    def check(self, name: str) -> None:
        """Hold the outputs of a short run against the job; raises ``RuntimeError`` where they differ."""
        self._run(name, "check", f"{name}-check", CHECKED)
        came, expected = outputs(self._servers, _output(f"{name}-check"), CHECKED), job.outputs(CHECKED)
        wrong = [member for member, told in expected.items() if came.get(member) != told]
        if wrong:
            one = wrong[0]
            raise RuntimeError(f"{name}: wrong outputs for {len(wrong)} members: of {one} came {came.get(one)}, expected {expected[one]}")

    def _run(self, name: str, kind: str, run: str, total: int) -> float:
        """Run *name* in a process of its own; gives the CPU seconds that it took."""
        one = Job(self._servers, _source(kind, name in JSON), f"bench-{run}", _output(run), PARTITIONS, total)
        topics(self._servers, {one.changelog: PARTITIONS, one.output: PARTITIONS})
        command = [sys.executable, "-m", "benchmarks.bench_engine", name, json.dumps(one)]
        with on(client_cores()):
            ran = subprocess.run(command, capture_output=True, timeout=600, check=False)
        if ran.returncode:
            raise RuntimeError(f"{name}: {ran.stderr.decode()[-3000:]}")
        return float(ran.stdout.splitlines()[-1])


def _source(kind: str, as_json: bool) -> str:
    return f"bench-{kind}-{'json' if as_json else 'packed'}"


def _output(run: str) -> str:
    return f"bench-{run}-out"


def outputs(servers: str, topic: str, count: int) -> dict[str, list[Enriched]]:
    """Read *count* outputs, each member's in order."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "bench-check", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(PARTITIONS)])
    found: dict[str, list[Enriched]] = {}
    read, deadline = 0, time.monotonic() + READ_S
    while read < count and time.monotonic() < deadline:
        for message in consumer.consume(count, 1):
            one = job.decode_output(message.value() or b"")
            found.setdefault(one.member, []).append(one)
            read += 1
    consumer.close()
    return found


def job_json(value: bytes) -> bytes:
    """Word an event as Faust reads it."""
    return msgspec.json.encode(job.decode_event(value))


def topics(servers: str, wanted: dict[str, int]) -> None:
    """Make topics."""
    settings = {"message.timestamp.type": "LogAppendTime"}
    admin = AdminClient({"bootstrap.servers": servers})
    futures = admin.create_topics([NewTopic(name, count, 1, config=settings) for name, count in wanted.items()])
    for future in futures.values():
        future.result()


def fill(servers: str, topic: str, events: list[tuple[bytes, bytes]], word: Callable[[bytes], bytes]) -> None:
    """Write *events*, each member's into one partition."""
    producer = Producer(
        {"bootstrap.servers": servers, "linger.ms": 20, "compression.type": "lz4", "queue.buffering.max.messages": 1_000_000}
    )
    for key, value in events:
        producer.produce(topic, word(value), key, int(key[-6:]) % PARTITIONS)
        producer.poll(0)
    producer.flush()


if __name__ == "__main__":
    print(CONTENDERS[sys.argv[1]](Job(*json.loads(sys.argv[2]))))
