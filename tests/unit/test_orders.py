"""Orders: whatever the order of arrival, the same counts, sums, values and spend."""

from itertools import permutations

import pytest

from schemas.envelope import Order, RefundLine
from schemas.state import KEPT_MS, ORDERS, StatusRecord, unpack_order, unpack_orders
from schemas.state import Order as Known
from streams import orders
from streams.acts import ORDERS_BYTES
from tests.unit.one_partition import DAY, HOUR, NOON, Log, Told, click, line, order, refund, tags

BUYER = "buyer: {count: {events: order.paid, within: 30d, at_least: 1}}"
RICH = 'rich: {sum: {of: order.paid, within: 30d, at_least: "80.00", currency: CNY}}'
LIKES = "likes: {top: {of: category, events: order.paid, within: 30d, at_least: 1}}"
WIDE = "wide: {distinct: {of: sku, events: order.paid, within: 30d, at_least: 2}}"
ALL = (BUYER, RICH, LIKES, WIDE, "hot: {engagement: {at_least: 9}}")
HEAD = "timezone: Asia/Shanghai\nengagement: {half_life: 7d, weights: {order.paid: 10}}"
LINES = (line("1", "tea"), line("2", "silk", 2))


def known(*facts: Order) -> Known:
    """An order of which *facts* are known."""
    found = orders.new(NOON)
    for offset, one in enumerate(facts):
        record = StatusRecord(one.version, NOON + offset, offset, one.total_minor, one.currency, 1.0, 0.0, f"e{offset}", one.lines)
        orders.take(found, one, record)
    return found


def ended(*facts: Order) -> Told:
    """What a neutral event shows after *facts*, which are at the times of their versions."""
    log = Log()
    log.publish(tags(*ALL, head=HEAD))
    for one in facts:
        log.append(one, NOON - 9 * HOUR + one.version, event_id=f"{one.status}-{one.version}-{one.refund_id}")
    log.append(order("another", "placed", 1), NOON)
    return Told(log.fold().decisions[-1:])


def test_what_is_known_of_an_order_decides_what_it_counts_for() -> None:
    found = orders.contributions(known(order("o", "placed", 1, lines=LINES), order("o", "paid", 2, lines=LINES)))
    assert sorted(found) == ["paid", "placed"]
    assert (found["paid"].name, found["paid"].net_minor, found["paid"].time_ms, found["paid"].id) == ("order.paid", 10_000, NOON + 1, "e1")
    assert (found["paid"].skus, found["paid"].categories) == (["sku-1", "sku-2"], ["silk", "tea"])


@pytest.mark.parametrize("facts", list(permutations([order("o", "paid", 2, 900), order("o", "paid", 4, 700), order("o", "paid", 3, 800)])))
def test_the_highest_version_of_a_status_gives_time_and_amount(facts: tuple[Order, ...]) -> None:
    found = orders.contributions(known(*facts))["paid"]
    assert (found.net_minor, found.time_ms) == (700, NOON + [one.version for one in facts].index(4))


def test_a_lower_version_of_the_same_status_is_enriched_and_changes_nothing() -> None:
    log = Log()
    log.publish(tags(BUYER, RICH))
    log.event(order("o", "paid", 3, 10_000))
    told = log.event(order("o", "paid", 2, 5_000))
    assert (told.words, told.seen.spend) == (["enriched"], {"CNY": "100.00"})


def test_paid_after_a_higher_completed_still_adds_the_payment() -> None:
    log = Log()
    log.publish(tags(BUYER))
    assert log.event(order("o", "completed", 3)).changes == []
    assert log.event(order("o", "paid", 2)).changes == ["enters buyer"]


def test_spend_is_what_was_paid_and_else_what_was_completed() -> None:
    log = Log()
    assert log.event(order("o", "completed", 3, 5_000)).seen.spend == {"CNY": "50.00"}
    seen = log.event(order("o", "paid", 2, 4_000)).seen
    assert (seen.orders, seen.spend) == (1, {"CNY": "40.00"})


