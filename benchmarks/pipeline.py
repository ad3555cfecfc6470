"""The whole pipeline: events per CPU-second of intake and members together, on a real Kafka.

Three brands with 20 tags each; the street's events are published first, then
one worker of each stage drains them, one stage after the other, so that
neither waits for the other nor warms its caches.  CPU is user and system time
of the worker's process from its first record to its last; what it cost to
start is told apart.  A run counts only if every event ended where the
generator says: enriched, dead letter or duplicate.  Between the stages the
straight loop of ``contenders`` runs on the same Kafka: the ratio to it is what
can be compared from one day or machine to another.

Run: ``python -m benchmarks --only pipeline [--quick]``
"""

import statistics
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from confluent_kafka import Producer

from agents import admin, compiled, crm_records
from agents.lag import look
from agents.servers import start_kafka
from agents.settings import Settings
from benchmarks.bench_engine import Bench
from benchmarks.cpu import Used, used
from benchmarks.machine import Calibration, broker_cores, calibrate, client_cores, on
from benchmarks.scale import FULL, QUICK, SHORT, Scale
from benchmarks.workload import MEMBERS, SEED, in_json, rule_sets, told_rules
from deploy.demo.generator import DUPLICATE, ENRICHED, Piece, street
from deploy.demo.shops import SHOPS
from schemas import topics
from schemas.brands import Registration
from schemas.rules import RuleSet
from tests.integration.crew import Crew, Worker, eventually

TARGET: Final = 40_000
EVENTS: Final = {FULL: 300_000, QUICK: 60_000, SHORT: 2_000}
YARDSTICK_EVENTS: Final = {FULL: 100_000, QUICK: 50_000, SHORT: 2_000}
DRAIN_S: Final = 600.0


class Drain(NamedTuple):
    """What one stage's worker did: CPU from its first record to its last, and before; the machine before and after."""

    start: Used
    work: Used
    fold_s: float
    wall_s: float
    before: Calibration
    after: Calibration


def measure(scale: Scale, tell: Callable[[str], None]) -> dict[str, Any]:
    """Drain events in JSON, then mixed as the street's systems send them; again, once, where the machine moved meanwhile."""
    found = {}
    for kind in ("json", "mixed") if scale is FULL else ("json",):
        one = _run(scale, tell, mixed=kind == "mixed")
        if one["moved"] and scale is FULL:
            tell("the machine moved: once more")
            one = _run(scale, tell, mixed=kind == "mixed")
        found[kind] = one
    return found


def missed(found: dict[str, Any], scale: Scale) -> bool:
    """Tell whether a result is wrong or the target missed; a shorter run is too short to hold rates against targets."""
    return any(one["problems"] or (scale is FULL and one["events_per_cpu_s"] < one["target"]) for one in found.values())


