"""A brand's record to a trusted envelope, or to the first reason against it.

Source: CONTRACT 2, 4 and 5; DESIGN 5.
"""

import re
from typing import Final

import msgspec
from msgspec import Struct

from schemas import envelope, events, topics
from schemas.dead_letters import DeadLetter
from schemas.effects import Effect
from schemas.envelope import Origin, Terms
from schemas.fold import OversizedBatch, Record
from schemas.refusals import Reason, Refused
from schemas.scalars import Instant, MemberKey, instant_text, parse_instant
from streams import invalid
from streams.cloudevent import Received, complete, receive
from streams.facts import consent_of, facts_of
from streams.flaws import Flaw, quoted, refused
from streams.identity import device_of, identify
from streams.keys import Keys, Secrets

LARGEST: Final = 256 * 1024
AHEAD_MS: Final = 5 * 60 * 1000
BEHIND_MS: Final = 400 * 24 * 60 * 60 * 1000
LONGEST_ID: Final = 256
DEVICE: Final = 8
CHANNEL: Final = 64
_REMEMBERED: Final = 1000
_SYSTEM: Final = re.compile(r"[^/\s\x00-\x1f\x7f]{1,128}")


class _Brand(Struct, frozen=True):
    """What intake knows of one brand; *sources* are those that were seen to be its own."""

    brand: str
    terms: Terms
    topic_id: bytes
    sources: set[str]


class Intake:
    """The decision on each record of all brands' topics.

    Pure but for what it is told of brands: ``enlist`` each before its first
    record, and again when its registration or its topic's id changes.
    Measured: see ``benchmarks/bench_intake.py``.
    """

    def __init__(self, secrets: Secrets, partitions: int) -> None:
        """Route to *partitions* partitions of ``huiliu.internal.members`` by keys under *secrets*."""
        self._keys = Keys(secrets)
        self._partitions = partitions
        self._brands: dict[str, _Brand] = {}
        self.admitted: dict[tuple[str, str], int] = {}
        """How many events of each (brand, type) were let in: whoever tells it takes them out."""

    def enlist(self, brand: str, terms: Terms, topic_id: bytes) -> None:
        """Take *brand* up, or its new *terms*, or its topic made again under another *topic_id*."""
        self._brands[topics.events(brand)] = _Brand(brand, terms, topic_id, set())

    def __call__(self, record: Record) -> Effect | DeadLetter:
        """Decide on *record* of an enlisted brand's topic, and word what is trusted for its member's partition."""
        decided = self.judge(record)
        if isinstance(decided, DeadLetter):
            return decided
        member, trusted = decided
        partition = topics.member_partition(member, self._partitions)
        return Effect(topics.MEMBERS, partition, member, envelope.encode(trusted))

    def judge(self, record: Record) -> tuple[MemberKey, envelope.Event] | DeadLetter:
        """Decide on *record* of an enlisted brand's topic: whose trusted event it is; KeyError for any other topic.

        An event's effective time is its own, at most the record's append time.

        Source: CONTRACT 2.
        """
        home = self._brands[record.topic]
        value = record.value
        if isinstance(value, OversizedBatch):
            return self.dead_letter(record, _oversized(value))
        if value is not None and len(value) > LARGEST:
            came = f"{len(value)} bytes"
            return self.dead_letter(record, Refused(Reason.TOO_LARGE, f"value: {came} came; expected at most {LARGEST}"))
        received = receive(value, record.headers)
        if isinstance(received, Flaw):
            return self.dead_letter(record, refused(received, None))
        decided = self._admit(home, received, record)
        return self.dead_letter(record, refused(decided, received.event)) if isinstance(decided, Flaw) else decided

    def dead_letter(self, record: Record, why: Refused) -> DeadLetter:
        """Put *record* aside whole, for *why*."""
        home = self._brands[record.topic]
        origin = Origin(home.topic_id, record.partition, record.offset)
        return DeadLetter(home.brand, origin, record.timestamp, record.key, record.value, tuple(record.headers), why)

    def _admit(self, home: _Brand, received: Received, record: Record) -> tuple[MemberKey, envelope.Event] | Flaw:
        """Check a decoded event in the contract's order and find its member."""
        event = received.event
        checked = _checked(home, event, record.timestamp)
        if isinstance(checked, Flaw):
            return checked
        try:
            deed = msgspec.convert(event.get("data"), checked.deed)
        except msgspec.ValidationError as error:
            return invalid.flaw_of(event.get("data"), checked.deed, home.brand, str(error))
        identified = identify(deed.identities, home.brand)
        if identified is None:
            return invalid.nobody("none that identifies anybody")
        if len(checked.id) > LONGEST_ID:
            return Flaw(Reason.INVALID_DATA, "id", f"{len(checked.id)} characters", f"at most {LONGEST_ID}")
        consent = consent_of(deed.consent)
        if isinstance(consent, Flaw):
            return consent
        facts = facts_of(deed)
        if isinstance(facts, Flaw):
            return facts
        member = self._keys.member(identified.kind, identified.scope, identified.identity)
        trusted = envelope.Event(
            home.brand,
            home.terms,
            Origin(home.topic_id, record.partition, record.offset),
            record.timestamp,
            checked.time_ms,
            checked.id,
            self._keys.event_id(checked.source, checked.id),
            self._keys.body(received.body),
            facts,
            consent,
            None if received.whole == record.value and received.encoding == home.terms.format else complete(received, home.terms.format),
            record.key,
            record.value or b"",
            tuple(record.headers),
            self._device(deed, facts, home.brand),
            _channel(deed.context),
        )
        kind = (home.brand, str(event["type"]))
        self.admitted[kind] = self.admitted.get(kind, 0) + 1
        return member, trusted

    def _device(self, deed: events.AnyDeed, facts: envelope.Facts, brand: str) -> bytes | None:
        """Hash the device that an event names, if a share may be told of it: a visit from the sharer's device earns nothing (RULES 5)."""
        if isinstance(facts, envelope.Click):
            if facts.share_id is None:
                return None
        elif not isinstance(facts, envelope.Share | envelope.Order):
            return None
        device = device_of(deed.identities)
        return self._keys.member("device", brand, device)[:DEVICE] if device else None


