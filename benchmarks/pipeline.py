"""The whole pipeline: events per CPU-second of intake and members together, on a real Kafka.

Three brands with 20 tags each; the street's events are published first, then
one worker of each stage drains them, one stage after the other, so that
neither waits for the other nor warms its caches.  CPU is user and system time
of the worker's process from its first record to its last; what it cost to
start is told apart.  A run counts only if every event ended where the
generator says: enriched, dead letter or duplicate.

Run: ``python -m benchmarks --only pipeline [--quick]``
"""

import hashlib
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
from confluent_kafka import Producer

from agents import admin, compiled, crm_records
from agents.lag import look
from agents.rules_folder import read_folder
from agents.servers import start_kafka
from agents.settings import Settings
from benchmarks.cpu import Used, used
from deploy.demo.generator import DEAD_LETTER, DUPLICATE, ENRICHED, Piece, street
from deploy.demo.shops import SHOPS
from schemas import envelope, rules, topics
from schemas.brands import Registration
from schemas.effects import Effect
from streams.control import told
from tests.integration.crew import Crew, Worker, eventually

TARGET: Final = 25_000
TAGS: Final = 20
MEMBERS: Final = 20_000
SEED: Final = 20261124
RULES: Final = Path(__file__).parents[1] / "deploy" / "demo" / "rules"
MORE_TAGS: Final = (
    "clicks-often:  {count: {events: click, within: 7d, at_least: 6}}",
    "spends:        {sum: {of: order.paid, within: 90d, at_least: '2000.00', currency: CNY}}",
    "browses:       {distinct: {of: category, events: [click, share], within: 14d, at_least: 3}}",
    "talks:         {count: {events: [chat.in, chat.out], within: 7d, at_least: 4}}",
    "urgent:        {keywords: {any_of: [马上, 尽快, 着急], within: 12h}}",
    "away:          {silent: {for: 3d}}",
    "core:          {all: [{tag: clicks-often}, {any: [{tag: spends}, {tag: talks}]}]}",
    "orders-often:  {count: {events: order.placed, within: 30d, at_least: 3}}",
)
"""What the demo's rule sets are filled up with: one of each kind."""

POLL_S: Final = 0.05
DRAIN_S: Final = 600.0


class Drain(NamedTuple):
    """What one stage's worker did: CPU from its first record to its last, and before."""

    start: Used
    work: Used
    fold_s: float
    wall_s: float


