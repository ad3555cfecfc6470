"""What shares bring, and to which an order is credited, equals an independent recount in SQL.

Events of two brands go through intake, members and shares, in batches of any
size and by turns of the partitions that nobody can foresee, with words that
arrive twice; in the end the tags that were told are those that the oracle
finds in the events alone.
"""

import json
from collections import Counter
from random import Random
from typing import Any, Final

import pytest

from schemas import envelope, topics
from schemas.crm import Enriched, TagChanged
from schemas.effects import Effect
from schemas.rules import RuleSet
from streams.rules_check import check
from tests.oracle import rules as oracle_rules
from tests.oracle.brand import DAY, HOUR, NOON, zulu
from tests.oracle.identity import Identity
from tests.oracle.places import Verdict, places
from tests.oracle.recount import Probe, recount
from tests.oracle.wire import Published
from tests.property.pipeline import Pipeline
from tests.sharing import PARTITIONS, Shares

RULES: Final = """
brand: %s
timezone: Asia/Shanghai
engagement: {half_life: 7d, weights: {share.visited: 2, share.ordered: 10}}
sharing: %s
tags:
  opened: {count: {events: share.visited, within: 30d, at_least: 1}}
  popular: {count: {events: share.visited, within: 7d, at_least: 3}}
  seller: {count: {events: share.ordered, within: 30d, at_least: 1}}
  star: {count: {events: [share.ordered, share.visited], within: 30d, at_least: 5}}
  liked: {top: {of: category, events: [share.visited, share.ordered], within: 30d, at_least: 2}}
  wide: {distinct: {of: sku, events: share.visited, within: 30d, at_least: 2}}
  warm: {engagement: {at_least: 4}}
"""
BRANDS: Final = {"tea": "{window: 2d, depth: 2}", "silk": "{window: 12h}"}


class Wild:
    """Members who share, pass on, open, buy and give back, in an order of arrival of its own."""

    def __init__(self, seed: int, events: int, brands: dict[str, str], now_ms: int) -> None:
        self.random, self.count, self.brands, self.now_ms = Random(seed), 0, brands, now_ms
        self.members = [f"m{number}" for number in range(self.random.randint(4, 9))]
        # Some use one phone between two of them; each has one, for whoever comes again from another is the first visit's.
        self.phones = {name: self.random.choice((None, f"phone-{name}", "phone-m0")) for name in self.members}
        self.shares = [f"s{number}" for number in range(self.random.randint(2, 8))]
        self.sharers = {(brand, share): self.random.choice(self.members) for brand in brands for share in self.shares}
        told = [event for _ in range(events) for event in self.some()]
        told.sort(key=lambda one: one[1] + self.random.choice((0, 0, 0, 6 * HOUR, 3 * DAY)))
        offsets = Counter[str]()
        self.records = []
        for brand, _, member, value in told:
            self.records.append(Published(brand, 0, offsets[brand], now_ms, value, (), member.encode()))
            offsets[brand] += 1

    def some(self) -> list[tuple[str, int, str, bytes]]:
        """One thing that happens: an event, or an order with its statuses."""
        random, brand, at_ms = self.random, self.random.choice([*self.brands]), self.now_ms - self.random.randint(2 * HOUR, 8 * DAY)
        share, member = random.choice(self.shares), random.choice(self.members)
        match random.choices(("share", "click", "order"), (2, 6, 3))[0]:
            case "share":
                parent = random.choice([None, None, *self.shares])
                item = {"sku": random.choice("abc"), "category": random.choice(["green", "oolong"])}
                data = {"share_id": share, "via": "qr", "item": item} | ({"parent_share_id": parent} if parent else {})
                return [self.event(brand, at_ms, self.sharers[brand, share], "share", data)]
            case "click":
                return [self.event(brand, at_ms, member, "click", {"page": "p", "share_id": share, "click_id": f"k{random.randrange(9)}"})]
        return self.order(brand, at_ms, member, share)

    def order(self, brand: str, at_ms: int, member: str, share: str) -> list[tuple[str, int, str, bytes]]:
        named = self.random.choice([{}, {}, {}, {"share_id": share}, {"click_id": f"k{self.random.randrange(9)}"}])
        statuses = self.random.choice([("placed", "paid"), ("paid",), ("paid", "completed"), ("placed",), ("placed", "paid", "cancelled")])
        stated = {"order_id": f"o{self.count}", "currency": "CNY", "total": "90.00", **named}
        told = [
            self.event(brand, at_ms + 1_000 * version, member, "order", {**stated, "status": status, "status_version": version})
            for version, status in enumerate(statuses)
        ]
        for number in range(self.random.choice((0, 0, 1, 2))):
            refund = {"refund_id": f"r{number}", "refund": {"amount": self.random.choice(["45.00", "30.00", "90.00"])}}
            data = {**stated, "status": "refunded", "status_version": 8 + number, **refund}
            told.append(self.event(brand, at_ms + HOUR, member, "order", data))
        return told

    def event(self, brand: str, at_ms: int, member: str, kind: str, data: dict[str, Any]) -> tuple[str, int, str, bytes]:
        self.count += 1
        phone = self.phones[member] if kind != "order" else None
        identities = [{"type": "wx_unionid", "id": member}, *([{"type": "device", "id": phone}] if phone else [])]
        event = {
            "specversion": "1.0", "id": f"e{self.count}", "source": f"/brand/{brand}/shop", "type": f"cn.huiliu.{kind}.v1",
            "time": zulu(at_ms), "data": {"identities": identities, **data},
        }  # fmt: skip
        return brand, at_ms, member, json.dumps(event).encode()