def _run(scale: Scale, tell: Callable[[str], None], *, mixed: bool) -> dict[str, Any]:
    """Drain events on a Kafka of its own, a straight loop between the stages."""
    events = EVENTS[scale]
    kind = "mixed" if mixed else "json"
    with tempfile.TemporaryDirectory(prefix="huiliu-bench-") as folder, on(broker_cores()), start_kafka(tuned=scale is not SHORT) as kafka:
        settings = Settings(kafka=kafka.bootstrap, data=Path(folder), session_timeout_s=30)
        with Crew(settings) as crew:
            tell(f"publishing {events:,} events, {kind}")
            expected = publish(settings, street(SEED, events, time.time_ns() // 1_000_000, members=MEMBERS), mixed)
            brands = [topics.events(shop.slug) for shop in SHOPS]
            yardstick = Yardstick(kafka.bootstrap, scale)
            tell("draining")
            drains = {}
            for stage, names in (("intake", brands), ("members", [topics.MEMBERS])):
                yardstick.measure()
                drains[stage] = drain(crew, stage, names)
            yardstick.measure()
            crew.stop("intake")
            crew.stop("members")
            tell("checking")
            problems = [problem for brand, counts in expected.items() for problem in check(settings, brand, counts)]
    return figures(events, drains, yardstick, problems) | {"input": kind}


class Yardstick:
    """The straight confluent-kafka loop on the same Kafka, in between: what a noisy machine leaves comparable."""

    def __init__(self, servers: str, scale: Scale) -> None:
        self._bench = Bench(servers, YARDSTICK_EVENTS[scale])
        self.rates: list[float] = []

    def measure(self) -> None:
        """Run the loop once more."""
        self.rates.append(self._bench.rate("straight", len(self.rates)))

    @property
    def rate(self) -> float:
        """Give the median, in events per CPU-second."""
        return statistics.median(self.rates)


def figures(events: int, drains: dict[str, Drain], yardstick: Yardstick, problems: list[str]) -> dict[str, Any]:
    """Word what was measured."""
    rate = events / sum(each.work.total_s for each in drains.values())
    return {
        "events": events,
        "events_per_cpu_s": round(rate),
        "target": TARGET,
        "of_straight": round(rate / yardstick.rate, 3),
        "straight_per_cpu_s": [round(each) for each in yardstick.rates],
        "moved": any(each.before.moved(each.after) for each in drains.values()),
        "compiled": compiled.activate(),
        "us_per_event": {stage: round(each.work.total_s / events * 1e6, 2) for stage, each in drains.items()},
        "where_us": {stage: _where(each, events) for stage, each in drains.items()},
        "start_cpu_s": {stage: round(each.start.total_s, 2) for stage, each in drains.items()},
        "wall_s": {stage: round(each.wall_s, 2) for stage, each in drains.items()},
        "calibration_ns": {stage: [list(each.before), list(each.after)] for stage, each in drains.items()},
        "problems": problems,
    }


def _where(each: Drain, events: int) -> dict[str, float]:
    """Split a worker's CPU: the fold, the rest of its loop (reading, handing over to the writer), each kind of thread.

    The fold is taken by the wall clock, so what preempted it counts as fold on a busy machine.
    """
    by_thread = {name: round(spent / events * 1e6, 2) for name, spent in each.work.by_thread.items()}
    loop = by_thread.pop("loop", 0.0)
    fold = round(min(loop, each.fold_s / events * 1e6), 2)
    return {"fold": fold, "loop besides": round(loop - fold, 2), **dict(sorted(by_thread.items()))}


def publish(settings: Settings, pieces: Iterable[Piece], mixed: bool) -> dict[str, Counter[str]]:
    """Write brands, rules and events; gives where each brand's events must end."""
    for shop in SHOPS:
        admin.add_brand(settings, Registration(shop.slug, shop.name, admin.now(), format=shop.format if mixed else "json"))
    return publish_events(settings, rule_sets(), pieces, mixed)


def publish_events(settings: Settings, sets: Sequence[RuleSet], pieces: Iterable[Piece], mixed: bool) -> dict[str, Counter[str]]:
    """Write rules and events; gives where each brand's events must end."""
    producer = Producer(
        {
            "bootstrap.servers": settings.bootstrap(),
            "linger.ms": 20,
            "compression.type": "lz4",
            "queue.buffering.max.messages": 1_000_000,
            "enable.idempotence": True,
        }
    )
    for effect in told_rules(sets, settings.partitions):
        producer.produce(effect.topic, effect.value, effect.key, effect.partition)
    expected: dict[str, Counter[str]] = {}
    for piece in pieces:
        expected.setdefault(piece.brand, Counter())[piece.reason or piece.place] += 1
        value, headers = (piece.value, piece.headers) if mixed else in_json(piece)
        producer.produce(topics.events(piece.brand), value, piece.key, headers=list(headers))
        producer.poll(0)
    producer.flush()
    return expected


def drain(crew: Crew, stage: str, names: list[str], workers: int = 1) -> Drain:
    """Start *workers* of *stage* and measure them from their first record of topics *names* until they have done all of them."""
    before = calibrate()
    with on(client_cores()):
        running = crew.start(*[stage] * workers)
    group = f"huiliu-{stage}"

    def spent() -> Used:
        return Used.total(used(each.process.pid) for each in running)

    start, began = spent(), time.monotonic()

    def begun() -> bool:
        nonlocal start, began
        now, at = spent(), time.monotonic()
        if any(folded_s(each)[1] for each in running):
            return True
        start, began = now, at
        return False

    eventually(begun, f"the first record of {stage}")
    eventually(lambda: _behind(crew.settings, group, names) == 0, f"{stage} at the end", DRAIN_S)
    work, wall_s = spent() - start, time.monotonic() - began
    return Drain(start, work, sum(folded_s(each)[0] for each in running), wall_s, before, calibrate())


def _behind(settings: Settings, group: str, names: list[str]) -> int:
    return sum(each.records for each in look(settings, {group: names})[group].input)


def folded_s(worker: Worker) -> tuple[float, int]:
    """Read how long a worker has folded, and how many batches, from its metrics; (0, 0) before it answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{worker.port}/metrics", timeout=5) as answer:
            page = answer.read().decode()
    except OSError:
        return 0.0, 0
    found = dict(line.rsplit(" ", 1) for line in page.splitlines() if line.startswith("huiliu_fold_seconds_"))
    seconds = sum(float(value) for name, value in found.items() if name.startswith("huiliu_fold_seconds_sum"))
    return seconds, sum(int(float(value)) for name, value in found.items() if name.startswith("huiliu_fold_seconds_count"))


def check(settings: Settings, brand: str, expected: Counter[str]) -> list[str]:
    """Hold what came of a brand's events against what had to."""
    report = crm_records.audit(settings, brand)
    came = Counter({ENRICHED: report.enriched, DUPLICATE: report.duplicates, **report.dead_letters})
    problems = [f"{brand}: {problem}" for problem in report.problems]
    return problems if +came == +expected else [*problems, f"{brand}: came {dict(came)}, expected {dict(expected)}"]
