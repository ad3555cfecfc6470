"""Latency from a brand's publisher to its CRM: an open loop, due times in the payload, a reader in a process of its own.

Each event carries the nanosecond at which it was due, not at which it was
sent: a publisher that is held up shows as latency, too.  The reader notes when
it has the enriched record.  After the run the logs of the three topics on the
way are read back, and their append times say where the time went.  A rate
counts only if every event came back exactly once.  At the end every paid order
is rewarded, and what counts is when the grant was on the CRM's topic.

Run: ``python -m benchmarks --only latency [--quick]``
"""

import gc
import json
import multiprocessing
import re
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from agents.rules_folder import publish_all
from agents.servers import start_kafka
from agents.settings import Settings
from benchmarks.cpu import used
from benchmarks.scale import FULL, QUICK, SHORT, Scale
from benchmarks.workload import MEMBERS, PAID, PAID_CAMPAIGN, SEED, in_json, rule_sets
from deploy.demo.generator import Mix, Piece, street
from deploy.demo.shops import SHOPS
from schemas import topics
from schemas.crm import REWARD_GRANTED, RewardGranted
from schemas.scalars import instant_text
from tests.integration.crew import Crew

RATES: Final = {FULL: (1_000, 5_000), QUICK: (1_000, 5_000), SHORT: (500,)}
TARGETS_MS: Final = {"p50": 25.0, "p99": 60.0}
"""At the second of the rates."""
SPANS: Final = {FULL: (20, 40_000, 6), QUICK: (5, 10_000, 6), SHORT: (2, 4_000, 1)}
"""Seconds that count at each rate; events of the burst before, after which orders are being paid; seconds that do not count."""
GRANTS_TARGET_MS: Final = 120.0
"""p99, at the first of the rates."""
LATE_S: Final = 60
DUE: Final = re.compile(rb'"due":"(\d{19})"')
MORNING_MS: Final = 1_789_941_600_000
"""Six in the morning in Shanghai: on a busy evening so much happens at once that no order of a short run is paid before it ends.

What is published is as of now; the street's own clock only says how much happens between an order and its payment.
"""
LIVE: Final = Mix(duplicates=0, refused=0, late=0, shuffled=0, old=0)


class Prepared(NamedTuple):
    """An event but for its due time, which belongs between *head* and *tail*."""

    topic: str
    key: bytes
    tail: bytes


class Reading(NamedTuple):
    """An event that came back: when it was due and when the reader had it, ns."""

    due: int
    had: int


class Named(msgspec.Struct):
    """An event as published: its id, and when it was due."""

    id: str
    due: str


class Run(NamedTuple):
    """What came back at one rate, and the share of a core that each process took."""

    readings: list[Reading]
    busy: dict[str, float]


