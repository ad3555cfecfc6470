"""Tags and engagement equal an independent recount in SQL, at every enriched record and after a tick.

The oracle (``tests/oracle``) shares no code with ``streams/``.
"""

import zlib
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from deploy.demo.generator import Mix, street
from schemas.crm import CrmRecord, Enriched, TagChanged
from schemas.rules import RuleSet
from schemas.scalars import parse_instant
from streams.rules_check import check
from tests.oracle import rules as oracle_rules
from tests.oracle.brand import DAY, HOUR, NOON
from tests.oracle.places import DEAD_LETTER, DUPLICATE, ENRICHED, Verdict, places
from tests.oracle.recount import Member, Probe, recount
from tests.oracle.wire import Published
from tests.property.pipeline import Pipeline

RULES = sorted((Path(__file__).parents[2] / "deploy/demo/rules").glob("*.yaml"))
ALLIANCE = """
alliance: true
timezone: Asia/Shanghai
engagement: {half_life: 5d, weights: {click: 1, order.paid: 7, chat.in: 2}}
tags:
  wanderer: {count: {events: [click, share], within: 5d, at_least: 4}}
  lively: {engagement: {at_least: 6}}
"""
WILD = Mix(duplicates=0.05, refused=0.01, late=0.1, shuffled=0.2, old=0.03)


def read(text: str) -> RuleSet:
    rules = check(text)
    assert isinstance(rules, RuleSet), rules
    return rules


def published(seed: int, events: int, members: int, span_ms: int) -> list[Published]:
    offsets = Counter[tuple[str, int]]()
    records = []
    for piece in street(seed, events, NOON, members=members, mix=WILD, span_ms=span_ms):
        place = piece.brand, zlib.crc32(piece.key) % 4
        records.append(Published(*place, offsets[place], NOON + 1, piece.value, piece.headers, piece.key))
        offsets[place] += 1
    return records


def seen(record: CrmRecord) -> Member:
    assert isinstance(record.value, Enriched)
    member = record.value.member
    last = {
        name: parse_instant(text) for name in ("click", "share", "order", "chat") if isinstance(text := getattr(member.last, name), str)
    }
    scores = {name: score for name in ("brand", "alliance") if isinstance(score := getattr(member.engagement, name), float)}
    return Member(member.tags, scores, member.orders, member.spend, parse_instant(member.first_seen), last)  # type: ignore[arg-type]


def clock_of(record: CrmRecord) -> int:
    clock_ms = parse_instant(record.at)
    assert clock_ms is not None
    return clock_ms


class Run:
    def __init__(self, seed: int, events: int, members: int, span_ms: int) -> None:
        texts = [path.read_text() for path in RULES] + [ALLIANCE]
        self.oracle_rules = [oracle_rules.read(text) for text in texts]
        self.records = published(seed, events, members, span_ms)
        self.verdicts = places(self.records)
        self.pipeline = Pipeline()
        self.pipeline.publish_rules([read(text) for text in texts], NOON)
        self.pipeline.publish(self.records)
        self.pipeline.fold()
        self.by_place = {(v.record.brand, v.record.partition, v.record.offset): v for v in self.verdicts}

    def verdict(self, record: CrmRecord) -> Verdict:
        assert record.origin is not None
        partition, offset = record.origin.split(":")
        return self.by_place[record.brand, int(partition), int(offset)]


@pytest.fixture(scope="module", params=[(1, 6_000, 150, 3 * DAY), (2, 6_000, 600, 40 * DAY), (3, 3_000, 12, 2 * DAY)])
def run(request: pytest.FixtureRequest) -> Run:
    return Run(*request.param)


def test_every_record_ends_in_the_place_that_the_oracle_says(run: Run) -> None:
    enriched = {(r.brand, r.origin) for r in run.pipeline.told() if isinstance(r.value, Enriched)}
    refused = {(d.brand, f"{d.origin.partition}:{d.origin.offset}"): str(d.refused.reason) for d in run.pipeline.refused()}
    wrong = []
    for verdict in run.verdicts:
        key = verdict.record.brand, f"{verdict.record.partition}:{verdict.record.offset}"
        place = ENRICHED if key in enriched else DEAD_LETTER if key in refused else DUPLICATE
        if (place, refused.get(key)) != (verdict.place, verdict.reason):
            wrong.append((key, place, refused.get(key), verdict.place, verdict.reason, verdict.record.value))
    assert wrong == []


def test_every_enriched_record_shows_the_member_that_the_recount_finds(run: Run) -> None:
    told = [record for record in run.pipeline.told() if isinstance(record.value, Enriched)]
    sample = Random(5).sample(told, min(len(told), 1_500))
    probes = {}
    for record in sample:
        verdict = run.verdict(record)
        assert verdict.said is not None
        probes[Probe(record.brand, verdict.said.who, verdict.position, clock_of(record))] = seen(record)
    found = recount(run.verdicts, run.oracle_rules, list(probes))
    wrong = [(probe, shown, found[probe]) for probe, shown in probes.items() if comparable(shown) != comparable(found[probe])]
    assert len(wrong) == 0, wrong[:3]


def test_after_each_tick_the_tags_told_are_those_that_the_recount_finds(run: Run) -> None:
    who = {}
    for record in run.pipeline.told():
        if isinstance(record.value, Enriched):
            said = run.verdict(record).said
            assert said is not None
            who[record.brand, said.who] = record.value.member.id
    for wait_ms in (0, HOUR, DAY, 3 * DAY, 15 * DAY, 70 * DAY, 401 * DAY):
        run.pipeline.tick(NOON + 1 + wait_ms)
        run.pipeline.fold()
        held = tags_told(run)
        probes = {Probe(*key, len(run.records), NOON + 1 + wait_ms): (key[0], member) for key, member in who.items()}
        found = recount(run.verdicts, run.oracle_rules, list(probes))
        wrong = [(p, held.get(key, set()), found[p].tags) for p, key in probes.items() if held.get(key, set()) != set(found[p].tags)]
        assert len(wrong) == 0, (wait_ms, wrong[:3])


def tags_told(run: Run) -> dict[tuple[str, str], set[str]]:
    held: dict[tuple[str, str], set[str]] = {}
    for record in run.pipeline.told():
        if isinstance(record.value, TagChanged):
            tags = held.setdefault((record.brand, record.value.member), set())
            if record.type.endswith("entered.v1"):
                assert record.value.tag not in tags
                tags.add(record.value.tag)
            else:
                tags.remove(record.value.tag)
    return held


def comparable(member: Member) -> Member:
    return Member(sorted(member.tags), member.engagement, member.orders, member.spend, member.first_seen, member.last)
