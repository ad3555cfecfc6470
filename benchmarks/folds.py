"""How the members fold grows with members and with tags: µs of CPU an event; no Kafka.

One process holds a table for each size.  Batches of the same events go to all
of them in turn, so that a ratio is of two measurements a moment apart.  A
table's members are copies, under keys of their own, of members who have lived
through the street's first events: their states are as large as such states are.

The measured events all happen at one moment: what time itself costs (tags
that expire) goes by members and days, not by events.

Run: ``python -m benchmarks --only folds [--quick]``
"""

import gc
import hashlib
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice, pairwise
from math import log10
from typing import TYPE_CHECKING, Any, Final

import msgspec

from agents import compiled
from benchmarks.bench_folds import Nobody, Published
from benchmarks.machine import calibrate, client_cores, on
from benchmarks.scale import FULL, QUICK, SHORT, Scale
from schemas.effects import Effect
from schemas.envelope import RulesSet, Terms, Tick, encode
from schemas.fold import Home

if TYPE_CHECKING:
    from agents.members_fold import RenderedFold

TARGETS: Final = {"members": 1.15, "tags": 1.15}
"""Growth a decade."""
MEMBERS: Final = {FULL: (10_000, 100_000, 1_000_000), QUICK: (10_000, 100_000), SHORT: (2_000, 20_000)}
TAGS: Final = (1, 10, 100, 200)
PEOPLE: Final = 2_000
LIVED: Final = {FULL: 40_000, QUICK: 20_000, SHORT: 2_000}
BATCH: Final = 2_000
BATCHES: Final = {FULL: 15, QUICK: 4, SHORT: 1}
NOW_MS: Final = 1_790_000_000_000
TOPIC: Final = "huiliu.internal.members"
KEY_BYTES: Final = 16
DAYS: Final = (1, 3, 7, 14, 30, 90)
KINDS: Final = (
    "{count: {events: click, within: %(days)sd, at_least: %(least)s}}",
    "{count: {events: [chat.in, chat.out], within: %(days)sd, at_least: %(least)s}}",
    "{sum: {of: order.paid, within: %(days)sd, at_least: '%(least)s00.00', currency: CNY}}",
    "{distinct: {of: sku, events: [click, share], within: %(days)sd, at_least: %(least)s}}",
    "{top: {of: category, events: [click, order.paid], within: %(days)sd, at_least: %(least)s}}",
    "{keywords: {any_of: [退货, 投诉, 第%(least)s], within: %(days)sd}}",
    "{silent: {for: %(days)sd}}",
    "{engagement: {at_least: %(least)s}}",
)


