"""What a member costs when nothing happens: memory, restore; and how long events wait when a worker was killed.

The changelog is filled, through the engine's own transactions, with copies of
members who have lived through some of the street's events (``folds``); then
the real worker takes it over.  Memory is the slope of its resident size
between two numbers of members.

Run: ``python -m benchmarks --only footprint [--quick]``
"""

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

from confluent_kafka import Producer

from agents.engine.changelog import Changelog
from agents.engine.cluster import Cluster
from agents.engine.takeover import MARKER, Marker, pack
from agents.rules_folder import publish_all
from agents.servers import start_kafka
from agents.settings import Settings
from benchmarks.cpu import used
from benchmarks.folds import BATCH, KEY_BYTES, Table, copied, pipeline_rules, street_records
from benchmarks.latency import Street
from benchmarks.scale import FULL, QUICK, SHORT, Scale
from benchmarks.workload import rule_sets
from schemas import stages, topics
from schemas.envelope import Tick, encode
from schemas.fold import STAMP
from tests.integration.crew import Crew, Worker, eventually

SIZES: Final = {FULL: (100_000, 1_000_000), QUICK: (10_000, 100_000), SHORT: (1_000, 5_000)}
LIVED: Final = {FULL: 12_000, QUICK: 12_000, SHORT: 2_000}
EVENTS_OF: Final = (1, 2, 5, 10)
TARGETS: Final = {"bytes": 450, "members_per_s": 300_000}
CHUNK: Final = 20_000
READY_S: Final = 300.0
RATE: Final = 20
SPANS: Final = {FULL: (8, 50), QUICK: (5, 30), SHORT: (1, 6)}
"""When the kill comes among events, and for how many seconds they come in all."""


class Restored(NamedTuple):
    """A worker that has taken everything over."""

    members: int
    seconds: float
    cpu_s: float
    resident: int


def measure(scale: Scale, tell: Callable[[str], None]) -> dict[str, Any]:
    """Restore each number of members in turn, then kill the worker among events."""
    now_ms = time.time_ns() // 1_000_000
    lived, by_events = _lived(LIVED[scale], now_ms)
    with tempfile.TemporaryDirectory(prefix="huiliu-bench-") as folder, start_kafka(tuned=scale is not SHORT) as kafka:
        settings = Settings(kafka=kafka.bootstrap, data=Path(folder), session_timeout_s=2 if scale is SHORT else 10)
        with Crew(settings) as crew:
            publish_all(settings, rule_sets(), tell)
            filler = Filler(settings, lived, now_ms)
            found = []
            for size in SIZES[scale]:
                tell(f"{size:,} members")
                filler.fill(size)
                found.append(_restore(crew, size))
                tell(f"restored in {found[-1].seconds:.2f} s")
            tell("killing a worker among events")
            outage_s = _kill(crew, settings, *SPANS[scale])
    few, many = found
    return {
        "members": [one.members for one in found],
        "restore_s": [round(one.seconds, 2) for one in found],
        "restore_cpu_s": [round(one.cpu_s, 2) for one in found],
        "members_per_s": round(many.members / many.seconds),
        "start_s": round(few.seconds - (many.seconds - few.seconds) * few.members / (many.members - few.members), 2),
        "bytes_per_member": round((many.resident - few.resident) / (many.members - few.members)),
        "packed_bytes": round(filler.packed_bytes),
        "packed_bytes_by_events": by_events,
        "first_event_after_kill_s": round(outage_s, 2),
        "session_timeout_s": settings.session_timeout_s,
        "targets": TARGETS,
    }


def missed(found: dict[str, Any], scale: Scale) -> bool:
    """Tell whether a target is missed; a shorter run is too short to say."""
    return scale is FULL and (found["bytes_per_member"] > TARGETS["bytes"] or found["members_per_s"] < TARGETS["members_per_s"])


def _lived(events: int, now_ms: int) -> tuple[dict[bytes, bytes], dict[int, int]]:
    """Let members live up to *now_ms*; gives all states, and how large a member is after so many events.

    Of members who had lived long ago each would be due at the first event of today: two minutes for a million.
    """
    table = Table(pipeline_rules(), now_ms)
    records = list(islice(street_records(events, now_ms=now_ms), events))
    for at in range(0, events, BATCH):
        table.run(records[at : at + BATCH])
    lived: dict[bytes, int] = {}
    for key, _ in records:
        lived[key] = lived.get(key, 0) + 1
    sizes = {count: [len(table.states[key]) for key, events in lived.items() if events == count] for count in EVENTS_OF}
    return table.states, {count: round(statistics.mean(found)) for count, found in sizes.items() if found}


