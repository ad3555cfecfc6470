"""What campaigns would have done: the very folds over recorded events, with nothing outside.

One partition of each stage, in memory.  What one stage tells another is heard
at once, before the next event; packed states are all that is kept, so a
million events need no more room than their members.  What no campaign hangs on
is left out: tags that none asks for, and what brands are told but for rewards.

Source: RULES 5 (backtest).
"""

from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from schemas import envelope, rules, topics
from schemas.crm import CrmRecord, RewardGranted, RewardRefused, RewardReversed
from schemas.currencies import DIGITS
from schemas.dead_letters import DeadLetter
from schemas.decisions import Decision, Rewarded
from schemas.effects import Effect, Headers
from schemas.envelope import Envelope, Origin, RulesSet, Terms, Tick
from schemas.fold import Home, PartitionFold, Record
from schemas.rewards import WOULD_EARN, WOULD_REFUSE, Refusal
from schemas.rules import CouponReward, Engaged, OnTag, RuleSet, TagRef
from schemas.scalars import parse_minor
from schemas.state import Book
from streams.arrival import Arrival
from streams.budgets import BudgetsFold
from streams.intake import Intake
from streams.keys import Keys, Secrets
from streams.member import MembersFold
from streams.outbox import Live, Outbox
from streams.ruleset import Plan, leaves
from streams.shares_fold import SharesFold
from streams.tags import Change

BATCH: Final = 2_000
TICK_MS: Final = 10_000  # as often as the ticker's, by default
_ID_BYTES: Final = 16


class Recorded(NamedTuple):
    """A brand's record as it was published (``schemas.fold.Record``)."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


class Outcome(Struct):
    """What became of one campaign.  Money in minor units of *currency*; points where that is empty.

    *by_day*: granted less taken back, by the day (UTC) of the clock at which
    it was told.  *exhausted*: the clock of the first refusal for want of
    budget, RFC 3339.  *members* were granted something, *held_out* were not
    though they had earned it.
    """

    campaign: str
    currency: str
    budget: int | None
    grants: int
    granted: int
    taken_back: int
    members: int
    held_out: int
    refused: dict[str, int]
    by_day: dict[str, int]
    exhausted: str | None


class _Rewards(Outbox):
    """Hears of rewards alone, and numbers nothing."""

    def enriched(self, live: Live, event: Arrival, plan: Plan, book: Book) -> None:
        """Say nothing."""

    def changes(self, live: Live, brand: str, changes: Collection[Change], origin: Origin) -> None:
        """Say nothing."""

    def manifests(self, offset: int) -> None:
        """Say nothing."""

    def numbered(self, member: bytes, brand: str, book: Book, effect: str, origin: Origin) -> str:  # noqa: ARG002 - as an outbox has it
        """Give no number and no id."""
        return ""


class _Desk:
    """One stage's partition: its fold, its table, and its open batch; *told* gives what that has said so far."""

    def __init__(self, topic: str, fold: PartitionFold | MembersFold, told: Callable[[], Sequence[Decision]]) -> None:
        self.topic, self.fold, self._told = topic, fold, told
        self.table: dict[bytes, bytes] = {}
        self.records = self.offset = self._heard = 0
        own_id = topic[-_ID_BYTES:].encode()  # of its own, as live: what members hear of shares and of budgets is marked by it
        fold.restore(Home(topic, own_id, 0, 1, 1), self.table, 0)
        fold.begin()

    def hear(self, key: bytes | None, value: bytes, at_ms: int) -> None:
        """Fold one record."""
        self.fold.fold(self.next(key, value, at_ms))

    def next(self, key: bytes | None, value: bytes | None, at_ms: int) -> Recorded:
        """Append a record to the stage's log."""
        record = Recorded(self.topic, 0, self.offset, at_ms, key, value)
        self.offset += 1
        self.records += 1
        return record

    def said(self) -> list[Effect]:
        """Give what other stages are to hear that they were not given yet."""
        told = self._told()
        if len(told) == self._heard:
            return []
        new = [one for one in told[self._heard :] if isinstance(one, Effect)]
        self._heard = len(told)
        return new

    def close(self) -> Sequence[Decision]:
        """Close the batch, keep what changed, open the next; gives what it came to."""
        came, states, _ = self.fold.commit()
        for changed, packed in states.items():
            if packed is None:
                self.table.pop(changed, None)
            else:
                self.table[changed] = packed
        self.fold.begin()
        self.records = self._heard = 0
        return came


class _Tally:
    """What is counted of one campaign while it runs."""

    def __init__(self) -> None:
        self.grants = self.granted = self.taken_back = 0
        self.members: set[str] = set()
        self.held: set[str] = set()
        self.refused: Counter[str] = Counter()
        self.by_day: Counter[str] = Counter()
        self.exhausted: str | None = None


