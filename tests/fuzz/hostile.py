"""Records of a hostile publisher: golden events, bent in their tree, their spelling, their headers or their bytes.

Everything is drawn from the ``Random`` that is given: seeded, or hypothesis's.
"""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from tests.fuzz import values
from tests.fuzz.damage import BYTES, LARGEST, RARE_BYTES, more_headers
from tests.fuzz.spelling import MODES, Headers

GOLDEN = {path.stem: json.loads(path.read_text()) for path in sorted((Path(__file__).parents[1] / "golden" / "events").glob("*.json"))}
NAMES = sorted(GOLDEN)


class Record(NamedTuple):
    """What is published; *bent* says how, for whoever reads a failure."""

    value: bytes | None
    headers: Headers
    key: bytes | None
    bent: str


def record(random: Random, brand: str, now: datetime) -> Record:
    """Make one record; one in five or so is sound."""
    event = fresh(random, brand, now)
    bent = []
    for _ in range(random.choice((0, 0, 1, 1, 1, 2, 3))):
        way = random.choice(RARE_TREE if random.random() < 0.02 else TREE)
        bent.append(way.__name__)
        changed = way(random, event, now)
        if isinstance(changed, dict):
            event = changed
        else:
            return _sent(random, json.dumps(changed).encode(), (), bent)
    mode = random.choice(MODES)
    value: bytes | None
    value, headers = mode(random, event)
    bent.append(mode.__name__)
    if random.random() < 0.25:
        way_of_bytes = random.choice(RARE_BYTES if random.random() < 0.02 else BYTES)
        bent.append(way_of_bytes.__name__)
        value = way_of_bytes(random, value or b"")
    if random.random() < 0.15:
        bent.append("headers")
        headers = more_headers(random, headers)
    return _sent(random, value, headers, bent)


def _sent(random: Random, value: bytes | None, headers: Headers, bent: list[str]) -> Record:
    key = random.choice((None, b"", b"k-%d" % random.randrange(1000), b"\xff\x00"))
    return Record(value, headers, key, " ".join(bent) or "sound")


def fresh(random: Random, brand: str, now: datetime) -> dict[str, Any]:
    """Take a golden event as a new one of *brand*, of one of many members, now."""
    event: dict[str, Any] = json.loads(json.dumps(GOLDEN[random.choice(NAMES)]))
    number = random.randrange(10**12)
    event |= {"id": f"h-{number}", "source": f"/brand/{brand}/shop", "time": now.isoformat(timespec="milliseconds")}
    data = event["data"]
    if random.random() < 0.7:
        data["identities"] = [{"type": "brand_member", "id": f"b-{random.randrange(5000)}"}]
    for name in ("order_id", "share_id", "message_id", "reward_id", "refund_id"):
        if name in data:
            data[name] = f"{name}-{number}"
    return event


# -- the tree


def places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = []
    if isinstance(document, dict):
        for name, inner in document.items():
            found += [(*path, name), *places(inner, (*path, name))]
    elif isinstance(document, list):
        for index, inner in enumerate(document):
            found += [(*path, index), *places(inner, (*path, index))]
    return found


def _parent(document: Any, path: tuple[Any, ...]) -> Any:
    for step in path[:-1]:
        document = document[step]
    return document


def replaced(random: Random, event: Any, _: datetime) -> Any:
    path = random.choice(places(event) or [()])
    if path:
        _parent(event, path)[path[-1]] = values.anything(random)
    return event


def suited(random: Random, event: Any, now: datetime) -> Any:
    """Put a value where one of its kind belongs."""
    known = [path for path in places(event) if path[-1] in values.FIELDS]
    if known:
        path = random.choice(known)
        _parent(event, path)[path[-1]] = values.FIELDS[path[-1]](random)
    return event


def timed(random: Random, event: Any, now: datetime) -> Any:
    event["time"] = values.instant(random, now)
    return event


