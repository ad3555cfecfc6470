"""Acts: what counts and is taken back where records come in an order of their own; the bounds of what is remembered."""

import pytest

from schemas.envelope import Chat, Order
from schemas.state import RING, VALUES, unpack_talk
from tests.unit.one_partition import (
    DAY,
    HOUR,
    MINUTE,
    NOON,
    Log,
    click,
    order,
    recall,
    refund,
    ruleset,
    said,
    tags,
)

ASLEEP = "asleep: {silent: {for: 2h}}"
TALKS = "talks: {count: {events: [chat.in, chat.out], within: 2h, at_least: 1}}"
UPSET = "upset: {keywords: {any_of: [投诉], within: 3d}}"


def asleep() -> Log:
    """A member who sleeps, whose order was cancelled and whose message m1 recalled before either was heard of."""
    log = Log()
    log.publish(tags(ASLEEP))
    log.event(click(), NOON - 9 * HOUR)
    log.event(order("o", "paid", 5), NOON - 9 * HOUR)
    log.event(order("void", "cancelled", 9), NOON - 5 * HOUR)
    log.event(recall("m2", "m1"), NOON - 5 * HOUR)
    log.tick(NOON)
    assert list(log.remembered().tags) == ["asleep"]
    return log


@pytest.mark.parametrize("facts", [order("void", "paid", 1), said("hello", "m1"), order("o", "paid", 4)])
def test_an_act_that_counts_nowhere_ends_silence_all_the_same(facts: Chat | Order) -> None:
    log = asleep()
    told = log.event(facts, NOON)
    assert (told.changes, told.seen.tags) == (["exits asleep"], [])
    assert log.tick(NOON + 2 * HOUR).changes == ["enters asleep"]


# Messages


def test_a_message_is_had_once_among_the_last_64_whatever_it_says() -> None:
    log = Log()
    for number in range(RING + 1):
        log.append(said("hello", f"m{number}"))
    log.fold()
    assert log.event(said("something else", "m1")).words == ["duplicate"]
    assert log.event(said("hello", "m0")).words == ["enriched"]
    assert len(unpack_talk(log.remembered().talk).messages) == RING


def test_the_same_message_id_in_another_conversation_is_another_message() -> None:
    log = Log()
    log.event(said("hello", "m1", "c1"))
    assert log.event(said("hello", "m1", "c2")).words == ["enriched"]


def test_a_recall_counts_nowhere() -> None:
    log = Log()
    log.publish(tags(TALKS))
    assert log.event(recall("m2", "m1")).changes == []


def test_a_recall_takes_out_the_message_of_its_own_direction_alone() -> None:
    log = Log()
    log.publish(tags(TALKS))
    log.event(said("hello", "m1"))
    assert log.event(recall("m2", "m1", "out")).changes == []
    assert log.event(recall("m3", "m1", "in")).changes == ["exits talks"]


def test_a_recall_ahead_of_its_message_takes_nothing_of_the_other_direction() -> None:
    log = Log()
    log.publish(tags(TALKS))
    log.event(recall("m2", "m1", "out"))
    assert log.event(said("hello", "m1")).changes == ["enters talks"]


def test_two_recalls_of_a_message_take_it_out_once() -> None:
    log = Log()
    log.publish(tags("talks: {count: {events: chat.in, within: 2h, at_least: 1}}"))
    log.event(said("hello", "m1"))
    log.event(said("hello", "m2"))
    log.event(recall("m3", "m1"))
    assert log.event(recall("m4", "m1")).seen.tags == ["talks"]


def test_a_recall_repeated_is_a_duplicate() -> None:
    log = Log()
    log.event(recall("m2", "m1"))
    assert log.event(recall("m2", "m1")).words == ["duplicate"]


def test_recalls_of_messages_that_never_came_are_forgotten_after_64() -> None:
    log = Log()
    log.publish(tags(TALKS))
    for number in range(RING + 1):
        log.append(recall(f"r{number}", f"m{number}"))
    log.fold()
    assert log.event(said("hello", "m1")).changes == []
    assert log.event(said("hello", "m0")).changes == ["enters talks"]


def test_a_recall_long_after_its_window_takes_nothing_else_out() -> None:
    log = Log()
    log.publish(tags(TALKS, UPSET))
    log.event(said("投诉", "m1"), NOON)
    log.event(said("hello", "m2"), NOON + 4 * DAY)
    told = log.event(recall("m3", "m1"), NOON + 4 * DAY)
    assert (told.changes, told.seen.tags) == ([], ["talks"])


# Bounds


def test_64_values_are_kept_and_the_oldest_go_first_by_bucket_and_then_by_value() -> None:
    log = Log()
    log.publish(tags("explorer: {distinct: {of: sku, events: click, within: 2h, at_least: 64}}"))
    for number in range(VALUES):
        log.append(click(f"b{number:02}"), NOON + number // 2 * MINUTE)
    log.fold()
    (values,) = log.remembered().values.values()
    assert len(values) == VALUES
    told = log.event(click("a"), NOON + HOUR)
    assert "values_forgotten" in told.words
    (values,) = log.remembered().values.values()
    assert sorted(values)[:3] == ["a", "b01", "b02"]
    assert len(values) == VALUES


def test_values_whose_window_passed_are_not_counted_as_forgotten() -> None:
    log = Log()
    log.publish(tags("explorer: {distinct: {of: sku, events: click, within: 10m, at_least: 64}}"))
    for number in range(VALUES):
        log.append(click(f"b{number:02}"), NOON)
    log.fold()
    assert log.event(click("a"), NOON + 10 * MINUTE).words == ["exits explorer", "enriched"]
    (values,) = log.remembered().values.values()
    assert list(values) == ["a"]


def test_a_value_that_was_forgotten_is_not_taken_out_of_the_others() -> None:
    log = Log()
    log.publish(tags("wide: {distinct: {of: sku, events: [order.paid, click], within: 2h, at_least: 2}}"))
    log.event(order("o", "paid", 1, lines=()), NOON)
    for number in range(VALUES + 1):
        log.append(click(f"b{number:02}"), NOON + MINUTE)
    log.fold()
    assert log.event(order("o", "cancelled", 2), NOON + MINUTE).changes == []


# Scores


SCORED = "brand: tea\nengagement: {half_life: 1h, weights: {click: 1, order.paid: 10}}\n"


def test_an_order_is_taken_out_under_the_weight_that_it_went_in_with() -> None:
    log = Log()
    log.publish(ruleset(SCORED))
    log.event(click())
    log.event(order("o", "paid", 1))
    log.publish(ruleset(SCORED.replace("10", "3")))
    assert log.event(refund("o", "r", 10_000)).seen.engagement.brand == 1.0


def test_an_order_from_before_a_score_began_is_not_taken_out_of_it() -> None:
    log = Log()
    log.publish(ruleset(SCORED))
    log.event(order("o", "paid", 1))
    log.publish(tags())
    log.publish(ruleset(SCORED))
    log.event(click())
    assert log.event(order("o", "cancelled", 2)).seen.engagement.brand == 1.0


def test_a_score_that_is_taken_out_wholly_is_empty_and_not_almost() -> None:
    log = Log()
    log.publish(ruleset(SCORED))
    for number in range(7):
        log.event(order(f"o{number}", "paid", 1), NOON + number * 1_234_567)
    for number in range(7):
        log.event(order(f"o{number}", "cancelled", 2), NOON + 10 * 1_234_567 + number)
    score = log.remembered().score
    assert score is not None
    assert (score.value, score.events) == (0.0, 0)
