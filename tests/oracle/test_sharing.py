"""What shares bring, worked by hand.  Lin shares s1 (and what is sent on below it); Wei and Mei visit and buy."""

import json
from typing import Any

import pytest

from tests.oracle.brand import DAY, HOUR, MINUTE, NOON, Brand

VISITED = "opened: {count: {events: share.visited, within: 30d, at_least: %d}}"
ORDERED = "seller: {count: {events: share.ordered, within: 30d, at_least: %d}}"


def by(name: str, device: str = "") -> dict[str, Any]:
    phone = [{"type": "device", "id": device}] if device else []
    return {"identities": [{"type": "brand_member", "id": name}, *phone]}


def shares(brand: Brand, share_id: str, name: str = "lin", device: str = "", **more: Any) -> Brand:
    return brand.publish("share", NOON - DAY, {**by(name, device), "share_id": share_id, "via": "qr", **more})


def clicks(brand: Brand, share_id: str, name: str, at_ms: int = NOON, device: str = "", **more: Any) -> Brand:
    return brand.publish("click", at_ms, {**by(name, device), "page": "p", "share_id": share_id, **more})


def buys(brand: Brand, name: str, order_id: str = "o1", at_ms: int = NOON, **more: Any) -> Brand:
    return brand.order(at_ms, "paid", 1, "100.00", order_id, **by(name), **more)


def count(brand: Brand, rule: str = VISITED) -> int:
    """How many, told by which thresholds hold."""
    return max((least for least in range(1, 6) if brand.lin(rule % least).tags), default=0)


def test_each_visitor_counts_once_and_the_sharer_not_at_all() -> None:
    brand = shares(Brand(), "s1")
    for name in ("wei", "wei", "mei", "lin"):
        clicks(brand, "s1", name)
    assert count(brand) == 2


def test_the_same_device_and_a_cycle_bring_nothing() -> None:
    brand = shares(shares(Brand(), "s0", "wei"), "s1", device="phone", parent_share_id="s0")
    clicks(clicks(clicks(brand, "s1", "mei", device="phone"), "s1", "wei"), "s1", "dan", device="other")
    assert count(brand) == 1


def test_a_visit_before_its_share_counts() -> None:
    assert count(shares(clicks(Brand(), "s1", "wei"), "s1")) == 1


def test_an_order_is_the_shares_that_it_names_or_the_last_one_visited() -> None:
    brand = shares(shares(Brand(), "s1"), "s2", "dan")
    clicks(clicks(brand, "s2", "wei", NOON - HOUR), "s1", "wei", NOON - MINUTE)
    assert count(buys(brand, "wei"), ORDERED) == 1
    assert count(buys(brand, "mei", "o2", share_id="s1"), ORDERED) == 2
    assert count(buys(brand, "wei", "o3", share_id="s2"), ORDERED) == 2


@pytest.mark.parametrize(("before_ms", "counted"), [(7 * DAY, 1), (7 * DAY + 1, 0), (-1, 0)])
def test_an_order_is_a_visits_for_seven_days(before_ms: int, counted: int) -> None:
    brand = clicks(shares(Brand(), "s1"), "s1", "wei", NOON - MINUTE - before_ms)
    assert count(buys(brand, "wei", at_ms=NOON - MINUTE), ORDERED) == counted


def test_a_click_id_names_the_visit() -> None:
    brand = shares(shares(Brand(), "s1"), "s2", "dan")
    clicks(clicks(brand, "s1", "wei", NOON - HOUR, click_id="k1"), "s2", "wei", NOON - MINUTE, click_id="k2")
    assert count(buys(brand, "wei", click_id="k1"), ORDERED) == 1


def test_a_refund_in_full_takes_an_order_back_and_one_in_part_does_not() -> None:
    brand = buys(shares(Brand(), "s1"), "wei", share_id="s1")
    refund = {"order_id": "o1", "status": "refunded", "status_version": 9, "currency": "CNY", "total": "100.00", **by("wei")}
    brand.publish("order", NOON, {**refund, "refund_id": "r1", "refund": {"amount": "40.00"}})
    assert count(brand, ORDERED) == 1
    brand.publish("order", NOON, {**refund, "refund_id": "r2", "refund": {"amount": "60.00"}})
    assert count(brand, ORDERED) == 0


def test_the_shares_own_item_is_what_is_valued() -> None:
    brand = clicks(shares(Brand(), "s1", item={"sku": "x", "category": "oolong"}), "s1", "wei")
    assert brand.lin("liked: {top: {of: category, events: share.visited, within: 30d, at_least: 1}}").tags == ["liked:oolong"]
    assert json.loads(brand.records[0].value or b"")["data"]["item"]["sku"] == "x"


@pytest.mark.parametrize(("recipients", "counted"), [(["milk"], 2), (["silk"], 0)])
def test_another_brands_share_counts_where_it_was_sent_on_if_it_may_cross(recipients: list[str], counted: int) -> None:
    crosses = {"purposes": {"alliance": True}, "recipients": recipients, "version": 1, "at": "2026-11-24T03:00:00Z"}
    brand = shares(Brand(), "s1", owner_brand="milk", consent=crosses)
    clicks(brand, "s1", "dan")
    brand.publish("click", NOON, {**by("wei"), "page": "p", "share_id": "s1"}, source="/brand/milk/shop")
    brand.records[-1] = brand.records[-1]._replace(brand="milk")
    assert count(brand) == counted
