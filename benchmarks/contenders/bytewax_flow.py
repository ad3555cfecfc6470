"""Bytewax, in an environment of its own: a stateful map between Kafka and Kafka, recovery on.

Its states go to SQLite as snapshots, not to Kafka, and are at least once.
"""

import json
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSinkMessage, KafkaSourceMessage
from bytewax.connectors.kafka import operators as kop
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import cluster_main

from benchmarks.contenders.job import Counted, Job, advance, decode_event

SNAPSHOT_S = 0.5


def run(job: Job) -> float:
    """Do the job; gives the CPU seconds from the first event on."""
    began: list[float] = []

    def fold(state: Counted | None, message: KafkaSourceMessage) -> tuple[Counted, bytes]:
        if not began:
            began.append(time.process_time())
        state = state or Counted()
        return state, advance(state, decode_event(message.value))

    flow = Dataflow("bench")
    source = kop.input(
        "source", flow, brokers=[job.servers], topics=[job.source], tail=False, batch_size=2_000,
        add_config={"queued.max.messages.kbytes": "65536", "fetch.queue.backoff.ms": "5"},
    )  # fmt: skip
    keyed = op.key_on("member", source.oks, lambda message: message.key.decode())
    told = op.stateful_map("fold", keyed, fold)
    sent = op.map("told", told, lambda pair: KafkaSinkMessage(pair[0].encode(), pair[1]))
    kop.output(
        "output",
        sent,
        brokers=[job.servers],
        topic=job.output,
        add_config={"compression.type": "lz4", "queue.buffering.max.messages": "500000"},
    )
    with tempfile.TemporaryDirectory() as folder:
        init_db_dir(Path(folder), 1)
        cluster_main(
            flow, [], 0, epoch_interval=timedelta(seconds=SNAPSHOT_S), recovery_config=RecoveryConfig(folder), worker_count_per_proc=1
        )
    return time.process_time() - began[0]


if __name__ == "__main__":
    print(run(Job(*json.loads(sys.argv[1]))))
