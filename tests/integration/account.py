"""What a run came to, read back from the topics and held against the oracle.

A brand's side knows its events topic, its CRM topic and its dead letters;
that is all that is read here, besides what only the internal log knows: its
clock, the order in which a member's events were folded, where rules changed.
"""

import base64
import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, NamedTuple

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
FORMER: Final = -(10**9)
"""Added to the offsets of a topic that was deleted and made again, so that both topics' records have names of their own."""


class Kind(StrEnum):
    """What a finding is."""

    LOST = "lost"
    WRONG = "wrong"
    TWICE = "twice"
    INVERSION = "inversion"
    GAP = "gap"


class Former(NamedTuple):
    """A brand's events topic that was deleted and made again: its id, its records, and where the CRM's partitions ended then."""

    topic_id: str
    records: list[Published]
    crm_ends: dict[int, int]


@dataclass(frozen=True)
class Terms:
    """What is to be known of a run beside its rules.

    *since*: where the internal log's partitions began with it, *began_ms*: no
    clock was later then.  *crashing*
    tells the records whose fold raises.  *later* are the sets that took the
    place of their owners' first ones meanwhile.  *former* by brand; *cut* are
    brands whose CRM topic was deleted, and what it held with it.  *most*: of
    how many records of a member and brand the member is recounted.  *vouched*:
    manifests were asked for after all of it.
    """

    since: Mapping[int, int] = field(default_factory=dict)
    began_ms: int = 0
    crashing: Callable[[Published], bool] = lambda _: False
    later: Sequence[Rules] = ()
    former: Mapping[str, Former] = field(default_factory=dict)
    cut: frozenset[str] = frozenset()
    most: int = 1_000_000
    vouched: bool = False


PLAIN: Final = Terms()


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
    appended_ms: int

    @property
    def member(self) -> str:
        who = self.value["member"]
        return str(who["id"] if isinstance(who, dict) else who)


class Ending(NamedTuple):
    """What must be known of a member at the end.  *key* is the member's; a score's deadline leaves the last second open."""

    key: bytes
    now: Member
    second_before: Member


@dataclass
class Account:
    """All that can be wrong with a run, as lists of findings; each must be empty."""

    verdicts: list[Verdict] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    copies: int = 0
    findings: list[str] = field(default_factory=list)
    kinds: Counter[Kind] = field(default_factory=Counter)
    terms: Terms = PLAIN
    ends: dict[str, Counter[str]] = field(default_factory=dict)
    enriched: dict[Origin, Told] = field(default_factory=dict)
    letters: dict[Origin, Entry] = field(default_factory=dict)
    clocks: dict[int, int] = field(default_factory=dict)
    inside: dict[Origin, tuple[int, int]] = field(default_factory=dict)
    keys: dict[Origin, bytes] = field(default_factory=dict)
    latest_ms: dict[Origin, int] = field(default_factory=dict)
    final: dict[tuple[str, str], Ending] = field(default_factory=dict)
    changes: dict[str, dict[int, tuple[int, int]]] = field(default_factory=dict)

    def find(self, kind: Kind, what: str, *details: object) -> None:
        self.kinds[kind] += 1
        self.findings.append(f"{what}: {' '.join(str(detail) for detail in details)}"[:600])


def account(
    settings: Settings, brands: Sequence[str], rules: Sequence[Rules], terms: Terms = PLAIN, when_read: Callable[[], object] = lambda: None
) -> Account:
    """Read everything and compare everything; *when_read* is called between."""
    found = Account(terms=terms)
    _read_inside(found, settings)
    records = [record for brand in brands for record in published(settings, brand, terms.former.get(brand))]
    # as they were folded: an alliance's member acts at several brands
    records.sort(key=lambda record: found.inside.get(_origin(record), (len(found.clocks), 0)))
    for brand in brands:
        _read_crm(found, settings, brand)
        _read_letters(found, settings, brand)
    when_read()
    found.verdicts = _places(records, terms)
    _compare_places(found)
    _compare_order(found)
    _compare_clocks(found)
    _compare_manifests(found)
    _compare_stated(found)
    _compare_names(found)
    _compare_members(found, rules)
    _compare_tags(found, _tags_told(found))
    return found


