"""Kafka Streams in Java, as its documentation shows it and tuned (``kafka_streams/``, built by ``make contenders``).

Exactly once, as the engine keeps its states.  The process is measured from
outside, once what the group has committed shows that the JIT has seen enough.
"""

import subprocess
import time
from functools import partial
from pathlib import Path
from typing import Final

from confluent_kafka import Consumer, TopicPartition

from benchmarks.contenders.job import Job
from benchmarks.cpu import used

BUILT: Final = Path(__file__).with_name("kafka_streams") / "target"
POLL_S: Final = 0.02
DONE_S: Final = 300.0


def is_built() -> bool:
    """Tell whether the program is there."""
    return any(BUILT.glob("*.jar"))


def run(variant: str, job: Job) -> float:
    """Do the job; gives the CPU seconds of what comes after the events that warm up."""
    classes = f"{BUILT}/*:{BUILT}/libs/*"
    command = ["java", "-Xms512m", "-Xmx1g", "-cp", classes, "huiliu.Contender", variant, job.servers, job.app_id, job.source, job.output]
    consumer = Consumer({"bootstrap.servers": job.servers, "group.id": job.app_id, "enable.auto.commit": False})
    with subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "--", *command], stdin=subprocess.DEVNULL) as streams:
        try:
            warm = _committed(consumer, job, max(1, job.warm), streams)
            before = used(streams.pid).total_s if job.warm else 0.0
            done = _committed(consumer, job, job.total, streams)
            spent = used(streams.pid).total_s - before
        finally:
            streams.kill()
            consumer.close()
    counted = done - (warm if job.warm else 0)
    return spent * (job.total - job.warm) / counted


def _committed(consumer: Consumer, job: Job, events: int, streams: "subprocess.Popen[bytes]") -> int:
    """Wait until so many events are committed; gives how many are."""
    places = [TopicPartition(job.source, partition) for partition in range(job.partitions)]
    deadline = time.monotonic() + DONE_S
    while True:
        done = sum(max(0, each.offset) for each in consumer.committed(places, timeout=10))
        if done >= events:
            return done
        if streams.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{done} of {job.total} events are committed; status {streams.returncode}")
        time.sleep(POLL_S)


tuned, documented = partial(run, "tuned"), partial(run, "documented")
