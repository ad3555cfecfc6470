"""Tags by their rules, and the evidence that is told with them."""

import pytest

from schemas.envelope import Chat, Coupon, Facts
from schemas.scalars import instant_text
from tests.unit.one_partition import (
    DAY,
    HOUR,
    MINUTE,
    NOON,
    Log,
    click,
    coupon,
    line,
    order,
    recall,
    refund,
    said,
    share,
    tags,
)


def ruled(*lines: str, head: str = "timezone: Asia/Shanghai") -> Log:
    log = Log()
    log.publish(tags(*lines, head=head))
    return log


# count, sum


def test_one_event_below_the_threshold_holds_nothing() -> None:
    log = ruled("busy: {count: {events: [click, share], within: 2h, at_least: 3}}")
    assert [log.event(click()).changes, log.event(share()).changes] == [[], []]
    assert log.event(said("hello", "m1")).changes == []
    assert log.event(click()).changes == ["enters busy"]


def test_an_event_that_comes_after_its_window_counts_nowhere() -> None:
    log = ruled("busy: {count: {events: click, within: 10m, at_least: 1}}")
    log.tick(NOON)
    assert log.event(click(), NOON - 10 * MINUTE).changes == []
    assert log.event(click(), NOON - 9 * MINUTE).changes == ["enters busy"]


def test_one_fen_below_the_threshold_earns_nothing() -> None:
    log = ruled('rich: {sum: {of: order.paid, within: 30d, at_least: "100.00", currency: CNY}}')
    assert log.event(order("o1", "paid", 1, 9_999)).changes == []
    told = log.event(order("o2", "paid", 1, 1))
    assert told.changes == ["enters rich"]
    assert told.change("rich").evidence.value == "100.00"


def test_a_sum_takes_its_own_currency_and_its_own_event_alone() -> None:
    log = ruled("rich: {sum: {of: order.paid, within: 30d, at_least: '100', currency: JPY}}")
    assert log.event(order("o1", "paid", 1, 10_000, currency="CNY")).changes == []
    assert log.event(order("o2", "placed", 1, 10_000, currency="JPY")).changes == []
    assert log.event(order("o3", "paid", 1, 100, currency="JPY")).change("rich").evidence.value == "100"


def test_the_exit_of_a_sum_tells_what_is_left() -> None:
    log = ruled('rich: {sum: {of: order.paid, within: 30d, at_least: "100.00", currency: CNY}}')
    log.event(order("o1", "paid", 1, 10_000), event_id="paid")
    told = log.event(refund("o1", "r1", 1))
    assert told.changes == ["exits rich"]
    assert (told.change("rich").evidence.value, told.change("rich").evidence.events) == ("99.99", ("paid",))


# top


LIKES = "likes: {top: {of: category, events: [click, order.paid], within: 2h, at_least: 2}}"


def test_of_equal_values_the_lowest_by_code_point_leads() -> None:
    log = ruled(LIKES)
    for category in ("茶", "Tea", "tea", "茶", "tea"):
        log.event(click("a", category))
    assert log.event(click("a", "Tea")).seen.tags == ["likes:Tea"]


def test_a_value_leads_only_from_its_threshold_on() -> None:
    log = ruled(LIKES)
    assert log.event(click("a", "tea")).changes == []
    assert log.event(click("a", "silk")).changes == []
    assert log.event(click("a", "tea")).changes == ["enters likes:tea"]


def test_a_click_of_no_category_counts_nowhere() -> None:
    log = ruled("likes: {top: {of: category, events: click, within: 2h, at_least: 1}}")
    assert log.event(click("a", None)).changes == []
    assert log.event(click("a", "")).changes == []


def test_an_order_counts_once_for_each_category_of_its_lines() -> None:
    log = ruled(LIKES)
    lines = (line("1", "tea"), line("2", "tea"), line("3", "silk"))
    assert log.event(order("o1", "paid", 1, lines=lines)).changes == []
    assert log.event(order("o2", "paid", 1, lines=(line("1", "tea"),))).changes == ["enters likes:tea"]


def test_the_clock_hands_the_lead_over() -> None:
    log = ruled("likes: {top: {of: category, events: click, within: 10m, at_least: 1}}")
    log.event(click("a", "tea"), NOON)
    log.event(click("b", "tea"), NOON)
    log.event(click("c", "silk"), NOON + 5 * MINUTE)
    told = log.tick(NOON + 10 * MINUTE)
    assert told.changes == ["exits likes:tea", "enters likes:silk"]
    assert told.change("likes:silk").evidence.events == ("e2",)
    assert log.tick(NOON + 15 * MINUTE).changes == ["exits likes:silk"]


def test_a_leader_loses_its_oldest_bucket_first() -> None:
    log = ruled("likes: {top: {of: category, events: click, within: 10m, at_least: 2}}")
    log.event(click("a", "tea"), NOON)
    assert log.event(click("a", "tea"), NOON + 9 * MINUTE).changes == ["enters likes:tea"]
    assert log.tick(NOON + 10 * MINUTE).changes == ["exits likes:tea"]


