"""What is wrong with campaigns as a whole: those that can never fire, cost more than there is, or stand in each other's way.

Source: RULES 5, issue "rules check".
"""

from collections.abc import Iterator, Mapping
from itertools import combinations

from schemas.rules import (
    ALLIANCE,
    CHAT_RECALLED,
    SHARES_EVENTS,
    All,
    Campaign,
    Clause,
    CouponReward,
    Not,
    OnEvent,
    OnStreak,
    OnTag,
    SharingRules,
    TagRef,
)
from schemas.scalars import minor_text
from streams.rules_cursor import Cursor

WHOLE_PPM = 1_000_000


def check_campaign(at: Cursor, made: Campaign, owner: str, sharing: SharingRules) -> None:
    """Report what does not go together within one campaign, each at the field that is to be changed."""
    if not isinstance(at.value, dict):
        return
    fields, events = dict(at.named("a campaign")), trigger_events(made)
    _check_holdout(fields, made)
    _check_order(at, made, events)
    _check_channel(at, events)
    _check_sharing(fields, made, events)
    if made.depth > sharing.depth:
        fields["depth"].wrong(
            f"beyond what shares tell of, so it never reaches the second sharer; write sharing: {{depth: {made.depth}}} too"
        )
    _check_once(fields, made, events)
    _check_budget(fields, made)
    _check_contradiction(fields, made)
    for place in at.findings.places:
        if owner != ALLIANCE:
            place.wrong("one brand's own rules hold at that brand alone; brand: is for the alliance's campaigns, take it out")


def check_shadows(places: Mapping[str, Cursor], made: Mapping[str, Campaign]) -> None:
    """Report each campaign of a group that another takes every trigger of, because both ask for the same and that one comes first."""
    for (one, first), (other, second) in combinations(made.items(), 2):
        if first.exclusive_group is None or first.exclusive_group != second.exclusive_group:
            continue
        if (first.trigger, first.condition, first.schedule) == (second.trigger, second.condition, second.schedule):
            wins, loses = (one, other) if (-first.priority, one) < (-second.priority, other) else (other, one)
            places[loses].wrong(
                f"shadowed by {wins}: same exclusive_group, trigger, condition and schedule, and {wins} comes first; "
                "expected a difference, or another group"
            )


def trigger_events(made: Campaign) -> tuple[str, ...]:
    """List the events that can trigger; none for a tag."""
    match made.trigger:
        case OnEvent(event=event):
            return (event,)
        case OnStreak(events=events):
            return events
        case _:
            return ()


def _check_holdout(fields: Mapping[str, Cursor], made: Campaign) -> None:
    if made.holdout_ppm >= WHOLE_PPM:
        fields["holdout"].wrong("100% leaves nobody to reward, so it can never fire; expected less")


def _check_order(at: Cursor, made: Campaign, events: tuple[str, ...]) -> None:
    if any(not event.startswith("order.") and event != "share.ordered" for event in events) or isinstance(made.trigger, OnTag):
        for place in at.findings.amounts:
            place.wrong("asks for an order, but the trigger is none, so it can never fire; expected an order.* event as trigger")


def _check_channel(at: Cursor, events: tuple[str, ...]) -> None:
    if not events or any(event in SHARES_EVENTS for event in events):
        for place in at.findings.channels:
            place.wrong(
                "asks how the trigger came, which a tag or a share does not tell, so it can never fire; expected an event as trigger"
            )


def _check_sharing(fields: Mapping[str, Cursor], made: Campaign, events: tuple[str, ...]) -> None:
    shared = [event for event in events if event in SHARES_EVENTS]
    if made.beneficiary == "sharer" and (not events or len(shared) < len(events)):
        fields["beneficiary"].wrong(f"sharer, but the trigger names no sharer; expected {' or '.join(SHARES_EVENTS)} as trigger")
    elif made.beneficiary == "actor" and shared:
        fields["trigger"].wrong(f"{shared[0]} is told of the sharer; expected beneficiary: sharer; to reward who came, click or order.paid")
    if made.depth > 1 and not shared:
        fields["depth"].wrong(f"it is for {' and '.join(SHARES_EVENTS)}; take it out")


def _check_once(fields: Mapping[str, Cursor], made: Campaign, events: tuple[str, ...]) -> None:
    if made.once_per == "order" and not (events and all(event.startswith("order.") or event == "share.ordered" for event in events)):
        fields["once_per"].wrong("order, but the trigger is no order, so it can never fire; expected an order.* event, or once_per: member")
    if made.once_per == "share" and not (events and all(event == "share" or event in SHARES_EVENTS for event in events)):
        fields["once_per"].wrong("share, but the trigger is no share, so it can never fire; expected share, share.visited or share.ordered")
    if made.undo.mode == "pro_rata" and set(made.undo.on) == {CHAT_RECALLED}:
        fields["undo"].wrong("pro_rata goes by the lines of an order; expected mode: full for chat.recalled")


def _check_budget(fields: Mapping[str, Cursor], made: Campaign) -> None:
    reward, money_minor = made.reward, made.budget.money_minor
    if isinstance(reward, CouponReward) and money_minor is not None and money_minor < reward.value_minor:
        left, needed = (minor_text(amount, reward.currency) for amount in (money_minor, reward.value_minor))
        fields["budget"].wrong(
            f"{left} {reward.currency} is smaller than one reward of {needed}, so it can never fire; expected at least that"
        )


def _check_contradiction(fields: Mapping[str, Cursor], made: Campaign) -> None:
    needed, barred = set(_tags(made.condition, True)), set(_tags(made.condition, False))
    if isinstance(made.trigger, OnTag):
        needed.add(made.trigger.tag)
    for tag in sorted(needed & barred):
        fields["condition"].wrong(f"needs {tag} and bars it, so it can never fire; expected one of the two")


def _tags(clause: Clause | None, wanted: bool) -> Iterator[str]:
    """Name the tags that must hold (*wanted*) or must not, whatever else."""
    match clause:
        case TagRef(tag=tag) if wanted:
            yield tag
        case Not(of=TagRef(tag=tag)) if not wanted:
            yield tag
        case All(of=clauses):
            for each in clauses:
                yield from _tags(each, wanted)
