"""What goes wrong on the way: records that must be refused, one way after another for each reason of the contract."""

import json
from collections.abc import Callable
from random import Random
from typing import Any, Final, NamedTuple

Event = dict[str, Any]


class Broken(NamedTuple):
    """Bytes that must end among the dead letters, for *reason*."""

    reason: str
    value: bytes


def broken(random: Random, event: Event, far_future: str, far_past: str) -> Broken:
    """Break a sound *event* in one of all the ways."""
    reason = random.choice(REASONS)
    return Broken(reason, _BREAK[reason](random, event, (far_future, far_past)))


def _packed(event: Any) -> bytes:
    return json.dumps(event, ensure_ascii=False).encode()


def _without(event: Event, name: str) -> bytes:
    return _packed({key: value for key, value in event.items() if key != name})


def _with_data(event: Event, **changes: Any) -> bytes:
    return _packed({**event, "data": {**event["data"], **changes}})


def _too_large(_random: Random, event: Event, _times: tuple[str, str]) -> bytes:
    return _with_data(event, note="长" * 90_000)


def _undecodable(random: Random, event: Event, _times: tuple[str, str]) -> bytes:
    sound = _packed(event)
    ways = (
        b"",
        sound[:-7],
        sound.replace(b'"specversion"', b'"id": "twice", "specversion"', 1),
        sound.replace(b'"data": {', b'"data": {"x": NaN, ', 1),
        sound.replace(b'"data": {', b'"data": {"x": 36893488147419103232, ', 1),
        sound.replace(b'"data": {', b'"data": {"x": "\\ud83d", ', 1),
        sound.replace(b'"data": {', b'"data": {"x": ' + b"[" * 40 + b"]" * 40 + b", ", 1),
        b"\x81\xa1\x61\xd4\x05\x00",
        b"\x81\x07\x07",
    )
    return random.choice(ways)


def _not_cloudevent(random: Random, event: Event, _times: tuple[str, str]) -> bytes:
    ways = (_packed([event]), _packed({**event, "specversion": "0.3"}), _without(event, "id"), _without(event, "type"), b'"hello"')
    return random.choice(ways)


def _wrong_brand(random: Random, event: Event, _times: tuple[str, str]) -> bytes:
    ways = (_without(event, "source"), _packed({**event, "source": "/brand/somebody-else/shop"}), _packed({**event, "source": "shop"}))
    return random.choice(ways)


def _unknown_type(random: Random, event: Event, _times: tuple[str, str]) -> bytes:
    return _packed({**event, "type": random.choice(("cn.huiliu.click.v9", "com.example.like", "cn.huiliu.visit.v1"))})


def _bad_time(random: Random, event: Event, times: tuple[str, str]) -> bytes:
    written = random.choice((*times, "2026-11-24 12:00", "昨天", event["time"].removesuffix("Z")))
    return random.choice((_without(event, "time"), _packed({**event, "time": written})))


def _no_identity(random: Random, event: Event, _times: tuple[str, str]) -> bytes:
    junk = [{"type": "cookie", "id": "null"}, {"type": "mobile", "id": "00000000000", "verified": True}]
    return _with_data(event, identities=random.choice(([], None, junk)))


def _invalid_data(random: Random, event: Event, _times: tuple[str, str]) -> bytes:
    identities = [{"type": "brand_member", "id": 12345}]
    return random.choice((_with_data(event, identities=identities), _with_data(event, context="miniprogram"), _other_data(event)))


def _other_data(event: Event) -> bytes:
    """Leave out what the event's type demands."""
    return _packed({**event, "data": {"identities": event["data"]["identities"]}})


def _bad_money(random: Random, event: Event, _times: tuple[str, str]) -> bytes:
    order = {"order_id": event["id"], "status": "paid", "status_version": 1, "currency": "CNY", "total": "19.90"}
    wrong = random.choice(({"total": 19.9}, {"total": "19.905"}, {"total": "-19.90"}, {"currency": "RMB"}, {"discount": "-1"}))
    return _packed({**event, "type": "cn.huiliu.order.v1", "data": {"identities": event["data"]["identities"], **order, **wrong}})


_BREAK: Final[dict[str, Callable[[Random, Event, tuple[str, str]], bytes]]] = {
    "too_large": _too_large,
    "undecodable": _undecodable,
    "not_cloudevent": _not_cloudevent,
    "wrong_brand": _wrong_brand,
    "unknown_type": _unknown_type,
    "bad_time": _bad_time,
    "no_identity": _no_identity,
    "invalid_data": _invalid_data,
    "bad_money": _bad_money,
}
REASONS: Final = tuple(_BREAK)