def published(settings: Settings, brand: str, former: Former | None = None) -> list[Published]:
    """Read what *brand* published, in the order of its partitions."""
    with TopicLog(settings, topics.events(brand)) as log:
        listed = sorted(log.read(), key=lambda entry: (entry.partition, entry.offset))
    records = [Published(brand, one.partition, one.offset, one.appended_ms, one.value, tuple(one.headers), one.key) for one in listed]
    return [*([one._replace(offset=one.offset + FORMER) for one in former.records] if former else ()), *records]


def _origin(record: Published) -> Origin:
    return record.brand, record.partition, record.offset


def _places(records: Sequence[Published], terms: Terms) -> list[Verdict]:
    """Judge the *records* that have a place by the contract; one whose fold raises counts as never sent, and is a dead letter."""
    sound = [record for record in records if not terms.crashing(record)]
    crashed = [record for record in records if terms.crashing(record)]
    return [*places(sound), *(Verdict(record, len(records), DEAD_LETTER, "crashed", None) for record in crashed)]


def _read_inside(found: Account, settings: Settings) -> None:
    """Find where each event was folded first, each partition's clock at the end (its largest effective time), and where rules changed.

    The clock goes on from what was before: a run may have no tick of its own.
    """
    owners = {rules.owner for rules in found.terms.later}
    with TopicLog(settings, topics.MEMBERS) as log:
        for partition in log.partitions:
            for entry in log.read(partition):
                former = entry.offset < found.terms.since.get(partition, 0)
                match envelope.decode(entry.value or b""):
                    case envelope.Event(time_ms=at_ms) if former:
                        pass
                    case envelope.Event(time_ms=at_ms) as event:
                        origin = event.brand, event.origin.partition, _named(found, event.brand, event.origin)
                        if found.inside.setdefault(origin, (entry.partition, entry.offset)) == (entry.partition, entry.offset):
                            found.keys[origin] = entry.key or b""
                            found.latest_ms[origin] = max(found.clocks.get(entry.partition, 0), found.terms.began_ms, at_ms)
                    case envelope.Tick(time_ms=at):
                        at_ms = min(at, entry.appended_ms)
                    case envelope.ShareTold(now=envelope.Happened(time_ms=at_ms)):
                        pass
                    case envelope.RulesSet(owner=owner, version=version) if owner in owners and not former:
                        known = found.changes.setdefault(owner, {}).get(entry.partition)
                        if known is None or version > known[0]:
                            found.changes[owner][entry.partition] = version, entry.offset
                        continue
                    case _:
                        continue
                found.clocks[entry.partition] = max(found.clocks.get(entry.partition, 0), at_ms)


def _named(found: Account, brand: str, origin: envelope.Origin) -> int:
    """Give the offset of *origin*, or of a topic that is gone its other name."""
    former = found.terms.former.get(brand)
    spelt = base64.urlsafe_b64encode(origin.topic_id).rstrip(b"=").decode()
    return origin.offset + FORMER if former is not None and former.topic_id == spelt else origin.offset


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
            if (first := kept.get((*stream, number))) is not None and first[3:] != entry[3:]:
                found.find(Kind.WRONG, "a copy differs from what it copies", brand, headers)
            continue
        if number != last.get(stream, 0) + 1 and (stream in last or brand not in found.terms.cut):
            found.find(Kind.GAP, "gap", brand, stream, "after", last.get(stream, 0), "came", number)
        last[stream], kept[(*stream, number)] = number, entry
        found.told.append(_told(brand, entry, headers, found.terms.former.get(brand)))


def _told(brand: str, entry: Entry, headers: dict[str, str], former: Former | None) -> Told:
    value = (msgpack.unpackb if headers["content-type"] == "application/msgpack" else json.loads)(entry.value or b"")
    sequence = int(headers["ce_huiliupartition"]), int(headers["ce_huiliuepoch"]), int(headers["ce_huiliusequence"])
    partition, _, offset = headers.get("ce_huiliuorigin", "").partition(":")
    gone = former is not None and entry.offset < former.crm_ends.get(entry.partition, 0)
    origin = (brand, int(partition), int(offset) + (FORMER if gone else 0)) if offset else None
    return Told(brand, headers["ce_type"], headers["ce_id"], sequence, origin, value, (entry.partition, entry.offset), entry.appended_ms)


