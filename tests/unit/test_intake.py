import json

import msgspec
import pytest

from schemas import envelope, topics
from schemas.dead_letters import DeadLetter
from schemas.envelope import JSON, MSGPACK, Terms
from schemas.fold import OversizedBatch
from schemas.refusals import Reason
from schemas.scalars import instant_text
from streams.intake import AHEAD_MS, BEHIND_MS, LARGEST
from tests.published import (
    AT_MS,
    GOLDEN,
    TOPIC_ID,
    Published,
    admitted,
    changed,
    golden,
    golden_names,
    in_binary,
    in_json,
    in_msgpack,
    new_intake,
    reason,
    refused,
    stated,
)

JUNK = [{"type": "cookie", "id": "null"}]


@pytest.mark.parametrize("name", golden_names())
def test_each_golden_event_becomes_the_envelope_that_it_always_became(name: str) -> None:
    _, event = admitted(Published((GOLDEN / "events" / f"{name}.json").read_bytes()))
    lean = msgspec.structs.replace(event, value=b"")
    assert msgspec.json.format(msgspec.json.encode(lean)).decode() == (GOLDEN / "envelopes" / f"{name}.json").read_text()


@pytest.mark.parametrize("name", golden_names())
def test_the_same_event_is_the_same_in_every_mode_and_encoding(name: str) -> None:
    event = golden(name)
    ways = [
        Published(in_json(event)),
        Published(b"\xef\xbb\xbf" + in_json(event)),
        Published(json.dumps(event).encode(), [("content-type", b"application/cloudevents+json; charset=UTF-8")]),
        Published(json.dumps(event, sort_keys=True, indent=1).encode(), [("Content-Type", b"application/json")]),
        Published(in_msgpack(event)),
        Published(in_msgpack(event), [("content-type", b"application/cloudevents+msgpack")]),
        in_binary(event),
        in_binary(event, packed=True),
    ]
    came = [admitted(record) for record in ways]
    first_effect, first = came[0]
    for effect, other in came[1:]:
        assert (effect.key, effect.partition) == (first_effect.key, first_effect.partition)
        assert (other.id, other.id_hash, other.body_hash) == (first.id, first.id_hash, first.body_hash)
        assert (other.facts, other.consent, other.time_ms) == (first.facts, first.consent, first.time_ms)
        assert json.loads(other.event or other.value)["data"] == event["data"]


def test_an_event_in_the_crms_own_format_is_not_encoded_again() -> None:
    assert admitted(Published(in_json(golden("click"))), Terms(format=JSON))[1].event is None
    assert admitted(Published(in_msgpack(golden("click"))), Terms(format=MSGPACK))[1].event is None


def test_an_event_in_another_format_is_encoded_for_the_crm() -> None:
    event = golden("order-paid")
    _, for_msgpack = admitted(Published(in_json(event)), Terms(format=MSGPACK))
    _, for_json = admitted(Published(in_msgpack(event)), Terms(format=JSON))
    assert msgspec.msgpack.decode(for_msgpack.event or b"") == event
    assert json.loads(for_json.event or b"") == event


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("crm_format", [JSON, MSGPACK])
def test_an_event_in_binary_mode_returns_as_one_map(packed: bool, crm_format: int) -> None:
    event = golden("share")
    _, came = admitted(in_binary(event, packed=packed), Terms(format=crm_format))
    read = json.loads if crm_format == JSON else msgspec.msgpack.decode
    assert read(came.event or b"") == event | {"datacontenttype": "application/msgpack" if packed else "application/json"}


def test_a_byte_order_mark_does_not_reach_the_crm() -> None:
    _, came = admitted(Published(b"\xef\xbb\xbf" + in_json(golden("click"))))
    assert came.event == in_json(golden("click"))


def test_the_envelope_keeps_the_record_as_it_came() -> None:
    record = Published(in_json(golden("click")), [("x", b"\xff"), ("empty", None)], key=None)
    effect, came = admitted(record)
    assert (came.key, came.value, came.headers) == (None, record.value, (("x", b"\xff"), ("empty", None)))
    assert came.origin == envelope.Origin(TOPIC_ID, 3, 42)
    assert effect.topic == topics.MEMBERS
    assert effect.partition == topics.member_partition(effect.key or b"", 16)


