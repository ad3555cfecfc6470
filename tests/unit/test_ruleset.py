"""Publishing rules: what goes on counting, what begins anew, and whom it concerns at once."""

import pytest

from schemas.rules import MINUTE_MS, Count, Sum, Top
from schemas.scalars import instant_text
from streams.ruleset import HALF_LIVES, definition
from tests.property.pipeline import KEYS
from tests.unit.one_partition import DAY, HOUR, LIN, NOON, WEI, Log, click, order, ruleset, said, share, states, tags


def busy(least: int, within: str = "2h", name: str = "busy", events: str = "click") -> str:
    return f"{name}: {{count: {{events: {events}, within: {within}, at_least: {least}}}}}"


def clicked(times: int) -> Log:
    log = Log()
    log.publish(tags(busy(9)))
    for _ in range(times):
        log.append(click())
    log.fold()
    return log


# What a counter is


def test_a_threshold_is_no_part_of_what_is_counted() -> None:
    assert definition(Count(("click",), MINUTE_MS, 1), "UTC") == definition(Count(("click",), MINUTE_MS, 5), "UTC")
    assert definition(Top("sku", ("click",), MINUTE_MS, 1), "UTC") == definition(Top("sku", ("click",), MINUTE_MS, 5), "UTC")
    assert definition(Sum("order.paid", DAY, 1, "CNY"), "UTC") == definition(Sum("order.paid", DAY, 5, "CNY"), "UTC")


@pytest.mark.parametrize(
    "other",
    [
        Count(("click", "share"), 4 * DAY, 1),
        Count(("click",), 5 * DAY, 1),
        Sum("order.paid", 4 * DAY, 1, "CNY"),
        Top("sku", ("click",), 4 * DAY, 1),
    ],
)
def test_events_window_and_what_is_taken_of_them_make_another_counter(other: Count | Sum | Top) -> None:
    assert definition(other, "UTC") != definition(Count(("click",), 4 * DAY, 1), "UTC")


def test_the_zone_counts_where_days_are_counted_and_only_there() -> None:
    days, hours = Count(("click",), 4 * DAY, 1), Count(("click",), 3 * DAY, 1)
    assert definition(days, "UTC") != definition(days, "Asia/Shanghai")
    assert definition(hours, "UTC") == definition(hours, "Asia/Shanghai")


def test_sums_of_two_currencies_are_two_counters() -> None:
    assert definition(Sum("order.paid", DAY, 1, "CNY"), "UTC") != definition(Sum("order.paid", DAY, 1, "JPY"), "UTC")


# Publishing


def test_a_lower_threshold_enters_at_once_who_is_not_touched() -> None:
    log = clicked(3)
    told = log.publish(tags(busy(3)))
    assert told.changes == ["enters busy"]
    assert told.change("busy").evidence.value == 3
    assert told.change("busy").evidence.rules == log.versions
    assert told.change("busy").at == instant_text(NOON)


def test_one_more_than_there_is_enters_nobody() -> None:
    assert clicked(3).publish(tags(busy(4))).changes == []


def test_a_higher_threshold_exits_at_once() -> None:
    log = clicked(3)
    log.publish(tags(busy(3)))
    assert log.publish(tags(busy(4))).changes == ["exits busy"]


def test_members_are_judged_by_key() -> None:
    log = Log()
    log.publish(tags(busy(9)))
    for key in (WEI, LIN, b"\0" * 16):
        log.event(click(), member=key)
    told = log.publish(tags(busy(1)))
    assert [record.member for record in told.records] == [KEYS.pairwise("tea", key) for key in (b"\0" * 16, LIN, WEI)]


def test_a_tag_under_a_new_name_goes_on_with_the_old_ones_counter() -> None:
    log = clicked(3)
    assert log.publish(tags(busy(3, name="lively"))).changes == ["enters lively"]