def _read_letters(found: Account, settings: Settings, brand: str) -> None:
    with TopicLog(settings, topics.dead_letters(brand)) as log:
        listed = list(log.read())
    for entry in listed:
        headers = {name: (value or b"").decode() for name, value in entry.headers if name.startswith("huiliu-")}
        was = found.terms.former.get(brand)
        gone = was is not None and was.topic_id == headers["huiliu-topic-id"]
        origin = brand, int(headers["huiliu-partition"]), int(headers["huiliu-offset"]) + (FORMER if gone else 0)
        former = found.letters.setdefault(origin, entry)
        if former[3:] != entry[3:]:
            found.find(Kind.WRONG, "a dead letter's copy differs", origin)
        found.copies += former is not entry


def _compare_places(found: Account) -> None:
    for told in found.told:
        if told.origin is not None:
            if told.origin in found.enriched:
                found.find(Kind.TWICE, "enriched twice", told.origin, told.id)
            found.enriched[told.origin] = told
    for verdict in found.verdicts:
        record = verdict.record
        origin = _origin(record)
        letter = found.letters.get(origin)
        reason = (dict(letter.headers)["huiliu-reason"] or b"").decode() if letter else None
        place = ENRICHED if origin in found.enriched else DEAD_LETTER if letter else DUPLICATE
        if origin in found.enriched and letter:
            found.find(Kind.TWICE, "in two places", origin)
        unknown = place == DUPLICATE and verdict.place == ENRICHED and record.brand in found.terms.cut
        if (place, reason) != (verdict.place, verdict.reason) and not unknown:
            kind = Kind.LOST if place == DUPLICATE else Kind.TWICE if verdict.place == DUPLICATE else Kind.WRONG
            inside = found.inside.get(origin, "nowhere")
            came, due = (place, reason), (verdict.place, verdict.reason)
            found.find(kind, "wrong place", origin, came, "expected", due, "inside", inside, (record.value or b"")[:300])
        found.ends.setdefault(record.brand, Counter())[place] += 1
        if letter:
            _compare_letter(found, record, letter)
    strangers = {*found.enriched, *found.letters} - {_origin(verdict.record) for verdict in found.verdicts}
    if strangers:
        found.find(Kind.WRONG, "of records that nobody published", sorted(strangers)[:3])


def _compare_letter(found: Account, record: Published, letter: Entry) -> None:
    own = [header for header in letter.headers if not header[0].startswith("huiliu-")]
    if (letter.key, letter.value or b"") != (record.key, record.value or b"") or own != list(record.headers):
        found.find(Kind.WRONG, "a dead letter is not the record as it came", record[:3])


def _compare_order(found: Account) -> None:
    """What a member did first in a brand's partition is returned first, no later than the log has it; the event is the brand's own."""
    latest: dict[tuple[str, str, int], int] = {}
    by_origin = {_origin(verdict.record): verdict for verdict in found.verdicts}
    for told in found.told:
        if told.origin is None:
            continue
        brand, partition, offset = told.origin
        key = brand, told.member, partition
        if latest.get(key, offset) > offset:
            found.find(Kind.INVERSION, "inversion", told.origin, "after", latest[key])
        latest[key] = offset
        if _ms(told.value["member"]["as_of"]) > found.latest_ms.get(told.origin, 0):
            found.find(Kind.WRONG, "a clock that no record tells", told.origin, told.value["member"]["as_of"])
        verdict = by_origin.get(told.origin)
        if verdict and verdict.said and "data_base64" not in told.value["event"] and told.value["event"] != verdict.said.event:
            found.find(Kind.WRONG, "not the brand's own event", told.origin, told.value["event"], verdict.said.event)


def _compare_clocks(found: Account) -> None:
    """What is told first is told at an earlier clock, or at the same."""
    latest: dict[tuple[str, int], str] = {}
    for told in found.told:
        at = str(told.value["member"]["as_of"] if told.origin is not None else told.value["at"])
        if at < latest.get((told.brand, told.sequence[0]), at):
            found.find(Kind.WRONG, "the clock went back", told.brand, told.sequence, "to", at, "from", latest[told.brand, told.sequence[0]])
        latest[told.brand, told.sequence[0]] = at