def test_a_trace_makes_no_other_event() -> None:
    plain, traced = changed(traceparent=...), changed(traceparent="00-1-2-01", tracestate="a=b")
    assert admitted(Published(in_json(plain)))[1].body_hash == admitted(Published(in_json(traced)))[1].body_hash


def test_another_body_under_the_same_id_is_seen() -> None:
    one = admitted(Published(in_json(golden("click"))))[1]
    other = admitted(Published(in_json(stated("click", click_id="k-2"))))[1]
    assert one.id_hash == other.id_hash
    assert one.body_hash != other.body_hash


def test_an_integer_extension_is_the_same_event_in_a_header() -> None:
    event = changed(attempt=3, retried=True)
    header = in_binary(event | {"retried": "true"})
    assert admitted(Published(in_json(event)))[1].body_hash == admitted(header)[1].body_hash


def at(instant: int) -> bytes:
    return in_json(changed(time=instant_text(instant)))


def test_an_event_five_minutes_ahead_happens_when_kafka_took_it() -> None:
    assert admitted(Published(at(AT_MS + AHEAD_MS)))[1].time_ms == AT_MS
    assert reason(at(AT_MS + AHEAD_MS + 1)) is Reason.BAD_TIME


def test_an_event_four_hundred_days_old_still_counts() -> None:
    assert admitted(Published(at(AT_MS - BEHIND_MS)))[1].time_ms == AT_MS - BEHIND_MS
    assert reason(at(AT_MS - BEHIND_MS - 1)) is Reason.BAD_TIME


@pytest.mark.parametrize("time", [..., None, 5, "", "yesterday", "2026-11-18T11:06:40", "2026-11-18", "2026-11-18T11:06:40+0800"])
def test_a_time_without_a_zone_is_no_time(time: object) -> None:
    assert reason(in_json(changed(time=time))) is Reason.BAD_TIME


def test_a_value_of_256_kib_is_not_too_large() -> None:
    event = in_json(golden("click"))
    fitting = event + b" " * (LARGEST - len(event))
    assert admitted(Published(fitting))[1].id == "click-1"
    assert reason(fitting + b" ") is Reason.TOO_LARGE


def test_a_batch_over_the_cap_is_one_dead_letter_with_both_its_offsets() -> None:
    batch = OversizedBatch(b"\x1f\x8bcompressed")
    batch.first, batch.last = 40, 42
    letter = refused(batch)
    assert letter.refused.reason is Reason.TOO_LARGE
    assert "40 to 42" in letter.refused.detail
    assert (letter.value, letter.origin.offset) == (b"\x1f\x8bcompressed", 42)


@pytest.mark.parametrize(
    ("event", "headers"),
    [
        ([golden("click")], ()),
        (5, ()),
        ("text", ()),
        (None, ()),
        (golden("click"), [("content-type", b"application/cloudevents-batch+json")]),
        (changed(specversion="0.3"), ()),
        (changed(specversion=...), ()),
        (changed(specversion=1.0), ()),
        (changed(id=...), ()),
        (changed(id=""), ()),
        (changed(id=7), ()),
        (changed(type=...), ()),
        (changed(type=None), ()),
    ],
)
def test_what_is_no_cloudevent_is_refused_as_such(event: object, headers: list[tuple[str, bytes]]) -> None:
    assert reason(in_json(event), headers) is Reason.NOT_CLOUDEVENT


@pytest.mark.parametrize(
    "source", [..., None, 5, "", "acme/shop", "/brand/acme", "/brand/acme/", "/brand/bloom/shop", "/brand/acme/shop/1", "/brand/acme/a b"]
)
def test_nobody_publishes_for_another_brand(source: object) -> None:
    assert reason(in_json(changed(source=source))) is Reason.WRONG_BRAND


def test_a_type_that_we_do_not_know_is_refused() -> None:
    assert reason(in_json(changed(type="cn.huiliu.click.v2"))) is Reason.UNKNOWN_TYPE


@pytest.mark.parametrize(
    "event",
    [
        changed(data=...),
        changed(data=None),
        changed(data="text"),
        changed(data=[]),
        stated(identities=...),
        stated(identities=None),
        stated(identities=[]),
        stated(identities=JUNK),
        stated(identities=[{"type": "passport", "id": "P-1"}]),
        stated(identities=[{"type": "mobile", "id": "00-00"}]),
    ],
)
def test_an_event_of_nobody_is_refused(event: object) -> None:
    assert reason(in_json(event)) is Reason.NO_IDENTITY