def removed(random: Random, event: Any, _: datetime) -> Any:
    path = random.choice(places(event) or [()])
    if path:
        del _parent(event, path)[path[-1]]
    return event


def renamed(random: Random, event: Any, _: datetime) -> Any:
    named = [path for path in places(event) if isinstance(path[-1], str)]
    if named:
        path = random.choice(named)
        parent = _parent(event, path)
        other = random.choice((path[-1].upper(), path[-1] + " ", values.text(random), "data_base64", "datacontenttype", "subject"))
        parent[other] = parent.pop(path[-1])
    return event


def added(random: Random, event: Any, now: datetime) -> Any:
    """Add a field that means something, whatever it then says."""
    where = random.choice(("", "data", "data"))
    fields = {
        "": ("subject", "traceparent", "datacontenttype", "dataschema", "data_base64", "x-ext", "sequence"),
        "data": (
            "context",
            "consent",
            "refund",
            "refund_id",
            "lines",
            "discount",
            "coupons",
            "page",
            "item",
            "recalls",
            "text",
            "click_id",
        ),
    }[where]
    into = event.get(where) if where else event
    if isinstance(into, dict):
        into[random.choice(fields)] = random.choice((values.anything(random), _likely(random)))
    return event


def _likely(random: Random) -> Any:
    consent = {
        "purposes": {"tags": random.choice((True, None, "yes"))},
        "version": random.choice((0, 3, "3")),
        "at": "2026-11-01T00:00:00Z",
    }
    return random.choice(
        (
            consent,
            {**consent, "recipients": random.choice((["bloom"], [7], "bloom", ["x" * 33], ["b"] * 1001))},
            {
                "channel": "app",
                "campaign": random.choice(({"source": "ad"}, {"source": 7}, "ad", None)),
                "page": random.choice(("/", {}, [], 1)),
            },
            {
                "amount": values.money(random),
                "lines": random.choice(([{"line_id": "1", "quantity": 1, "amount": values.money(random)}], [{}], {})),
            },
            {"sku": values.text(random)},
            [{"line_id": "1", "sku": "s", "quantity": 1, "amount": values.money(random)}],
            ["c1", values.text(random)],
            "x" * random.choice((0, 1, 256, 257)),
            "application/json",
        )
    )


def swelled(random: Random, event: Any, _: datetime) -> Any:
    """Make the event large, up to well over what is taken."""
    event["note"] = "n" * random.choice((1000, 10_000, 100_000, LARGEST - 2000, LARGEST, LARGEST + 1, 400_000))
    return event


def gorged(random: Random, event: Any, _: datetime) -> Any:
    """Make it an order, or a refund of one, of a member who never has enough: with as many lines as fit."""
    number = random.randrange(10**12)
    lines = [
        {"line_id": f"{line:0>250}", "sku": "s" * 250, "quantity": 1, "amount": "1.00"} for line in range(random.choice((50, 200, 400)))
    ]
    data = {"identities": [{"type": "brand_member", "id": "b-0"}], "status_version": 1, "currency": "CNY", "total": "9.00"}
    if random.random() < 0.5:
        data |= {"order_id": f"g-{number}", "status": "paid", "lines": lines}
    else:
        data |= {"order_id": "g", "status": "refunded", "refund_id": f"g-{number}", "refund": {"amount": "1.00", "lines": lines}}
    return event | {"type": "cn.huiliu.order.v1", "data": data}


def replaced_whole(random: Random, _: Any, now: datetime) -> Any:
    return random.choice(([], [1], "event", 7, None, True, [{}]))


TREE: tuple[Callable[[Random, Any, datetime], Any], ...] = (
    replaced, replaced, suited, suited, suited, suited, timed, removed, removed, renamed, added, added,
)  # fmt: skip
RARE_TREE = (swelled, gorged, replaced_whole)


__all__ = ["Record", "fresh", "record"]