def test_a_counter_that_changed_starts_empty() -> None:
    log = clicked(3)
    log.publish(tags(busy(3)))
    assert log.publish(tags(busy(3, within="1h"))).changes == ["exits busy"]
    assert [log.event(click()).changes for _ in range(3)] == [[], [], ["enters busy"]]


def test_a_counter_that_comes_back_starts_empty() -> None:
    log = clicked(3)
    log.publish(tags())
    assert log.publish(tags(busy(3))).changes == []


def test_a_new_counter_counts_from_the_record_after_its_publish() -> None:
    log = clicked(1)
    log.publish(tags(busy(9), busy(2, name="sharer", events="share")))
    standing = log.rules().counters.values()
    assert sorted((entry.since_offset, entry.since_ms) for entry in standing) == [(0, 0), (2, NOON)]
    log.event(share())
    assert log.event(share()).changes == ["enters sharer"]


def test_what_is_taken_back_of_before_a_counter_began_is_not_taken_out_of_it() -> None:
    log = Log()
    log.event(order("o1", "paid", 1), NOON - HOUR)
    log.publish(tags(busy(1, within="5h", events="order.paid")))
    log.event(order("o2", "paid", 1), NOON - HOUR)
    assert log.event(order("o1", "cancelled", 2)).seen.tags == ["busy"]


def test_a_tag_no_longer_in_the_rules_exits_with_nothing_but_the_version() -> None:
    log = clicked(3)
    log.publish(tags(busy(3), busy(3, name="kept")))
    told = log.publish(tags(busy(3, name="kept")))
    assert told.changes == ["exits busy"]
    evidence = told.change("busy").evidence
    assert (evidence.value, evidence.events, evidence.rules) == (False, (), log.versions)


def test_a_withdrawn_set_exits_everything_and_counts_no_more() -> None:
    log = clicked(3)
    log.publish(tags(busy(3)))
    assert log.withdraw("tea").changes == ["exits busy"]
    assert log.event(click()).words == ["enriched"]
    assert (log.remembered().counts, log.remembered().recent) == ({}, {})


def test_an_older_or_the_same_version_is_ignored() -> None:
    log = Log()
    log.event(click())
    log.publish(tags(busy(9)), 5)
    assert log.publish(tags(busy(1)), 4).words == []
    assert log.publish(tags(busy(1)), 5).words == []
    assert log.event(click()).changes == []
    assert log.publish(tags(busy(1)), 6).changes == ["enters busy"]


def test_a_publish_concerns_the_brands_own_members_alone() -> None:
    log = clicked(3)
    log.event(click(), brand="silk", member=WEI)
    told = log.publish(tags(busy(1)))
    assert [(record.brand, record.member) for record in told.records] == [("tea", KEYS.pairwise("tea", LIN))]


def test_a_set_of_the_alliance_concerns_every_brands_members() -> None:
    log = Log()
    log.publish(tags(busy(9), brand="alliance"))
    log.event(click(), brand="tea")
    log.event(click(), brand="silk")
    told = log.publish(tags(busy(1), brand="alliance"))
    assert [(record.brand, record.value.tag) for record in told.records if hasattr(record.value, "tag")] == [
        ("silk", "alliance/busy"),
        ("tea", "alliance/busy"),
    ]


def test_a_tag_of_the_brand_and_one_of_the_alliance_of_the_same_name_are_two() -> None:
    log = Log()
    log.publish(tags(busy(1)))
    log.publish(tags(busy(2), brand="alliance"))
    assert log.event(click()).changes == ["enters busy"]
    assert log.event(click()).changes == ["enters alliance/busy"]
    assert log.withdraw("tea").changes == ["exits busy"]
    assert log.event(click()).seen.tags == ["alliance/busy"]


def test_a_publish_moves_no_clock() -> None:
    log = clicked(1)
    log.now_ms = NOON + DAY
    log.publish(tags(busy(1)))
    assert log.stage.clock_ms == NOON


