"""What is left: the one writer of each campaign decides on what members ask for.

A grant uses up its reward id for good, so asking twice is asking once; what
comes again by a replay is dropped by its origin.  At every moment reserved and
spent together are within the budget, whatever is published: a budget that is
lowered below what it has cost grants nothing more.

Source: RULES 5, DESIGN 2 (law 4) and 3.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from schemas import budgets, envelope, rules, topics
from schemas.budgets import DAYS, Ask, Budget, Cost, Grant, Limits, Redeemed, Returned, RewardAsk, unpack_budget, unpack_grant
from schemas.effects import Effect
from schemas.envelope import Answer, Origin, RulesSet, Tick
from schemas.fold import STAMP, Folded, Home, Record, stamp
from schemas.rewards import Refusal
from schemas.rules import DAY_MS, Campaign
from streams import dedupe
from streams.offers import month_of, week_of
from streams.windows import window

ORIGINS: Final = b"\0origins"
_CAMPAIGN: Final = b"c"
_GRANT: Final = b"g"
_ASKERS: Final = 1 << 20
"""Marks are kept of every partition of members: there are no more than those."""

_origins = msgspec.msgpack.Decoder(list[tuple[bytes, int]])
_encode = msgspec.msgpack.Encoder().encode


def refusal(budget: Budget, grant: Grant | None, ask: RewardAsk) -> Refusal | None:
    """Say why *ask* is refused: its id was used, the campaign is closed, or what is left does not cover it.

    The period is the one that holds the trigger's event time, so a replay
    decides as the live run did.
    """
    if grant is not None:
        return Refusal.ONCE
    if budget.closed is not None:
        return Refusal(budget.closed)
    limits, cost = budget.limits, cost_of(budget, day_of(budget.limits, ask.at_ms))
    if limits.money_minor is not None and cost.reserved_minor + cost.spent_minor + ask.amount_minor > limits.money_minor:
        return Refusal.BUDGET
    if limits.grants is not None and cost.grants >= limits.grants:
        return Refusal.BUDGET
    return None


def day_of(limits: Limits, at_ms: int) -> int:
    """Number the day of *at_ms* in the zone of *limits*."""
    return window(4 * DAY_MS, limits.timezone).clock.bucket(at_ms)


def cost_of(budget: Budget, day: int) -> Cost:
    """Add up what *budget* has cost in the period that holds *day*."""
    period = budget.limits.period
    if period == "none":
        return budget.total
    if period == "day":
        return budget.days.get(day) or Cost()
    number = week_of if period == "week" else month_of
    found, here = Cost(), number(day)
    for other, cost in budget.days.items():
        if number(other) == here:
            _add(found, cost.reserved_minor, cost.spent_minor, cost.grants)
    return found


def move(budget: Budget, day: int, reserved_minor: int, spent_minor: int, grants: int) -> None:
    """Change what *day*, and the campaign in all, has cost."""
    _add(budget.total, reserved_minor, spent_minor, grants)
    cost = budget.days.get(day)
    if cost is None:
        if len(budget.days) >= DAYS:
            oldest = min(budget.days)
            if day < oldest:
                return
            del budget.days[oldest]
        cost = budget.days[day] = Cost()
    _add(cost, reserved_minor, spent_minor, grants)


def _add(cost: Cost, reserved_minor: int, spent_minor: int, grants: int) -> None:
    cost.reserved_minor += reserved_minor
    cost.spent_minor += spent_minor
    cost.grants += grants


def redeem(budget: Budget, grant: Grant) -> None:
    """Let what was reserved be spent."""
    if not grant.spent:
        grant.spent = True
        move(budget, grant.day, -grant.amount_minor, grant.amount_minor, 0)


def give_back(budget: Budget, grant: Grant, amount_minor: int, whole: bool) -> None:
    """Let *amount_minor* be left again, never more than stands of the grant; its id stays used."""
    amount_minor = min(amount_minor, grant.amount_minor)
    grant.amount_minor -= amount_minor
    fewer = int(whole and grant.counted)
    grant.counted = grant.counted and not whole
    if grant.spent:
        move(budget, grant.day, 0, -amount_minor, -fewer)
    else:
        move(budget, grant.day, -amount_minor, 0, -fewer)


def limits_of(campaign: Campaign, timezone: str) -> Limits:
    """Say what a campaign, as published, may cost."""
    return Limits(campaign.budget.money_minor, campaign.budget.grants, campaign.budget.period, timezone)


def closing(campaign: Campaign | None) -> str | None:
    """Say why a campaign in this state grants nothing; None where it does."""
    if campaign is None or campaign.state in ("draft", "shadow", "ended"):
        return Refusal.NOT_SCHEDULED.value
    return Refusal.PAUSED.value if campaign.state == "paused" else None


class BudgetsFold:
    """The fold of one partition of ``huiliu.internal.budgets``; see ``schemas.fold.PartitionFold`` for how it is called."""

    culprit: bytes | None = None

    def __init__(self) -> None:
        self.clock_ms = 0
        self._states: Mapping[bytes, bytes] = {}
        self._origins: dict[tuple[bytes, int], int] = {}
        self._committed_origins = 0
        self.begin()

    def restore(self, home: Home, states: Mapping[bytes, bytes], clock_ms: int) -> None:
        """Begin from what was committed."""
        self.home, self._states, self.clock_ms = home, states, clock_ms
        packed = states.get(ORIGINS)
        known = _origins.decode(packed[STAMP:]) if packed is not None else []
        self._origins = {(topic_id, partition): number for number, (topic_id, partition) in enumerate(known)}
        self._committed_origins = len(self._origins)
        self.begin()

    def begin(self, skip: Collection[tuple[int, bytes]] = ()) -> None:  # noqa: ARG002 - no record has a culprit's key
        """Open a batch."""
        self._budgets: dict[str, Budget] = {}
        self._grants: dict[bytes, Grant | None] = {}
        self._at: dict[bytes, int] = {}
        self._effects: list[Effect] = []
        self._now_ms = self.clock_ms
        self._told = 0

    def fold(self, record: Record) -> None:
        """Fold one record.  Raises for a bug only, or for a record that no stage of ours wrote."""
        self._told = 0
        match budgets.decode(record.value or b""):
            case Ask() as ask:
                self._hear(ask, record.offset)
            case Tick(time_ms=time_ms):
                self._now_ms = max(self._now_ms, min(time_ms, record.timestamp))
            case RulesSet() as published:
                self._publish(published, record.offset)

    def refuse(self, record: Record, bug: BaseException) -> None:
        """Stop: money that can't be accounted for is passed over by nobody."""
        raise RuntimeError(f"a record of our own can't be folded, at offset {record.offset}") from bug

    def commit(self) -> Folded:
        """Close the batch."""
        states: dict[bytes, bytes | None] = {}
        for campaign, budget in self._budgets.items():
            key = campaign_key(campaign)
            if key in self._at:
                states[key] = budgets.pack(self._at[key], budget)
        for key, grant in self._grants.items():
            if grant is not None and key in self._at:
                states[key] = budgets.pack(self._at[key], grant)
        if len(self._origins) > self._committed_origins:
            states[ORIGINS] = stamp(self._at[ORIGINS], _encode([list(origin) for origin in self._origins]))
            self._committed_origins = len(self._origins)
        self.clock_ms = self._now_ms
        folded = Folded(self._effects, states, self.clock_ms)
        self.begin()
        return folded

    @property
    def effects(self) -> Sequence[Effect]:
        """Give what the open batch tells others so far."""
        return self._effects

    def abort(self) -> None:
        """Forget the batch."""
        for origin in list(self._origins)[self._committed_origins :]:
            del self._origins[origin]
        self.begin()

    def touched(self) -> dict[str, Budget]:
        """Give the campaigns that the open batch has changed so far."""
        return self._budgets

    def _hear(self, ask: Ask, offset: int) -> None:
        budget = self._load(ask.campaign)
        self._at[campaign_key(ask.campaign)] = offset
        if dedupe.heard(budget.marks, self._origin(ask.origin, offset), ask.origin.offset, ask.index, _ASKERS):
            return
        match ask.word:
            case RewardAsk() as wanted:
                self._decide(budget, ask.campaign, wanted, offset)
            case Redeemed(reward_id=reward_id):
                grant = self._grant(reward_id, offset)
                if grant is not None:
                    redeem(budget, grant)
            case Returned(reward_id=reward_id, amount_minor=amount_minor, whole=whole):
                grant = self._grant(reward_id, offset)
                if grant is not None:
                    give_back(budget, grant, amount_minor, whole)

    def _decide(self, budget: Budget, campaign: str, ask: RewardAsk, offset: int) -> None:
        if ask.version > budget.version:
            budget.version, budget.limits, budget.closed = ask.version, ask.limits, None
        refused = refusal(budget, self._grant(ask.reward_id, offset), ask)
        if refused is None:
            day = day_of(budget.limits, ask.at_ms)
            money = ask.amount_minor if ask.lasting else 0
            self._grants[_GRANT + ask.reward_id] = Grant(money, day, not ask.lasting)
            move(budget, day, money, 0, 1)
        here = Origin(self.home.topic_id, self.home.partition, offset)
        reason = refused.value if refused is not None else None
        answer = Answer(here, self._told, ask.brand, campaign, ask.reward_id, reason, ask.asked_ms)
        self._told += 1
        partition = topics.member_partition(ask.member, self.home.partitions)
        self._effects.append(Effect(topics.MEMBERS, partition, ask.member, envelope.encode(answer)))

    def _publish(self, published: RulesSet, offset: int) -> None:
        """Let the campaigns of a set that live in this partition have its limits from here on."""
        timezone, written = "UTC", dict[str, Campaign]()
        if published.document is not None:
            found = rules.decode(published.document)
            timezone, written = found.timezone, found.campaigns
        names = {f"{published.owner}/{name}": one for name, one in written.items()}
        for campaign in sorted(names.keys() | self._known(published.owner)):
            key = campaign_key(campaign)
            if topics.keyed_partition(campaign.encode(), self.home.partitions) != self.home.partition:
                continue
            budget = self._load(campaign)
            if budget.version < published.version:
                self._at[key] = offset
                one = names.get(campaign)
                budget.version, budget.closed = published.version, closing(one)
                if one is not None:
                    budget.limits = limits_of(one, timezone)

    def _known(self, owner: str) -> set[str]:
        prefix = campaign_key(f"{owner}/")
        stored = {key[len(_CAMPAIGN) :].decode() for key in self._states if key.startswith(prefix)}
        return stored | {campaign for campaign in self._budgets if campaign.startswith(f"{owner}/")}

    def _load(self, campaign: str) -> Budget:
        budget = self._budgets.get(campaign)
        if budget is None:
            packed = self._states.get(campaign_key(campaign))
            budget = self._budgets[campaign] = unpack_budget(packed) if packed is not None else Budget()
        return budget

    def _grant(self, reward_id: bytes, offset: int) -> Grant | None:
        key = _GRANT + reward_id
        self._at[key] = offset
        if key not in self._grants:
            packed = self._states.get(key)
            self._grants[key] = unpack_grant(packed) if packed is not None else None
        return self._grants[key]

    def _origin(self, origin: Origin, offset: int) -> int:
        key = (origin.topic_id, origin.partition)
        number = self._origins.get(key)
        if number is None:
            number = self._origins[key] = len(self._origins)
            self._at[ORIGINS] = offset
        return number


