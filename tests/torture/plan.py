"""What a seed stands for: the shops of a run, what is odd about their records, and what is done to whom, when."""

import io
import json
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from math import log2
from random import Random
from typing import Any, Final, NamedTuple

from ruamel.yaml import YAML

from deploy.demo.generator import DEAD_LETTER, ENRICHED, Mix, Piece, street, written
from deploy.demo.life import DAY, HOUR
from deploy.demo.shops import SHOPS, Shop
from tests.oracle.validity import instant
from tests.torture.points import AFTER, BEFORE, HALT, POINTS
from tests.torture.worker import MARK

EVENTS: Final = 1_000
SECONDS: Final = 4.0
MEMBERS: Final = 250
BADLY: Final = Mix(duplicates=0.03, refused=0.015, late=0.05, shuffled=0.1, old=0.02)
TIME: Final = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
SKEWS: Final = {"an hour ahead": HOUR, "an hour behind": -HOUR, "a year ahead": 365 * DAY, "a year behind": -365 * DAY}


class Score(NamedTuple):
    """What it takes to be hot (in the demo's rules): *least*, by paid orders of *weight*."""

    half_life_ms: int
    weight: float
    least: float


SCORES: Final = {"yunwu-tea": Score(7 * DAY, 10, 20), "xiaoman-baby": Score(3 * DAY, 8, 15), "shanye-outdoor": Score(12 * HOUR, 12, 8)}
FADING: Final = 5
PUBLISHERS: Final = 64
WANT: Final = 4


class Fault(NamedTuple):
    """*name* is one of ``faults.FAULTS``; *at_s* counts from the first record on."""

    name: str
    at_s: float

    @property
    def halts(self) -> bool:
        """Tell whether a worker is to stop by itself: it is there before the first record."""
        return self.name.startswith(HALT)


class Plan(NamedTuple):
    """A run.  *odd* names what is odd about its records."""

    seed: int
    shops: tuple[Shop, ...]
    odd: tuple[str, ...]
    faults: tuple[Fault, ...]

    def said(self) -> str:
        """Say in a line what is done."""
        done = [f"{fault.name} {fault.at_s:.1f} s" for fault in self.faults]
        return "; ".join([", ".join(self.odd) or "nothing odd", ", ".join(done) or "no fault"])


LIGHT: Final = {
    "kill": 4.0, "kill all members": 1.0, "point": 8.0, "halt": 2.0, "SIGTERM": 2.0, "freeze": 2.0, "churn": 1.0, "redis killed": 1.0,
    "redis emptied": 0.7, "redis slow": 1.0, "wire cut": 1.5, "wire reset": 1.0, "rules": 1.5, "crm deleted": 0.7, "events anew": 0.7,
    "crowd": 1.0,
}  # fmt: skip
HEAVY: Final = {"broker": 2.0, "disk full": 1.0}
HEAVY_SHARE: Final = 0.1
CALM_SHARE: Final = 0.07
ODD: Final = ("duplicates 20 %", "shuffled by an hour", "late by a week", "one member has half", "one brand has tenfold")
ONCE: Final = ("churn", "crowd", "crm deleted", "events anew", "rules", "disk full", "broker")
STAGES: Final = ("members", "members", "members", "intake", "intake", "control", "budgets", "budgets", "shares")


def plan(seed: int, *, disk: bool = True, wanted: Sequence[str] | None = None, also_odd: tuple[str, ...] = ()) -> Plan:
    """Draw the run of *seed*; *wanted* names its faults instead, *also_odd* what must be odd about its records."""
    random = Random(seed)
    first = random.randrange(len(SHOPS))
    shops = [SHOPS[(first + number) % len(SHOPS)] for number in range(random.choice((2, 2, 3)))]
    odd = [name for name in ODD if random.random() < 0.25 or name in also_odd]
    if random.random() < 0.25:
        odd.append(f"clocks {random.choice(list(SKEWS))}")
    shops = [shop._replace(slug=f"{shop.slug}-{seed}") for shop in shops]
    if "one brand has tenfold" in odd:
        shops[0] = shops[0]._replace(traffic=10 * shops[0].traffic)
    names = list(wanted) if wanted is not None else _names(random, disk)
    faults = [Fault(_whole(random, name), round(random.uniform(0.3, SECONDS - 0.5), 2)) for name in names]
    faults = [fault._replace(at_s=0.0) if fault.halts else fault for fault in faults]
    return Plan(seed, tuple(shops), tuple(odd), tuple(sorted(faults, key=lambda fault: fault.at_s)))


