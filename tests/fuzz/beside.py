"""What a well-behaved brand notices of another one: its burst, or the loss of the topic that it receives in."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple

from agents import admin, clients
from agents.servers import start_kafka
from agents.settings import Settings
from schemas import topics
from schemas.brands import Registration
from tests.fuzz.latency import TURNS, Span, latencies, noted, quantile
from tests.fuzz.shop import PARTITIONS, Shop, bearable
from tests.integration.crew import Crew

CALM, OTHER = "calm", "other"
WARM_S = 6.0
AFTER_S = 1.0
TENFOLD = 10


class Noticed(NamedTuple):
    """The well-behaved brand's latencies, from its topic to its CRM, in ms, without and meanwhile, at *rate* events a second."""

    rate: int
    p50_without_ms: int
    p99_without_ms: int
    p50_ms: int
    p99_ms: int

    @property
    def slowed(self) -> bool:
        """Tell whether its p99 more than doubled."""
        return self.p99_ms > 2 * self.p99_without_ms


@contextmanager
def burst(_: Settings, other: Shop) -> Iterator[None]:
    """Let the other brand publish ten times as much."""
    usual, other.rate = other.rate, other.rate * TENFOLD
    yield
    other.rate = usual


@contextmanager
def deleted(settings: Settings, _: Shop) -> Iterator[None]:
    """Delete the topic that the other brand receives in; it is made again meanwhile."""
    with clients.admin(settings) as client:
        client.delete_topics([topics.crm(OTHER)])
    yield


KINDS: Mapping[str, Callable[[Settings, Shop], AbstractContextManager[None]]] = {"burst": burst, "deleted": deleted}


def beside(kind: str, folder: Path, rate: int | None, seconds: float) -> Noticed:
    """Measure by turns for so many *seconds* without *kind*, and as many from the moment it happens.

    Each brand publishes *rate* events a second; None = what the machine bears.
    """
    with start_kafka(tuned=True) as kafka:
        settings = Settings(kafka=kafka.bootstrap, data=folder, partitions=8, tick_s=1.0)
        with Crew(settings) as crew:
            for brand in (CALM, OTHER):
                admin.add_brand(settings, Registration(brand, brand, admin.now(), events_partitions=PARTITIONS))
            crew.start("control", "intake", "members")
            crew.wait_until_ready()
            rate = rate or bearable(settings, crew, CALM)
            calm, other = (Shop(settings, brand, rate) for brand in (CALM, OTHER))
            for one in (calm, other):
                one.start()
            without: list[Span] = []
            meanwhile: list[Span] = []
            try:
                time.sleep(WARM_S)
                for _ in range(TURNS):
                    time.sleep(AFTER_S)  # what is left of the last turn
                    with noted(without):
                        time.sleep(seconds)
                    with noted(meanwhile), KINDS[kind](settings, other):
                        time.sleep(seconds)
            finally:
                for one in (calm, other):
                    one.ended.set()
                    one.join()
            crew.wait_until_drained([CALM, OTHER])
            assert not crew.ended, crew.ended
        usual, then = latencies(settings, CALM, without), latencies(settings, CALM, meanwhile)
    return Noticed(rate, quantile(usual, 0.5), quantile(usual, 0.99), quantile(then, 0.5), quantile(then, 0.99))