def test_an_order_that_is_only_placed_or_shipped_is_none_yet() -> None:
    log = Log()
    log.event(order("o", "placed", 1))
    seen = log.event(order("o", "shipped", 2)).seen
    assert (seen.orders, seen.spend) == (0, {})


def test_spend_is_kept_apart_by_currency_and_none_is_left_out() -> None:
    log = Log()
    log.event(order("o1", "paid", 1, 1_000, currency="CNY"))
    log.event(order("o2", "paid", 1, 1_000, currency="JPY"))
    seen = log.event(order("o3", "paid", 1, 0, currency="KWD")).seen
    assert (seen.orders, seen.spend) == (3, {"CNY": "10.00", "JPY": "1000"})


# Cancels


def test_the_highest_version_that_is_no_refund_says_whether_an_order_is_cancelled() -> None:
    assert orders.void(known(order("o", "paid", 1), order("o", "cancelled", 2)))
    assert not orders.void(known(order("o", "paid", 3), order("o", "cancelled", 2)))
    assert orders.void(known(order("o", "cancelled", 2), refund("o", "r", 1)))


def test_a_cancel_takes_all_but_itself_out() -> None:
    found = orders.contributions(known(order("o", "placed", 1), order("o", "paid", 2), order("o", "cancelled", 3)))
    assert sorted(found) == ["cancelled"]


def test_a_cancelled_order_that_is_paid_again_counts_again() -> None:
    log = Log()
    log.publish(tags(BUYER))
    log.event(order("o", "paid", 1))
    assert log.event(order("o", "cancelled", 2)).changes == ["exits buyer"]
    assert log.event(order("o", "paid", 3)).changes == ["enters buyer"]


# Refunds


def test_refunds_add_up_by_their_id() -> None:
    found = known(order("o", "paid", 1), refund("o", "r1", 3_000), refund("o", "r2", 2_000))
    assert orders.counts(found) == (True, "CNY", 5_000)
    assert orders.contributions(found)["paid"].net_minor == 5_000


def test_one_fen_less_than_everything_is_no_full_refund() -> None:
    assert not orders.void(known(order("o", "paid", 1), refund("o", "r1", 9_999)))
    assert orders.void(known(order("o", "paid", 1), refund("o", "r1", 9_999), refund("o", "r2", 1)))


def test_a_refund_is_full_by_the_total_of_the_highest_version() -> None:
    assert not orders.void(known(order("o", "paid", 1, 5_000), order("o", "completed", 2, 8_000), refund("o", "r1", 5_000)))
    assert orders.void(known(order("o", "paid", 1, 8_000), order("o", "completed", 2, 5_000), refund("o", "r1", 5_000)))


def test_a_refund_of_more_than_was_paid_leaves_no_negative_sum() -> None:
    found = known(order("o", "paid", 1, 5_000), order("o", "completed", 2, 8_000), refund("o", "r1", 7_000))
    assert orders.counts(found) == (True, "CNY", 0)
    assert orders.contributions(found)["paid"].net_minor == 0


def test_a_refund_in_another_currency_takes_nothing_out() -> None:
    found = known(order("o", "paid", 1), refund("o", "r1", 10_000, currency="JPY"))
    assert orders.counts(found) == (True, "CNY", 10_000)


def test_a_refund_of_an_order_never_seen_takes_nothing_out_and_is_counted_as_a_warning() -> None:
    log = Log()
    told = log.event(refund("o", "r1", 10_000))
    assert told.words == ["refund_without_order", "enriched"]
    assert (told.seen.orders, told.seen.spend) == (0, {})


def test_a_refund_before_its_order_ends_the_same() -> None:
    log = Log()
    log.publish(tags(BUYER, RICH))
    log.event(refund("o", "r1", 10_000))
    told = log.event(order("o", "paid", 1))
    assert (told.changes, told.seen.orders) == ([], 0)