def _compare_manifests(found: Account) -> None:
    """Each manifest states what came since the last one, by number, chain and count."""
    streams: dict[tuple[str, int, int], list[Told]] = defaultdict(list)
    for told in found.told:
        if told.brand not in found.terms.cut:
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
                found.find(Kind.WRONG, "manifest", stream, stated, "expected", len(since), chain.hex())
            if since and (stated["first"], stated["last"]) != (since[0], since[-1]):
                found.find(Kind.WRONG, "manifest's range", stream, stated, "expected", since[0], since[-1])
            chain, since = bytes(32), []


def stated(found: Account, what: str) -> Counter[str]:
    """Add up, by brand, the *duplicates* or *crashed* that manifests state."""
    said = Counter[str]()
    for told in found.told:
        if told.type == "cn.huiliu.manifest.v1":
            said[told.brand] += told.value[what]
    return said


def _compare_stated(found: Account) -> None:
    """Manifests may not state more duplicates or crashes than there are; those that are not stated yet come with the next one."""
    crashed, duplicates = Counter[str](), Counter[str]()
    for verdict in found.verdicts:
        duplicates[verdict.record.brand] += verdict.place == DUPLICATE
        crashed[verdict.record.brand] += verdict.reason == "crashed"
    for what, there in (("duplicates", duplicates), ("crashed", crashed)):
        said = stated(found, what)
        for brand in there.keys() | said.keys():
            whole = found.terms.vouched and brand not in found.terms.cut
            if said[brand] > there[brand] or (whole and said[brand] < there[brand]):
                found.find(Kind.WRONG, f"manifests state {what} of", brand, said[brand], "expected", there[brand])


def _compare_names(found: Account) -> None:
    """Whatever a brand is told of is its own: no tag and no reward names an event that only another brand published."""
    own: dict[str, set[str]] = defaultdict(set)
    for verdict in found.verdicts:
        if verdict.said is not None:
            own[verdict.record.brand] |= {verdict.said.event["id"], verdict.said.data.get("share_id") or ""}
    for told in found.told:
        names = {*told.value.get("evidence", {}).get("events", ())}
        if told.value.get("trigger") or told.value.get("cause"):
            names |= {told.value.get("trigger") or told.value["cause"]} - _tags_of(found, told.brand)
        if strangers := names - own[told.brand]:
            found.find(Kind.WRONG, "an event that is not the brand's own", told.brand, strangers, told.value)


def _tags_of(found: Account, brand: str) -> set[str]:
    return {told.value["tag"] for told in found.told if told.brand == brand and "tag" in told.value}


def _compare_members(found: Account, rules: Sequence[Rules]) -> None:
    """Hold the member in enriched records against the recount of the log up to each, and tags told against that of all of it."""
    chosen: dict[tuple[str, str], list[tuple[Probe, Told]]] = defaultdict(list)
    for verdict in found.verdicts:
        told = found.enriched.get(_origin(verdict.record))
        if told is not None and verdict.said is not None:
            probe = Probe(told.brand, verdict.said.who, verdict.position, _ms(told.value["member"]["as_of"]))
            chosen[told.brand, told.member].append((probe, told))
    probes = {probe: told for listed in chosen.values() for probe, told in _spread(listed, found.terms.most)}
    brought = frozenset[str]().union(*(one.brought for one in [*rules, *found.terms.later]))
    asked, last = _editions(found, probes), frozenset(found.changes)
    endings = _endings(found)
    at_the_end = [probe for ending in endings.values() for probe in ending[1:]]
    for changed in {*asked, last}:  # one recount answers whatever is asked under the same rules
        shown = asked.get(changed, [])
        answers = _recount(found, _standing(found, rules, changed), [*shown, *(at_the_end if changed == last else ())])
        for probe in shown:
            _compare_member(found, probes[probe], answers[probe], brought)
        if changed == last:
            found.final = {who: Ending(key, answers[now], answers[before]) for who, (key, now, before) in endings.items()}