def measure(events: int, tell: Callable[[str], None], *, mixed: bool = False) -> dict[str, Any]:
    """Drain *events* on a Kafka of its own: all JSON, or *mixed* as the street's systems send them."""
    with tempfile.TemporaryDirectory(prefix="huiliu-bench-") as folder, start_kafka(tuned=True) as kafka:
        settings = Settings(kafka=kafka.bootstrap, data=Path(folder), session_timeout_s=30)
        with Crew(settings) as crew:
            before_us = calibration_us()
            tell(f"publishing {events:,} events, {'mixed' if mixed else 'JSON'}")
            expected = publish(settings, street(SEED, events, time.time_ns() // 1_000_000, members=MEMBERS), mixed)
            brands = [topics.events(shop.slug) for shop in SHOPS]
            tell("draining")
            drains = {"intake": drain(crew, "intake", brands), "members": drain(crew, "members", [topics.MEMBERS])}
            after_us = calibration_us()
            crew.stop("intake")
            crew.stop("members")
            tell("checking")
            problems = [problem for brand, counts in expected.items() for problem in check(settings, brand, counts)]
    return figures(events, drains, (before_us, after_us), problems) | {"input": "mixed" if mixed else "json"}


def figures(events: int, drains: dict[str, Drain], calibration: tuple[float, float], problems: list[str]) -> dict[str, Any]:
    """Word what was measured."""
    spent_s = sum(each.work.total_s for each in drains.values())
    return {
        "events": events,
        "events_per_cpu_s": round(events / spent_s),
        "target": TARGET,
        "compiled": compiled.activate(),
        "us_per_event": {stage: round(each.work.total_s / events * 1e6, 2) for stage, each in drains.items()},
        "where_us": {stage: _where(each, events) for stage, each in drains.items()},
        "start_cpu_s": {stage: round(each.start.total_s, 2) for stage, each in drains.items()},
        "wall_s": {stage: round(each.wall_s, 2) for stage, each in drains.items()},
        "calibration_us": [round(each, 1) for each in calibration],
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


def calibration_us() -> float:
    """Time a fixed piece of work: a machine that others use shows in it."""
    best = float("inf")
    for _ in range(5):
        begun = time.process_time()
        for number in range(20_000):
            hashlib.blake2b(b"%d" % number).hexdigest()
        best = min(best, time.process_time() - begun)
    return best * 1e6 / 20_000 * 100  # of a hundred rounds


def publish(settings: Settings, pieces: Iterable[Piece], mixed: bool) -> dict[str, Counter[str]]:
    """Write brands, rules and events; gives where each brand's events must end."""
    for shop in SHOPS:
        admin.add_brand(settings, Registration(shop.slug, shop.name, admin.now(), format=shop.format if mixed else "json"))
    producer = Producer(
        {
            "bootstrap.servers": settings.bootstrap(),
            "linger.ms": 20,
            "compression.type": "lz4",
            "queue.buffering.max.messages": 1_000_000,
            "enable.idempotence": True,
        }
    )
    for effect in _rules(settings.partitions):
        producer.produce(effect.topic, effect.value, effect.key, effect.partition)
    expected: dict[str, Counter[str]] = {}
    for piece in pieces:
        expected.setdefault(piece.brand, Counter())[piece.reason or piece.place] += 1
        value, headers = (piece.value, piece.headers) if mixed else _in_json(piece)
        producer.produce(topics.events(piece.brand), value, piece.key, headers=list(headers))
        producer.poll(0)
    producer.flush()
    return expected


def _rules(partitions: int) -> Iterator[Effect]:
    """Fill the demo's rule sets up to 20 tags, and word them as control does."""
    with tempfile.TemporaryDirectory() as folder:
        for file in RULES.glob("*.yaml"):
            text = file.read_text()
            lacking = TAGS - len(text.split("\ntags:\n")[1].strip().splitlines())
            (Path(folder) / file.name).write_text(text + "".join(f"  {line}\n" for line in MORE_TAGS[:lacking]))
        sets = read_folder(Path(folder))
    for version, one in enumerate(sets):
        if len(one.tags) != TAGS:
            raise ValueError(f"{one.owner}: {len(one.tags)} tags came; expected {TAGS}")
        yield from told(envelope.encode(envelope.RulesSet(one.owner, version, rules.encode(one))), partitions)


def _in_json(piece: Piece) -> tuple[bytes, tuple[tuple[str, bytes], ...]]:
    """Word a sound event as structured JSON, however the street told it; what is broken stays as it is."""
    if piece.place == DEAD_LETTER:
        return piece.value, piece.headers
    headers = dict(piece.headers)
    packed = piece.value[0] >= 0x80 and not piece.value.startswith(b"\xef\xbb\xbf")
    content = msgspec.msgpack.decode(piece.value) if packed else msgspec.json.decode(piece.value.removeprefix(b"\xef\xbb\xbf"))
    attributes = {name.removeprefix("ce_"): value.decode() for name, value in headers.items() if name.startswith("ce_")}
    event = {**attributes, "data": content} if attributes else content
    return msgspec.json.encode(event), (("content-type", b"application/cloudevents+json"),)


def drain(crew: Crew, stage: str, names: list[str]) -> Drain:
    """Start a worker of *stage* and measure it from its first record of topics *names* until it has done all of them."""
    worker = crew.start(stage)[0]
    group = f"huiliu-{stage}"
    start = used(worker.process.pid)
    began = time.monotonic()

    def begun() -> bool:
        nonlocal start, began
        before, at = used(worker.process.pid), time.monotonic()
        if folded_s(worker)[1]:
            return True
        start, began = before, at
        return False

    eventually(begun, f"the first record of {stage}")
    eventually(lambda: _behind(crew.settings, group, names) == 0, f"{stage} at the end", DRAIN_S)
    end = used(worker.process.pid)
    return Drain(start, end - start, folded_s(worker)[0], time.monotonic() - began)


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