def test_the_evidence_of_a_top_tag_is_its_count_and_its_own_events() -> None:
    log = ruled(LIKES)
    log.event(click("a", "tea"), event_id="one")
    log.event(click("a", "silk"), event_id="two")
    evidence = log.event(click("a", "tea"), event_id="three").change("likes:tea").evidence
    assert (evidence.value, evidence.events) == (2, ("one", "three"))


# distinct


def test_the_same_value_twice_is_one() -> None:
    log = ruled("explorer: {distinct: {of: sku, events: click, within: 2h, at_least: 2}}")
    assert [log.event(click("a")).changes, log.event(click("a")).changes] == [[], []]
    told = log.event(click("b"))
    assert told.change("explorer").evidence.value == 2
    assert told.change("explorer").evidence.events == ("e0", "e1", "e2")


def test_a_value_stays_as_long_as_its_latest_event_counts() -> None:
    log = ruled("explorer: {distinct: {of: sku, events: click, within: 10m, at_least: 2}}")
    log.event(click("a"), NOON)
    log.event(click("b"), NOON + MINUTE)
    log.event(click("a"), NOON + 5 * MINUTE)
    assert log.tick(NOON + 11 * MINUTE - 1).changes == []
    assert log.tick(NOON + 11 * MINUTE).changes == ["exits explorer"]


# keywords


UPSET = "upset: {keywords: {any_of: [投诉, Refund], within: 3d}}"


@pytest.mark.parametrize("text", ["我要投诉你们", "REFUND!", "ｒｅｆｕｎｄ please", "i was prerefunded"])
def test_a_word_is_found_anywhere_in_any_case_and_width(text: str) -> None:
    assert ruled(UPSET).event(said(text, "m1")).changes == ["enters upset"]


@pytest.mark.parametrize(
    "chat",
    [
        said("投 诉", "m1"),
        said("", "m1"),
        Chat("c1", "m1", "out", "text", "投诉"),
        Chat("c1", "m1", "in", "image", None),
    ],
)
def test_other_words_and_other_speakers_upset_nobody(chat: Chat) -> None:
    assert ruled(UPSET).event(chat).changes == []


def test_a_message_with_two_words_is_one_and_its_evidence_is_the_message() -> None:
    log = ruled(UPSET)
    log.event(said("hello", "m0"))
    evidence = log.event(said("投诉 refund", "m1"), event_id="angry").change("upset").evidence
    assert (evidence.value, evidence.events) == (1, ("angry",))


def test_a_recall_takes_its_message_out_in_either_order() -> None:
    log = ruled(UPSET)
    log.event(said("投诉", "m1"))
    told = log.event(recall("m2", "m1"))
    assert told.changes == ["exits upset"]
    assert (told.change("upset").evidence.value, told.change("upset").evidence.events) == (0, ())
    log.event(recall("m4", "m3"))
    assert log.event(said("投诉", "m3")).changes == []
    assert log.event(said("投诉", "m5")).changes == ["enters upset"]


# silent


@pytest.mark.parametrize(
    "facts",
    [click(), share(), order("o", "placed", 1), order("o", "paid", 1), said("hi", "m"), coupon("claimed"), coupon("redeemed")],
)
def test_whatever_a_member_does_of_their_own_accord_ends_silence(facts: Facts) -> None:
    log = ruled("asleep: {silent: {for: 2h}}")
    log.event(click(), NOON - 5 * HOUR)
    log.tick(NOON)
    assert log.event(facts).changes == ["exits asleep"]


@pytest.mark.parametrize(
    "facts",
    [
        order("o", "shipped", 1),
        order("o", "completed", 1),
        order("o", "cancelled", 1),
        refund("o", "r", 1),
        Chat("c", "m", "out", "text", "hi"),
        recall("m2", "m1"),
        Coupon("expired", "r"),
    ],
)
def test_what_is_done_to_a_member_ends_no_silence_and_begins_none(facts: Facts) -> None:
    log = ruled("asleep: {silent: {for: 2h}}")
    log.event(facts, NOON - 9 * HOUR)
    assert log.tick(NOON - 5 * HOUR).changes == []
    log.event(click(), NOON - 4 * HOUR)
    assert log.tick(NOON).changes == ["enters asleep"]
    assert log.event(facts, event_id="again", body="other").changes == []


def test_an_act_that_is_taken_back_was_one_all_the_same() -> None:
    log = ruled("asleep: {silent: {for: 2h}}")
    log.event(order("o1", "paid", 1), NOON)
    log.event(order("o1", "cancelled", 2), NOON)
    assert log.tick(NOON + 2 * HOUR - 1).changes == []
    told = log.tick(NOON + 2 * HOUR)
    assert told.change("asleep").evidence.value == instant_text(NOON)


# engagement


SCORED = "timezone: UTC\nengagement: {half_life: 1h, weights: {click: 1, order.paid: 10, chat.in: 2}}"


@pytest.mark.parametrize(("ago_ms", "holds"), [(2, True), (3, False)])
def test_a_score_that_rounds_to_the_threshold_is_enough_and_one_that_rounds_below_is_not(ago_ms: int, holds: bool) -> None:
    log = ruled("hot: {engagement: {at_least: 1}}", head=SCORED)
    log.tick(NOON)
    told = log.event(click(), NOON - ago_ms)
    assert (told.seen.engagement.brand, bool(told.changes)) == (1.0 if holds else 0.999999, holds)


