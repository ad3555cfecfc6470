"""One partition of members, fed by hand: each call appends a record to its log, folds it and tells what came of it.

Every record is folded by a fold that was restored from packed states just
before, so each test is one of restoring, too.  Events are enveloped as intake
envelopes them; Lin and Wei are members, tea and silk brands.
"""

import textwrap
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from schemas import envelope, rules
from schemas.crm import ENRICHED, MANIFEST, TAG_ENTERED, TAG_EXITED, CrmRecord, Enriched, Manifest, MemberView, TagChanged
from schemas.dead_letters import DeadLetter
from schemas.decisions import Answered, Decision, Rewarded
from schemas.effects import Effect
from schemas.envelope import (
    Chat,
    Click,
    Consent,
    ConsentGiven,
    Coupon,
    Event,
    Facts,
    Line,
    ManifestRequest,
    Order,
    Origin,
    RefundLine,
    RulesSet,
    Share,
    Terms,
    Tick,
)
from schemas.member_state import BrandState, unpack_member
from schemas.rules import RuleSet
from schemas.state import Rules
from streams.rules_check import check
from tests.property.pipeline import KEYS, Stage

SECOND: Final = 1_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
NOON: Final = int(datetime(2026, 11, 24, 4, 0, tzinfo=UTC).timestamp()) * 1_000
"""Noon in Shanghai, twelve hours before a day ends there; also the beginning of an hour of UTC."""

LIN: Final = b"lin".ljust(16, b".")
WEI: Final = b"wei".ljust(16, b".")
WORDS: Final = {ENRICHED: "enriched", MANIFEST: "manifest"}


