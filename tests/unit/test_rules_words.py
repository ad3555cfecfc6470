"""Rules as a person would say them."""

import pytest

from schemas.rules import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    All,
    Amount,
    AnyOf,
    AtBrand,
    BudgetRule,
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
    PointsReward,
    Silent,
    Sum,
    TagRef,
    Top,
)
from streams.rules_words import duration_text, said, said_budget, said_reward, said_trigger


@pytest.mark.parametrize(("length_ms", "text"), [(90 * MINUTE_MS, "90m"), (2 * HOUR_MS, "2h"), (48 * HOUR_MS, "2d"), (14 * DAY_MS, "14d")])
def test_a_duration_is_said_in_its_largest_whole_unit(length_ms: int, text: str) -> None:
    assert duration_text(length_ms) == text


@pytest.mark.parametrize(
    ("clause", "text"),
    [
        (Count(("order.paid",), 90 * DAY_MS, 3), "3 or more of order.paid within 90d"),
        (Sum("order.paid", 30 * DAY_MS, 100_000, "CNY"), "order.paid of 1000.00 CNY or more within 30d"),
        (Sum("order.paid", DAY_MS, 500, "JPY"), "order.paid of 500 JPY or more within 1d"),
        (Top("category", ("click",), DAY_MS, 3), "the category with the most of click within 1d, 3 or more"),
        (Distinct("sku", ("click", "share"), DAY_MS, 9), "9 or more different values of sku in click, share within 1d"),
        (Keywords(("投诉", "退货"), HOUR_MS), "wrote 投诉 or 退货 within 1h"),
        (All((Silent(DAY_MS), Not(TagRef("upset")))), "(silent for 1d) and (not (has upset))"),
        (
            All((Amount(5_000, "CNY"), FirstOrder(), AtBrand(("tea",)))),
            "(an order of 50.00 CNY or more) and (the first order) and (at tea)",
        ),
        (ByChannel(("app", "store")), "by app or store"),
        (AnyOf((Engaged(20.0), TagRef("regular"))), "(engagement of 20 or more) or (has regular)"),
    ],
)
def test_each_rule_is_said_in_one_line(clause: Clause, text: str) -> None:
    assert said(clause) == text


def test_a_campaign_is_said_in_three_parts() -> None:
    coupon = CouponReward(500, "CNY", 7 * DAY_MS)
    one = Campaign("live", OnStreak(("share",), 3, DAY_MS), coupon, once_per="day", budget=BudgetRule(50_000, 100, "day"))
    assert said_trigger(one.trigger) == "3 of share within 1d"
    assert (said_reward(one), said_budget(one)) == ("5.00 CNY for 7d, once per day", "500.00 CNY and 100 grants a day")
    other = Campaign("live", OnTag("vip"), PointsReward(5))
    assert (said_trigger(other.trigger), said_reward(other), said_budget(other)) == ("entering vip", "5 points, once per member", "")
    assert said_trigger(OnEvent("click")) == "click"
