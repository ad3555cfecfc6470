import json
from typing import Any

import msgpack
import pytest

from tests.oracle.brand import DAY, MINUTE, NOON, Brand, zulu

CLICK: dict[str, Any] = {
    "specversion": "1.0",
    "id": "e1",
    "source": "/brand/tea/shop",
    "type": "cn.huiliu.click.v1",
    "time": zulu(NOON),
    "data": {"identities": [{"type": "brand_member", "id": "lin"}], "item": {"sku": "s1"}},
}
ORDER: dict[str, Any] = {
    **CLICK,
    "type": "cn.huiliu.order.v1",
    "data": {**CLICK["data"], "order_id": "o1", "status": "paid", "status_version": 1, "currency": "CNY", "total": "9.90"},
}


def end(event: object = None, value: bytes | None = None, *headers: tuple[str, bytes]) -> str:
    packed = json.dumps(event).encode() if value is None else value
    return Brand().raw(packed, *headers).ends()[0]


def with_data(event: dict[str, Any], **changes: object) -> dict[str, Any]:
    data = event["data"]
    assert isinstance(data, dict)
    return {**event, "data": {name: value for name, value in {**data, **changes}.items() if value != "absent"}}


def test_the_sound_click_and_order_are_enriched() -> None:
    assert end(CLICK) == end(ORDER) == "enriched"


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"{",
        b'{"a": NaN}',
        b'{"a": 1, "a": 2}',
        b'{"a": 18446744073709551616}',
        b'{"a": 1e999}',
        b'{"a": "\\ud800"}',
        b"[" * 40 + b"]" * 40,
        b"\x81\x01\x02",
        b"\xff\xfe",
        msgpack.packb({"a": msgpack.ExtType(4, b"")}),
    ],
)
def test_what_is_neither_json_nor_messagepack_is_undecodable(value: bytes) -> None:
    assert end(value=value) == "undecodable"


def test_depth_32_is_still_decodable() -> None:
    assert end(value=b"[" * 32 + b"]" * 32) == "not_cloudevent"
    assert end(value=b"[" * 33 + b"]" * 33) == "undecodable"


def test_one_byte_over_256_kib_is_too_large_before_all_else() -> None:
    assert end(value=b"{" * (256 * 1024)) == "undecodable"
    assert end(value=b"{" * (256 * 1024 + 1)) == "too_large"


@pytest.mark.parametrize("change", [{"specversion": "0.3"}, {"id": ""}, {"id": 7}, {"type": None}])
def test_an_incomplete_envelope_is_no_cloudevent(change: dict[str, Any]) -> None:
    assert end({**CLICK, **change, "source": "/brand/milk/shop"}) == "not_cloudevent"


def test_a_batch_is_no_cloudevent() -> None:
    assert end([CLICK]) == "not_cloudevent"


@pytest.mark.parametrize("source", [None, "tea", "/brand/tea", "/brand/tea/", "/brand/milk/shop"])
def test_a_source_of_another_brand_or_form_is_wrong(source: str | None) -> None:
    assert end({**CLICK, "source": source, "type": "nonsense"}) == "wrong_brand"


def test_an_unknown_type_comes_before_a_bad_time() -> None:
    assert end({**CLICK, "type": "cn.huiliu.click.v2", "time": "now"}) == "unknown_type"


@pytest.mark.parametrize("at", [None, "now", "2026-11-24T12:00:00", zulu(NOON + 5 * MINUTE + 1), zulu(NOON - 400 * DAY - 1)])
def test_a_time_out_of_bounds_is_bad(at: str | None) -> None:
    assert end({**with_data(CLICK, identities=[]), "time": at}) == "bad_time"


@pytest.mark.parametrize("at", [zulu(NOON + 5 * MINUTE), zulu(NOON - 400 * DAY), "2026-11-24T12:00:00+08:00"])
def test_a_time_at_its_bounds_is_good(at: str) -> None:
    assert end({**CLICK, "time": at}) == "enriched"


@pytest.mark.parametrize("identities", ["absent", [], [{"type": "mobile", "id": "000"}], [{"type": "cookie", "id": " NULL "}]])
def test_junk_identifies_nobody(identities: object) -> None:
    assert end(with_data(CLICK, identities=identities, item="absent")) == "no_identity"