def test_a_line_leaves_values_when_all_of_it_was_refunded_and_not_before() -> None:
    half = refund("o", "r1", 100, lines=(RefundLine("2", 1, 100),))
    rest = refund("o", "r2", 100, lines=(RefundLine("2", 1, 100),))
    assert orders.contributions(known(order("o", "paid", 1, lines=LINES), half))["paid"].categories == ["silk", "tea"]
    assert orders.contributions(known(order("o", "paid", 1, lines=LINES), half, rest))["paid"].categories == ["tea"]


def test_a_partial_refund_lowers_sums_only() -> None:
    log = Log()
    log.publish(tags(*ALL, head=HEAD))
    log.event(order("o", "paid", 1, lines=LINES))
    told = log.event(refund("o", "r1", 2_001))
    assert told.changes == ["exits rich"]
    assert told.seen.tags == ["buyer", "hot", "likes:silk", "wide"]
    assert (told.seen.orders, told.seen.spend) == (1, {"CNY": "79.99"})


def test_a_refunded_line_ends_what_it_led() -> None:
    log = Log()
    log.publish(tags(*ALL, head=HEAD))
    log.event(order("o", "paid", 1, lines=LINES))
    told = log.event(refund("o", "r1", 1_000, lines=(RefundLine("2", 2, 1_000),)))
    assert told.changes == ["exits likes:silk", "enters likes:tea", "exits wide"]


def test_a_refund_counts_as_an_event_of_its_own_at_its_own_time() -> None:
    log = Log()
    log.publish(tags("returns: {count: {events: order.refunded, within: 2h, at_least: 2}}"))
    log.event(order("o", "paid", 1), NOON - 9 * DAY)
    log.event(refund("o", "r1", 1), NOON)
    assert log.event(refund("o", "r2", 1), NOON).changes == ["enters returns"]


@pytest.mark.parametrize(
    "facts",
    [
        (order("o", "placed", 1, lines=LINES), order("o", "paid", 2, lines=LINES), order("o", "completed", 3, lines=LINES)),
        (order("o", "placed", 1, lines=LINES), order("o", "paid", 2, lines=LINES), order("o", "cancelled", 3)),
        (order("o", "paid", 2, lines=LINES), refund("o", "r1", 2_500), refund("o", "r2", 7_500)),
        (order("o", "paid", 2, lines=LINES), refund("o", "r1", 2_500, lines=(RefundLine("1", 1, 1),)), order("o", "paid", 4, 9_000)),
    ],
)
def test_in_whatever_order_records_come_the_member_ends_the_same(facts: tuple[Order, ...]) -> None:
    """Of an order, its cancel and its refunds, every permutation."""
    seen = {str(ended(*one).seen) for one in permutations(facts)}
    assert len(seen) == 1


def test_what_ends_the_same_is_not_the_same_for_every_order() -> None:
    paid = order("o", "paid", 2, lines=LINES)
    assert ended(paid).seen.tags == ["buyer", "hot", "likes:silk", "rich", "wide"]
    assert ended(paid, order("o", "cancelled", 3)).seen.tags == []


# (c) Natural keys


def test_a_version_of_an_order_is_had_once() -> None:
    log = Log()
    log.event(order("o", "paid", 1))
    assert log.event(order("o", "paid", 1)).words == ["duplicate"]
    assert log.event(order("o", "paid", 2)).words == ["enriched"]


def test_a_version_is_one_over_all_statuses_but_refunds() -> None:
    log = Log()
    log.event(order("o", "paid", 9))
    assert log.event(order("o", "completed", 9)).words == ["duplicate"]
    assert log.event(refund("o", "r1", 1)).words == ["enriched"]


def test_a_known_version_with_another_amount_is_refused_and_says_which() -> None:
    log = Log()
    log.event(order("o", "paid", 1, 10_000))
    letter = log.event(order("o", "paid", 1, 10_001)).letter
    assert "100.01 CNY came" in letter.refused.detail
    assert "100.00 CNY" in letter.refused.detail
    assert log.event(order("o", "paid", 1, 10_000, currency="JPY")).words == ["refused invalid_data"]


