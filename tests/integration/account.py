"""What a run came to, read back from the topics and held against the oracle.

A brand's side knows its events topic, its CRM topic and its dead letters;
that is all that is read here, besides the internal log's clock.
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgpack

from agents.settings import Settings
from agents.topic_log import Entry, TopicLog
from schemas import envelope, topics
from tests.oracle.places import DEAD_LETTER, DUPLICATE, ENRICHED, Verdict, places
from tests.oracle.recount import Member, Probe, recount
from tests.oracle.rules import Rules
from tests.oracle.validity import instant
from tests.oracle.wire import Published

Origin = tuple[str, int, int]


@dataclass(frozen=True)
class Told:
    """A CRM record, decoded."""

    brand: str
    type: str
    id: str
    sequence: tuple[int, int, int]
    origin: Origin | None
    value: dict[str, Any]
    place: tuple[int, int]

    @property
    def member(self) -> str:
        who = self.value["member"]
        return str(who["id"] if isinstance(who, dict) else who)


@dataclass
class Account:
    """All that can be wrong with a run, as lists of findings; each must be empty."""

    verdicts: list[Verdict] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    copies: int = 0
    findings: list[str] = field(default_factory=list)
    ends: dict[str, Counter[str]] = field(default_factory=dict)
    enriched: dict[Origin, Told] = field(default_factory=dict)
    letters: dict[Origin, Entry] = field(default_factory=dict)
    clocks: dict[int, int] = field(default_factory=dict)

    def find(self, what: str, *details: object) -> None:
        self.findings.append(f"{what}: {' '.join(str(detail) for detail in details)}"[:600])


def account(settings: Settings, brands: Sequence[str], rules: Sequence[Rules]) -> Account:
    """Read everything and compare everything."""
    found = Account()
    records = []
    for brand in brands:
        with TopicLog(settings, topics.events(brand)) as log:
            listed = sorted(log.read(), key=lambda entry: (entry.partition, entry.offset))
        records += [Published(brand, one.partition, one.offset, one.appended_ms, one.value, tuple(one.headers), one.key) for one in listed]
    found.verdicts = places(records)
    for brand in brands:
        _read_crm(found, settings, brand)
        _read_letters(found, settings, brand)
    _compare_places(found)
    _compare_order(found)
    _compare_manifests(found)
    _compare_members(found, rules)
    _read_clocks(found, settings)
    _compare_tags(found, rules, _tags_told(found))
    return found


def _read_crm(found: Account, settings: Settings, brand: str) -> None:
    """Take CRM records as a receiver does: drop what is not above what it has; a number left out is a gap."""
    with TopicLog(settings, topics.crm(brand)) as log:
        listed = sorted(log.read(), key=lambda entry: (entry.partition, entry.offset))
    last: dict[tuple[int, int], int] = {}
    kept: dict[tuple[int, int, int], Entry] = {}
    for entry in listed:
        headers = {name: (value or b"").decode() for name, value in entry.headers}
        stream = int(headers["ce_huiliupartition"]), int(headers["ce_huiliuepoch"])
        number = int(headers["ce_huiliusequence"])
        if number <= last.get(stream, 0):
            found.copies += 1
            if kept[(*stream, number)][3:] != entry[3:]:
                found.find("a copy differs from what it copies", brand, headers)
            continue
        if number != last.get(stream, 0) + 1:
            found.find("gap", brand, stream, "after", last.get(stream, 0), "came", number)
        last[stream], kept[(*stream, number)] = number, entry
        found.told.append(_told(brand, entry, headers))


def _told(brand: str, entry: Entry, headers: dict[str, str]) -> Told:
    value = (msgpack.unpackb if headers["content-type"] == "application/msgpack" else json.loads)(entry.value or b"")
    sequence = int(headers["ce_huiliupartition"]), int(headers["ce_huiliuepoch"]), int(headers["ce_huiliusequence"])
    partition, _, offset = headers.get("ce_huiliuorigin", "").partition(":")
    origin = (brand, int(partition), int(offset)) if offset else None
    return Told(brand, headers["ce_type"], headers["ce_id"], sequence, origin, value, (entry.partition, entry.offset))


def _read_letters(found: Account, settings: Settings, brand: str) -> None:
    with TopicLog(settings, topics.dead_letters(brand)) as log:
        listed = list(log.read())
    for entry in listed:
        headers = {name: (value or b"").decode() for name, value in entry.headers if name.startswith("huiliu-")}
        origin = brand, int(headers["huiliu-partition"]), int(headers["huiliu-offset"])
        former = found.letters.setdefault(origin, entry)
        if former[3:] != entry[3:]:
            found.find("a dead letter's copy differs", origin)
        found.copies += former is not entry


def _compare_places(found: Account) -> None:
    for told in found.told:
        if told.origin is not None:
            if told.origin in found.enriched:
                found.find("enriched twice", told.origin, told.id)
            found.enriched[told.origin] = told
    for verdict in found.verdicts:
        record = verdict.record
        origin = record.brand, record.partition, record.offset
        letter = found.letters.get(origin)
        reason = (dict(letter.headers)["huiliu-reason"] or b"").decode() if letter else None
        place = ENRICHED if origin in found.enriched else DEAD_LETTER if letter else DUPLICATE
        if origin in found.enriched and letter:
            found.find("in two places", origin)
        if (place, reason) != (verdict.place, verdict.reason):
            found.find("wrong place", origin, place, reason, "expected", verdict.place, verdict.reason, (record.value or b"")[:300])
        found.ends.setdefault(record.brand, Counter())[place] += 1
        if letter:
            _compare_letter(found, record, letter)
    strangers = {*found.enriched, *found.letters} - {(v.record.brand, v.record.partition, v.record.offset) for v in found.verdicts}
    if strangers:
        found.find("of records that nobody published", sorted(strangers)[:3])


def _compare_letter(found: Account, record: Published, letter: Entry) -> None:
    own = [header for header in letter.headers if not header[0].startswith("huiliu-")]
    if (letter.key, letter.value or b"") != (record.key, record.value or b"") or own != list(record.headers):
        found.find("a dead letter is not the record as it came", record[:3])


def _compare_order(found: Account) -> None:
    """What a member did first in a brand's partition is returned first, and the event is the brand's own."""
    latest: dict[tuple[str, str, int], int] = {}
    by_origin = {(v.record.brand, v.record.partition, v.record.offset): v for v in found.verdicts}
    for told in found.told:
        if told.origin is None:
            continue
        brand, partition, offset = told.origin
        key = brand, told.member, partition
        if latest.get(key, -1) > offset:
            found.find("inversion", told.origin, "after", latest[key])
        latest[key] = offset
        verdict = by_origin.get(told.origin)
        if verdict and verdict.said and "data_base64" not in told.value["event"] and told.value["event"] != verdict.said.event:
            found.find("not the brand's own event", told.origin, told.value["event"], verdict.said.event)


def _compare_manifests(found: Account) -> None:
    """Each manifest states what came since the last one, by number, chain and count."""
    streams: dict[tuple[str, int, int], list[Told]] = defaultdict(list)
    for told in found.told:
        streams[told.brand, told.sequence[0], told.sequence[1]].append(told)
    for stream, listed in streams.items():
        chain, since = bytes(32), []
        for told in listed:
            if told.type != "cn.huiliu.manifest.v1":
                chain = hashlib.sha256(chain + told.id.encode()).digest()
                since.append(told.sequence[2])
                continue
            stated = told.value
            if (stated["count"], stated["sha256"]) != (len(since), chain.hex()):
                found.find("manifest", stream, stated, "expected", len(since), chain.hex())
            if since and (stated["first"], stated["last"]) != (since[0], since[-1]):
                found.find("manifest's range", stream, stated, "expected", since[0], since[-1])
            chain, since = bytes(32), []


def duplicates_stated(found: Account) -> Counter[str]:
    """Add up, by brand, the duplicates that manifests state."""
    stated = Counter[str]()
    for told in found.told:
        if told.type == "cn.huiliu.manifest.v1":
            stated[told.brand] += told.value["duplicates"]
    return stated


def _compare_members(found: Account, rules: Sequence[Rules]) -> None:
    """Hold the member in every enriched record against the recount of the log up to it."""
    probes: dict[Probe, Told] = {}
    for verdict in found.verdicts:
        told = found.enriched.get((verdict.record.brand, verdict.record.partition, verdict.record.offset))
        if told is not None and verdict.said is not None:
            probes[Probe(told.brand, verdict.said.who, verdict.position, _ms(told.value["member"]["as_of"]))] = told
    for probe, expected in _recount(found, rules, list(probes)).items():
        shown = _shown(probes[probe].value["member"])
        if _plain(shown) != _plain(expected):
            found.find("wrong member", probes[probe].origin, shown, "expected", expected)


def _recount(found: Account, rules: Sequence[Rules], probes: Sequence[Probe]) -> dict[Probe, Member]:
    """Recount brand by brand, which is quicker, unless the alliance's rules look across brands."""
    if any(each.owner == "alliance" for each in rules):
        return recount(found.verdicts, rules, probes)
    answers: dict[Probe, Member] = {}
    for brand in {probe.brand for probe in probes}:
        own = [verdict for verdict in found.verdicts if verdict.record.brand == brand]
        asked = [probe for probe in probes if probe.brand == brand]
        answers |= recount(own, [each for each in rules if each.owner == brand], asked)
    return answers


