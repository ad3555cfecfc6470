"""The published form of a rule set."""

from schemas import rules
from schemas.rules import DAY_MS, HOUR_MS, MINUTE_MS, All, AnyOf, Count, Engaged, EngagementRules, Not, RuleSet, TagRef, Top


def example() -> RuleSet:
    regular = Count(events=("order.paid",), within_ms=90 * DAY_MS, at_least=3)
    return RuleSet(
        owner="acme",
        timezone="Asia/Shanghai",
        engagement=EngagementRules(half_life_ms=7 * DAY_MS, weights={"share": 5.0, "click": 1.0}),
        tags={
            "regular": regular,
            "liked": Top(of="category", events=("click",), within_ms=DAY_MS, at_least=2),
            "hot": Engaged(at_least=20.0),
            "mixed": All(of=(TagRef(tag="hot"), Not(of=AnyOf(of=(TagRef(tag="liked"), regular))))),
        },
    )


def test_what_was_published_is_what_is_read() -> None:
    assert rules.decode(rules.encode(example())) == example()


def test_equal_sets_are_equal_bytes_in_whatever_order_they_were_written() -> None:
    written = example()
    turned = RuleSet(written.owner, written.timezone, written.engagement, {name: written.tags[name] for name in reversed(written.tags)})
    assert rules.encode(turned) == rules.encode(written)


def test_two_hours_are_counted_by_the_minute_and_a_minute_more_by_the_hour() -> None:
    assert rules.granularity_ms(2 * HOUR_MS) == MINUTE_MS
    assert rules.granularity_ms(2 * HOUR_MS + MINUTE_MS) == HOUR_MS


def test_three_days_are_counted_by_the_hour_and_an_hour_more_by_the_day() -> None:
    assert rules.granularity_ms(3 * DAY_MS) == HOUR_MS
    assert rules.granularity_ms(3 * DAY_MS + HOUR_MS) == DAY_MS
