"""Campaigns made ready for the fold: indexed by what triggers them, so that a thousand cost what the triggered ones cost.

Source: RULES 5.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from schemas import rules as written
from schemas.budgets import Limits
from schemas.rewards import BY_LINES, ON_CANCEL, ON_RECALL, ON_REFUND
from schemas.rules import ALLIANCE, CHAT_RECALLED, DAY_MS, Campaign, Clause, CouponReward, OnEvent, OnStreak, OnTag, RuleSet
from streams.conditions import Condition, condition
from streams.tags import Test
from streams.windows import Clockwork, Window, window

_UNDO: Final = {"order.cancelled": ON_CANCEL, "order.refunded": ON_REFUND, CHAT_RECALLED: ON_RECALL}
_MINUTE_MS: Final = 60_000
_THURSDAY: Final = 3
"""The weekday of 1970-01-01, Monday being 0."""


class CapRule:
    """At most *rewards*, in any *window* or, without one, in each calendar *per*."""

    __slots__ = ("per", "rewards", "window")

    def __init__(self, cap: written.Cap, timezone: str) -> None:
        self.rewards = cap.rewards
        self.window: Window | None = window(cap.within_ms, timezone) if cap.within_ms is not None else None
        self.per = cap.per or ""


class Offer:
    """A campaign under its id; *group* and *days* are those of its owner."""

    __slots__ = (
        "campaign", "caps", "condition", "currency", "days", "group", "id", "limits", "needed", "state", "streak", "undo", "valid_for_ms",
        "value", "version",
    )  # fmt: skip

    def __init__(self, owner: str, name: str, campaign: Campaign, version: int, timezone: str, ready: Condition | None) -> None:
        self.id = f"{owner}/{name}"
        self.campaign = campaign
        self.version = version
        self.state: str = campaign.state
        self.condition = ready
        self.days: Clockwork = window(4 * DAY_MS, timezone).clock
        self.caps = tuple(CapRule(cap, timezone) for cap in campaign.cap)
        self.group = f"{owner}/{campaign.exclusive_group}" if campaign.exclusive_group is not None else ""
        budget = campaign.budget
        self.limits = Limits(budget.money_minor, budget.grants, budget.period, timezone)
        self.streak: Window | None = None
        self.needed = 0
        if isinstance(campaign.trigger, OnStreak):
            self.streak, self.needed = window(campaign.trigger.within_ms, timezone), campaign.trigger.count
        reward = campaign.reward
        self.currency = reward.currency if isinstance(reward, CouponReward) else ""
        self.value = reward.value_minor if isinstance(reward, CouponReward) else reward.points
        self.valid_for_ms = reward.valid_for_ms or 0
        self.undo = 0
        if campaign.undo.mode != "none":
            for name in campaign.undo.on:
                self.undo |= _UNDO[name]
            if campaign.undo.mode == "pro_rata":
                self.undo |= BY_LINES

    def scheduled(self, t_ms: int) -> bool:
        """Tell whether the schedule lets a trigger of *t_ms* (event time) count."""
        schedule = self.campaign.schedule
        if schedule is None:
            return True
        if schedule.from_ms is not None and t_ms < schedule.from_ms:
            return False
        if schedule.until_ms is not None and t_ms >= schedule.until_ms:
            return False
        day = self.days.bucket(t_ms)
        if schedule.weekdays and (day + _THURSDAY) % 7 not in schedule.weekdays:
            return False
        return schedule.hours is None or _within(schedule.hours, self.days.local(t_ms) % DAY_MS // _MINUTE_MS)

    def day(self, t_ms: int) -> str:
        """Name the day of *t_ms* in the rules' time zone, as a once-key."""
        return str(self.days.bucket(t_ms))


def _within(hours: tuple[int, int], minute: int) -> bool:
    first, last = hours
    return first <= minute < last if first < last else minute >= first or minute < last


class Offers:
    """What is on offer to the members of a brand: by event name, by tag entered (each in the order of deciding), and by id."""

    __slots__ = ("by_event", "by_id", "by_tag", "deepest")

    def __init__(self, offers: Iterable[Offer]) -> None:
        self.by_id: dict[str, Offer] = {offer.id: offer for offer in offers}
        self.by_event: dict[str, tuple[Offer, ...]] = {}
        self.by_tag: dict[str, tuple[Offer, ...]] = {}
        self.deepest = 1
        for offer in sorted(self.by_id.values(), key=lambda one: (-one.campaign.priority, one.id)):
            if offer.state == "ended":
                continue
            self.deepest = max(self.deepest, offer.campaign.depth)
            trigger = offer.campaign.trigger
            if isinstance(trigger, OnTag):
                tag = f"{ALLIANCE}/{trigger.tag}" if offer.id.startswith(f"{ALLIANCE}/") else trigger.tag
                self.by_tag[tag] = (*self.by_tag.get(tag, ()), offer)
            else:
                for name in (trigger.event,) if isinstance(trigger, OnEvent) else trigger.events:
                    self.by_event[name] = (*self.by_event.get(name, ()), offer)


def offers_of(rules: RuleSet, version: int, test: Callable[[Clause], Test]) -> Sequence[Offer]:
    """Make the campaigns of *rules* ready, drafts left out; *test* gives the test of a clause about a member."""
    return [
        Offer(rules.owner, name, one, version, rules.timezone, None if one.condition is None else condition(one.condition, test))
        for name, one in rules.campaigns.items()
        if one.state != "draft"
    ]


def period_of(days: Clockwork, period: str, t_ms: int) -> int:
    """Number the calendar period that holds *t_ms*: a day, a week from Monday, a month; 0 where there is one for ever."""
    if period == "none":
        return 0
    day = days.bucket(t_ms)
    if period == "day":
        return day
    return week_of(day) if period == "week" else month_of(day)


def week_of(day: int) -> int:
    """Number the week, from Monday, that holds *day*."""
    return (day + _THURSDAY) // 7


def month_of(day: int) -> int:
    """Number the month that holds *day* (days since 1970-01-01), without a calendar of anybody else's."""
    # Days of eras of 400 years that begin on 1 March: Hinnant, "chrono-compatible low-level date algorithms".
    shifted = day + 719_468
    era = shifted // 146_097
    of_era = shifted - era * 146_097
    year = (of_era - of_era // 1_460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    march = (5 * of_year + 2) // 153
    month = march + 3 if march < 10 else march - 9
    return (year + era * 400 + (month <= 2)) * 12 + month - 1