def ms(text: str) -> int:
    """Read an instant with its zone."""
    return (datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def ruleset(text: str) -> RuleSet:
    """Read a rules file that the check accepts."""
    read = check(textwrap.dedent(text))
    assert isinstance(read, RuleSet), read
    return read


def tags(*lines: str, brand: str = "tea", head: str = "timezone: Asia/Shanghai") -> RuleSet:
    """Read the rules of *brand* whose tags are *lines*."""
    owner = "alliance: true" if brand == "alliance" else f"brand: {brand}"
    return ruleset("\n".join([owner, head, "tags:", *(f"  {line}" for line in lines)]) if lines else f"{owner}\n{head}\n")


def word(decision: Decision) -> str:
    """Say a decision in a word or two."""
    match decision:
        case CrmRecord(value=TagChanged(tag=tag), type=kind):
            return f"{'enters' if kind == TAG_ENTERED else 'exits'} {tag}"
        case CrmRecord(type=kind):
            return WORDS.get(kind, kind.split(".")[-2])
        case DeadLetter(refused=refused):
            return f"refused {refused.reason.value}"
        case Effect(topic=topic):
            return f"tells {topic.rpartition('.')[2]}"
        case Rewarded(outcome=outcome):
            return outcome
        case Answered():
            return "answered"
        case _:
            return decision.what


@dataclass
class Told:
    """What one record came to."""

    decisions: list[Decision]

    @property
    def words(self) -> list[str]:
        return [word(decision) for decision in self.decisions if not isinstance(decision, Answered)]

    @property
    def records(self) -> list[CrmRecord]:
        return [decision for decision in self.decisions if isinstance(decision, CrmRecord)]

    @property
    def changes(self) -> list[str]:
        return [word(record) for record in self.records if record.type in (TAG_ENTERED, TAG_EXITED)]

    @property
    def seen(self) -> MemberView:
        """The member as the one enriched record shows them."""
        (found,) = [record.value.member for record in self.records if isinstance(record.value, Enriched)]
        return found

    @property
    def letter(self) -> DeadLetter:
        (found,) = [decision for decision in self.decisions if isinstance(decision, DeadLetter)]
        return found

    @property
    def manifest(self) -> Manifest:
        (found,) = [record.value for record in self.records if isinstance(record.value, Manifest)]
        return found

    def change(self, tag: str) -> TagChanged:
        """The one change of *tag*."""
        (found,) = [record.value for record in self.records if isinstance(record.value, TagChanged) and record.value.tag == tag]
        return found


@dataclass
class Log:
    """The partition.  Events are told at *now_ms* unless said otherwise; it never moves by itself."""

    stage: Stage = field(default_factory=lambda: Stage(0))
    now_ms: int = NOON
    events: int = 0
    versions: int = 0

    def event(self, facts: Facts, at_ms: int | None = None, **how: Any) -> Told:
        """Append an event that happened at *at_ms* (None: now), and fold it."""
        self.append(facts, at_ms, **how)
        return self.fold()

    def append(
        self,
        facts: Facts,
        at_ms: int | None = None,
        *,
        member: bytes = LIN,
        brand: str = "tea",
        event_id: str | None = None,
        body: str = "",
        origin: Origin | None = None,
        consent: Consent | None = None,
        terms: Terms = Terms(),  # noqa: B008 - it is frozen
        device: bytes | None = None,
        channel: str | None = None,
    ) -> Event:
        """Append an event, and fold nothing."""
        number, self.events = self.events, self.events + 1
        known = event_id if event_id is not None else f"e{number}"
        event = Event(
            brand,
            terms,
            origin if origin is not None else Origin(brand.encode().ljust(16, b"."), 0, number),
            self.now_ms,
            at_ms if at_ms is not None else self.now_ms,
            known,
            KEYS.event_id(f"/brand/{brand}/shop", known),
            KEYS.body(f"{facts}{consent}{body}".encode()),
            facts,
            consent,
            None,
            b"the brand's key",
            b'{"id":"%b"}' % known.encode(),
            (("ce_id", b"raw"),),
            device,
            channel,
        )
        self.stage.append(member, envelope.encode(event), self.now_ms)
        return event

    def again(self, *offsets: int) -> Told:
        """Append the records at *offsets* of this very log once more, as a replay of intake does."""
        for offset in offsets:
            had = self.stage.log[offset]
            self.stage.append(had.key, had.value or b"", self.now_ms)
        return self.fold()

    def tick(self, at_ms: int, append_ms: int | None = None) -> Told:
        self.stage.append(None, envelope.encode(Tick(at_ms)), at_ms if append_ms is None else append_ms)
        return self.fold()

    def publish(self, one: RuleSet, version: int | None = None) -> Told:
        self.versions = self.versions + 1 if version is None else version
        return self._publish(RulesSet(one.owner, self.versions, rules.encode(one)))

    def withdraw(self, owner: str) -> Told:
        self.versions += 1
        return self._publish(RulesSet(owner, self.versions, None))

    def _publish(self, published: RulesSet) -> Told:
        self.stage.append(None, envelope.encode(published), self.now_ms)
        return self.fold()

    def ask_for_manifest(self) -> Told:
        self.stage.append(None, envelope.encode(ManifestRequest()), self.now_ms)
        return self.fold()

    def fold(self, sizes: list[int] | None = None) -> Told:
        """Fold what is new."""
        before = len(self.stage.decisions)
        self.stage.fold(sizes)
        return Told(self.stage.decisions[before:])

    def remembered(self, member: bytes = LIN, brand: str = "tea") -> BrandState:
        """What *brand* remembers of *member*."""
        return unpack_member(self.stage.table[member]).brands[brand]

    def rules(self, owner: str = "tea") -> Rules:
        """The rules of *owner* as they stand."""
        found = self.stage.restored().partition.rules(owner)
        assert found is not None
        return found


def click(sku: str | None = None, category: str | None = None) -> Click:
    return Click(sku, category)


def share(share_id: str = "s1") -> Share:
    return Share(share_id, "wecom")


def order(
    order_id: str,
    status: str,
    version: int,
    total: int = 10_000,
    *,
    lines: tuple[Line, ...] = (),
    currency: str = "CNY",
) -> Order:
    """A status of an order; *total* in minor units."""
    return Order(order_id, status, version, currency, total, lines)


def refund(
    order_id: str,
    refund_id: str,
    amount: int,
    *,
    lines: tuple[RefundLine, ...] = (),
    currency: str = "CNY",
    total: int = 10_000,
) -> Order:
    return Order(order_id, "refunded", 9, currency, total, (), refund_id, amount, lines)


def line(line_id: str, category: str, quantity: int = 1, sku: str | None = None) -> Line:
    return Line(line_id, sku or f"sku-{line_id}", quantity, 1_000, category)


def said(text: str, message_id: str, conversation_id: str = "c1") -> Chat:
    return Chat(conversation_id, message_id, "in", "text", text)


def recall(message_id: str, recalls: str, direction: str = "in") -> Chat:
    return Chat("c1", message_id, direction, "recall", None, recalls)


def coupon(status: str, reward_id: str | None = "r1") -> Coupon:
    return Coupon(status, reward_id)


def states(
    version: int,
    at_ms: int = NOON,
    *,
    tags: bool | None = None,
    alliance: bool | None = None,
    recipients: tuple[str, ...] = (),
) -> dict[str, Any]:
    """What ``Log.event`` takes to state a consent and nothing else."""
    return {"facts": ConsentGiven(), "consent": Consent(tags, None, alliance, recipients, version, at_ms)}