class Filler:
    """Writes copies of *lived* into the members' changelog, as if a worker had folded one record a partition."""

    def __init__(self, settings: Settings, lived: dict[bytes, bytes], now_ms: int) -> None:
        self._partitions = settings.partitions
        self._templates = [(key, _stamped(packed)) for key, packed in lived.items() if len(key) == KEY_BYTES]
        self._others = {key: _stamped(packed) for key, packed in lived.items() if len(key) != KEY_BYTES}
        self._changelog = Changelog(settings.bootstrap(), stages.MEMBERS.app_id, stages.MEMBERS.changelog)
        self._filled = 0
        self.packed_bytes = statistics.mean(len(packed) for _, packed in self._templates)
        _tick(settings, now_ms)
        found = asyncio.run(Cluster(settings.bootstrap()).topics([topics.MEMBERS]))[topics.MEMBERS]
        self._marker = pack(Marker(1, now_ms, found.id, found.partitions, 1))

    def fill(self, size: int) -> None:
        """Add members until there are *size*."""
        by_partition: list[dict[bytes, bytes | None]] = [{} for _ in range(self._partitions)]
        for key, packed in self._copies(self._filled, size):
            by_partition[topics.member_partition(key, self._partitions)][key] = packed
        for partition, states in enumerate(by_partition):
            producer = self._changelog.fence(partition)
            left = iter(states.items())
            while chunk := dict(islice(left, CHUNK)):
                self._changelog.commit(producer, partition, chunk)
            self._changelog.commit(producer, partition, {**self._others, MARKER: self._marker})
        self._filled = size

    def _copies(self, first: int, end: int) -> Iterator[tuple[bytes, bytes]]:
        for number in range(first, end):
            key, packed = self._templates[number % len(self._templates)]
            yield copied(key, number // len(self._templates)), packed


def _stamped(packed: bytes) -> bytes:
    """Let a state be of the record at offset 0."""
    return bytes(STAMP) + packed[STAMP:]


def _tick(settings: Settings, now_ms: int) -> None:
    """Write the one record that each partition holds."""
    producer = Producer({"bootstrap.servers": settings.bootstrap()})
    for partition in range(settings.partitions):
        producer.produce(topics.MEMBERS, encode(Tick(now_ms)), None, partition)
    producer.flush()


def _restore(crew: Crew, size: int) -> Restored:
    """Start a worker, wait until it has taken everything over, look at it, and kill it."""
    worker = crew.start("members")[0]
    eventually(worker.ready, "the worker to be ready", READY_S)
    restored = [line for line in _log(worker) if line.get("event") == "restored"]
    ends = [datetime.fromisoformat(line["timestamp"]).timestamp() for line in restored]
    began = min(end - line["seconds"] for end, line in zip(ends, restored, strict=True))
    spent = used(worker.process.pid).total_s
    resident = _resident(worker.process.pid)
    worker.kill()
    if sum(line["states"] for line in restored) < size:
        raise RuntimeError(f"{size} members were to be restored:\n{worker.last_lines()}")
    return Restored(size, max(ends) - began, spent, resident)


def _log(worker: Worker) -> Iterator[dict[str, Any]]:
    for line in worker.log.read_text(errors="replace").splitlines():
        if line.startswith("{"):
            yield json.loads(line)


def _resident(process: int) -> int:
    text = Path(f"/proc/{process}/status").read_text()
    return int(text.split("VmRSS:")[1].split()[0]) * 1024


def _kill(crew: Crew, settings: Settings, before_s: int, lasts_s: int) -> float:
    """Kill the members' worker while events come, start it again at once; gives the seconds until the first event goes through."""
    worker = crew.start("members", "intake")[0]
    for one in crew.workers[-2:]:
        eventually(one.ready, f"{one.stage} to be ready", READY_S)
    with Street(settings, {}) as street, ThreadPoolExecutor(1) as aside:
        readings = aside.submit(street.around, RATE, lasts_s)
        time.sleep(before_s)
        worker.kill()
        killed_ns = time.time_ns()
        crew.start("members")  # from here: it ends with the thread that starts it
        return (min(one.had for one in readings.result() if one.due > killed_ns) - killed_ns) / 1e9