@pytest.mark.parametrize(
    "event",
    [
        with_data(CLICK, item="absent"),
        with_data(CLICK, item={"sku": 5}),
        with_data(CLICK, identities=[{"type": "cookie", "id": 5}]),
        with_data(ORDER, status="lost"),
        with_data(ORDER, status_version=True, currency="XXX"),
        with_data(ORDER, status_version=-1),
        with_data(ORDER, total="absent"),
        with_data(ORDER, status="refunded"),
    ],
)
def test_a_missing_or_mistyped_field_is_invalid(event: dict[str, Any]) -> None:
    assert end(event) == "invalid_data"


@pytest.mark.parametrize(
    "change", [{"total": 9.9}, {"total": "9.999"}, {"total": "-1"}, {"currency": "XYZ"}, {"currency": "JPY"}, {"discount": "-0.01"}]
)
def test_money_that_is_no_decimal_string_of_its_currency_is_bad(change: dict[str, Any]) -> None:
    assert end(with_data(ORDER, **change)) == "bad_money"


def test_binary_mode_says_the_same_as_structured() -> None:
    headers = [(f"ce_{name}", str(value).encode()) for name, value in CLICK.items() if name != "data"]
    brand = Brand().raw(json.dumps({**CLICK, "datacontenttype": "application/json"}).encode())
    brand.raw(json.dumps(CLICK["data"]).encode(), *headers, ("content-type", b"application/json"))
    assert brand.ends() == ["enriched", "duplicate"]


def test_messagepack_and_a_new_trace_make_no_new_event_but_another_body_is_refused() -> None:
    brand = Brand().raw(json.dumps(CLICK).encode()).raw(msgpack.packb({**CLICK, "traceparent": "00-1"}))
    brand.raw(json.dumps(with_data(CLICK, click_id="c")).encode())
    assert brand.ends() == ["enriched", "duplicate", "invalid_data"]


def test_bytes_in_messagepack_are_part_of_the_event() -> None:
    odd = with_data(CLICK, odd=b"x")
    brand = Brand().raw(msgpack.packb(odd)).raw(msgpack.packb(odd)).raw(msgpack.packb(with_data(CLICK, odd=b"y")))
    assert brand.ends() == ["enriched", "duplicate", "invalid_data"]


@pytest.mark.parametrize("media", [b"text/plain", b"application/avro", b"\xff"])
def test_a_content_type_of_neither_json_nor_messagepack_is_undecodable(media: bytes) -> None:
    assert end(CLICK, None, ("content-type", media)) == "undecodable"


def test_a_key_or_a_header_counts_for_the_largest_record() -> None:
    assert end(CLICK, None, ("x", b"0" * 1024 * 1024)) == "too_large"


def test_the_sixty_fifth_id_forgets_the_first() -> None:
    brand = Brand().publish("click", NOON, {"page": "p"}, id="x")
    for _ in range(63):
        brand.click(NOON)
    brand.publish("click", NOON, {"page": "p"}, id="x")
    assert brand.ends()[-1] == "duplicate"
    brand.click(NOON).publish("click", NOON, {"page": "p"}, id="x")
    assert brand.ends()[-1] == "enriched"


def test_money_is_never_counted_twice() -> None:
    brand = Brand().order(NOON, "paid", 2, "9.90").order(NOON, "completed", 2, "9.9").order(NOON, "paid", 2, "9.91")
    assert brand.ends() == ["enriched", "duplicate", "invalid_data"]
    brand = Brand().refund(NOON, "r1", "1.00").refund(NOON, "r1", "1").refund(NOON, "r1", "2.00").refund(NOON, "r2", "1.00")
    assert brand.ends() == ["enriched", "duplicate", "invalid_data", "enriched"]


def test_a_message_and_a_coupons_status_count_once() -> None:
    assert Brand().chat(NOON, "m1").chat(NOON, "m1", "other words").ends() == ["enriched", "duplicate"]
    brand = Brand().publish("coupon", NOON, {"reward_id": "r", "status": "claimed"})
    brand.publish("coupon", NOON, {"reward_id": "r", "status": "claimed"}).publish("coupon", NOON, {"reward_id": "r", "status": "redeemed"})
    assert brand.ends() == ["enriched", "duplicate", "enriched"]