@pytest.mark.parametrize(
    "event",
    [
        stated(identities="oUnion-1"),
        stated(identities=[5]),
        stated(identities=[{"type": "cookie", "id": 5}]),
        stated(identities=[{"type": "cookie", "id": "null"}, {"type": "cookie", "id": 5}]),
        stated(identities=[{"type": "cookie"}]),
        stated(identities=[{"type": "cookie", "id": "c", "verified": "yes"}]),
        stated(item=..., page=...),
        stated(item=..., page=""),
        stated(item={"category": "x"}),
        stated(item="SKU-1"),
        stated(first_visit="yes"),
        stated(context="web"),
        stated(context={"channel": 5}),
        stated(consent={"purposes": {"tags": True}, "version": 1, "at": "2026-11-18T11:00:00"}),
        stated(consent={"purposes": {"tags": "yes"}, "version": 1, "at": "2026-11-18T11:00:00Z"}),
        stated(consent={"purposes": {"tags": True}, "version": -1, "at": "2026-11-18T11:00:00Z"}),
        stated(consent={"version": 1, "at": "2026-11-18T11:00:00Z"}),
        stated("consent", consent=...),
        stated("share", share_id=...),
        stated("share", share_id=7),
        stated("share", share_id=""),
        stated("share", via="telegram"),
        stated("order-paid", order_id=None),
        stated("order-paid", status="lost"),
        stated("order-paid", status_version=-1),
        stated("order-paid", status_version=1.5),
        stated("order-paid", status_version="2"),
        stated("order-paid", status_version=True),
        stated("order-paid", currency=...),
        stated("order-paid", currency=156),
        stated("order-paid", total=...),
        stated("order-paid", total=None),
        stated("order-paid", lines=[{"line_id": "1", "sku": "s", "quantity": 1}]),
        stated("order-paid", lines=[{"line_id": 1, "sku": "s", "quantity": 1, "amount": "1"}]),
        stated("order-paid", lines=[{"line_id": "1", "sku": "s", "quantity": "1", "amount": "1"}]),
        stated("order-paid", coupons=[5]),
        stated("order-refunded", refund_id=...),
        stated("order-refunded", refund=...),
        stated("order-refunded", refund={}),
        stated("chat", conversation_id=...),
        stated("chat", direction="both"),
        stated("chat", msgtype="sticker"),
        stated("chat", text=5),
        stated("chat-recall", recalls=...),
        stated("coupon", status="lost"),
        stated("coupon", reward_id=..., coupon_code=...),
        changed(id="x" * 257),
    ],
)
def test_data_of_the_wrong_shape_is_refused(event: object) -> None:
    assert reason(in_json(event)) is Reason.INVALID_DATA
    assert reason(in_msgpack(event)) is Reason.INVALID_DATA


@pytest.mark.parametrize(
    "event",
    [
        stated("order-paid", total=129.9),
        stated("order-paid", total=129),
        stated("order-paid", total=["1"]),
        stated("order-paid", total=""),
        stated("order-paid", total="1e2"),
        stated("order-paid", total="1,000.00"),
        stated("order-paid", total="129.901"),
        stated("order-paid", total="-0.01"),
        stated("order-paid", total="9" * 14),
        stated("order-paid", discount="-1.00"),
        stated("order-paid", discount=1),
        stated("order-paid", currency="RMB"),
        stated("order-paid", currency="cny"),
        stated("order-paid", currency="JPY"),
        stated("order-paid", lines=[{"line_id": "1", "sku": "s", "quantity": 1, "amount": 1}]),
        stated("order-refunded", refund={"amount": "-2.125"}),
        stated("order-refunded", refund={"amount": "2.1255"}),
        stated("order-refunded", refund={"amount": "1", "lines": [{"line_id": "1", "quantity": 1, "amount": "x"}]}),
        stated("order-paid", refund={"amount": 1}),
    ],
)
def test_money_that_is_no_decimal_string_is_refused_as_money(event: object) -> None:
    assert reason(in_json(event)) is Reason.BAD_MONEY


