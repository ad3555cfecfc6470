"""Rules as a person would say them."""

import pytest

from schemas.rules import DAY_MS, HOUR_MS, MINUTE_MS, All, AnyOf, Clause, Count, Distinct, Engaged, Keywords, Not, Silent, Sum, TagRef, Top
from streams.rules_words import duration_text, said


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
        (AnyOf((Engaged(20.0), TagRef("regular"))), "(engagement of 20 or more) or (has regular)"),
    ],
)
def test_each_rule_is_said_in_one_line(clause: Clause, text: str) -> None:
    assert said(clause) == text