def _shown(member: dict[str, Any]) -> Member:
    last = {name: _ms(at) for name, at in member["last"].items()}
    return Member(member["tags"], member["engagement"], member["orders"], member["spend"], _ms(member["first_seen"]), last)


def _plain(member: Member) -> tuple[object, ...]:
    """Make a member comparable; the last of six decimals may go either way."""
    scores = {name: round(score, 5) for name, score in member.engagement.items()}
    return member.tags, scores.keys(), member.orders, member.spend, member.first_seen, member.last


def _tags_told(found: Account) -> dict[tuple[str, str], set[str]]:
    """Follow the entries and exits."""
    held: dict[tuple[str, str], set[str]] = defaultdict(set)
    for told in found.told:
        tags = held[told.brand, told.member] if "tag" in told.value else set()
        if told.type == "cn.huiliu.tag.entered.v1":
            if told.value["tag"] in tags:
                found.find("entered twice", told.brand, told.value)
            tags.add(told.value["tag"])
        elif told.type == "cn.huiliu.tag.exited.v1":
            if told.value["tag"] not in tags:
                found.find("exited, but never entered", told.brand, told.value)
            tags.discard(told.value["tag"])
    return held


def _read_clocks(found: Account, settings: Settings) -> None:
    """Find each partition's clock at the end: the largest effective time in it."""
    with TopicLog(settings, topics.MEMBERS) as log:
        for entry in log.read():
            match envelope.decode(entry.value or b""):
                case envelope.Event(time_ms=at) if entry.value:
                    at_ms = at
                case envelope.Tick(time_ms=at):
                    at_ms = min(at, entry.appended_ms)
                case _:
                    continue
            found.clocks[entry.partition] = max(found.clocks.get(entry.partition, 0), at_ms)


def _compare_tags(found: Account, rules: Sequence[Rules], held: dict[tuple[str, str], set[str]]) -> None:
    """Hold what entries and exits add up to against the recount at the end.

    A deadline of engagement is rounded up to the second, so the last second
    may say either.
    """
    known: dict[Probe, tuple[str, str]] = {}
    seconds: dict[Probe, Probe] = {}
    for verdict in found.verdicts:
        told = found.enriched.get((verdict.record.brand, verdict.record.partition, verdict.record.offset))
        if told is not None and verdict.said is not None:
            clock_ms = found.clocks[told.sequence[0]]
            now, before = (Probe(told.brand, verdict.said.who, len(found.verdicts), at) for at in (clock_ms, clock_ms - 1000))
            known[now], seconds[now] = (told.brand, told.member), before
    at_the_end = _recount(found, rules, [*known, *seconds.values()])
    for now, key in known.items():
        if held[key] not in (set(at_the_end[now].tags), set(at_the_end[seconds[now]].tags)):
            found.find("wrong tags at the end", key, sorted(held[key]), "expected", at_the_end[now].tags)


def _ms(text: str) -> int:
    at_ms = instant(text)
    assert at_ms is not None, text
    return at_ms
