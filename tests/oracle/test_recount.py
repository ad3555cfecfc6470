"""Cases worked by hand.  Noon is 2026-11-24 12:00 in Shanghai (+08:00); engagement's half-life is a day."""

import pytest

from tests.oracle.brand import DAY, HOUR, MINUTE, NOON, Brand
from tests.oracle.identity import Identity
from tests.oracle.recount import Probe, recount
from tests.oracle.rules import read

HALF = "{half_life: 1d, weights: {click: 1, order.paid: 10, chat.in: 2, share: 5}}"
TWO_CLICKS = "busy: {count: {events: click, within: %s, at_least: 2}}"


def test_a_minute_window_counts_whole_minutes() -> None:
    brand = Brand().click(NOON).click(NOON + 10)
    brand.records = [record._replace(append_ms=NOON + DAY) for record in brand.records]
    rules = TWO_CLICKS % "2h"
    assert brand.lin(rules, NOON + 2 * HOUR - 1).tags == ["busy"]
    assert brand.lin(rules, NOON + 2 * HOUR).tags == []


def test_an_hour_window_keeps_an_event_to_the_end_of_its_hour() -> None:
    brand = Brand().click(NOON - 30 * MINUTE).click(NOON - 1)
    assert brand.lin(TWO_CLICKS % "3h", NOON + 2 * HOUR - 1).tags == ["busy"]
    assert brand.lin(TWO_CLICKS % "3h", NOON + 2 * HOUR).tags == []


def test_a_day_window_is_of_the_rules_time_zone() -> None:
    brand = Brand().click(NOON - 12 * HOUR).click(NOON)
    assert brand.lin(TWO_CLICKS % "4d", NOON + 3 * DAY + 12 * HOUR - 1).tags == ["busy"]
    assert brand.lin(TWO_CLICKS % "4d", NOON + 3 * DAY + 12 * HOUR).tags == []
    before_midnight = Brand().click(NOON - 12 * HOUR - 1).click(NOON)
    assert before_midnight.lin(TWO_CLICKS % "4d", NOON + 2 * DAY + 12 * HOUR).tags == []


def test_a_sum_is_net_of_refunds_in_the_bucket_of_the_payment() -> None:
    rules = 'spender: {sum: {of: order.paid, within: 30d, at_least: "80.00", currency: CNY}}'
    assert Brand().order(NOON, "paid", 1).refund(NOON, "r1", "20.00").lin(rules).tags == ["spender"]
    assert Brand().order(NOON, "paid", 1).refund(NOON, "r1", "20.01").lin(rules).tags == []


def test_orders_and_spend_are_net_and_in_any_order_of_arrival() -> None:
    forth = Brand().order(NOON - HOUR, "placed", 1).order(NOON, "paid", 2).refund(NOON, "r1", "30.00")
    back = Brand().refund(NOON, "r1", "30.00").order(NOON, "paid", 2).order(NOON - HOUR, "placed", 1)
    assert forth.lin() == back.lin()
    assert (forth.lin().orders, forth.lin().spend) == (1, {"CNY": "70.00"})


def test_refunds_that_reach_the_total_take_the_order_out() -> None:
    rules = """\
        regular: {count: {events: order.paid, within: 30d, at_least: 1}}
        sorry: {count: {events: order.refunded, within: 30d, at_least: 2}}"""
    brand = Brand().order(NOON, "paid", 1).refund(NOON, "r1", "60.00").refund(NOON, "r2", "40.00")
    member = brand.lin(rules, engagement=HALF)
    assert (member.orders, member.spend, member.tags, member.engagement) == (0, {}, ["sorry"], {"brand": 0.0})


def test_a_refund_of_an_order_never_seen_takes_nothing_out() -> None:
    member = Brand().refund(NOON, "r1", "60.00").order(NOON, "paid", 1, order="o2").lin()
    assert (member.orders, member.spend) == (1, {"CNY": "100.00"})


