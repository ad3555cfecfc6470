"""Campaigns as they are written: what they become, and what is wrong with them, by line."""

import pytest

from schemas import rules
from schemas.rules import (
    UNDOING,
    BudgetRule,
    Campaign,
    Cap,
    CouponReward,
    Not,
    OnEvent,
    OnStreak,
    OnTag,
    PointsReward,
    RuleSet,
    Schedule,
    TagRef,
    Undo,
)
from streams.rules_check import check, told
from tests.unit.one_partition import DAY, HOUR, ms

WHOLE = """\
brand: acme
timezone: Asia/Shanghai
tags:
  upset: {keywords: {any_of: 投诉, within: 3d}}
campaigns:
  share-three:
    state: live
    schedule: {from: 2026-11-01, until: 2026-12-01, weekdays: [sun, mon], hours: "08:00-22:00"}
    trigger: {streak: {events: share, count: 3, within: 24h}}
    condition: {not: {tag: upset}}
    reward: {coupon: {value: "5.00", currency: CNY, valid_for: 7d}}
    beneficiary: actor
    once_per: day
    cooldown: 6h
    cap: [{rewards: 3, within: 7d}, {rewards: 9, per: month}]
    budget: {money: "500.00", grants: 100, period: day}
    holdout: 2.5%
    freshness: 1h
    undo: {on: [order.refunded, order.cancelled], mode: full}
    priority: 10
    exclusive_group: welcome
"""


def campaign(**changed: str) -> list[str]:
    """Check a set with the one campaign ``c``, a field a line, changed by *changed*: what is said of it."""
    fields = {
        "state": "live",
        "trigger": "{event: order.paid}",
        "reward": '{coupon: {value: "5.00", currency: CNY, valid_for: 7d}}',
    } | changed
    text = "brand: acme\ntags:\n  vip: {silent: {for: 3d}}\ncampaigns:\n  c:\n" + "".join(f"    {k}: {v}\n" for k, v in fields.items())
    found = check(text)
    return [] if isinstance(found, RuleSet) else told(found, "acme.yaml")


def test_a_campaign_as_it_is_written_becomes_what_the_folds_read() -> None:
    found = check(WHOLE)
    assert isinstance(found, RuleSet)
    assert found.campaigns == {
        "share-three": Campaign(
            state="live",
            trigger=OnStreak(("share",), 3, DAY),
            reward=CouponReward(500, "CNY", 7 * DAY),
            schedule=Schedule(ms("2026-11-01T00:00:00+08:00"), ms("2026-12-01T00:00:00+08:00"), (0, 6), (480, 1320)),
            condition=Not(TagRef("upset")),
            once_per="day",
            cooldown_ms=6 * HOUR,
            cap=(Cap(3, within_ms=7 * DAY), Cap(9, per="month")),
            budget=BudgetRule(50_000, 100, "day"),
            holdout_ppm=25_000,
            freshness_ms=HOUR,
            undo=Undo(("order.cancelled", "order.refunded"), "full"),
            priority=10,
            exclusive_group="welcome",
        )
    }
    assert rules.decode(rules.encode(found)) == found


def test_what_is_left_out_is_what_costs_least() -> None:
    found = check("brand: acme\ncampaigns:\n  c: {state: live, trigger: {event: click}, reward: {points: 5}}\n")
    assert isinstance(found, RuleSet)
    assert found.campaigns["c"] == Campaign("live", OnEvent("click"), PointsReward(5), once_per="member", undo=Undo(UNDOING, "full"))


def test_who_shared_is_rewarded_for_what_their_share_brought() -> None:
    found = check(
        "brand: acme\nsharing: {depth: 2}\ncampaigns:\n  c: {state: live, trigger: {event: share.visited}, reward: {points: 5}, depth: 2}\n"
    )
    assert isinstance(found, RuleSet)
    assert (found.campaigns["c"].beneficiary, found.campaigns["c"].depth) == ("sharer", 2)


def test_a_tag_may_trigger() -> None:
    tags = "tags:\n  vip: {silent: {for: 3d}}\n"
    found = check(f"brand: acme\n{tags}campaigns:\n  c: {{state: draft, trigger: {{tag_entered: vip}}, reward: {{points: 5}}}}\n")
    assert isinstance(found, RuleSet)
    assert found.campaigns["c"].trigger == OnTag("vip")