def campaign_key(campaign: str) -> bytes:
    """Key the state of a campaign."""
    return _CAMPAIGN + campaign.encode()


def campaign_of(key: bytes) -> str | None:
    """Name the campaign whose state *key* keys; None for any other state."""
    return key[len(_CAMPAIGN) :].decode() if key.startswith(_CAMPAIGN) else None


class Left(NamedTuple):
    """What a campaign has cost in the period of a clock, and what is left then: None = without a bound."""

    reserved_minor: int
    spent_minor: int
    money_minor: int | None
    grants: int | None


def left_of(budget: Budget, clock_ms: int) -> Left:
    """Tell what is left of *budget* in the period that holds *clock_ms*; never less than nothing."""
    limits, cost = budget.limits, cost_of(budget, day_of(budget.limits, clock_ms))
    money = None if limits.money_minor is None else max(0, limits.money_minor - cost.reserved_minor - cost.spent_minor)
    grants = None if limits.grants is None else max(0, limits.grants - cost.grants)
    return Left(cost.reserved_minor, cost.spent_minor, money, grants)


def carried(key: bytes, packed: bytes, position: int, other: bool) -> bytes | None:  # noqa: ARG001 - the shape of a carry
    """Say what of a state goes over when the partition is folded anew from *position*, maybe of an *other* log.

    All of it: money is never forgotten.  Only the same log, where it is whole,
    is folded again from nothing.
    """
    return stamp(position - 1, packed[STAMP:]) if position or other else None
