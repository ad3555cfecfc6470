"""A well-behaved brand: it publishes evenly, at a rate that the machine can do."""

import os
import time
import zlib
from datetime import UTC, datetime
from random import Random
from threading import Event, Thread

from confluent_kafka import Producer

from agents.clients import librdkafka
from agents.settings import Settings
from schemas import topics
from tests.fuzz import hostile, spelling
from tests.fuzz.verdict import read
from tests.integration.crew import Crew

PARTITIONS = 4
MEMBERS = 500
BURST = 30_000
SHARE = 500
"""An alliance of so many brands shares what goes through."""
BACK = 10


def stand_back() -> None:
    """Let workers and broker have the cores before this thread, and those that it starts: brands publish from machines of their own."""
    os.nice(BACK)


class Shop(Thread):
    """Publishes sound events of *brand* evenly, *rate* a second, which may change, until *ended*."""

    def __init__(self, settings: Settings, brand: str, rate: int) -> None:
        super().__init__(name=brand)
        self.settings, self.brand, self.rate = settings, brand, rate
        self.ended = Event()
        self.random, self.sent = Random(f"{brand} {rate}"), 0  # another rate, other events

    def run(self) -> None:
        stand_back()
        producer = self._producer()
        due = time.monotonic()
        while not self.ended.wait(max(0.0, due - time.monotonic())):
            self._send(producer, *self._event())
            due += 1 / self.rate
        producer.flush(30)

    def burst(self, events: int) -> None:
        """Publish so many *events* at once."""
        producer, made = self._producer(), [self._event() for _ in range(events)]
        for event in made:
            self._send(producer, *event)
        assert producer.flush(30) == 0

    def _producer(self) -> Producer:
        return Producer(librdkafka(self.settings) | {"linger.ms": 20})

    def _event(self) -> tuple[bytes, bytes]:
        """Make the next event, and its key."""
        event = hostile.fresh(self.random, self.brand, datetime.now(UTC))
        member = f"{self.brand}-{self.sent % MEMBERS}"
        event["data"]["identities"] = [{"type": "brand_member", "id": member}]
        self.sent += 1
        return spelling.in_json(self.random, event), member.encode()

    def _send(self, producer: Producer, value: bytes, key: bytes) -> None:
        producer.produce(topics.events(self.brand), value, key, zlib.crc32(key) % PARTITIONS)
        producer.poll(0)


def bearable(settings: Settings, crew: Crew, brand: str) -> int:
    """Give a rate that the machine bears with ease, also tenfold: of what goes through a second when *brand* publishes all at once, 0.2 %.

    An event that comes by itself costs ten times what one among many does.
    The burst is long enough for the broker to have compiled what it runs.
    """
    Shop(settings, brand, 0).burst(BURST)
    crew.wait_until_drained([brand], 300)
    told = sorted(entry.appended_ms for entry in read(settings, topics.crm(brand)))
    counted = told[len(told) // 4 :]  # workers and broker have warmed up by then
    per_s = BURST * len(counted) / len(told) * 1000 / max(1, counted[-1] - counted[0])
    return max(1, round(per_s / SHARE))
