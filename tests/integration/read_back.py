"""A run, read back from the topics.

A brand's side knows its events topic, its CRM topic and its dead letters;
that is all that is read here, besides what only the internal log knows: its
clock, the order in which a member's events were folded, where rules changed.
"""

import base64
import json
from collections.abc import Sequence

import msgpack

from agents.settings import Settings
from agents.topic_log import Entry, TopicLog
from schemas import envelope, topics
from tests.integration.findings import FORMER, Account, Former, Kind, Terms, Told
from tests.oracle.places import DEAD_LETTER, Verdict, places
from tests.oracle.wire import Published


def published(settings: Settings, brand: str, former: Former | None = None) -> list[Published]:
    """Read what *brand* published, in the order of its partitions."""
    with TopicLog(settings, topics.events(brand)) as log:
        listed = sorted(log.read(), key=lambda entry: (entry.partition, entry.offset))
    records = [Published(brand, one.partition, one.offset, one.appended_ms, one.value, tuple(one.headers), one.key) for one in listed]
    return [*([one._replace(offset=one.offset + FORMER) for one in former.records] if former else ()), *records]


def judged(records: Sequence[Published], terms: Terms) -> list[Verdict]:
    """Judge the *records* that have a place by the contract; one whose fold raises counts as never sent, and is a dead letter."""
    sound = [record for record in records if not terms.crashing(record)]
    crashed = [record for record in records if terms.crashing(record)]
    return [*places(sound), *(Verdict(record, len(records), DEAD_LETTER, "crashed", None) for record in crashed)]


def read_inside(found: Account, settings: Settings) -> None:
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


def read_crm(found: Account, settings: Settings, brand: str) -> None:
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


def read_letters(found: Account, settings: Settings, brand: str) -> None:
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