def _channel(context: events.Context | None) -> str | None:
    """Take the channel along, unless it is longer than any that a rule can name."""
    channel = context.channel if context is not None else None
    return channel if channel and len(channel) <= CHANNEL else None


class _Checked(Struct, frozen=True):
    """The attributes of an event, found fit; *time_ms* is the effective time."""

    id: str
    source: str
    deed: type[events.AnyDeed]
    time_ms: Instant


def _checked(home: _Brand, event: dict[str, object], append_ms: Instant) -> _Checked | Flaw:
    """Check the attributes in the contract's order, from ``not_cloudevent`` to ``bad_time``."""
    identifier, source, shape = event.get("id"), event.get("source"), event.get("type")
    if event.get("specversion") != "1.0":
        return Flaw(Reason.NOT_CLOUDEVENT, "specversion", quoted(event.get("specversion")), '"1.0"')
    if not isinstance(identifier, str) or not identifier:
        return Flaw(Reason.NOT_CLOUDEVENT, "id", quoted(identifier), "a string that is not empty")
    if not isinstance(shape, str) or not shape:
        return Flaw(Reason.NOT_CLOUDEVENT, "type", quoted(shape), "a string that is not empty")
    if not isinstance(source, str) or (source not in home.sources and not _owned(home, source)):
        return Flaw(Reason.WRONG_BRAND, "source", quoted(source), f"/brand/{home.brand}/<system>")
    deed = events.DEEDS.get(shape)
    if deed is None:
        return Flaw(Reason.UNKNOWN_TYPE, "type", quoted(shape), f"one of {', '.join(events.DEEDS)}")
    time_ms = _effective(event.get("time"), append_ms)
    return time_ms if isinstance(time_ms, Flaw) else _Checked(identifier, source, deed, time_ms)


def _owned(home: _Brand, source: str) -> bool:
    """Tell whether *source* is a system of the topic's owner, and remember it: few sources send everything."""
    prefix = f"/brand/{home.brand}/"
    if not source.startswith(prefix) or _SYSTEM.fullmatch(source, len(prefix)) is None:
        return False
    if len(home.sources) < _REMEMBERED:
        home.sources.add(source)
    return True


def _effective(stated: object, append_ms: Instant) -> Instant | Flaw:
    """Read an event's time; one that is ahead within bounds is taken as the append time.

    Source: CONTRACT 2, ``bad_time``.
    """
    time_ms = parse_instant(stated) if isinstance(stated, str) else None
    if time_ms is None:
        return Flaw(Reason.BAD_TIME, "time", quoted(stated), "RFC 3339 with a zone")
    if time_ms > append_ms + AHEAD_MS:
        return Flaw(Reason.BAD_TIME, "time", quoted(stated), f"at most 5 minutes after {instant_text(append_ms)}")
    if time_ms < append_ms - BEHIND_MS:
        return Flaw(Reason.BAD_TIME, "time", quoted(stated), f"at most 400 days before {instant_text(append_ms)}")
    return min(time_ms, append_ms)


def _oversized(batch: OversizedBatch) -> Refused:
    """Refuse a compressed batch that unpacks to more than the engine takes, in all or in one record.

    Source: DESIGN 4, *Limits*.
    """
    came = f"offsets {batch.first} to {batch.last} came compressed, above what is unpacked"
    detail = f"batch: {came}; expected at most 16 MiB, and 1 MiB a record"
    return Refused(Reason.TOO_LARGE, detail)