def test_a_cancel_counts_only_while_it_is_the_highest_version() -> None:
    cancelled = Brand().order(NOON, "cancelled", 3).order(NOON, "paid", 2)
    rules = "gone: {count: {events: order.cancelled, within: 30d, at_least: 1}}"
    assert (cancelled.lin(rules).orders, cancelled.lin(rules).tags) == (0, ["gone"])
    assert cancelled.order(NOON, "paid", 4).lin(rules).orders == 1


def test_the_highest_version_of_a_status_gives_time_and_amount_once() -> None:
    brand = Brand().order(NOON - DAY, "paid", 5, "50.00").order(NOON, "paid", 2, "80.00").order(NOON, "completed", 9, "1.00")
    member = brand.lin("twice: {count: {events: order.paid, within: 30d, at_least: 2}}", engagement=HALF)
    assert (member.orders, member.spend, member.tags, member.engagement) == (1, {"CNY": "50.00"}, [], {"brand": 5.0})


def test_top_takes_the_lowest_of_equals_and_an_order_counts_once_a_category() -> None:
    lines = [{"line_id": str(n), "sku": f"s{n}", "category": name, "quantity": 1, "amount": "1.00"} for n, name in enumerate("bba")]
    rules = "likes: {top: {of: category, events: [order.paid, click], within: 30d, at_least: 1}}"
    assert Brand().order(NOON, "paid", 1, lines=lines).lin(rules).tags == ["likes:a"]
    assert Brand().order(NOON, "paid", 1, lines=lines).click(NOON, category="b").lin(rules).tags == ["likes:b"]
    assert Brand().click(NOON, category=None).lin(rules).tags == []


def test_a_line_wholly_refunded_leaves_top_and_distinct() -> None:
    lines = [{"line_id": name, "sku": name, "category": name, "quantity": 2, "amount": "50.00"} for name in "ab"]
    rules = """\
        likes: {top: {of: category, events: order.paid, within: 30d, at_least: 1}}
        wide: {distinct: {of: sku, events: order.paid, within: 30d, at_least: 2}}"""
    one = [{"line_id": "a", "quantity": 1, "amount": "25.00"}]
    brand = Brand().order(NOON, "paid", 1, lines=lines).refund(NOON, "r1", "25.00", one)
    assert brand.lin(rules).tags == ["likes:a", "wide"]
    assert brand.refund(NOON, "r2", "25.00", one).lin(rules).tags == ["likes:b"]


def test_keywords_match_after_nfkc_and_case_folding() -> None:
    rules = "upset: {keywords: {any_of: [ＲＥＦＵＮＤ, 投诉], within: 3d}}"
    assert Brand().chat(NOON, "m1", "I want a Refund").lin(rules).tags == ["upset"]
    assert Brand().chat(NOON, "m1", "我要投诉你们").lin(rules).tags == ["upset"]
    assert Brand().chat(NOON, "m1", "我要投诉", direction="out").lin(rules).tags == []


@pytest.mark.parametrize("recall_first", [True, False])
def test_a_recall_takes_its_message_out_in_any_order(recall_first: bool) -> None:
    recall = {"msgtype": "recall", "recalls": "m1"}
    brand = Brand()
    if recall_first:
        brand.chat(NOON, "m2", **recall).chat(NOON, "m1", "投诉")
    else:
        brand.chat(NOON, "m1", "投诉").chat(NOON, "m2", **recall)
    member = brand.lin("upset: {keywords: {any_of: [投诉], within: 3d}}", engagement=HALF)
    assert (member.tags, member.engagement, member.last) == ([], {"brand": 0.0}, {"chat": NOON})
    assert Brand().chat(NOON, "m1", "投诉").chat(NOON, "m2", **recall, direction="out").lin(
        engagement=HALF, tags="a: {silent: {for: 1d}}"
    ).engagement == {"brand": 2.0}


def test_silent_needs_one_act_and_counts_from_the_latest() -> None:
    rules = "sleeping: {silent: {for: 30d}}"
    assert Brand().order(NOON, "shipped", 1).lin(rules, NOON + 90 * DAY).tags == []
    brand = Brand().click(NOON - 2 * DAY).order(NOON, "paid", 1).order(NOON, "cancelled", 2)
    assert brand.lin(rules, NOON + 29 * DAY + 12 * HOUR - 1).tags == []
    assert brand.lin(rules, NOON + 29 * DAY + 12 * HOUR).tags == ["sleeping"]


