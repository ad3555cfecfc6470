"""What the samples of a run say, once its topics are read back: nothing counted before it was there; how long recovery took.

Findings go to the account, beside those of the oracle.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise, takewhile
from time import monotonic
from typing import Any, Final, NamedTuple

import redis

from agents.engine.takeover import MARKER, unpack
from agents.settings import Settings
from agents.topic_log import TopicLog
from schemas import topics
from schemas.member_state import BrandState, unpack_member
from schemas.scalars import instant_text
from sinks.redis import STANDING, member_key
from tests.integration.findings import Account, Ending, Kind
from tests.oracle.recount import Member
from tests.oracle.validity import minor
from tests.torture.samples import CHANGELOG, Sample, behind

HELD_MS: Final = 1_000
RECOVERED_S: Final = 60.0
SERVED_S: Final = 5.0
MEMBER_BYTES: Final = 16

Markers = Mapping[int, Sequence[tuple[int, int]]]
"""By partition: (offset in the changelog, position that it states)."""


class Durable(NamedTuple):
    """What became durable in a run: positions, and the latest packed state of each key."""

    markers: Markers
    states: Mapping[bytes, bytes]


def read_changelog(settings: Settings, since: Mapping[int, int]) -> Durable:
    """Read what became durable from *since* on."""
    markers: dict[int, list[tuple[int, int]]] = {partition: [] for partition in since}
    states: dict[bytes, bytes] = {}
    with TopicLog(settings, CHANGELOG) as log:
        for partition, first in since.items():
            for entry in log.read(partition, first):
                if entry.key == MARKER:
                    markers[partition].append((entry.offset, unpack(entry.value or b"").position))
                elif len(entry.key or b"") == MEMBER_BYTES:
                    states[entry.key or b""] = entry.value or b""
    return Durable(markers, states)


def compare_durable(found: Account, durable: Durable) -> None:
    """Positions never go back; the states are those that the log, counted again, comes to."""
    for partition, listed in durable.markers.items():
        for (_, former), (offset, position) in pairwise(listed):
            if position < former:
                found.find(Kind.WRONG, "a position went back", partition, "from", former, "to", position, "at", offset)
    for (brand, member), ending in found.final.items():
        packed = durable.states.get(ending.key, b"")
        state = unpack_member(packed).brands.get(brand) if packed else None
        if state is None:
            found.find(Kind.LOST, "no state of a member", brand, member)
        elif _stated(state) not in (_expected(ending.now), _expected(ending.second_before)):
            found.find(Kind.WRONG, "wrong state", brand, member, _stated(state), "expected", _expected(ending.now))


def _stated(state: BrandState) -> tuple[object, ...]:
    times = {"click": state.click_ms, "share": state.share_ms, "order": state.order_ms, "chat": state.chat_ms}
    spend = {currency: amount for currency, amount in state.spend.items() if amount}
    tags = [] if state.withheld else sorted(state.tags)
    return tags, state.order_count, spend, state.first_ms, {name: at for name, at in times.items() if at}


def _expected(member: Member) -> tuple[object, ...]:
    spend = {currency: minor(amount, currency) for currency, amount in member.spend.items()}
    return sorted(member.tags), member.orders, spend, member.first_seen, member.last


def compare_served(found: Account, url: str) -> None:
    """Hold the serving copy against the recount, unless it says itself that it is stale."""
    with redis.Redis.from_url(url, decode_responses=True) as client:
        if client.hexists(STANDING, "stale_since"):
            return
        deadline = monotonic() + SERVED_S
        waiting = dict(found.final)
        while waiting and monotonic() < deadline:
            waiting = {who: ending for who, ending in waiting.items() if _served(client, *who) != _to_serve(ending)}
        for (brand, member), ending in waiting.items():
            found.find(
                Kind.WRONG, "wrong in the serving copy", brand, member, _served(client, brand, member), "expected", _to_serve(ending)
            )


def _served(client: Any, brand: str, member: str) -> tuple[object, ...]:
    row = client.hgetall(member_key(brand, member))
    return row.get("orders"), json.loads(row.get("spend", "null")), row.get("first_seen"), json.loads(row.get("last", "null"))


def _to_serve(ending: Ending) -> tuple[object, ...]:
    member = ending.now
    last = {name: instant_text(at) for name, at in member.last.items()}
    return str(member.orders), member.spend, instant_text(member.first_seen or 0), last


def compare_samples(found: Account, samples: Iterable[Sample], markers: Markers) -> None:
    """Hold every sample against what was there when it was taken."""
    for sample in samples:
        reached = {
            partition: max(position for _, position in listed)
            for partition, every in markers.items()
            if (listed := list(takewhile(lambda one, end=sample.changelog[CHANGELOG, partition]: one[0] < end, every)))  # type: ignore[misc]
        }
        for partition, position in reached.items():
            committed = sample.members.get((topics.MEMBERS, partition), 0)
            if committed > position:
                found.find(Kind.WRONG, "the group was told what is not durable", partition, committed, "durable", position)
        _compare_effects(found, sample, reached)
        _compare_intake(found, sample)


def _compare_effects(found: Account, sample: Sample, reached: Mapping[int, int]) -> None:
    """A position is durable only once everything that was folded before it is delivered."""
    for origin, told in found.enriched.items():
        partition, offset = found.inside.get(origin, (-1, 0))
        place = topics.crm(told.brand), told.place[0]
        if offset < reached.get(partition, 0) and told.brand not in found.terms.cut and told.place[1] >= sample.received.get(place, 0):
            found.find(Kind.WRONG, "durable before it was delivered", origin, "folded at", partition, offset)
    for origin, letter in found.letters.items():
        partition, offset = found.inside.get(origin, (-1, 0))
        place = topics.dead_letters(origin[0]), letter.partition
        if offset < reached.get(partition, 0) and letter.offset >= sample.received.get(place, 0):
            found.find(Kind.WRONG, "durable before its dead letter was delivered", origin, "folded at", partition, offset)


def _compare_intake(found: Account, sample: Sample) -> None:
    """Intake commits what it has handed on."""
    for verdict in found.verdicts:
        record = verdict.record
        origin = record.brand, record.partition, record.offset
        if record.brand in found.terms.former or record.offset >= sample.intake.get((topics.events(record.brand), record.partition), 0):
            continue
        if (inside := found.inside.get(origin)) is not None:
            there = inside[1] < sample.internal[topics.MEMBERS, inside[0]]
        elif (letter := found.letters.get(origin)) is not None:
            there = letter.offset < sample.received[topics.dead_letters(record.brand), letter.partition]
        else:
            there = False
        if not there:
            found.find(Kind.WRONG, "committed by intake before it was handed on", origin)


def recovery_s(samples: Sequence[Sample], began: Sequence[float]) -> float:
    """Tell how long it took, at most, until all that was published when a fault began had been folded and was durable."""
    return max((_recovered_s(samples, at_s) for at_s in began), default=0.0)


def _recovered_s(samples: Sequence[Sample], began_s: float) -> float:
    after = [sample for sample in samples if sample.at_s >= began_s]
    if not after:
        return 0.0
    published = after[0].events
    handed_on = next((at for at, sample in enumerate(after) if not behind(sample.intake, published)), None)
    if handed_on is None:
        return float("inf")
    inside = after[handed_on].internal
    done = next((sample for sample in after[handed_on:] if not behind(sample.members, inside)), None)
    return float("inf") if done is None else done.at_s - began_s


def held_ms(found: Account) -> tuple[int, int]:
    """Tell how long the next record after a bad one took at most from the brand's topic to the CRM, and any other."""
    lines: dict[tuple[str, int], list[tuple[int, int | None]]] = defaultdict(list)
    for verdict in found.verdicts:
        record = verdict.record
        origin = record.brand, record.partition, record.offset
        told = found.enriched.get(origin)
        took = told.appended_ms - record.append_ms if told else None if origin in found.letters else -1
        lines[record.brand, record.partition].append((record.offset, took))
    after, others = [0], [0]
    for line in lines.values():
        bad = False
        for _, took in sorted(line, key=lambda one: one[0]):
            if took is None:
                bad = True
            elif took >= 0:
                (after if bad else others).append(took)
                bad = False
    return max(after), max(others)