class Town:
    """All partitions of members and of shares, folded by turns at random."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.members, self.shares = Pipeline(), Shares()
        self.sent = [0] * PARTITIONS
        self.heard = 0

    def settle(self) -> None:
        while any(stage.folded < len(stage.log) for stage in self.members.stages):
            stage = self.random.choice([one for one in self.members.stages if one.folded < len(one.log)])
            stage.fold([self.random.randint(1, 30)])
            self._carry(stage.partition)
            if self.random.random() < 0.5:
                self._answer()
            if all(one.folded == len(one.log) for one in self.members.stages):
                self._answer()

    def _carry(self, partition: int) -> None:
        """Carry what a partition of members says to the shares; some of it twice, as a replay does."""
        decided = self.members.stages[partition].decisions
        words = [one for one in decided[self.sent[partition] :] if isinstance(one, Effect)]
        self.sent[partition] = len(decided)
        for word in words * self.random.choice((1, 1, 2)):
            assert word.topic == topics.SHARES
            self.shares.append(word.key or b"", word.value or b"")

    def _answer(self) -> None:
        self.shares.settle(self.random, copies=True)
        new = self.shares.told[self.heard :]
        self.heard = len(self.shares.told)
        by_partition: dict[int, list[tuple[bytes, bytes]]] = {}
        for member, told in new:
            place = topics.member_partition(member, PARTITIONS)
            by_partition.setdefault(place, []).append((member, envelope.encode(told)))
        for place, words in by_partition.items():
            for member, value in words * self.random.choice((1, 1, 2)):
                self.members.stages[place].append(member, value, NOON)


def read(text: str) -> RuleSet:
    rules = check(text)
    assert isinstance(rules, RuleSet), rules
    return rules


@pytest.mark.parametrize("seed", range(10))
def test_the_tags_told_in_the_end_are_those_that_the_recount_finds(seed: int) -> None:
    wild = Wild(seed, 60, BRANDS, NOON)
    verdicts, texts = places(wild.records), [RULES % brand for brand in BRANDS.items()]
    town = Town(seed)
    town.members.publish_rules([read(text) for text in texts], NOON - 30 * DAY)
    town.members.publish(wild.records)
    town.settle()
    for wait_ms in (0, DAY, 5 * DAY, 29 * DAY):
        town.members.tick(NOON + wait_ms)
        town.settle()
        names = who_is_who(town, verdicts)
        probes = {Probe(brand, who, len(verdicts), NOON + wait_ms): (brand, name) for (brand, who), name in names.items()}
        found = recount(verdicts, [oracle_rules.read(text) for text in texts], list(probes))
        held = tags_told(town)
        wrong = [
            (probe, held.get(key, set()), found[probe].tags)
            for probe, key in probes.items()
            if held.get(key, set()) != set(found[probe].tags)
        ]
        assert wrong == [], (seed, wait_ms)


def who_is_who(town: Town, verdicts: list[Verdict]) -> dict[tuple[str, Identity], str]:
    by_place = {(one.record.brand, one.record.offset): one.said for one in verdicts}
    names = {}
    for record in town.members.told():
        if isinstance(record.value, Enriched):
            said = by_place[record.brand, int((record.origin or "").partition(":")[2])]
            assert said is not None
            names[record.brand, said.who] = record.value.member.id
    return names


def tags_told(town: Town) -> dict[tuple[str, str], set[str]]:
    held: dict[tuple[str, str], set[str]] = {}
    for record in town.members.told():
        if isinstance(record.value, TagChanged):
            tags = held.setdefault((record.brand, record.value.member), set())
            if record.type.endswith("entered.v1"):
                assert record.value.tag not in tags
                tags.add(record.value.tag)
            else:
                tags.remove(record.value.tag)
    return held