def test_a_cancelled_order_leaves_the_score_as_if_it_had_not_been() -> None:
    log = ruled("hot: {engagement: {at_least: 5}}", head=SCORED)
    log.event(click(), NOON)
    assert log.event(order("o1", "paid", 1), NOON).changes == ["enters hot"]
    told = log.event(order("o1", "cancelled", 2), NOON + HOUR)
    assert (told.changes, told.seen.engagement.brand) == (["exits hot"], 0.5)


def test_a_recalled_message_leaves_the_score_empty() -> None:
    log = ruled("hot: {engagement: {at_least: 5}}", head=SCORED)
    log.event(said("hello", "m1"), NOON)
    assert log.event(recall("m2", "m1"), NOON + 7).seen.engagement.brand == 0.0


# all, any, not, tag


def test_a_combination_follows_its_parts() -> None:
    log = ruled(
        "busy: {count: {events: click, within: 10m, at_least: 1}}",
        "won: {all: [{tag: busy}, {not: {tag: upset}}, {any: [{count: {events: share, within: 2h, at_least: 1}}]}]}",
        UPSET,
    )
    assert log.event(click()).changes == ["enters busy"]
    told = log.event(share())
    assert told.changes == ["enters won"]
    assert (told.change("won").evidence.value, told.change("won").evidence.events) == (True, ("e1",))
    assert log.event(said("投诉", "m1")).changes == ["enters upset", "exits won"]
    assert log.event(recall("m2", "m1")).changes == ["exits upset", "enters won"]
    told = log.tick(NOON + 10 * MINUTE)
    assert told.changes == ["exits busy", "exits won"]
    assert told.change("won").evidence.value is False


def test_a_reference_to_a_top_tag_holds_with_any_value() -> None:
    log = ruled("likes: {top: {of: category, events: click, within: 2h, at_least: 1}}", "choosy: {tag: likes}")
    assert log.event(click("a", "tea")).changes == ["enters choosy", "enters likes:tea"]
    assert log.event(click("b", "silk")).changes == ["exits likes:tea", "enters likes:silk"]


def test_what_holds_for_nobody_in_particular_holds_for_a_newcomer() -> None:
    log = ruled("calm: {not: {count: {events: order.refunded, within: 30d, at_least: 1}}}")
    assert log.event(click()).changes == ["enters calm"]
    assert log.event(refund("o1", "r1", 1)).changes == ["exits calm"]


# evidence


def test_the_last_five_events_that_count_are_told_the_latest_last() -> None:
    log = ruled("busy: {count: {events: click, within: 2h, at_least: 7}}")
    for number in (3, 0, 5, 1, 4, 2):
        log.event(click(), NOON + number, event_id=f"click-{number}")
    told = log.event(click(), NOON + 6, event_id="click-6").change("busy")
    assert told.evidence.events == ("click-2", "click-3", "click-4", "click-5", "click-6")


def test_events_that_left_the_window_are_no_evidence() -> None:
    log = ruled("busy: {count: {events: click, within: 10m, at_least: 2}}")
    log.event(click(), NOON - 3 * DAY, event_id="long ago")
    log.event(click(), NOON, event_id="one")
    assert log.event(click(), NOON, event_id="two").change("busy").evidence.events == ("one", "two")
    assert log.tick(NOON + 10 * MINUTE).change("busy").evidence.events == ()


def test_an_event_that_was_taken_out_is_no_evidence() -> None:
    log = ruled("buyer: {count: {events: order.paid, within: 2h, at_least: 2}}")
    log.event(order("o1", "paid", 1), event_id="paid-1")
    log.event(order("o2", "paid", 1), event_id="paid-2")
    told = log.event(order("o1", "cancelled", 2)).change("buyer")
    assert (told.evidence.value, told.evidence.events) == (1, ("paid-2",))


def test_the_version_is_the_rule_sets() -> None:
    log = Log()
    log.publish(tags("busy: {count: {events: click, within: 2h, at_least: 1}}"), 41)
    assert log.event(click()).change("busy").evidence.rules == 41


def test_events_from_before_a_counter_began_are_no_evidence() -> None:
    log = ruled("busy: {count: {events: click, within: 2h, at_least: 9}}")
    log.event(click(), event_id="uncounted")
    log.publish(tags("busy: {count: {events: click, within: 1h, at_least: 1}}"))
    told = log.event(click(), event_id="counted").change("busy")
    assert (told.evidence.value, told.evidence.events) == (1, ("counted",))


def test_orders_of_another_currency_are_no_evidence_of_a_sum() -> None:
    log = ruled('rich: {sum: {of: order.paid, within: 30d, at_least: "100.00", currency: CNY}}')
    log.event(order("o1", "paid", 1, currency="JPY"), event_id="in yen")
    told = log.event(order("o2", "paid", 1, currency="CNY"), event_id="in yuan").change("rich")
    assert (told.evidence.value, told.evidence.events) == ("100.00", ("in yuan",))
