"""How the whole pipeline grows with brands, partitions and workers: µs of CPU an event at the same total of events.

Each shape runs on a Kafka of its own, with the straight loop between the
stages (``pipeline.Yardstick``): growth is that of the cost in units of the
straight loop's, for the machine of one shape is not that of the next.

Run: ``python -m benchmarks --only growth [--quick]``
"""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log10
from pathlib import Path
from typing import Any, Final

from confluent_kafka import Producer
from msgspec.structs import replace

from agents import admin
from agents.servers import start_kafka
from agents.settings import Settings
from benchmarks.machine import broker_cores, on
from benchmarks.pipeline import Yardstick, check, drain, publish_events
from benchmarks.scale import FULL, QUICK, SHORT, Scale
from benchmarks.workload import MEMBERS, SEED, rule_sets
from deploy.demo.generator import street
from deploy.demo.shops import SHOPS, Shop
from schemas import brands, topics
from schemas.brands import Registration
from schemas.rules import RuleSet
from tests.integration.crew import Crew

EVENTS: Final = {FULL: 100_000, QUICK: 20_000, SHORT: 2_000}
TOPICS_AT_ONCE: Final = 60
TARGETS: Final = {"brands": 1.5}


@dataclass(frozen=True)
class Shape:
    """What one run has so many of."""

    brands: int = 3
    partitions: int = 16
    workers: int = 1


Series = dict[str, tuple[Shape, ...]]
BASE: Final = Shape()
ALL: Final[Series] = {
    "brands": (BASE, Shape(brands=30), Shape(brands=300)),
    "partitions": (Shape(partitions=4), BASE, Shape(partitions=64)),
    "workers": (BASE, Shape(workers=2)),
}
SERIES: Final[dict[Scale, Series]] = {FULL: ALL, QUICK: {"brands": (BASE, Shape(brands=30))}, SHORT: {"workers": (Shape(workers=2),)}}


def measure(scale: Scale, tell: Callable[[str], None]) -> dict[str, Any]:
    """Run each shape once; gives the series."""
    series = SERIES[scale]
    runs: dict[Shape, dict[str, Any]] = {}
    for shape in dict.fromkeys(shape for shapes in series.values() for shape in shapes):
        runs[shape] = _run(shape, scale)
        tell(f"{shape}: {runs[shape]['us_per_event']} µs an event")
    return {
        "events": EVENTS[scale],
        "series": {name: _grown(name, shapes, runs) for name, shapes in series.items()},
        "problems": [problem for run in runs.values() for problem in run["problems"]],
        "targets": TARGETS,
    }


def missed(found: dict[str, Any], scale: Scale) -> bool:
    """Tell whether a result is wrong or something grows faster than it may; a shorter run is too short for the latter."""
    return bool(found["problems"]) or (
        scale is FULL and any(step > target for name, target in TARGETS.items() for step in found["series"][name]["per_decade"])
    )


def _grown(name: str, shapes: Sequence[Shape], runs: dict[Shape, dict[str, Any]]) -> dict[str, Any]:
    sizes = [getattr(shape, name) for shape in shapes]
    costs = [runs[shape]["of_straight"] for shape in shapes]
    steps = [(costs[at + 1] / costs[at]) ** (1 / log10(sizes[at + 1] / sizes[at])) for at in range(len(sizes) - 1)]
    return {
        "sizes": sizes,
        "us_per_event": [runs[shape]["us_per_event"] for shape in shapes],
        "of_straight": costs,
        "per_decade": [round(step, 2) for step in steps],
    }


def _run(shape: Shape, scale: Scale) -> dict[str, Any]:
    events = EVENTS[scale]
    shops = _shops(shape.brands)
    with tempfile.TemporaryDirectory(prefix="huiliu-bench-") as folder, on(broker_cores()), start_kafka(tuned=scale is not SHORT) as kafka:
        settings = Settings(kafka=kafka.bootstrap, data=Path(folder), session_timeout_s=30, partitions=shape.partitions)
        with Crew(settings) as crew:
            _register(settings, shops)
            pieces = street(SEED, events, time.time_ns() // 1_000_000, members=MEMBERS * 3 // shape.brands, shops=shops)
            expected = publish_events(settings, _rules(shops), pieces, mixed=False)
            yardstick = Yardstick(kafka.bootstrap, scale)
            yardstick.measure()
            intake = drain(crew, "intake", [topics.events(shop.slug) for shop in shops])
            yardstick.measure()
            members = drain(crew, "members", [topics.MEMBERS], shape.workers)
            yardstick.measure()
            crew.stop("intake")
            crew.stop("members")
            checked = [shop.slug for shop in shops[:: max(1, shape.brands // 3)]]
            problems = [problem for brand in checked for problem in check(settings, brand, expected[brand])]
    each_us = [one.work.total_s / events * 1e6 for one in (intake, members)]
    return {
        "us_per_event": [round(each, 1) for each in each_us],
        "of_straight": round(sum(each_us) * yardstick.rate / 1e6, 2),
        "problems": problems,
    }


def _shops(count: int) -> tuple[Shop, ...]:
    """Open as many shops, each like one of the street's."""
    return tuple(SHOPS[number % 3]._replace(slug=f"{SHOPS[number % 3].slug}-{number}") for number in range(count))


def _rules(shops: Sequence[Shop]) -> list[RuleSet]:
    by_shop = {one.owner: one for one in rule_sets()}
    return [replace(by_shop[shop.slug.rpartition("-")[0]], owner=shop.slug) for shop in shops]


def _register(settings: Settings, shops: Sequence[Shop]) -> None:
    """Make all brands' topics, many at once, and register them."""
    registrations = [Registration(shop.slug, shop.name, admin.now()) for shop in shops]
    wanted = [topic for one in registrations for topic in admin.brand_topics(one)]
    for at in range(0, len(wanted), TOPICS_AT_ONCE):
        admin.ensure(settings, wanted[at : at + TOPICS_AT_ONCE])
    producer = Producer({"bootstrap.servers": settings.bootstrap()})
    for one in registrations:
        producer.produce(topics.BRANDS, brands.encode(one), one.brand.encode())
    producer.flush()