def measure(scale: Scale, tell: Callable[[str], None]) -> dict[str, Any]:
    """Publish at each rate in turn on a Kafka of its own; gives percentiles, and how they are made up."""
    seconds, burst, settle_s = SPANS[scale]
    with tempfile.TemporaryDirectory(prefix="huiliu-bench-") as folder, start_kafka(tuned=scale is not SHORT) as kafka:
        settings = Settings(kafka=kafka.bootstrap, data=Path(folder), session_timeout_s=30)
        with Crew(settings) as crew:
            publish_all(settings, rule_sets(), tell)
            workers = crew.start("intake", "members", "control")
            crew.wait_until_ready()
            processes = {"broker": kafka.process.pid, **{each.stage: each.process.pid for each in workers}}
            with Street(settings, processes) as street_:
                tell(f"a burst of {burst:,} events: what the machine can do at most")
                capacity = street_.burst(burst)
                tell(f"{capacity:,} events/s")
                rates = RATES[scale] if scale is SHORT else (*RATES[scale], capacity // 2)
                runs = {rate: street_.run(rate, seconds, settle_s, tell) for rate in rates}
                legs = _Logs(settings)
                found = {rate: _figures(run, legs) for rate, run in runs.items()}
                tell("every paid order is rewarded")
                publish_all(settings, rule_sets(PAID), tell)
                workers = crew.start("budgets", "shares")
                crew.wait_until_ready()
                for stage, topic in (("shares", topics.SHARES), ("budgets", topics.BUDGETS), ("members", topics.MEMBERS)):
                    crew.wait_until_folded(stage, topic, LATE_S)  # what they were asked while they did not run
                processes |= {each.stage: each.process.pid for each in workers}
                rewarded = street_.run(rates[0], seconds, settle_s, tell)
            crew.wait_until_rewarded(shop.slug for shop in SHOPS)
            grants = _grants(settings, rewarded)
    return {
        "capacity_per_s": capacity, "rates": found, "targets_ms": TARGETS_MS, "seconds": seconds,
        "grants": grants | {"events_per_s": rates[0], "busy_cores": rewarded.busy, "target_ms": GRANTS_TARGET_MS},
    }  # fmt: skip


def missed(found: dict[str, Any], scale: Scale) -> bool:
    """Tell whether the target is missed at its rate; a shorter run is too short to say."""
    if scale is not FULL:
        return False
    busy = found["rates"][RATES[FULL][-1]]
    return found["grants"]["p99"] > GRANTS_TARGET_MS or any(busy[name] > target for name, target in TARGETS_MS.items())


class Street:
    """A publisher and a reader, each a process of its own; *processes* are those whose CPU is told."""

    def __init__(self, settings: Settings, processes: Mapping[str, int]) -> None:
        self._measured = processes
        self.repeated = 0
        spawn = multiprocessing.get_context("spawn")
        self._ends: list[Connection] = []
        self._processes = []
        for target in (_publisher, _reader):
            mine, theirs = spawn.Pipe()
            self._ends.append(mine)
            process = spawn.Process(target=target, args=(settings.bootstrap(), theirs), daemon=True)
            process.start()
            self._processes.append(process)
        self._publisher, self._reader = self._ends
        self._reader.recv()

    def __enter__(self) -> "Street":
        return self

    def __exit__(self, *error: object) -> None:
        for process in self._processes:
            process.kill()
            process.join()

    def burst(self, events: int) -> int:
        """Publish as fast as it goes; gives how many came back a second."""
        self._prepare(events, 0)
        readings = self._publish(events)
        return round(events / (max(one.had for one in readings) - min(one.due for one in readings)) * 1e9)

    def run(self, rate: int, seconds: int, settle_s: int, tell: Callable[[str], None]) -> Run:
        """Publish *rate* events a second; gives what came back of the last *seconds*, and how busy each process was."""
        tell(f"{rate:,} events/s for {settle_s + seconds} s")
        self._prepare(rate * (settle_s + seconds), rate)
        before, began = self._spent(), time.monotonic()
        readings = sorted(self._publish(rate * (settle_s + seconds)))
        lasted = time.monotonic() - began
        busy = {name: round((spent - before[name]) / lasted, 2) for name, spent in self._spent().items()}
        if self.repeated:
            raise RuntimeError(f"{self.repeated} events came back more than once")
        return Run(readings[rate * settle_s :], busy)

    def around(self, rate: int, seconds: int) -> list[Reading]:
        """Publish *rate* events a second; gives what came back, the first time that it did."""
        self._prepare(rate * seconds, rate)
        return self._publish(rate * seconds)

    def _spent(self) -> dict[str, float]:
        return {name: used(process).total_s for name, process in self._measured.items()}

    def _prepare(self, events: int, rate: int) -> None:
        self._publisher.send((events, rate))
        self._publisher.recv()

    def _publish(self, events: int) -> list[Reading]:
        """Let what was prepared be published, and wait for all of it."""
        self._reader.send(events)
        self._publisher.send(None)
        readings, self.repeated = self._reader.recv()
        problem = self._publisher.recv()
        if problem or len(readings) != events:
            raise RuntimeError(f"{len(readings)} of {events} events came back within {LATE_S} s; {problem}")
        return list(readings)


def _publisher(servers: str, orders: Connection) -> None:
    """Publish as ordered: so many events, so many a second (0: as fast as it goes)."""
    producer = Producer(
        {"bootstrap.servers": servers, "enable.idempotence": True, "compression.type": "lz4",
         "queue.buffering.max.messages": 1_000_000}
    )  # fmt: skip
    pieces = street(SEED, 10_000_000, MORNING_MS, members=MEMBERS, mix=LIVE)
    while True:
        events, rate = orders.recv()
        prepared = [_prepare(piece) for piece in islice(pieces, events)]
        gc.collect()
        gc.freeze()
        orders.send("prepared")
        orders.recv()
        _publish(producer, prepared, 1_000_000_000 // rate if rate else 0)
        orders.send("" if producer.flush(LATE_S) == 0 else "the publisher was not served")


def _prepare(piece: Piece) -> Prepared:
    event = json.loads(in_json(piece)[0])
    del event["time"]
    return Prepared(topics.events(piece.brand), piece.key, b'",' + msgspec.json.encode(event)[1:])


def _publish(producer: Producer, prepared: Iterable[Prepared], step_ns: int) -> None:
    headers: list[tuple[str, str | bytes | None]] = [("content-type", b"application/cloudevents+json")]
    began = time.time_ns()
    for number, (topic, key, tail) in enumerate(prepared):
        due = began + number * step_ns if step_ns else time.time_ns()
        while (wait_ns := due - time.time_ns()) > 0:
            producer.poll(0)
            time.sleep(wait_ns / 1e9)
        head = b'{"due":"%019d","time":"%s' % (due, instant_text(due // 1_000_000).encode())
        producer.produce(topic, head + tail, key, headers=headers)
        producer.poll(0)


def _reader(servers: str, orders: Connection) -> None:
    """Read the CRM topics of all brands from their ends on, and give what came once so many enriched events were there."""
    consumer = _consumer(servers, "huiliu-bench-reader")
    consumer.assign(_places(consumer, [topics.crm(shop.slug) for shop in SHOPS]))
    orders.send("reading")
    while True:
        wanted = orders.recv()
        had: dict[int, int] = {}
        repeated = 0
        deadline = time.monotonic() + LATE_S
        while len(had) < wanted and time.monotonic() < deadline:
            message = consumer.poll(0.1)
            due = _due(message) if message is not None else 0
            if due in had:
                repeated += 1
            elif due:
                had[due] = time.time_ns()
                deadline = time.monotonic() + LATE_S
        orders.send(([Reading(*one) for one in had.items()], repeated))


def _due(message: Message) -> int:
    """Read when an event was due, from any record that embeds it; 0 if none does."""
    if message.error() is not None:
        raise RuntimeError(str(message.error()))
    found = DUE.search(message.value() or b"")
    return int(found[1]) if found else 0


def _consumer(servers: str, group: str) -> Consumer:
    return Consumer(
        {"bootstrap.servers": servers, "group.id": group, "enable.auto.commit": False, "auto.offset.reset": "error",
         "fetch.queue.backoff.ms": 5}
    )  # fmt: skip


def _places(consumer: Consumer, names: Iterable[str]) -> list[TopicPartition]:
    return [
        TopicPartition(name, partition, 0) for name in names for partition in consumer.list_topics(name, timeout=10).topics[name].partitions
    ]


class _Logs:
    """When Kafka took each event, ms by due time: from the brand, from intake, from members."""

    def __init__(self, settings: Settings) -> None:
        brands = [shop.slug for shop in SHOPS]
        self.published = _appended(settings, map(topics.events, brands))
        self.accepted = _appended(settings, [topics.MEMBERS])
        self.told = _appended(settings, map(topics.crm, brands))

    def split(self, reading: Reading) -> tuple[float, float, float, float]:
        """Give the ms that *reading* spent with publisher, intake, members and reader."""
        due = reading.due
        published, accepted, told = self.published[due], self.accepted[due], self.told[due]
        return published - due / 1e6, accepted - published, told - accepted, reading.had / 1e6 - told


LEGS: Final = ("publisher", "intake", "members", "reader")


def _appended(settings: Settings, names: Iterable[str]) -> dict[int, int]:
    return {due: message.timestamp()[1] for message in _read_back(settings, names) if (due := _due(message))}


def _read_back(settings: Settings, names: Iterable[str]) -> Iterator[Message]:
    """Give all that the topics hold."""
    consumer = _consumer(settings.bootstrap(), "huiliu-bench-logs")
    places = _places(consumer, names)
    left = {(each.topic, each.partition): consumer.get_watermark_offsets(each, timeout=10) for each in places}
    waiting = {at: ends[1] for at, ends in left.items() if ends and ends[1]}
    consumer.assign(places)
    while waiting:
        for message in consumer.consume(10_000, 1):
            yield message
            at = (message.topic() or "", message.partition() or 0)
            if (message.offset() or 0) + 1 >= waiting.get(at, 0):
                waiting.pop(at, None)
    consumer.close()


def _grants(settings: Settings, run: Run) -> dict[str, Any]:
    """Tell how long after its trigger was due each grant of ``PAID_CAMPAIGN`` in *run* was on the CRM's topic."""
    brands = [shop.slug for shop in SHOPS]
    counted = {one.due for one in run.readings}
    named = (msgspec.json.decode(message.value() or b"", type=Named) for message in _read_back(settings, map(topics.events, brands)))
    due_of = {one.id: int(one.due) for one in named if int(one.due) in counted}
    took = []
    for message in _read_back(settings, map(topics.crm, brands)):
        if dict(message.headers() or ()).get("ce_type") == REWARD_GRANTED.encode():
            granted = msgspec.json.decode(message.value() or b"", type=RewardGranted)
            if granted.trigger in due_of and granted.campaign.endswith(f"/{PAID_CAMPAIGN}"):
                took.append(message.timestamp()[1] - due_of[granted.trigger] / 1e6)
    if not took:
        raise RuntimeError("no order was rewarded")
    return {"grants": len(took), **percentiles(took)}


def _figures(run: Run, logs: _Logs) -> dict[str, Any]:
    readings = run.readings
    whole = [(one.had - one.due) / 1e6 for one in readings]
    legs = zip(*(logs.split(one) for one in readings), strict=True)
    return {
        "events": len(readings),
        **percentiles(whole),
        "busy_cores": run.busy,
        "legs": {name: percentiles(list(leg)) for name, leg in zip(LEGS, legs, strict=True)},
    }


def percentiles(samples: list[float]) -> dict[str, float]:
    """Give median, p99 and maximum, by nearest rank."""
    ordered = sorted(samples)
    last = len(ordered) - 1
    return {name: round(ordered[round(last * share)], 1) for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))}
