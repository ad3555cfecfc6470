"""Quix Streams, in an environment of its own: a stateful apply with its changelog on Kafka, exactly once."""

import json
import sys
import tempfile
import time
from typing import Any

from quixstreams import Application, State

from benchmarks.contenders.job import Counted, Job, advance, decode_event


def run(job: Job) -> float:
    """Do the job; gives the CPU seconds from the first event on."""
    began: list[float] = []

    def fold(value: bytes, state: State) -> bytes:
        if not began:
            began.append(time.process_time())
        counted = Counted(*state.get("counted", []))
        told = advance(counted, decode_event(value))
        state.set("counted", [counted.count, counted.total, counted.last, counted.note])
        return told

    with tempfile.TemporaryDirectory() as folder:
        app = Application(
            broker_address=job.servers, consumer_group=job.app_id, auto_offset_reset="earliest", processing_guarantee="exactly-once",
            state_dir=folder, auto_create_topics=True, loglevel="WARNING", producer_extra_config={"compression.type": "lz4"},
        )  # fmt: skip
        source: Any = app.topic(job.source, value_deserializer="bytes", key_deserializer="bytes")
        output = app.topic(job.output, value_serializer="bytes", key_serializer="bytes")
        app.dataframe(source).apply(fold, stateful=True).to_topic(output)
        app.run(count=job.total, timeout=60)
    return time.process_time() - began[0]


if __name__ == "__main__":
    print(run(Job(*json.loads(sys.argv[1]))))
