"""A rule as a person would say it."""

from schemas.rules import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    All,
    Amount,
    AnyOf,
    AtBrand,
    ByChannel,
    Campaign,
    Clause,
    Count,
    CouponReward,
    Distinct,
    Engaged,
    FirstOrder,
    Keywords,
    Not,
    OnEvent,
    OnStreak,
    OnTag,
    Silent,
    Sum,
    TagRef,
    Top,
    Trigger,
)
from schemas.scalars import minor_text


def duration_text(length_ms: int) -> str:
    """Write a duration in its largest whole unit, as a rules file has it."""
    for unit_ms, unit in ((DAY_MS, "d"), (HOUR_MS, "h")):
        if length_ms % unit_ms == 0:
            return f"{length_ms // unit_ms}{unit}"
    return f"{length_ms // MINUTE_MS}m"


def said(clause: Clause) -> str:
    """Say *clause* in one line."""
    match clause:
        case Not(of=inside):
            return f"not ({said(inside)})"
        case All(of=clauses):
            return " and ".join(f"({said(each)})" for each in clauses)
        case AnyOf(of=clauses):
            return " or ".join(f"({said(each)})" for each in clauses)
        case Amount() | FirstOrder() | AtBrand() | ByChannel():
            return _said_of_trigger(clause)
        case _:
            return _said_of_member(clause)


def _said_of_trigger(clause: Amount | FirstOrder | AtBrand | ByChannel) -> str:
    match clause:
        case Amount(at_least_minor=amount, currency=currency):
            return f"an order of {minor_text(amount, currency)} {currency} or more"
        case FirstOrder():
            return "the first order"
        case AtBrand(brands=brands):
            return f"at {' or '.join(brands)}"
        case ByChannel(channels=channels):
            return f"by {' or '.join(channels)}"


def _said_of_member(clause: Count | Sum | Top | Distinct | Keywords | Silent | Engaged | TagRef) -> str:
    match clause:
        case Count(events=events, within_ms=within_ms, at_least=at_least):
            return f"{at_least} or more of {', '.join(events)} within {duration_text(within_ms)}"
        case Sum(of=event, within_ms=within_ms, at_least_minor=amount, currency=currency):
            return f"{event} of {minor_text(amount, currency)} {currency} or more within {duration_text(within_ms)}"
        case Top(of=dimension, events=events, within_ms=within_ms, at_least=at_least):
            return f"the {dimension} with the most of {', '.join(events)} within {duration_text(within_ms)}, {at_least} or more"
        case Distinct(of=dimension, events=events, within_ms=within_ms, at_least=at_least):
            return f"{at_least} or more different values of {dimension} in {', '.join(events)} within {duration_text(within_ms)}"
        case Keywords(any_of=words, within_ms=within_ms):
            return f"wrote {' or '.join(words)} within {duration_text(within_ms)}"
        case Silent(for_ms=for_ms):
            return f"silent for {duration_text(for_ms)}"
        case Engaged(at_least=least):
            return f"engagement of {least:g} or more"
        case TagRef(tag=tag):
            return f"has {tag}"


def said_trigger(trigger: Trigger) -> str:
    """Say what triggers a campaign."""
    match trigger:
        case OnEvent(event=event):
            return event
        case OnStreak(events=events, count=count, within_ms=within_ms):
            return f"{count} of {', '.join(events)} within {duration_text(within_ms)}"
        case OnTag(tag=tag):
            return f"entering {tag}"


def said_reward(campaign: Campaign) -> str:
    """Say what a campaign gives, and how often."""
    reward = campaign.reward
    if isinstance(reward, CouponReward):
        gives = f"{minor_text(reward.value_minor, reward.currency)} {reward.currency} for {duration_text(reward.valid_for_ms)}"
    else:
        gives = f"{reward.points} points"
    return f"{gives}, once per {campaign.once_per}"


def said_budget(campaign: Campaign) -> str:
    """Say what a campaign may cost; empty where there is no bound."""
    budget, reward = campaign.budget, campaign.reward
    parts = []
    if budget.money_minor is not None and isinstance(reward, CouponReward):
        parts.append(f"{minor_text(budget.money_minor, reward.currency)} {reward.currency}")
    if budget.grants is not None:
        parts.append(f"{budget.grants} grants")
    return " and ".join(parts) + (f" a {budget.period}" if parts and budget.period != "none" else "")
