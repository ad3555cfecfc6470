"""The campaigns of a rules file, read into checked ones.

Source: RULES 5.
"""

from collections.abc import Callable, Mapping
from typing import Final, TypeVar, get_args

from schemas.rules import (
    EVENT_NAMES,
    SHARES_EVENTS,
    UNDOING,
    WEEKDAYS,
    BudgetRule,
    Campaign,
    CampaignState,
    Cap,
    CouponReward,
    OncePer,
    OnEvent,
    OnStreak,
    OnTag,
    Period,
    PointsReward,
    Schedule,
    Trigger,
    Undo,
    UndoMode,
)
from schemas.shares import DEEPEST
from streams import rules_units as units
from streams.rules_clauses import condition
from streams.rules_cursor import Cursor, meant, quoted
from streams.rules_times import day_start, hours

T = TypeVar("T")
LONGEST_STREAK: Final = 64
MOST_REWARDS: Final = 1_000
LONGEST_GROUP: Final = 64
PRIORITIES: Final = 1_000_000

REQUIRED: Final = ("state", "trigger", "reward")
OPTIONAL: Final = (
    "schedule", "condition", "beneficiary", "depth", "once_per", "cooldown", "cap", "budget", "holdout", "freshness", "undo",
    "priority", "exclusive_group",
)  # fmt: skip
BENEFICIARIES: Final = ("actor", "sharer")


def campaign(at: Cursor, timezone: str) -> Campaign:
    """Read one campaign of a set whose days are those of *timezone*."""
    at.findings.amounts, at.findings.places, at.findings.channels, at.findings.currency = [], [], [], ""
    fields = at.fields(REQUIRED, OPTIONAL)

    def optional(name: str, read: Callable[[Cursor], T], otherwise: T) -> T:
        return read(fields[name]) if name in fields else otherwise

    trigger = _trigger(fields["trigger"])
    reward = _reward(fields["reward"])
    at.findings.currency = reward.currency if isinstance(reward, CouponReward) else ""
    sharing = isinstance(trigger, OnEvent | OnStreak) and set(_events(trigger)) <= set(SHARES_EVENTS)
    return Campaign(
        state=_state(fields["state"]),
        trigger=trigger,
        reward=reward,
        schedule=optional("schedule", lambda each: _schedule(each, timezone), None),
        condition=optional("condition", condition, None),
        beneficiary="sharer" if optional("beneficiary", _beneficiary, "sharer" if sharing else "actor") == "sharer" else "actor",
        depth=optional("depth", _depth, 1),
        once_per=optional("once_per", _once_per, "member"),
        cooldown_ms=optional("cooldown", units.duration, 0),
        cap=optional("cap", _caps, ()),
        budget=optional("budget", lambda each: _budget(each, at.findings.currency), BudgetRule()),
        holdout_ppm=optional("holdout", units.percent, 0),
        freshness_ms=optional("freshness", units.duration, None),
        undo=optional("undo", _undo, Undo()),
        priority=optional("priority", lambda each: units.integer(each, -PRIORITIES, PRIORITIES), 0),
        exclusive_group=optional("exclusive_group", lambda each: units.text(each, "a group's name", LONGEST_GROUP), None),
    )


def _events(trigger: OnEvent | OnStreak) -> tuple[str, ...]:
    return (trigger.event,) if isinstance(trigger, OnEvent) else trigger.events


def _state(at: Cursor) -> CampaignState:
    states: tuple[CampaignState, ...] = get_args(CampaignState)
    return states[states.index(units.word(at, states, "a state"))]


def _once_per(at: Cursor) -> OncePer:
    keys: tuple[OncePer, ...] = get_args(OncePer)
    return keys[keys.index(units.word(at, keys, "something a reward is given once for"))]


def _beneficiary(at: Cursor) -> str:
    return units.word(at, BENEFICIARIES, "somebody to reward")


def _depth(at: Cursor) -> int:
    """Read how many sharers above a visit are rewarded; three and more is what the law calls pyramid selling."""
    if isinstance(at.value, int) and not isinstance(at.value, bool) and at.value > DEEPEST:
        at.wrong(f"{at.came}: rewards over three levels or more are pyramid selling, which the law forbids; expected 1 or {DEEPEST}")
        return 1
    return units.integer(at, 1, DEEPEST)


_TRIGGERS: Final[Mapping[str, Callable[[Cursor], Trigger]]] = {
    "event": lambda at: OnEvent(event=units.event_name(at)),
    "streak": lambda at: _streak(at),
    "tag_entered": lambda at: _tag_entered(at),
}


def _trigger(at: Cursor) -> Trigger:
    found = _one_of(at, _TRIGGERS, "a trigger")
    return found if found is not None else OnEvent(event=EVENT_NAMES[0])


def _streak(at: Cursor) -> OnStreak:
    fields = at.fields(("events", "count", "within"))
    return OnStreak(
        events=units.event_names(fields["events"]),
        count=units.positive(fields["count"], LONGEST_STREAK),
        within_ms=units.window(fields["within"]),
    )


def _tag_entered(at: Cursor) -> OnTag:
    at.findings.references.append(at)
    return OnTag(tag=at.value if isinstance(at.value, str) else "")