def test_deadlines_are_those_of_the_new_rules() -> None:
    log = clicked(1)
    log.publish(tags("asleep: {silent: {for: 2h}}"))
    log.publish(tags("asleep: {silent: {for: 1h}}"))
    assert log.tick(NOON + HOUR).changes == ["enters asleep"]
    assert log.publish(tags("asleep: {silent: {for: 2h}}")).changes == ["exits asleep"]
    assert log.tick(NOON + 2 * HOUR).changes == ["enters asleep"]


def test_silence_and_last_acts_are_known_to_rules_that_come_after_them() -> None:
    log = Log()
    log.event(click(), NOON - DAY)
    assert log.tick(NOON).changes == []
    assert log.publish(tags("asleep: {silent: {for: 2h}}")).changes == ["enters asleep"]


def test_a_top_tag_that_becomes_a_plain_one_exits_under_its_old_name() -> None:
    log = Log()
    log.publish(tags("likes: {top: {of: category, events: click, within: 2h, at_least: 1}}"))
    log.event(click("a", "shoes"))
    assert log.publish(tags("likes: {silent: {for: 1h}}")).changes == ["exits likes:shoes"]
    log.event(**states(1))
    log.tick(NOON + 2 * HOUR)
    told = log.publish(tags("likes: {top: {of: category, events: click, within: 2h, at_least: 1}}"))
    assert told.changes == ["exits likes"]


def test_new_words_are_looked_for_from_then_on() -> None:
    log = Log()
    log.publish(tags("upset: {keywords: {any_of: [退货], within: 3d}}"))
    log.event(said("差评", "m1"))
    assert log.publish(tags("upset: {keywords: {any_of: [退货, 差评], within: 3d}}")).changes == []
    assert log.event(said("差评", "m2")).changes == ["enters upset"]


# Engagement


def scored(half_life: str, weight: int, least: int = 4) -> str:
    return f"""\
brand: tea
engagement: {{half_life: {half_life}, weights: {{click: {weight}}}}}
tags:
  hot: {{engagement: {{at_least: {least}}}}}
"""


def test_new_weights_hold_for_later_events() -> None:
    log = Log()
    log.publish(ruleset(scored("1h", 1)))
    log.event(click())
    assert log.publish(ruleset(scored("1h", 10))).changes == []
    assert log.event(click()).seen.engagement.brand == 11.0


def test_a_new_half_life_fades_what_is_left_from_its_clock_on() -> None:
    log = Log()
    log.publish(ruleset(scored("1h", 8)))
    log.event(click())
    log.tick(NOON + HOUR)
    log.publish(ruleset(scored("2h", 8)))
    assert log.event(share(), NOON + 3 * HOUR).seen.engagement.brand == 2.0


def test_deadlines_of_a_score_follow_the_new_half_life() -> None:
    log = Log()
    log.publish(ruleset(scored("1h", 8)))
    log.event(click())
    log.publish(ruleset(scored("10h", 8)))
    assert log.tick(NOON + 10 * HOUR).changes == []
    assert log.tick(NOON + 10 * HOUR + 1_000).changes == ["exits hot"]


def test_sixteen_half_lives_and_the_one_that_stands_are_remembered() -> None:
    log = Log()
    log.publish(ruleset(scored("1h", 8)))
    log.event(click())
    for hours in range(2, HALF_LIVES + 10):
        log.publish(ruleset(scored(f"{hours}h", 8)))
    assert len(log.rules().half_lives) == HALF_LIVES + 1
    assert log.event(share()).seen.engagement.brand == 8.0


def test_rules_that_score_no_more_forget_the_score() -> None:
    log = Log()
    log.publish(ruleset(scored("1h", 8)))
    log.event(click())
    log.publish(tags(busy(1)))
    log.publish(ruleset(scored("1h", 8)))
    assert log.event(share()).seen.engagement.brand == 0.0