class Backtest:
    """Runs *sets* over recorded events; *secrets* choose who is held out."""

    def __init__(self, sets: Sequence[RuleSet], secrets: Secrets) -> None:
        self._sets = sets
        self._intake = Intake(secrets, 1)
        self._enlisted: set[str] = set()
        members, shares, budgets = MembersFold(Keys(secrets), _Rewards), SharesFold({}), BudgetsFold()
        self._fold = members
        self._members = _Desk(topics.MEMBERS, members, lambda: members.out.decisions)
        self._desks = {
            topics.MEMBERS: self._members,
            topics.SHARES: _Desk(topics.SHARES, shares, lambda: shares.effects),
            topics.BUDGETS: _Desk(topics.BUDGETS, budgets, lambda: budgets.effects),
        }
        self._tallies: dict[str, _Tally] = {}
        self._now_ms = 0
        self.events = self.refused = 0
        for version, one in enumerate(sets):
            document = envelope.encode(RulesSet(one.owner, version, rules.encode(needed(one))))
            for topic in (topics.BUDGETS, topics.MEMBERS):
                self._desks[topic].hear(None, document, 0)

    def feed(self, records: Iterable[Record]) -> None:
        """Take records in the order in which they were published; what intake refuses is counted and passed over."""
        for record in records:
            brand = topics.brand_of(record.topic) or ""
            if brand not in self._enlisted:
                self._enlisted.add(brand)
                self._intake.enlist(brand, Terms(), brand.encode().ljust(16, b".")[:16])
            self._now_ms = max(self._now_ms, record.timestamp)
            decided = self._intake.judge(record)
            self.events += 1
            if isinstance(decided, DeadLetter):
                self.refused += 1
                continue
            member, event = decided
            if self._now_ms - max(event.time_ms, self._fold.partition.clock_ms) >= TICK_MS:
                self._tick()
            self._hear(member, event, record.timestamp)

    def end(self) -> list[Outcome]:
        """Let the clock reach the last record's time, and say what became of each campaign, by name."""
        self._tick()
        self._close()
        return [self._outcome(one, name) for one in self._sets for name in sorted(one.campaigns)]

    def _tick(self) -> None:
        """Let the clock reach the time at which was appended what comes next, as live the ticker would have."""
        tick = Tick(self._now_ms)
        self._desks[topics.BUDGETS].hear(None, envelope.encode(tick), self._now_ms)
        self._hear(None, tick, self._now_ms)

    def _hear(self, key: bytes | None, told: Envelope, at_ms: int) -> None:
        """Let members fold one record, and let everybody hear and answer what follows from it, within the open batches."""
        members = self._members
        self._fold.take(members.next(key, None, at_ms), told)
        said = deque(members.said())
        while said:
            effect = said.popleft()
            desk = self._desks[effect.topic]
            desk.hear(effect.key, effect.value or b"", self._now_ms)
            said.extend(desk.said())
        if members.records >= BATCH:
            self._close()

    def _close(self) -> None:
        for desk in self._desks.values():
            for came in desk.close():
                self._take(came)

    def _take(self, came: Decision) -> None:
        if isinstance(came, Rewarded):
            if came.outcome in _COUNTED:
                self._tally(came.campaign).refused[came.outcome] += 1
        elif isinstance(came, CrmRecord):
            self._note(came)

    def _note(self, record: CrmRecord) -> None:
        match record.value:
            case RewardGranted(campaign=campaign, member=member, value=text, currency=currency, at=at):
                tally, value = self._tally(campaign), _value(text, currency if isinstance(currency, str) else "")
                tally.grants += 1
                tally.granted += value
                tally.members.add(member)
                tally.by_day[at[:10]] += value
            case RewardReversed(campaign=campaign, amount=text, at=at):
                tally, value = self._tally(campaign), max(0, _value(text, self._currency(campaign)))
                tally.taken_back += value
                tally.by_day[at[:10]] -= value
            case RewardRefused(campaign=str(campaign), member=member, reason=reason, at=at):
                tally = self._tally(campaign)
                if reason is Refusal.HOLDOUT:
                    tally.held.add(member)
                elif reason is Refusal.BUDGET and tally.exhausted is None:
                    tally.exhausted = at

    def _tally(self, campaign: str) -> _Tally:
        tally = self._tallies.get(campaign)
        if tally is None:
            tally = self._tallies[campaign] = _Tally()
        return tally

    def _currency(self, campaign: str) -> str:
        owner, _, name = campaign.partition("/")
        for one in self._sets:
            if one.owner == owner and name in one.campaigns:
                reward = one.campaigns[name].reward
                return reward.currency if isinstance(reward, CouponReward) else ""
        return ""

    def _outcome(self, owned: RuleSet, name: str) -> Outcome:
        campaign = f"{owned.owner}/{name}"
        tally, budget = self._tally(campaign), owned.campaigns[name].budget
        currency = self._currency(campaign)
        return Outcome(
            campaign,
            currency,
            budget.money_minor if currency else budget.grants,
            tally.grants,
            tally.granted,
            tally.taken_back,
            len(tally.members),
            len(tally.held),
            dict(sorted(tally.refused.items())),
            dict(sorted(tally.by_day.items())),
            tally.exhausted,
        )


def needed(rules: RuleSet) -> RuleSet:
    """Leave out the tags, and the engagement, that no campaign asks for."""
    clauses = [one.condition for one in rules.campaigns.values() if one.condition is not None]
    clauses += [TagRef(one.trigger.tag) for one in rules.campaigns.values() if isinstance(one.trigger, OnTag)]
    tags: set[str] = set()
    engaged = False
    while clauses:
        for leaf in leaves(clauses.pop()):
            engaged |= isinstance(leaf, Engaged)
            if isinstance(leaf, TagRef) and leaf.tag not in tags:
                tags.add(leaf.tag)
                clauses.append(rules.tags[leaf.tag])
    kept = {name: rule for name, rule in rules.tags.items() if name in tags}
    return msgspec.structs.replace(rules, tags=kept, engagement=rules.engagement if engaged else None)


_COUNTED: Final = frozenset({*Refusal, WOULD_EARN, *WOULD_REFUSE.values()})


def _value(text: str, currency: str) -> int:
    return parse_minor(text, DIGITS[currency] if currency else 0) or 0
