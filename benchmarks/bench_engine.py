"""The engine beside a straight confluent-kafka loop and an idiomatic Faust agent: events per CPU-second.

Interleaved rounds on one real Kafka, each contender a process of its own; CPU
is the process's, with all its threads.  The ratios are medians over rounds.

Run: ``python -m benchmarks.bench_engine [--quick]``
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import msgspec
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from agents.servers import start_kafka
from benchmarks.contenders import engine, faust_agent, job, straight

PARTITIONS = 16
TARGETS = {"straight": 0.7, "faust": 40.0}


def main() -> int:
    """Measure and print; exit status 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two short rounds, to see that it runs")
    parser.add_argument("--kafka", help="a running Kafka instead of one of its own")
    parser.add_argument("--contender", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.contender:
        print(json.dumps(contend(asked.contender[0], **json.loads(asked.contender[1]))))
        return 0
    with nullcontext(asked) if asked.kafka else start_kafka(tuned=True) as server:
        found = measure(asked.kafka or server.bootstrap, asked.quick)
    print(json.dumps(found))
    return int(any(found["engine_over"][name] < target for name, target in TARGETS.items()))


def measure(servers: str, quick: bool) -> dict[str, Any]:
    """Run the rounds; gives events per CPU-second of each contender, and the engine's ratios."""
    rounds, many, few = (2, 100_000, 2_000) if quick else (5, 400_000, 8_000)
    topics(servers, {"bench-many": PARTITIONS, "bench-few": PARTITIONS, "bench-out": PARTITIONS, "bench-faust-out": PARTITIONS})
    fill(servers, "bench-many", job.events(many), lambda value: value)
    fill(servers, "bench-few", job.events(few), job_json)
    rates: dict[str, list[float]] = {"straight": [], "engine": [], "faust": []}
    for number in range(rounds):
        for name, total in (("straight", many), ("engine", many), ("faust", few)):
            app_id = f"bench-{name}-{number}"
            topics(servers, {f"{app_id}-bench-changelog": PARTITIONS})
            rates[name].append(total / start(name, {"servers": servers, "app_id": app_id, "total": total}))
            print(f"round {number + 1}/{rounds} {name}: {rates[name][-1]:,.0f} events per CPU-second", file=sys.stderr)
    over = {name: [mine / other for mine, other in zip(rates["engine"], rates[name], strict=True)] for name in TARGETS}
    return {
        "events_per_cpu_s": {name: round(statistics.median(found)) for name, found in rates.items()},
        "engine_over": {name: round(statistics.median(ratios), 2) for name, ratios in over.items()},
        "rounds": rounds,
        "targets": TARGETS,
    }


def job_json(value: bytes) -> bytes:
    """Word an event as Faust reads it."""
    return msgspec.json.encode(job.decode_event(value))


def start(name: str, how: dict[str, object]) -> float:
    """Run one contender as a process; gives its CPU seconds."""
    command = [sys.executable, "-m", "benchmarks.bench_engine", "--contender", name, json.dumps(how)]
    ran = subprocess.run(command, capture_output=True, timeout=600, check=False)
    if ran.returncode:
        raise RuntimeError(f"{name}: {ran.stderr.decode()[-3000:]}")
    return float(ran.stdout.splitlines()[-1])


def contend(name: str, *, servers: str, app_id: str, total: int) -> float:
    """Do the job in this process."""
    changelog = f"{app_id}-bench-changelog"
    if name == "straight":
        return straight.run(servers, "bench-many", changelog, "bench-out", PARTITIONS, total)
    if name == "engine":
        return engine.run(servers, "bench-many", app_id, "bench-out", total)
    return faust_agent.run(servers, "bench-few", app_id, "bench-faust-out", PARTITIONS, total)


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
    sys.exit(main())
