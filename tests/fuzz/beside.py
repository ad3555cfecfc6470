"""What a well-behaved brand notices of another one: its burst, or the loss of the topic that it receives in."""

import time
import zlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from threading import Event, Thread
from typing import NamedTuple

from confluent_kafka import Producer

from agents import admin, clients
from agents.clients import librdkafka
from agents.servers import start_kafka
from agents.settings import Settings
from schemas import topics
from schemas.brands import Registration
from tests.fuzz import hostile, spelling
from tests.fuzz.field import PARTITIONS
from tests.fuzz.verdict import latencies, quantile
from tests.integration.crew import Crew

CALM, OTHER = "calm", "other"
WARM_S = 6.0
TENFOLD = 10


class Noticed(NamedTuple):
    """The well-behaved brand's latencies, from its topic to its CRM, in ms: before, and meanwhile."""

    p50_before_ms: int
    p99_before_ms: int
    p50_ms: int
    p99_ms: int

    @property
    def slowed(self) -> bool:
        """Tell whether its p99 more than doubled."""
        return self.p99_ms > 2 * self.p99_before_ms


class Publisher(Thread):
    """Publishes sound events of *brand* evenly, *rate* a second, which may change."""

    def __init__(self, settings: Settings, brand: str, rate: int) -> None:
        super().__init__(name=brand)
        self.settings, self.brand, self.rate = settings, brand, rate
        self.ended = Event()

    def run(self) -> None:
        random, producer = Random(0), Producer(librdkafka(self.settings) | {"linger.ms": 0})
        due, number = time.monotonic(), 0
        while not self.ended.wait(max(0.0, due - time.monotonic())):
            event = hostile.fresh(random, self.brand, datetime.now(UTC))
            member = f"{self.brand}-{number % 500}"
            event["data"]["identities"] = [{"type": "brand_member", "id": member}]
            value = spelling.in_json(random, event)
            producer.produce(topics.events(self.brand), value, member.encode(), zlib.crc32(member.encode()) % PARTITIONS)
            producer.poll(0)
            number += 1
            due += 1 / self.rate
        producer.flush(30)


def burst(_: Settings, other: Publisher) -> None:
    """Let the other brand publish ten times as much."""
    other.rate *= TENFOLD


def deleted(settings: Settings, _: Publisher) -> None:
    """Delete the topic that the other brand receives in."""
    with clients.admin(settings) as client:
        client.delete_topics([topics.crm(OTHER)])


KINDS: Mapping[str, Callable[[Settings, Publisher], None]] = {"burst": burst, "deleted": deleted}


def beside(kind: str, folder: Path, rate: int, seconds: float) -> Noticed:
    """Measure for so many *seconds* before *kind* happens, and as many from then on; each brand publishes *rate* events a second."""
    with start_kafka() as kafka:
        settings = Settings(kafka=kafka.bootstrap, data=folder, partitions=8, tick_s=1.0)
        with Crew(settings) as crew:
            for brand in (CALM, OTHER):
                admin.add_brand(settings, Registration(brand, brand, admin.now(), events_partitions=PARTITIONS))
            crew.start("control", "intake", "members")
            crew.wait_until_ready()
            calm, other = (Publisher(settings, brand, rate) for brand in (CALM, OTHER))
            for one in (calm, other):
                one.start()
            try:
                time.sleep(WARM_S + seconds)
                began_ms = int(time.time() * 1000)
                KINDS[kind](settings, other)
                time.sleep(seconds)
                ended_ms = int(time.time() * 1000)
            finally:
                for one in (calm, other):
                    one.ended.set()
                    one.join()
            crew.wait_until_drained([CALM, OTHER])
            assert not crew.ended, crew.ended
        before = latencies(settings, CALM, began_ms - int(seconds * 1000), began_ms)
        meanwhile = latencies(settings, CALM, began_ms, ended_ms)
    return Noticed(quantile(before, 0.5), quantile(before, 0.99), quantile(meanwhile, 0.5), quantile(meanwhile, 0.99))
