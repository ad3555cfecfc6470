"""A seeded street of shops: the same seed and the same *now* give the same records, byte for byte, each with its place.

Used by the demo, the tests and the benchmarks.  Members come by Zipf's law,
by day more than by night; what they do has consequences later; some of it is
told late, twice, in another order, or wrongly.
"""

import base64
import heapq
from bisect import bisect
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import accumulate
from random import Random
from typing import Any, Final, NamedTuple

import msgspec

from deploy.demo.faults import broken
from deploy.demo.life import DAY, HOUR, MINUTE, Visit
from deploy.demo.people import Crowd, Person
from deploy.demo.shops import SHOPS, Shop

ENRICHED: Final = "enriched"
DUPLICATE: Final = "duplicate"
DEAD_LETTER: Final = "dead-letter"
BY_HOUR: Final = (4, 2, 1, 1, 1, 2, 4, 8, 14, 18, 20, 22, 26, 22, 18, 18, 18, 20, 24, 30, 36, 38, 26, 12)
SHANGHAI_MS: Final = 8 * HOUR
JSON: Final = b"application/cloudevents+json"
MSGPACK: Final = b"application/cloudevents+msgpack"

Headers = tuple[tuple[str, bytes], ...]
Event = dict[str, Any]


class Piece(NamedTuple):
    """A record to publish, and where it must end; *reason* when among the dead letters."""

    brand: str
    key: bytes
    value: bytes
    headers: Headers
    place: str
    reason: str | None = None


class Mix(NamedTuple):
    """How much of what goes wrong, as shares of all records; *favourite*: how much one member of each shop does alone, who opens no shares.

    A member's last 16 visits of shares are remembered: of whoever comes by more, nobody can say afterwards whose an order is.
    """

    duplicates: float = 0.01
    refused: float = 0.005
    late: float = 0.03
    shuffled: float = 0.05
    old: float = 0.015
    favourite: float = 0.0


class _Told(NamedTuple):
    """An event on its way: who did it, in which shop."""

    shop: Shop
    person: Person
    event: Event


_Due = tuple[int, int, _Told]
_Waiting = tuple[int, int, _Told, str]


def street(
    seed: int,
    events: int,
    now_ms: int,
    *,
    span_ms: int = 2 * DAY,
    members: int = 2_000,
    first_member: int = 0,
    shops: tuple[Shop, ...] = SHOPS,
    mix: Mix = Mix(),  # noqa: B008  (a tuple: nobody can change it)
) -> Iterator[Piece]:
    """Yield *events* records of the *span_ms* up to *now_ms*, in the order in which the brands publish them.

    Streets whose members are numbered from different *first_member* on have nobody in common.
    """
    return _Street(seed, now_ms, range(first_member, first_member + members), shops, mix).pieces(_moments(events, now_ms, span_ms))


