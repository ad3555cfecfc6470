"""Every record in one place, in order, numbered and vouched for; and nothing in it that is another brand's."""

import hashlib
from collections import Counter, defaultdict

from agents.topic_log import Entry
from tests.integration.findings import Account, Kind, Told, ms_of, origin_of
from tests.oracle.places import DEAD_LETTER, DUPLICATE, ENRICHED
from tests.oracle.wire import Published


def compare_places(found: Account) -> None:
    """Each record is where the contract says, and nothing is anywhere that nobody published."""
    for told in found.told:
        if told.origin is not None:
            if told.origin in found.enriched:
                found.find(Kind.TWICE, "enriched twice", told.origin, told.id)
            found.enriched[told.origin] = told
    for verdict in found.verdicts:
        record = verdict.record
        origin = origin_of(record)
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
    strangers = {*found.enriched, *found.letters} - {origin_of(verdict.record) for verdict in found.verdicts}
    if strangers:
        found.find(Kind.WRONG, "of records that nobody published", sorted(strangers)[:3])


def _compare_letter(found: Account, record: Published, letter: Entry) -> None:
    own = [header for header in letter.headers if not header[0].startswith("huiliu-")]
    if (letter.key, letter.value or b"") != (record.key, record.value or b"") or own != list(record.headers):
        found.find(Kind.WRONG, "a dead letter is not the record as it came", record[:3])


def compare_order(found: Account) -> None:
    """What a member did first in a brand's partition is returned first, no later than the log has it; the event is the brand's own."""
    latest: dict[tuple[str, str, int], int] = {}
    by_origin = {origin_of(verdict.record): verdict for verdict in found.verdicts}
    for told in found.told:
        if told.origin is None:
            continue
        brand, partition, offset = told.origin
        key = brand, told.member, partition
        if latest.get(key, offset) > offset:
            found.find(Kind.INVERSION, "inversion", told.origin, "after", latest[key])
        latest[key] = offset
        if ms_of(told.value["member"]["as_of"]) > found.latest_ms.get(told.origin, 0):
            found.find(Kind.WRONG, "a clock that no record tells", told.origin, told.value["member"]["as_of"])
        verdict = by_origin.get(told.origin)
        if verdict and verdict.said and "data_base64" not in told.value["event"] and told.value["event"] != verdict.said.event:
            found.find(Kind.WRONG, "not the brand's own event", told.origin, told.value["event"], verdict.said.event)


def compare_clocks(found: Account) -> None:
    """What is told first is told at an earlier clock, or at the same."""
    latest: dict[tuple[str, int], str] = {}
    for told in found.told:
        at = str(told.value["member"]["as_of"] if told.origin is not None else told.value["at"])
        if at < latest.get((told.brand, told.sequence[0]), at):
            found.find(Kind.WRONG, "the clock went back", told.brand, told.sequence, "to", at, "from", latest[told.brand, told.sequence[0]])
        latest[told.brand, told.sequence[0]] = at


def compare_manifests(found: Account) -> None:
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


def compare_stated(found: Account) -> None:
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


def compare_names(found: Account) -> None:
    """No tag and no reward names an event that only another brand published; the id of a share stands for another's visits (RULES 5)."""
    own, tags = defaultdict[str, set[str]](set), defaultdict[str, set[str]](set)
    for verdict in found.verdicts:
        if verdict.said is not None:
            own[verdict.record.brand] |= {verdict.said.event["id"], verdict.said.data.get("share_id") or ""}
    for told in found.told:
        if "tag" in told.value:
            tags[told.brand].add(told.value["tag"])
    for told in found.told:
        evidence = {*told.value.get("evidence", {}).get("events", ())}
        earned_by = {told.value[name] for name in ("trigger", "cause") if told.value.get(name)}
        if strangers := (evidence | (earned_by - tags[told.brand])) - own[told.brand]:
            found.find(Kind.WRONG, "an event that is not the brand's own", told.brand, strangers, told.value)
