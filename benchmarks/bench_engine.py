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
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from agents.servers import start_kafka
from benchmarks.contenders import engine, faust_agent, job, kafka_streams, straight
from benchmarks.contenders.job import Enriched, Job
from benchmarks.machine import broker_cores, client_cores, on
from benchmarks.rounds import Rounds
from benchmarks.scale import FULL, QUICK, SHORT, Scale

PARTITIONS: Final = 16
TARGETS: Final = {"straight": 0.8, "faust": 40.0, "streams, tuned": 1.1}
CHECKED: Final = 2_000
READ_S: Final = 30
ROOT: Final = Path(__file__).parents[1]


class Contender(NamedTuple):
    """How one is run: as a *module* of the environment *venv* (this one if none), or by *run*; what it is given.

    *share*: of the events that the fastest do.  *warm*: how many times as many it may see before it counts.
    """

    run: Callable[[Job], float] | None = None
    module: str = ""
    venv: str = ""
    as_json: bool = False
    share: float = 1.0
    warm: int = 0

    @property
    def python(self) -> Path:
        """Name the Python that runs it."""
        return ROOT / ".contenders" / self.venv / "bin" / "python" if self.venv else Path(sys.executable)

    @property
    def is_there(self) -> bool:
        """Whether it is installed."""
        return kafka_streams.is_built() if self.run in (kafka_streams.tuned, kafka_streams.documented) else self.python.exists()


CONTENDERS: Final = {
    "straight": Contender(straight.run),
    "engine": Contender(engine.run),
    "faust": Contender(faust_agent.run, as_json=True, share=0.02),
    "streams, tuned": Contender(kafka_streams.tuned, warm=2),
    "streams, documented": Contender(kafka_streams.documented, as_json=True, share=0.25, warm=2),
    "bytewax": Contender(module="benchmarks.contenders.bytewax_flow", venv="bytewax", share=0.1),
    "quix": Contender(module="benchmarks.contenders.quix_app", venv="quixstreams", share=0.05),
}
ROUNDS: Final = {FULL: (5, 400_000), QUICK: (2, 100_000), SHORT: (1, 2_000)}
OURS: Final = ("straight", "engine", "faust")


def measure(scale: Scale, tell: Callable[[str], None]) -> dict[str, Any]:
    """Run the rounds; gives events per CPU-second of each contender, and the engine's ratios."""
    rounds, many = ROUNDS[scale]
    absent = [name for name, one in CONTENDERS.items() if not one.is_there]
    names = [name for name in (CONTENDERS if scale is FULL else OURS) if name not in absent]
    found = Rounds()
    with on(broker_cores()), start_kafka(tuned=scale is not SHORT) as kafka:
        bench = Bench(kafka.bootstrap, many)
        for name in names:
            tell(f"{name}: {bench.check(name):,} outputs are right")
        found.run({name: partial(bench.rate, name) for name in names}, rounds, tell, repeat=scale is not SHORT)
    return {
        "events_per_cpu_s": {name: found.rate(name) for name in names},
        "engine_over": {name: found.over("engine", name) for name in names if name != "engine"},
        "absent": absent,
        "targets": TARGETS,
        "rounds": rounds,
        "samples": found.told(),
    }


def missed(found: dict[str, Any], scale: Scale) -> bool:
    """Tell whether a ratio is below its target, or could not be had of who is there; a shorter run is too short to say."""
    over = found["engine_over"]
    return scale is FULL and any((over[name] or 0) < target for name, target in TARGETS.items() if name in over)


class Bench:
    """Contenders on one Kafka, the fastest of which do *many* events."""

    def __init__(self, servers: str, many: int) -> None:
        self._servers, self._many = servers, many
        self._filled: set[str] = set()

    def rate(self, name: str, number: int) -> float:
        """Let *name* do its events in round *number*; gives events per CPU-second."""
        one = CONTENDERS[name]
        counted = round(self._many * one.share)
        return counted / self._run(name, f"{_word(name)}-{number}", counted * (1 + one.warm), counted * one.warm)

    def check(self, name: str) -> int:
        """Hold the outputs of a short run against the job; raises ``RuntimeError`` where they differ, gives how many there were."""
        run = f"{_word(name)}-check"
        self._run(name, run, CHECKED, 0)
        came, expected = outputs(self._servers, _output(run), CHECKED), job.outputs(CHECKED)
        wrong = [member for member, told in expected.items() if came.get(member) != told]
        if wrong:
            one = wrong[0]
            raise RuntimeError(f"{name}: wrong outputs for {len(wrong)} members: of {one} came {came.get(one)}, expected {expected[one]}")
        return sum(map(len, came.values()))

    def _run(self, name: str, run: str, total: int, warm: int) -> float:
        """Run *name* in a process of its own; gives the CPU seconds that it took."""
        one = CONTENDERS[name]
        source = self._source(total, as_json=one.as_json)
        task = Job(self._servers, source, f"bench-{run}", _output(run), PARTITIONS, total, warm)
        topics(self._servers, {task.changelog: PARTITIONS, task.output: PARTITIONS})
        arguments = [one.module] if one.module else ["benchmarks.bench_engine", name]
        command = [str(one.python), "-m", *arguments, json.dumps(task)]
        with on(client_cores()):
            ran = subprocess.run(command, capture_output=True, timeout=900, check=False, cwd=ROOT)
        if ran.returncode:
            raise RuntimeError(f"{run}: {ran.stderr.decode()[-3000:]}")
        return float(ran.stdout.splitlines()[-1])

    def _source(self, count: int, *, as_json: bool) -> str:
        """Name the topic with so many events; it is filled when first asked for."""
        topic = f"bench-{'json' if as_json else 'packed'}-{count}"
        if topic not in self._filled:
            topics(self._servers, {topic: PARTITIONS})
            fill(self._servers, topic, job.events(count), job_json if as_json else bytes)
            self._filled.add(topic)
        return topic


def _word(name: str) -> str:
    return name.replace(", ", "-")


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


def _contend(name: str, *task: Any) -> None:
    """Do the job in this process, and print its CPU seconds."""
    run = CONTENDERS[name].run
    if run is None:
        raise ValueError(f"{name} is run by its own module")
    print(run(Job(*task)))


if __name__ == "__main__":
    _contend(sys.argv[1], *json.loads(sys.argv[2]))