_REWARDS: Final[Mapping[str, Callable[[Cursor], CouponReward | PointsReward]]] = {
    "coupon": lambda at: _coupon(at),
    "points": lambda at: _points(at),
}


def _reward(at: Cursor) -> CouponReward | PointsReward:
    found = _one_of(at, _REWARDS, "a reward")
    return found if found is not None else PointsReward(points=1)


def _coupon(at: Cursor) -> CouponReward:
    fields = at.fields(("value", "currency", "valid_for"))
    currency = units.currency(fields["currency"])
    return CouponReward(
        value_minor=units.money(fields["value"], currency),
        currency=currency,
        valid_for_ms=units.duration(fields["valid_for"]),
    )


def _points(at: Cursor) -> PointsReward:
    """Read ``points: 100``, or a mapping where they do not last for ever."""
    if not isinstance(at.value, dict):
        return PointsReward(points=units.positive(at))
    fields = at.fields(("amount",), ("valid_for",))
    lasts = units.duration(fields["valid_for"]) if "valid_for" in fields else None
    return PointsReward(points=units.positive(fields["amount"]), valid_for_ms=lasts)


def _one_of(at: Cursor, kinds: Mapping[str, Callable[[Cursor], T]], what: str) -> T | None:
    fields = dict(at.named(f"{what}: a mapping of one of {', '.join(kinds)}"))
    read = [kinds[kind](inside) for kind, inside in fields.items() if kind in kinds]
    for kind, inside in fields.items():
        if kind not in kinds:
            inside.wrong(f"{quoted(kind)} is not {what}{meant(kind, kinds)}; expected one of {', '.join(kinds)}")
    if len(fields) > 1:
        at.wrong(f"{len(fields)} in one place ({', '.join(fields)}); expected one {what.split()[-1]}")
    elif at.value == {}:
        at.wrong(f"an empty mapping; expected one of {', '.join(kinds)}")
    return read[0] if read else None


def _schedule(at: Cursor, timezone: str) -> Schedule:
    fields = at.fields((), ("from", "until", "weekdays", "hours"))
    begins = day_start(fields["from"], timezone) if "from" in fields else None
    ends = day_start(fields["until"], timezone) if "until" in fields else None
    if begins is not None and ends is not None and begins >= ends:
        at.wrong("until is not after from, so it can never fire; until is the first day (or instant) that is out again")
    weekdays = _weekdays(fields["weekdays"]) if "weekdays" in fields else ()
    return Schedule(begins, ends, weekdays, hours(fields["hours"]) if "hours" in fields else None)


def _weekdays(at: Cursor) -> tuple[int, ...]:
    each = [at] if isinstance(at.value, str) else at.items("a list of weekdays, such as [mon, tue]")
    return tuple(sorted({WEEKDAYS.index(units.word(one, WEEKDAYS, "a weekday")) for one in each}))


def _caps(at: Cursor) -> tuple[Cap, ...]:
    return tuple(_cap(each) for each in at.items("a list of caps, such as [{rewards: 3, within: 7d}]"))


def _cap(at: Cursor) -> Cap:
    fields = at.fields(("rewards",), ("within", "per"))
    if ("within" in fields) == ("per" in fields) and isinstance(at.value, dict):
        at.wrong("expected one of within (a window that rolls, such as 7d) and per (day, week or month)")
    per = units.word(fields["per"], ("day", "week", "month"), "a calendar period") if "per" in fields else None
    return Cap(
        units.positive(fields["rewards"], MOST_REWARDS),
        units.window(fields["within"]) if "within" in fields else None,
        "day" if per == "day" else "week" if per == "week" else "month" if per == "month" else None,
    )


def _budget(at: Cursor, currency: str) -> BudgetRule:
    """Read a budget; its money is in the reward's currency."""
    fields = at.fields((), ("money", "grants", "period"))
    if "money" in fields and not currency:
        fields["money"].wrong("points have no money; expected grants:, the number of rewards")
    if "money" not in fields and "grants" not in fields and isinstance(at.value, dict):
        at.wrong("a budget of nothing; expected money: or grants: or both")
    periods: tuple[Period, ...] = get_args(Period)
    period = units.word(fields["period"], periods, "a period") if "period" in fields else "none"
    return BudgetRule(
        units.money(fields["money"], currency) if "money" in fields and currency else None,
        units.positive(fields["grants"]) if "grants" in fields else None,
        periods[periods.index(period)],
    )


def _undo(at: Cursor) -> Undo:
    fields = at.fields((), ("on", "mode"))
    modes: tuple[UndoMode, ...] = get_args(UndoMode)
    mode = units.word(fields["mode"], modes, "a way to undo") if "mode" in fields else "full"
    on = UNDOING if "on" not in fields else _undoing(fields["on"])
    return Undo(on, modes[modes.index(mode)])


def _undoing(at: Cursor) -> tuple[str, ...]:
    each = [at] if isinstance(at.value, str) else at.items(f"a list of {', '.join(UNDOING)}")
    return tuple(sorted({units.word(one, UNDOING, "something that takes a reward back") for one in each}))
