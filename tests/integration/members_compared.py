"""Members as brands were told of them, held against a recount of what the brands published."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from tests.integration.findings import Account, Ending, Kind, Told, ms_of, origin_of
from tests.oracle.recount import Member, Probe, recount
from tests.oracle.rules import Rules


def compare_members(found: Account, rules: Sequence[Rules]) -> None:
    """Hold the member in enriched records against the recount of the log up to each, and tags told against that of all of it."""
    chosen: dict[tuple[str, str], list[tuple[Probe, Told]]] = defaultdict(list)
    for verdict in found.verdicts:
        told = found.enriched.get(origin_of(verdict.record))
        if told is not None and verdict.said is not None:
            probe = Probe(told.brand, verdict.said.who, verdict.position, ms_of(told.value["member"]["as_of"]))
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
        told = found.enriched.get(origin_of(verdict.record))
        if told is not None and verdict.said is not None and told.brand not in found.terms.cut:
            clock_ms = found.clocks[told.sequence[0]]
            now, before = (Probe(told.brand, verdict.said.who, len(found.verdicts), at) for at in (clock_ms, clock_ms - 1000))
            endings[told.brand, told.member] = found.keys.get(origin_of(verdict.record), b""), now, before
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
    last = {name: ms_of(at) for name, at in member["last"].items()}
    return Member(member["tags"], member["engagement"], member["orders"], member["spend"], ms_of(member["first_seen"]), last)


def _plain(member: Member, but: frozenset[str]) -> tuple[object, ...]:
    """Make a member comparable, *but* these tags; the last of six decimals may go either way."""
    scores = {name: round(score, 5) for name, score in member.engagement.items()}
    tags = [tag for tag in member.tags if tag not in but]
    return tags, scores.keys(), member.orders, member.spend, member.first_seen, member.last


def tags_told(found: Account) -> dict[tuple[str, str], set[str]]:
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


def compare_tags(found: Account, held: dict[tuple[str, str], set[str]]) -> None:
    """Hold what entries and exits add up to against the recount at the end, in whose last second either may stand."""
    for who, ending in found.final.items():
        if held[who] not in (set(ending.now.tags), set(ending.second_before.tags)):
            found.find(Kind.WRONG, "wrong tags at the end", who, sorted(held[who]), "expected", ending.now.tags)