def _moments(events: int, now_ms: int, span_ms: int) -> Iterator[int]:
    """Spread *events* times over the span as the day's curve has it; the last is *now_ms*."""
    steps = max(1, span_ms // (10 * MINUTE))
    width = span_ms / steps
    start = now_ms - span_ms
    curve = list(accumulate(BY_HOUR[int((start + width * step + SHANGHAI_MS) // HOUR) % 24] for step in range(steps)))
    for number in range(1, events + 1):
        height = curve[-1] * number / events
        step = min(bisect(curve, height), steps - 1)
        below = curve[step - 1] if step else 0
        yield start + int(width * (step + (height - below) / (curve[step] - below)))


class _Street:
    def __init__(self, seed: int, now_ms: int, members: range, shops: tuple[Shop, ...], mix: Mix) -> None:
        self.random = Random(seed)
        self.now_ms = now_ms
        self.shops = shops
        self.traffic = list(accumulate(shop.traffic for shop in shops))
        self.crowds = {shop.slug: Crowd(self.random, shop, members) for shop in shops}
        self.shared: dict[str, list[str]] = {shop.slug: [] for shop in shops}
        self.mix = mix
        self.serial = 0
        self.due: list[_Due] = []
        self.waiting: list[_Waiting] = []

    def pieces(self, moments: Iterator[int]) -> Iterator[Piece]:
        for position, at_ms in enumerate(moments):
            yield self._piece(position, at_ms)

    def _piece(self, position: int, at_ms: int) -> Piece:
        """Say what is published next: a repetition whose turn it is, something broken, or what happens now."""
        if self.waiting and self.waiting[0][0] <= position:
            _, _, told, how = heapq.heappop(self.waiting)
            return self._sound(position, told) if how == ENRICHED else self._again(told, how)
        told = self._next(at_ms)
        chance = self.random.random()
        if chance < self.mix.refused * 0.9:
            return self._broken(told)
        if chance > 1 - self.mix.shuffled:
            self._wait(position + self.random.randint(1, 30), told, ENRICHED)
            told = self._next(at_ms)
        return self._sound(position, told)

    def _wait(self, position: int, told: _Told, how: str) -> None:
        self.serial += 1
        heapq.heappush(self.waiting, (position, self.serial, told, how))

    def _next(self, at_ms: int) -> _Told:
        """Take what is due, or let somebody come by."""
        if self.due and self.due[0][0] <= at_ms:
            return heapq.heappop(self.due)[2]
        shop = self.random.choices(self.shops, cum_weights=self.traffic)[0]
        crowd = self.crowds[shop.slug]
        alone = self.mix.favourite and self.random.random() < self.mix.favourite
        person = crowd.people[0] if alone else crowd.draw(self.random)
        self.serial += 1
        visit = Visit(self.random, shop, person, self.serial, at_ms, self.shared[shop.slug], opens=not alone)
        old_ms = self.random.randint(20 * DAY, 200 * DAY) if self.random.random() < self.mix.old else 0
        first, *later = visit.happenings()
        for one in later:
            self.serial += 1
            told = self._told(shop, person, one.kind, at_ms + one.after_ms - old_ms, one.data)
            heapq.heappush(self.due, (at_ms + one.after_ms, self.serial, told))
        return self._told(shop, person, first.kind, at_ms - old_ms, first.data)

    def _told(self, shop: Shop, person: Person, kind: str, at_ms: int, data: dict[str, Any]) -> _Told:
        self.serial += 1
        if self.random.random() < self.mix.late:
            at_ms -= int(self.random.expovariate(1 / (3 * HOUR)))
        event: Event = {
            "specversion": "1.0",
            "id": f"{shop.slug[:2]}{self.serial:09}",
            "source": f"/brand/{shop.slug}/{'wecom' if kind == 'chat' else 'shop'}",
            "type": f"cn.huiliu.{kind}.v1",
            "time": written(at_ms),
            "data": data,
        }
        return _Told(shop, person, event)

    def _sound(self, position: int, told: _Told) -> Piece:
        """Publish *told*, and perhaps see to it that it comes again (then structured: other modes say one attribute more)."""
        chance = self.random.random()
        again = DUPLICATE if chance < self.mix.duplicates else DEAD_LETTER
        if chance < self.mix.duplicates + self.mix.refused * 0.1:
            self._wait(position + self.random.randint(1, 40), told, again)
            value, headers = self._structured(told.event)
        else:
            value, headers = self._encoded(told.event)
        return Piece(told.shop.slug, told.person.key, value, headers, ENRICHED)

    def _broken(self, told: _Told) -> Piece:
        reason, value = broken(self.random, told.event, written(self.now_ms + 2 * DAY), written(self.now_ms - 500 * DAY))
        return Piece(told.shop.slug, told.person.key, value, (), DEAD_LETTER, reason)

    def _again(self, told: _Told, how: str) -> Piece:
        """Tell again what was told: as it was, with another trace, or under another id; or another story under its id."""
        event = told.event
        if how == DEAD_LETTER:
            event = self._contradiction(event)
        elif self.random.random() < 0.5 and _has_natural_key(event):
            self.serial += 1
            event = {**event, "id": f"again{self.serial:09}"}
        elif self.random.random() < 0.5:
            event = {**event, "traceparent": f"00-{self.serial:032x}-{self.serial:016x}-01"}
        value, headers = self._structured(event)
        return Piece(told.shop.slug, told.person.key, value, headers, how, "invalid_data" if how == DEAD_LETTER else None)

    def _contradiction(self, event: Event) -> Event:
        data = event["data"]
        if event["type"] == "cn.huiliu.order.v1" and self.random.random() < 0.5:
            self.serial += 1
            wrong = (
                {"refund": {**refund, "amount": f"1{refund['amount']}"}}
                if (refund := data.get("refund"))
                else {"total": f"1{data['total']}"}
            )
            return {**event, "id": f"other{self.serial:09}", "data": {**data, **wrong}}
        return {**event, "data": {**data, "note": "同号不同文"}}

    def _encoded(self, event: Event) -> tuple[bytes, Headers]:
        chance = self.random.random()
        if chance < 0.7:
            return self._structured(event)
        if chance < 0.72:
            packed = base64.b64encode(msgspec.msgpack.encode(event["data"])).decode()
            rest = {name: value for name, value in event.items() if name != "data"}
            event = {**rest, "datacontenttype": "application/msgpack", "data_base64": packed}
            return msgspec.json.encode(event), (("content-type", JSON),)
        attributes = tuple((f"ce_{name}", value.encode()) for name, value in event.items() if name != "data")
        if chance < 0.9:
            return msgspec.json.encode(event["data"]), (*attributes, ("content-type", b"application/json"))
        return msgspec.msgpack.encode(event["data"]), (*attributes, ("content-type", b"application/msgpack"))

    def _structured(self, event: Event) -> tuple[bytes, Headers]:
        chance = self.random.random()
        if chance < 0.5:
            return msgspec.json.encode(event), (("content-type", JSON),)
        if chance < 0.75:
            return msgspec.msgpack.encode(event), (("content-type", MSGPACK),)
        if chance < 0.9:
            return msgspec.json.encode(event), ()
        if chance < 0.92:
            return b"\xef\xbb\xbf" + msgspec.json.encode(event), ()
        return msgspec.msgpack.encode(event), ()


def written(at_ms: int) -> str:
    """Write a time as the shops' systems do."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _has_natural_key(event: Event) -> bool:
    return event["type"] in ("cn.huiliu.order.v1", "cn.huiliu.chat.v1", "cn.huiliu.coupon.v1")