def _names(random: Random, disk: bool) -> list[str]:
    if random.random() < CALM_SHARE:
        return []
    count = random.choice((1, 2, 2, 3))
    names = random.choices(list(LIGHT), list(LIGHT.values()), k=count)
    if random.random() < HEAVY_SHARE:
        heavy = HEAVY if disk else {"broker": 1.0}
        names[0] = random.choices(list(heavy), list(heavy.values()))[0]
    return [name for at, name in enumerate(names) if name not in ONCE or name not in names[:at]]


def _whole(random: Random, name: str) -> str:
    """Say of a fault what else is drawn: at whom."""
    match name:
        case "kill" | "SIGTERM" | "freeze":
            return f"{name} {random.choice(STAGES)}"
        case "point" | "halt":
            where = random.choice(list(POINTS))
            point = POINTS[where]
            stage = random.choice([stage for stage in STAGES if stage in point.stages])
            return f"{name} {random.choice((BEFORE, AFTER))} {where}:{random.randint(1, point.most)} {stage}"
        case _:
            return name


def pieces(drawn: Plan, now_ms: int) -> Iterator[Piece]:
    """Make the records of *drawn*, as of *now_ms*."""
    odd = drawn.odd
    mix = BADLY._replace(
        duplicates=0.2 if "duplicates 20 %" in odd else BADLY.duplicates,
        shuffled=0.4 if "shuffled by an hour" in odd else BADLY.shuffled,
        favourite=0.5 if "one member has half" in odd else 0.0,
    )
    shift = _shift(odd, drawn.shops[0].slug)
    numbers = drawn.seed % 50_000 * 2 * MEMBERS  # nobody in common with another run
    told = street(drawn.seed, EVENTS, now_ms, members=MEMBERS, first_member=numbers, shops=drawn.shops, mix=mix)
    for number, piece in enumerate(told):
        yield _shifted(piece, shift)
        if number % 150 == 149:
            yield _crashing(drawn.shops[number % len(drawn.shops)], number, piece.key, now_ms)
        if number % 100 == 60:
            yield from _namesakes(drawn, number, now_ms)
        if number % 100 == 40:
            yield from _borrowed(drawn, number, now_ms)
        if number % 300 == 20:
            yield from _loyal(drawn.shops[number % len(drawn.shops)], number, now_ms)
        if number % 100 == 10 and number // 100 < FADING:
            for shop in drawn.shops:
                yield from _fading(shop, number // 100, now_ms)


def _shift(odd: tuple[str, ...], skewed: str) -> Callable[[Piece], int]:
    """Say by how much the time of a record is off, so that a copy is off by the same."""
    skew = next((SKEWS[name.removeprefix("clocks ")] for name in odd if name.startswith("clocks ")), 0)

    def by(piece: Piece) -> int:
        found = b"".join([piece.value, *(value for _, value in piece.headers)])
        if skew and piece.brand == skewed and b"/wecom" in found:
            return skew
        if "late by a week" not in odd or (time := TIME.search(found)) is None:
            return 0
        hashed = zlib.crc32(piece.key + time[0])
        return -(hashed % (7 * DAY)) if hashed % 5 == 0 else 0

    return by


def _shifted(piece: Piece, shift: Callable[[Piece], int]) -> Piece:
    """Move a record's time, wherever it stands: text of one length in each encoding."""
    by_ms = shift(piece)
    if not by_ms:
        return piece

    def moved(found: "re.Match[bytes]") -> bytes:
        at_ms = instant(found[0].decode())
        return found[0] if at_ms is None else written(at_ms + by_ms).encode()

    headers = tuple((name, TIME.sub(moved, value)) for name, value in piece.headers)
    return piece._replace(value=TIME.sub(moved, piece.value), headers=headers)


def _event(shop: Shop, number: str, kind: str, at_ms: int, who: dict[str, str], data: dict[str, object]) -> Piece:
    """Make a record by hand, of a member that no other record is about, or few."""
    event = {"specversion": "1.0", "id": number, "source": f"/brand/{shop.slug}/shop", "type": f"cn.huiliu.{kind}.v1"}
    value = json.dumps({**event, "time": written(at_ms), "data": {**data, "identities": [who]}}).encode()
    return Piece(shop.slug, who["id"].encode(), value, (), ENRICHED)


def _namesakes(drawn: Plan, number: int, now_ms: int) -> Iterator[Piece]:
    """Let one member of all shops do something in each, under one event id and one order id: ids are each brand's own."""
    who = {"type": "wx_unionid", "id": f"same-{drawn.seed}-{number % 3}"}
    for at, shop in enumerate(drawn.shops):
        order = {"order_id": f"same-{number}", "status": "paid", "status_version": 1, "currency": "CNY", "total": f"{at + 1}0.00"}
        yield _event(shop, f"same-{number}", "order", now_ms - HOUR, who, order)
        yield _event(shop, f"same-click-{number}", "click", now_ms - HOUR, who, {"page": "home"})


def _borrowed(drawn: Plan, number: int, now_ms: int) -> Iterator[Piece]:
    """Let a member of one shop send on what another has; every third does not let it cross.  Five open it, at either, and one buys.

    Five is what the highest tag of ``money.TAGS`` asks for: a visit that is lost is seen.
    """
    at, home = drawn.shops[number // 100 % len(drawn.shops)], drawn.shops[(number // 100 + 1) % len(drawn.shops)]
    name = f"borrowed-{number}"
    sharer = {"type": "wx_unionid", "id": f"{name}-{drawn.seed}"}
    crosses = {"purposes": {"alliance": number // 100 % 3 > 0}, "recipients": [home.slug], "version": 1, "at": written(now_ms - DAY)}
    data: dict[str, object] = {"share_id": name, "via": "qr", "owner_brand": home.slug, "item": {"sku": "lent"}, "consent": crosses}
    visitors = [{"type": "brand_member", "id": f"{name}-{nth}"} for nth in range(5)]
    for nth, who in enumerate([*visitors, sharer]):
        if nth == 2:
            yield _event(at, name, "share", now_ms - HOUR, sharer, data)
        opened: dict[str, object] = {"page": "home", "share_id": name}
        yield _event(at if nth in (0, 3) else home, f"{name}-click-{nth}", "click", now_ms - HOUR, who, opened)
    paid = {"order_id": name, "status": "paid", "status_version": 1, "currency": "CNY", "total": "9.00"}
    yield _event(home, f"{name}-paid", "order", now_ms - HOUR + 60_000, visitors[1], paid)


def _fading(shop: Shop, nth: int, now_ms: int) -> Iterator[Piece]:
    """Let a member's score fall below a tag's threshold some seconds from now, with no event that would say so."""
    score = SCORES[shop.slug.rpartition("-")[0]]
    count = int(score.least / score.weight) + 1
    falls_ms = now_ms + 3_000 + 1_500 * nth
    at_ms = falls_ms - int(score.half_life_ms * log2(count * score.weight / score.least))
    for order in range(count):
        name = f"fading-{nth}-{order}"
        paid = {"order_id": name, "status": "paid", "status_version": 1, "currency": "CNY", "total": "5.00"}
        yield _event(shop, name, "order", at_ms, {"type": "brand_member", "id": f"fading-{nth}"}, paid)


def crowd(drawn: Plan, publisher: int, now_ms: int) -> Iterator[Piece]:
    """Let each of a *publisher*'s own members click once at the first shop: together they want far more of it than there is."""
    for nth in range(WANT):
        name = f"crowd-{publisher}-{nth}"
        yield _event(drawn.shops[0], name, "click", now_ms, {"type": "brand_member", "id": name}, {"page": "home"})


def _loyal(shop: Shop, number: int, now_ms: int) -> Iterator[Piece]:
    """Let a member share something every third day, the latest told first."""
    for days in (0, 3, 6):
        name = f"loyal-{number}-{days}"
        data: dict[str, object] = {"share_id": name, "via": "wecom"}
        yield _event(shop, name, "share", now_ms - HOUR - days * DAY, {"type": "brand_member", "id": f"loyal-{number}"}, data)


def _crashing(shop: Shop, number: int, key: bytes, now_ms: int) -> Piece:
    """Make a sound record whose fold raises."""
    name = f"{MARK.decode()}{number}"
    who = {"type": "brand_member", "id": key.decode()}
    return _event(shop, name, "click", now_ms - HOUR, who, {"page": "home"})._replace(place=DEAD_LETTER, reason="crashed")


def moved_rules(text: str) -> str:
    """Write another edition of a set: every threshold moved, a tag more; what is counted stays the same."""
    rules: dict[str, Any] = YAML(typ="safe", pure=True).load(text)
    for clause in rules["tags"].values():
        for says in clause.values():
            if isinstance(says, dict) and "at_least" in says:
                least = says["at_least"]
                says["at_least"] = str(int(float(least) * 0.5)) if isinstance(least, str) else least + 1
    rules["tags"]["edition-two"] = {"not": {"tag": next(iter(rules["tags"]))}}
    return as_yaml(rules)


def as_yaml(rules: dict[str, Any]) -> str:
    """Write YAML."""
    stream = io.StringIO()
    YAML(typ="safe", pure=True).dump(rules, stream)
    return stream.getvalue()