def _compare_member(found: Account, told: Told, expected: Member, brought: frozenset[str]) -> None:
    """Hold a member against the recount, but for the tags that count what shares *brought*: when they heard of it is nobody's to say."""
    shown = _shown(told.value["member"])
    if _plain(shown, brought) != _plain(expected, brought):
        found.find(Kind.WRONG, "wrong member", told.origin, shown, "expected", expected)


def _endings(found: Account) -> dict[tuple[str, str], tuple[bytes, Probe, Probe]]:
    """Ask of every member at the end, and a second before: a deadline of engagement is rounded up to the second."""
    endings: dict[tuple[str, str], tuple[bytes, Probe, Probe]] = {}
    for verdict in found.verdicts:
        told = found.enriched.get(_origin(verdict.record))
        if told is not None and verdict.said is not None and told.brand not in found.terms.cut:
            clock_ms = found.clocks[told.sequence[0]]
            now, before = (Probe(told.brand, verdict.said.who, len(found.verdicts), at) for at in (clock_ms, clock_ms - 1000))
            endings[told.brand, told.member] = found.keys.get(_origin(verdict.record), b""), now, before
    return endings


def _spread(listed: Sequence[tuple[Probe, Told]], most: int) -> Sequence[tuple[Probe, Told]]:
    """Take at most *most*, evenly, the last among them."""
    step = -(-len(listed) // most)
    return listed[::-1][::step]


def _editions(found: Account, probes: Mapping[Probe, Told]) -> dict[frozenset[str], list[Probe]]:
    """Share *probes* by the owners whose later set stood already where each was folded."""
    asked: dict[frozenset[str], list[Probe]] = defaultdict(list)
    for probe, told in probes.items():
        partition, offset = found.inside.get(told.origin or ("", 0, 0), (0, 0))
        changed = {owner for owner, places in found.changes.items() if partition in places and offset > places[partition][1]}
        asked[frozenset(changed)].append(probe)
    return asked


def _standing(found: Account, rules: Sequence[Rules], changed: Collection[str]) -> list[Rules]:
    later = {one.owner: one for one in found.terms.later}
    return [later[one.owner] if one.owner in changed else one for one in rules]


def _recount(found: Account, rules: Sequence[Rules], probes: Sequence[Probe]) -> dict[Probe, Member]:
    """Recount brand by brand, which is quicker, unless the alliance's rules or a share of another brand's look across brands."""
    if any(each.owner == "alliance" for each in rules) or any(
        verdict.said and verdict.said.data.get("owner_brand") for verdict in found.verdicts
    ):
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


def _plain(member: Member, but: frozenset[str]) -> tuple[object, ...]:
    """Make a member comparable, *but* these tags; the last of six decimals may go either way."""
    scores = {name: round(score, 5) for name, score in member.engagement.items()}
    tags = [tag for tag in member.tags if tag not in but]
    return tags, scores.keys(), member.orders, member.spend, member.first_seen, member.last


def _tags_told(found: Account) -> dict[tuple[str, str], set[str]]:
    """Follow the entries and exits."""
    held: dict[tuple[str, str], set[str]] = defaultdict(set)
    for told in found.told:
        if told.brand in found.terms.cut:
            continue
        tags = held[told.brand, told.member] if "tag" in told.value else set()
        if told.type == "cn.huiliu.tag.entered.v1":
            if told.value["tag"] in tags:
                found.find(Kind.TWICE, "entered twice", told.brand, told.value)
            tags.add(told.value["tag"])
        elif told.type == "cn.huiliu.tag.exited.v1":
            if told.value["tag"] not in tags:
                found.find(Kind.WRONG, "exited, but never entered", told.brand, told.value)
            tags.discard(told.value["tag"])
    return held


def _compare_tags(found: Account, held: dict[tuple[str, str], set[str]]) -> None:
    """Hold what entries and exits add up to against the recount at the end, in whose last second either may stand."""
    for who, ending in found.final.items():
        if held[who] not in (set(ending.now.tags), set(ending.second_before.tags)):
            found.find(Kind.WRONG, "wrong tags at the end", who, sorted(held[who]), "expected", ending.now.tags)


def _ms(text: str) -> int:
    at_ms = instant(text)
    assert at_ms is not None, text
    return at_ms
