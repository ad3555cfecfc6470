"""Whether a CloudEvent is one that a brand may publish (CONTRACT 2, the remaining reasons), and what it says."""

import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from tests.oracle.identity import Identity, identity_of
from tests.oracle.wire import Published, Refusal, event_of

AHEAD_MS: Final = 5 * 60_000
BEHIND_MS: Final = 400 * 86_400_000
RFC3339: Final = re.compile(r"(?a)(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)")
SOURCE: Final = re.compile(r"/brand/([^/]+)/[^/\s\x00-\x1f\x7f]{1,128}")
DECIMAL: Final = re.compile(r"-?[0-9]+(?:\.([0-9]+))?")
LONGEST: Final = 256
MOST_VERSION: Final = 2**63 - 1
MOST_DIGITS: Final = 15
CURRENCIES: Final = frozenset(
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP CNY COP"
    " CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR"
    " ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN"
    " MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD"
    " SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW"
    " BOV CHE CHW CLF COU MXV USN UYI UYW VED XAD XCD XCG ZWG".split()
)
NO_DIGITS: Final = frozenset("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split())
FOUR_DIGITS: Final = ("CLF", "UYW")
THREE_DIGITS: Final = frozenset("BHD IQD JOD KWD LYD OMR TND".split())
STATUSES: Final = ("placed", "paid", "shipped", "completed", "cancelled", "refunded")
VIAS: Final = ("wechat_friend", "wechat_moments", "wechat_group", "wecom", "weibo", "xiaohongshu", "douyin", "qr", "link", "other")
MESSAGES: Final = ("text", "image", "voice", "video", "link", "event", "recall")

Map = dict[str, Any]


class Said(NamedTuple):
    """A trusted event: what it says, of whom, when (effective time), and the event itself."""

    kind: str
    who: Identity
    at_ms: int
    event: Map
    data: Map


def judge(record: Published) -> Said:
    """Read *record*; raises Refusal with the first reason, in the contract's order, that applies."""
    event = event_of(record)
    source = SOURCE.fullmatch(event["source"]) if isinstance(event.get("source"), str) else None
    if source is None or source[1] != record.brand:
        raise Refusal("wrong_brand")
    match = re.fullmatch(r"cn\.huiliu\.(click|share|order|chat|coupon|consent)\.v1", event["type"])
    if match is None:
        raise Refusal("unknown_type")
    at_ms = _effective(event.get("time"), record.append_ms)
    data = event.get("data")
    who = identity_of(record.brand, data)
    assert isinstance(data, dict)  # identity_of found its identities
    if len(event["id"]) > LONGEST:
        raise Refusal("invalid_data", "id")
    _common(data)
    CHECKS[match[1]](data)
    if match[1] == "order":
        _money(data)
    return Said(match[1], who, at_ms, event, data)


def digits(currency: str) -> int:
    """Tell how many decimals *currency* has."""
    if currency in FOUR_DIGITS:
        return 4
    return 0 if currency in NO_DIGITS else 3 if currency in THREE_DIGITS else 2


def minor(amount: str, currency: str) -> int:
    """Turn a decimal string into an integer of the minor unit."""
    return int(Decimal(amount).scaleb(digits(currency)))


def instant(text: Any) -> int | None:
    """Read an RFC 3339 time as milliseconds, fractions cut; None if it is none."""
    match = RFC3339.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    zone = "+00:00" if match[4] in "Zz" else match[4]
    leap = match[2][3:] == "59:60"
    try:
        whole = datetime.fromisoformat(f"{match[1]}T{match[2][:-2] + '59' if leap else match[2]}{zone}")
    except ValueError:
        return None
    return (int(whole.timestamp()) + leap) * 1000 + int(((match[3] or "") + "000")[:3])


def _effective(text: Any, append_ms: int) -> int:
    at_ms = instant(text)
    if at_ms is None or at_ms > append_ms + AHEAD_MS or at_ms < append_ms - BEHIND_MS:
        raise Refusal("bad_time")
    return min(at_ms, append_ms)


def _need(where: Map, name: str, right: Callable[[Any], bool]) -> None:
    """Demand a field that is there and right."""
    if where.get(name) is None or not right(where[name]):
        raise Refusal("invalid_data", name)


def _may(where: Map, right: Callable[[Any], bool], *names: str) -> None:
    """Demand that each field is right, if it is there."""
    for name in names:
        if where.get(name) is not None:
            _need(where, name, right)


def _words(value: Any) -> bool:
    return isinstance(value, str)


def _name(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST


def _full(value: Any) -> bool:
    return _name(value) and value != ""


def _open(value: Any) -> bool:
    return isinstance(value, str | dict)


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _map(value: Any) -> bool:
    return isinstance(value, dict)


def _maps(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(part, dict) for part in value)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _natural(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_VERSION


def _one_of(*words: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and value in words


def _strings(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(part, str) for part in value)


def _recipients(value: Any) -> bool:
    return _strings(value) and len(value) <= 1000 and all(len(brand) <= 32 for brand in value)


def _common(data: Map) -> None:
    _may(data, _map, "context", "consent")
    context = data.get("context") or {}
    _may(context, _words, "channel", "referrer")
    _may(context, _open, "page", "device", "app")
    _may(context, _map, "campaign")
    _may(context.get("campaign") or {}, _words, "source", "medium", "name", "content", "term")
    if data.get("consent") is not None:
        _consent(data["consent"])


def _consent(stated: Map) -> None:
    _need(stated, "purposes", _map)
    _may(stated["purposes"], _flag, "tags", "rewards", "alliance")
    _may(stated, _recipients, "recipients")
    _need(stated, "version", _natural)
    _need(stated, "at", lambda value: instant(value) is not None)


def _item(data: Map) -> None:
    if data.get("item") is not None:
        _need(data, "item", _map)
        _need(data["item"], "sku", _full)
        _may(data["item"], _name, "category", "brand")


def _click(data: Map) -> None:
    if data.get("item") is None and not data.get("page"):
        raise Refusal("invalid_data", "item or page")
    _item(data)
    _may(data, _open, "page")
    _may(data, _name, "click_id", "share_id")
    _may(data, _flag, "first_visit")


def _share(data: Map) -> None:
    _need(data, "share_id", _full)
    _need(data, "via", _one_of(*VIAS))
    _item(data)
    _may(data, _name, "content_id", "parent_share_id", "owner_brand", "room_id")


def _order(data: Map) -> None:
    _need(data, "order_id", _full)
    _need(data, "status", _one_of(*STATUSES))
    _need(data, "status_version", _natural)
    for name in ("currency", "total"):
        if data.get(name) is None:
            raise Refusal("invalid_data", name)
    _may(data, _maps, "lines")
    _may(data, lambda listed: isinstance(listed, list) and all(map(_full, listed)), "coupons")
    _may(data, _name, "share_id", "click_id", "refund_id")
    _may(data, _map, "refund")
    _need(data, "currency", _words)
    for line in data.get("lines") or []:
        _lines(line, _full, "line_id", "sku")
        _may(line, _name, "category")
    if data["status"] == "refunded":
        _need(data, "refund_id", _full)
        _need(data, "refund", _map)
    if data.get("refund") is not None:
        if data["refund"].get("amount") is None:
            raise Refusal("invalid_data", "refund.amount")
        _may(data["refund"], _maps, "lines")
        for line in data["refund"].get("lines") or []:
            _lines(line, _full, "line_id")


def _lines(line: Map, right: Callable[[Any], bool], *names: str) -> None:
    for name in names:
        _need(line, name, right)
    _need(line, "quantity", _number)
    if line.get("amount") is None:
        raise Refusal("invalid_data", "lines[].amount")


def _money(data: Map) -> None:
    currency = data["currency"]
    if currency not in CURRENCIES:
        raise Refusal("bad_money", "currency")
    refund = data.get("refund") or {}
    unsigned = [data["total"], data.get("discount"), refund.get("amount")]
    signed = [line["amount"] for line in [*(data.get("lines") or []), *(refund.get("lines") or [])]]
    for amount, floor in [*((one, 0) for one in unsigned), *((one, None) for one in signed)]:
        if amount is None:
            continue
        match = DECIMAL.fullmatch(amount) if isinstance(amount, str) and len(amount) <= 32 else None
        if match is None or len(match[1] or "") > digits(currency) or (floor is not None and Decimal(amount) < floor):
            raise Refusal("bad_money")
        if abs(minor(amount, currency)) >= 10**MOST_DIGITS:
            raise Refusal("bad_money")


def _chat(data: Map) -> None:
    _need(data, "conversation_id", _full)
    _need(data, "message_id", _full)
    _need(data, "direction", _one_of("in", "out"))
    _need(data, "msgtype", _one_of(*MESSAGES))
    _may(data, _words, "text")
    _may(data, _name, "agent_id", "room_id", "recalls")
    if data["msgtype"] == "recall":
        _need(data, "recalls", _full)


def _coupon(data: Map) -> None:
    if not data.get("reward_id") and not data.get("coupon_code"):
        raise Refusal("invalid_data", "reward_id or coupon_code")
    _may(data, _name, "reward_id", "coupon_code", "order_id")
    _need(data, "status", _one_of("claimed", "redeemed", "expired"))


def _consented(data: Map) -> None:
    _need(data, "consent", _map)


CHECKS: Final[dict[str, Callable[[Map], None]]] = {
    "click": _click,
    "share": _share,
    "order": _order,
    "chat": _chat,
    "coupon": _coupon,
    "consent": _consented,
}