def test_a_refund_is_had_once_and_refused_with_another_amount() -> None:
    log = Log()
    log.event(order("o", "paid", 1))
    log.event(refund("o", "r1", 1_000))
    assert log.event(refund("o", "r1", 1_000)).words == ["duplicate"]
    assert log.event(refund("o", "r1", 2_000)).words == ["refused invalid_data"]
    assert log.event(click(), NOON).seen.spend == {"CNY": "90.00"}


def test_a_copy_is_known_however_many_events_came_between() -> None:
    log = Log()
    log.event(order("o", "paid", 1))
    for _ in range(200):
        log.append(click())
    log.fold()
    assert log.event(order("o", "paid", 1)).words == ["duplicate"]


# Bounds


def test_an_order_is_kept_for_400_days_and_forgotten_after_them() -> None:
    log = Log()
    log.event(order("o", "paid", 1), NOON)
    log.event(order("later", "paid", 1), NOON + KEPT_MS)
    assert log.event(order("o", "paid", 1), NOON + KEPT_MS).words == ["duplicate"]
    log.event(order("latest", "paid", 1), NOON + KEPT_MS + DAY)
    assert sorted(unpack_orders(log.remembered().orders)) == ["later", "latest"]


def test_money_is_not_counted_twice_by_a_copy_within_400_days_of_the_payment() -> None:
    log = Log()
    log.event(order("o", "placed", 1), NOON)
    log.event(order("o", "paid", 2), NOON + 300 * DAY)
    log.event(order("another", "placed", 1), NOON + 401 * DAY)
    assert log.event(order("o", "paid", 2), NOON + 300 * DAY).words == ["duplicate"]


def whole(log: Log) -> list[str]:
    """The ids of the orders whose lines are remembered."""
    kept = unpack_orders(log.remembered().orders)
    return sorted(key for key, packed in kept.items() if unpack_order(packed).statuses["paid"].lines)


@pytest.mark.parametrize("backwards", [False, True])
def test_of_more_than_1000_orders_the_oldest_shrink_to_keys_versions_and_amounts(backwards: bool) -> None:
    log = Log()
    numbers = range(ORDERS + 3)
    for number in reversed(numbers) if backwards else numbers:
        log.append(order(f"o{number:04}", "paid", 1, lines=LINES), NOON - DAY + number)
    log.fold()
    assert whole(log) == [f"o{number:04}" for number in numbers][3:]
    assert log.event(order("o0000", "paid", 1)).words == ["duplicate"]
    assert log.event(order("o0000", "paid", 1, 1)).words == ["refused invalid_data"]
    seen = log.event(order("o0000", "cancelled", 2)).seen
    assert (seen.orders, seen.spend) == (ORDERS + 2, {"CNY": f"{100 * (ORDERS + 2)}.00"})


def test_orders_of_any_size_leave_a_state_that_the_changelog_takes() -> None:
    log = Log()
    lines = tuple(line(f"{number:0>256}", "c" * 256) for number in range(400))
    for number in range(12):
        seen = log.event(order(f"o{number}", "paid", 1, 10_000, lines=lines), NOON + number).seen
        assert sum(map(len, log.stage.table.values())) < 2 * ORDERS_BYTES
    assert (seen.orders, seen.spend) == (12, {"CNY": "1200.00"})
    assert log.event(order("o0", "paid", 1, 10_000)).words == ["duplicate"]


def test_one_order_of_any_number_of_refunds_does_too() -> None:
    log = Log()
    lines = tuple(RefundLine(f"{number:0>256}", 1, 1) for number in range(800))
    for number in range(12):
        log.event(refund("o", f"r{number}", 1, lines=lines), NOON + number)
    assert max(map(len, log.stage.table.values())) < ORDERS_BYTES
    assert log.event(refund("o", "r0", 1)).words == ["duplicate"]
