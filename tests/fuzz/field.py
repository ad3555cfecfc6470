"""A hostile brand beside a well-behaved one, on a real Kafka and real workers."""

import re
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import NamedTuple

from confluent_kafka import Producer

from agents import admin
from agents.clients import librdkafka
from agents.settings import Settings
from schemas import topics
from schemas.brands import Registration
from tests.fuzz import hostile
from tests.fuzz.latency import TURNS, Span, noted
from tests.fuzz.shop import PARTITIONS, Shop, bearable, stand_back
from tests.integration.crew import Crew, Worker
from tests.oracle.validity import judge
from tests.oracle.wire import Published, Refusal

HOSTILE, CALM = "hostile", "calm"
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
AGAIN_MILLE, BOMBS_EVERY = 30, 500
MIB = 1024 * 1024
BOMBS = (
    [(17 * MIB, 4, 4)],
    [(6 * MIB, 4, 4)] * 3,
    [(6 * MIB, 4, 4)],
    [(100, 2 * MIB, 4)],
    [(100, 4, 2 * MIB)],
)  # of value, key and header
TIMES = 6
"""How much more than the well-behaved brand the hostile one publishes."""
WARM_S, QUIET_S = 5.0, 15.0


class Watched(NamedTuple):
    """A worker's memory when the hostile brand began, and at its highest, in bytes."""

    stage: str
    before: int
    highest: int


def memory(worker: Worker, which: str) -> int:
    """Read VmRSS or VmHWM of a worker."""
    found = re.search(rf"{which}:\s+(\d+) kB", Path(f"/proc/{worker.process.pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


class Field:
    """The workers and the two brands; the well-behaved one publishes *rate* events a second, None = what the machine bears."""

    def __init__(self, settings: Settings, seed: int, rate: int | None) -> None:
        self.settings, self.random, self.rate = settings, Random(seed), rate or 0
        self.recent: list[hostile.Record] = []
        self.bent: dict[str, int] = {}
        self.sent = 0

    def open(self, crew: Crew) -> None:
        for brand in (HOSTILE, CALM):
            admin.add_brand(self.settings, Registration(brand, brand, admin.now(), events_partitions=PARTITIONS))
        crew.start("control", "intake", "members")
        crew.wait_until_ready()

    def run(
        self, crew: Crew, records: int, told: Callable[[int], None], quiet_s: float = QUIET_S
    ) -> tuple[list[Span], list[Span], list[Watched]]:
        """Publish; gives when the hostile brand was not there, when it was, and the workers' memory."""
        self.rate = self.rate or bearable(self.settings, crew, CALM)
        calm = Shop(self.settings, CALM, self.rate)
        calm.start()
        try:
            time.sleep(WARM_S)
            workers = [worker for stage in ("intake", "members") for worker in crew.running(stage)]
            before = {worker: memory(worker, "VmRSS") for worker in workers}
            without: list[Span] = []
            beside: list[Span] = []
            with ThreadPoolExecutor(1, initializer=stand_back) as thread:
                for turn in range(TURNS):
                    with noted(without):
                        time.sleep(quiet_s)
                    with noted(beside):
                        due = records * (turn + 1) // TURNS - records * turn // TURNS
                        thread.submit(self._publish_hostile, due, told).result()
                        crew.wait_until_drained([HOSTILE], seconds=600)
            watched = [
                Watched(worker.stage, before[worker], memory(worker, "VmHWM")) for worker in workers if worker.process.poll() is None
            ]
        finally:
            calm.ended.set()
            calm.join()
        crew.wait_until_drained([HOSTILE, CALM])
        return without, beside, watched

    def _publish_hostile(self, records: int, told: Callable[[int], None]) -> None:
        """Send evenly, through a producer for each compression; now and then a batch over the decompression cap."""
        options = librdkafka(self.settings) | {"message.max.bytes": 64 * MIB}
        producers = [Producer(options | {"compression.type": codec, "linger.ms": 20}) for codec in CODECS]
        whole = {"linger.ms": 500, "batch.size": 64 * MIB}  # what is sent at once comes as one batch
        bombers = [Producer(options | {"compression.type": codec, **whole}) for codec in CODECS[1:]]
        began = time.monotonic()
        for number in range(records):
            made = self._next()
            self.bent[made.bent] = self.bent.get(made.bent, 0) + 1
            self._send(self.random.choice(producers), made)
            if number % BOMBS_EVERY == BOMBS_EVERY // 2:
                self._send_bomb(self.random.choice(bombers))
            if number % 10 == 9:
                told(10)
                time.sleep(max(0.0, began + number / (TIMES * self.rate) - time.monotonic()))
        for producer in (*producers, *bombers):
            assert producer.flush(60) == 0
        self.sent += records

    def _next(self) -> hostile.Record:
        """Make a record, or send one of the last again as it was."""
        if self.recent and self.random.randrange(1000) < AGAIN_MILLE:
            return self.random.choice(self.recent)._replace(bent="again")
        made = hostile.record(self.random, HOSTILE, datetime.now(UTC))
        self.recent.append(made)
        del self.recent[:-50]
        return made

    def _send(self, producer: Producer, made: hostile.Record) -> None:
        while True:
            try:
                producer.produce(topics.events(HOSTILE), made.value, made.key, self._partition(made), headers=list(made.headers))
            except BufferError:
                producer.poll(0.1)
            else:
                producer.poll(0)
                return

    def _partition(self, made: hostile.Record) -> int:
        """Keep the records of a member in one partition, or nobody could say which of two copies came first."""
        try:
            who = judge(Published(HOSTILE, 0, 0, int(time.time() * 1000), made.value, made.headers, made.key)).who
        except Refusal:
            return self.random.randrange(PARTITIONS)
        return zlib.crc32("/".join(who).encode()) % PARTITIONS

    def _send_bomb(self, producer: Producer) -> None:
        """Send a small batch that unpacks to more than is taken: in all, or in one record's value, key or header."""
        partition, shape = self.random.randrange(PARTITIONS), self.random.choice(BOMBS)
        for value, key, header in shape:
            producer.produce(topics.events(HOSTILE), bytes(value), bytes(key), partition, headers=[("x", bytes(header))])
        producer.poll(0)
        self.sent += len(shape)


__all__ = ["CALM", "HOSTILE", "TIMES", "Field", "Watched"]