class Table:
    """A partition of members in memory, as the engine holds it."""

    def __init__(self, rules: Mapping[str, bytes], now_ms: int = NOW_MS) -> None:
        self._now_ms = now_ms
        self.states: dict[bytes, bytes] = {}
        self.offset = 0
        self.spent_us: list[float] = []
        self.fold = new_fold()
        self.restore(0)
        for version, (owner, document) in enumerate(rules.items()):
            self._append([(None, encode(RulesSet(owner, version, document)))])

    def restore(self, clock_ms: int) -> None:
        """Begin from the states as they are now."""
        self.fold = new_fold()
        self.fold.restore(Home(TOPIC, bytes(16), 0, 1, 1), self.states, clock_ms)

    def run(self, records: Sequence[tuple[bytes | None, bytes]]) -> tuple[float, int]:
        """Fold a batch; gives µs of CPU an event, and how many members it touched."""
        began = time.process_time_ns()
        touched = self._append(records)
        return (time.process_time_ns() - began) / 1000 / len(records), touched

    def _append(self, records: Sequence[tuple[bytes | None, bytes]]) -> int:
        fold = self.fold
        fold.begin()
        for key, value in records:
            fold.fold(Published(TOPIC, 0, self.offset, self._now_ms, key, value))
            self.offset += 1
        done = fold.commit()
        for key, packed in done.states.items():
            if packed is None:
                del self.states[key]
            else:
                self.states[key] = packed
        return len(done.states)

    def grow(self, lived: dict[bytes, bytes], members: int) -> None:
        """Fill the table with *members* copies of those who have *lived*, in turn; what is not a member's comes along."""
        templates = [(key, packed) for key, packed in lived.items() if len(key) == KEY_BYTES]
        self.states.update((key, packed) for key, packed in lived.items() if len(key) != KEY_BYTES)  # rules and books among them
        for number in range(members):
            key, packed = templates[number % len(templates)]
            self.states[copied(key, number // len(templates))] = packed[:1] + packed[1:]  # bytes of its own


def measure(scale: Scale, tell: Callable[[str], None]) -> dict[str, Any]:
    """Measure in a process of its own, on the clients' core, with compiled folds."""
    tell("folding in memory")
    before = calibrate()
    with on(client_cores()):
        ran = subprocess.run([sys.executable, "-m", "benchmarks.folds", scale], capture_output=True, timeout=900, check=False)
    if ran.returncode:
        raise RuntimeError(ran.stderr.decode()[-3000:])
    found: dict[str, Any] = json.loads(ran.stdout)
    return found | {"targets": TARGETS, "moved": before.moved(calibrate())}


def missed(found: dict[str, Any], scale: Scale) -> bool:
    """Tell whether something grows faster than it may; a shorter run is too short to say."""
    return scale is FULL and any(step > target for name, target in TARGETS.items() for step in found[name]["per_decade"])


def grow(scale: Scale) -> dict[str, Any]:
    """Build the tables and fold; see the module."""
    lived_events, batches = LIVED[scale], BATCHES[scale]
    records = street_records(lived_events, batches * BATCH)
    lived = list(islice(records, lived_events))
    measured = list(islice(records, batches * BATCH))
    typical = Table(pipeline_rules())
    by_tags = {tags: Table({owner: rule_set(owner, tags) for owner in shops()}) for tags in TAGS}
    for table in (typical, *by_tags.values()):
        for at in range(0, len(lived), BATCH):
            table.run(lived[at : at + BATCH])
        table.run([(None, encode(Tick(NOW_MS)))])  # who is due is judged now, not while it is measured
    return {
        "members": _by_members(typical, MEMBERS[scale], measured),
        "tags": _by_tags(by_tags, measured),
    }


def _by_members(typical: Table, sizes: Sequence[int], measured: Sequence[tuple[bytes, bytes]]) -> dict[str, Any]:
    tables = []
    for size in sizes:
        table = Table({})
        table.grow(typical.states, size)
        table.offset = typical.offset
        table.restore(NOW_MS)
        tables.append(table)
    members = sum(len(key) == KEY_BYTES for key in typical.states)
    packed = sum(len(packed) for key, packed in typical.states.items() if len(key) == KEY_BYTES) / members
    copies = [max(1, size // members) for size in sizes]
    runs = [
        [
            table.run([(copied(key, number % count), value) for number, (key, value) in enumerate(batch)])
            for table, count in zip(tables, copies, strict=True)
        ]
        for batch in _batches(measured)
    ]
    touched = [round(statistics.mean(run[at][1] for run in runs)) for at in range(len(sizes))]
    return _growth(sizes, [[us for us, _ in run] for run in runs]) | {"packed_bytes": round(packed), "touched": touched}


def _by_tags(by_tags: dict[int, Table], measured: Sequence[tuple[bytes, bytes]]) -> dict[str, Any]:
    return _growth(list(by_tags), [[table.run(batch)[0] for table in by_tags.values()] for batch in _batches(measured)])


def _growth(sizes: Sequence[int], rounds: Sequence[Sequence[float]]) -> dict[str, Any]:
    """Give the median cost at each size, and how it grows a decade from one size to the next."""
    costs = [statistics.median(each) for each in zip(*rounds, strict=True)]
    steps = [
        statistics.median(later / earlier for earlier, later in (each[at : at + 2] for each in rounds)) ** (1 / log10(larger / smaller))
        for at, (smaller, larger) in enumerate(pairwise(sizes))
    ]
    return {"sizes": list(sizes), "us_per_event": [round(each, 2) for each in costs], "per_decade": [round(each, 3) for each in steps]}


def _batches(measured: Sequence[tuple[bytes, bytes]]) -> Iterator[Sequence[tuple[bytes, bytes]]]:
    for at in range(0, len(measured), BATCH):
        gc.collect()
        yield measured[at : at + BATCH]


def copied(key: bytes, number: int) -> bytes:
    """Name the *number*-th copy of the member *key*."""
    return hashlib.blake2b(key + number.to_bytes(4, "big"), digest_size=KEY_BYTES).digest()


# What imports the folds comes after ``compiled.activate``.


def new_fold() -> "RenderedFold":
    """Make a members fold with its sink."""
    from agents.members_fold import RenderedFold
    from streams.keys import Keys, Secrets

    return RenderedFold(Keys(Secrets(b"m" * 32, b"p" * 32, b"d" * 32)), Nobody())


def shops() -> list[str]:
    """Name the street's brands."""
    from deploy.demo.shops import SHOPS

    return [shop.slug for shop in SHOPS]


def pipeline_rules() -> dict[str, bytes]:
    """Write the rules that the pipeline is measured with: the demo's, of 20 tags each."""
    from benchmarks.workload import rule_sets
    from schemas import rules

    return {one.owner: rules.encode(one) for one in rule_sets()}


def rule_set(owner: str, tags: int) -> bytes:
    """Write a rule set of so many tags, of every kind in turn, with the windows and thresholds that marketers try."""
    from schemas import rules
    from streams.rules_check import check

    lines = [
        f"  tag-{number}: "
        + KINDS[number % len(KINDS)] % {"days": DAYS[number // len(KINDS) % len(DAYS)], "least": 2 + number // len(KINDS)}
        for number in range(tags)
    ]
    head = (
        f"brand: {owner}\ntimezone: Asia/Shanghai\nengagement: {{half_life: 7d, weights: {{click: 1, share: 5, order.paid: 10}}}}\ntags:\n"
    )
    found = check(head + "\n".join(lines) + "\n")
    if isinstance(found, list):
        raise ValueError(str(found))
    return rules.encode(found)


def street_records(lived: int, measured: int = 0, now_ms: int = NOW_MS) -> Iterator[tuple[bytes, bytes]]:
    """Yield envelopes and the keys of their members; after the first *lived* events all happen at one moment, *now_ms*."""
    from benchmarks.workload import SEED, in_json
    from deploy.demo.generator import Mix, street, written
    from streams.intake import Intake
    from streams.keys import Secrets

    intake = Intake(Secrets(b"m" * 32, b"p" * 32, b"d" * 32), 1)
    for owner in shops():
        intake.enlist(owner, Terms(), owner.encode().ljust(16, b"."))
    mix = Mix(duplicates=0, refused=0, late=0, shuffled=0, old=0)
    events = lived + measured
    for offset, piece in enumerate(street(SEED, events, now_ms, members=PEOPLE, mix=mix)):
        value, headers = in_json(piece)
        if offset >= lived:
            value = msgspec.json.encode(msgspec.json.decode(value) | {"time": written(now_ms)})
        decided = intake(Published(f"huiliu.{piece.brand}.events", 0, offset, now_ms, piece.key, value, headers))
        if not isinstance(decided, Effect) or decided.key is None:
            raise TypeError(f"the street's own event was refused: {decided}")
        yield decided.key, decided.value or b""


def _main(scale: Scale) -> None:
    is_compiled = compiled.activate()  # before the first import of a fold
    gc.set_threshold(200_000, 20, 1_000)
    print(json.dumps(grow(scale) | {"compiled": is_compiled}))


if __name__ == "__main__":
    _main(Scale(sys.argv[1]))