@pytest.mark.parametrize(
    ("field", "written", "said"),
    [
        ("state", "on", ":6: campaigns.c.state: \"on\" is not a state; expected one of draft, shadow, live, paused, ended"),
        ("trigger", "{event: order.payd}", ":7: campaigns.c.trigger.event: \"order.payd\" is not an event (did you mean order.paid?)"),
        ("trigger", "{evnt: click}", ":7: campaigns.c.trigger.evnt: \"evnt\" is not a trigger (did you mean event?);"),
        ("trigger", "{tag_entered: regular}", ":7: campaigns.c.trigger.tag_entered: \"regular\" is not a tag of this set;"),
        ("reward", "{coupon: {value: 5, currency: CNY, valid_for: 7d}}", ":8: campaigns.c.reward.coupon.value: 5 is not money"),
        ("reward", "{points: none}", ":8: campaigns.c.reward.points: \"none\"; expected a whole number from 1"),
        ("condition", "{tag: vipp}", ":9: campaigns.c.condition.tag: \"vipp\" is not a tag of this set (did you mean vip?)"),
        ("condition", "{brand: bolt}", ":9: campaigns.c.condition.brand: one brand's own rules hold at that brand alone"),
        ("condition", "{all: [{tag: vip}, {not: {tag: vip}}]}", ":9: campaigns.c.condition: needs vip and bars it, so it can never fire"),
        ("schedule", "{from: 2026-13-01}", ":9: campaigns.c.schedule.from: \"2026-13-01\" is not a day; write it as 2026-11-01"),
        ("schedule", "{from: 2026-11-02, until: 2026-11-02}", ":9: campaigns.c.schedule: until is not after from, so it can never fire"),
        ("schedule", '{hours: "08:00-08:00"}', ":9: campaigns.c.schedule.hours: \"08:00-08:00\" is no time at all"),
        ("schedule", "{weekdays: [monday]}", ":9: campaigns.c.schedule.weekdays[0]: \"monday\" is not a weekday; expected one of mon,"),
        ("cooldown", "6 hours", ":9: campaigns.c.cooldown: \"6 hours\" is not a duration; write 6h"),
        ("cap", "{rewards: 1, within: 1d}", ":9: campaigns.c.cap: a mapping; expected a list of caps"),
        ("cap", "[{rewards: 1}]", ":9: campaigns.c.cap[0]: expected one of within (a window that rolls, such as 7d) and per"),
        ("budget", '{money: "4.99"}', ":9: campaigns.c.budget: 4.99 CNY is smaller than one reward of 5.00, so it can never fire"),
        ("budget", "{}", ":9: campaigns.c.budget: a budget of nothing; expected money: or grants: or both"),
        ("depth", "3", ":9: campaigns.c.depth: 3: rewards over three levels or more are pyramid selling, which the law forbids"),
        ("depth", "2", ":9: campaigns.c.depth: it is for share.ordered and share.visited; take it out"),
        ("beneficiary", "sharer", ":9: campaigns.c.beneficiary: sharer, but the trigger names no sharer"),
        ("once_per", "share", ":9: campaigns.c.once_per: share, but the trigger is no share, so it can never fire"),
        ("holdout", "100%", ":9: campaigns.c.holdout: 100% leaves nobody to reward, so it can never fire"),
        ("holdout", "10", ":9: campaigns.c.holdout: 10 is not a share of members; expected 0% to 100%, such as 10%"),
        ("undo", "{on: order.paid}", ":9: campaigns.c.undo.on: \"order.paid\" is not something that takes a reward back"),
        ("undo", "{on: chat.recalled, mode: pro_rata}", ":9: campaigns.c.undo: pro_rata goes by the lines of an order"),
        ("priority", "high", ":9: campaigns.c.priority: \"high\"; expected a whole number from"),
        ("colour", "red", ":9: campaigns.c.colour: \"colour\" is not expected; expected state, trigger"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_line_and_what_was_expected(field: str, written: str, said: str) -> None:
    assert any(line.startswith(f"acme.yaml{said}") for line in campaign(**{field: written})), campaign(**{field: written})


def test_what_needs_an_order_is_refused_where_the_trigger_is_none() -> None:
    (line,) = campaign(trigger="{event: click}", condition='{amount: {at_least: "50.00"}}')
    assert line.startswith("acme.yaml:9: campaigns.c.condition.amount: asks for an order, but the trigger is none, so it can never fire")
    assert campaign(condition='{all: [{amount: {at_least: "50.00"}}, {first_order: true}, {not: {tag: vip}}]}') == []


def test_a_channel_is_asked_for_where_the_trigger_tells_one() -> None:
    assert campaign(trigger="{event: click}", condition="{channel: [app, miniprogram]}") == []
    for trigger in ("{tag_entered: vip}", "{event: share.visited}"):
        line = next(line for line in campaign(trigger=trigger, condition="{channel: app}") if "channel" in line)
        assert line.startswith(
            "acme.yaml:9: campaigns.c.condition.channel: asks how the trigger came, which a tag or a share does not tell"
        )
    (line,) = campaign(trigger="{event: click}", condition="{channel: [1]}")
    assert line.startswith("acme.yaml:9: campaigns.c.condition.channel[0]: 1 is not text")


def test_a_budget_of_points_has_no_money() -> None:
    (line,) = campaign(reward="{points: 5}", budget='{money: "5.00"}')
    assert line.startswith("acme.yaml:9: campaigns.c.budget.money: points have no money; expected grants:")


def test_of_two_campaigns_that_ask_for_the_same_the_second_is_said_to_be_shadowed() -> None:
    one = "{state: live, trigger: {event: click}, reward: {points: 5}, exclusive_group: g, priority: "
    found = check(f"brand: acme\ncampaigns:\n  a: {one}1}}\n  b: {one}2}}\n")
    assert not isinstance(found, RuleSet)
    assert [(mistake.line, mistake.path) for mistake in found] == [(3, "campaigns.a")]
    assert "shadowed by b" in found[0].what