def test_the_first_reason_in_the_contracts_order_is_the_one_given() -> None:
    worst = stated("order-paid", total=1, order_id=7, identities=[]) | {"time": 5, "type": "x", "source": "y", "id": ""}
    order = [
        Reason.NOT_CLOUDEVENT,
        Reason.WRONG_BRAND,
        Reason.UNKNOWN_TYPE,
        Reason.BAD_TIME,
        Reason.NO_IDENTITY,
        Reason.INVALID_DATA,
        Reason.BAD_MONEY,
    ]
    good = golden("order-paid")
    cures = [
        {"id": "7"},
        {"source": good["source"]},
        {"type": good["type"]},
        {"time": good["time"]},
        {"data": worst["data"] | {"identities": good["data"]["identities"]}},
        {"data": good["data"] | {"total": 1}},
        {"data": good["data"]},
    ]
    for expected, cure in zip(order, cures, strict=True):
        assert reason(in_json(worst)) is expected
        worst |= cure
    assert admitted(Published(in_json(worst)))[1].id == "7"
    twice = in_json(worst | {"id": ""}).replace(b'"shop"', b'"coupons": [], "shop"')
    assert reason(twice) is Reason.UNDECODABLE
    assert reason(twice + b" " * LARGEST) is Reason.TOO_LARGE


def test_invalid_consent_comes_before_bad_money() -> None:
    consent = {"purposes": {}, "version": 1, "at": "now"}
    assert reason(in_json(stated("order-paid", consent=consent, total=1))) is Reason.INVALID_DATA


def test_a_dead_letter_is_the_record_untouched() -> None:
    record = Published(b"{", [("a", b"1"), ("b", None)], key=b"key")
    letter = new_intake()(record)
    assert isinstance(letter, DeadLetter)
    assert letter[:6] == ("acme", envelope.Origin(TOPIC_ID, 3, 42), AT_MS, b"key", b"{", (("a", b"1"), ("b", None)))


@pytest.mark.parametrize(
    "event",
    [
        changed(id=..., subject="138 0013 8000"),
        stated("order-paid", total="13800138000-secret", identities=[{"type": "mobile", "id": "13800138000"}]),
        stated("share", via="oUnion-1"),
        changed(source="/brand/bloom/oUnion-1"),
        changed(time="oUnion-1"),
        changed(type="oUnion-1"),
        stated(identities=[{"type": "cookie", "id": 13800138000}]),
        stated(identities="oUnion-1"),
    ],
)
def test_a_detail_never_shows_an_identity(event: object) -> None:
    detail = refused(in_json(event)).refused.detail
    assert "oUnion-1" not in detail
    assert "13800138000" not in detail


@pytest.mark.parametrize(
    ("event", "detail"),
    [
        (stated("share", via="telegram"), 'data.via: "telegram" came; expected one of wechat_friend, wechat_moments'),
        (stated("order-paid", order_id=7), "data.order_id: int came; expected str"),
        (stated("share", share_id=...), "data.share_id: nothing came; expected a value"),
        (stated("order-paid", lines=[{"line_id": "1", "sku": "s", "quantity": 1, "amount": 1}]), "data.lines[0].amount: an integer came; "),
        (
            stated("order-paid", lines=[{"line_id": "1", "sku": 2, "quantity": 1, "amount": ""}]),
            "data.lines[0].sku: int came; expected str",
        ),
        (changed(source="/brand/bloom/pos"), 'source: "/brand/bloom/pos" came; expected /brand/acme/<system>'),
    ],
)
def test_a_detail_says_where_what_came_and_what_was_expected(event: object, detail: str) -> None:
    assert refused(in_json(event)).refused.detail.startswith(detail)


def test_the_device_is_told_where_a_share_may_ask_and_nowhere_else() -> None:
    phone = [{"type": "brand_member", "id": "m-1"}, {"type": "device", "id": "phone-1"}]
    share = admitted(Published(in_json(stated("share", identities=phone))))[1].device
    visit = admitted(Published(in_json(stated("click", identities=phone, share_id="s-1"))))[1].device
    plain = admitted(Published(in_json(stated("click", identities=phone, share_id=None))))[1].device
    other = admitted(Published(in_json(stated("share", identities=[phone[0], {"type": "device", "id": "phone-2"}]))))[1].device
    assert share is not None
    assert share == visit
    assert plain is None
    assert other not in (None, share)