def test_engagement_halves_and_is_compared_rounded() -> None:
    brand = Brand().click(NOON).chat(NOON - DAY, "m1").publish("share", NOON - 2 * DAY, {"share_id": "s", "via": "qr"})
    hot = "hot: {engagement: {at_least: 3.25}}"
    assert (brand.lin(hot, engagement=HALF).engagement, brand.lin(hot, engagement=HALF).tags) == ({"brand": 3.25}, ["hot"])
    later = brand.lin(hot, NOON + DAY, engagement=HALF)
    assert (later.engagement, later.tags) == ({"brand": 1.625}, [])


def test_booleans_and_references() -> None:
    rules = """\
        a: {count: {events: click, within: 1h, at_least: 1}}
        b: {not: {tag: a}}
        c: {all: [{tag: a}, {any: [{tag: b}, {tag: d}]}]}
        d: {top: {of: sku, events: click, within: 1h, at_least: 1}}"""
    assert Brand().click(NOON).lin(rules).tags == ["a", "c", "d:s1"]
    assert Brand().chat(NOON, "m").lin(rules).tags == ["b"]


def test_withheld_consent_leaves_counters_and_hides_tags() -> None:
    rules = "a: {count: {events: click, within: 1h, at_least: 1}}"
    no = {"purposes": {"tags": False, "rewards": True, "alliance": False}, "recipients": [], "version": 2, "at": "2026-11-24T03:00:00Z"}
    older = {**no, "purposes": {"tags": True, "rewards": True, "alliance": False}, "version": 1}
    brand = Brand().click(NOON).publish("consent", NOON, {"consent": no}).publish("consent", NOON, {"consent": older})
    member = brand.lin(rules, engagement=HALF)
    assert (member.tags, member.engagement, member.last) == ([], {}, {"click": NOON})
    again = brand.publish("consent", NOON, {"consent": {**older, "version": 3}}).lin(rules, engagement=HALF)
    assert (again.tags, again.engagement) == (["a"], {"brand": 1.0})


def test_a_time_ahead_of_its_append_is_taken_as_the_append() -> None:
    member = Brand().click(NOON + MINUTE).lin()
    assert member.last == {"click": NOON}


def test_members_of_other_identities_are_not_mixed() -> None:
    brand = Brand().click(NOON).publish("click", NOON, {"page": "p", "identities": [{"type": "wx_openid", "id": "wang"}]})
    assert brand.lin(who=Identity("wx_openid", "tea", "wang")).first_seen == NOON
    assert brand.lin(engagement=HALF, tags="a: {silent: {for: 1d}}").engagement == {"brand": 1.0}


def test_the_alliance_sums_what_consent_lets_across() -> None:
    unionid: dict[str, object] = {"identities": [{"type": "wx_unionid", "id": "u"}]}
    who = Identity("wx_unionid", "", "u")
    alliance = {"purposes": {"tags": True, "rewards": True, "alliance": True}, "version": 1, "at": "2026-11-24T03:00:00Z"}
    brand = Brand().publish("click", NOON, {**unionid, "page": "p", "consent": {**alliance, "recipients": ["milk"]}})
    for recipients in ([], ["tea"]):
        event = {**unionid, "page": "q", "consent": {**alliance, "recipients": recipients}}
        other = Brand().publish("click", NOON, event, source="/brand/milk/shop").records[0]
        verdicts = Brand([*brand.records, other._replace(brand="milk")]).verdicts()
        probes = [Probe(name, who, 9, NOON) for name in ("tea", "milk")]
        rules = [read(f"brand: tea\nengagement: {HALF}"), read(f"alliance: true\nengagement: {HALF}")]
        tea, milk = recount(verdicts, rules, probes).values()
        assert milk.engagement == {"alliance": 2.0}
        assert tea.engagement == {"brand": 1.0, "alliance": 1.0 + len(recipients)}
