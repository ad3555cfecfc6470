"""Values that a publisher should not send, or only just may, for every kind of field."""

import math
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

DAY = timedelta(days=1)


def anything(random: Random, depth: int = 0) -> Any:
    """Make some document."""
    kind = random.randrange(12 if depth < 4 else 8)
    if kind < 8:
        return _scalar(random)
    if kind == 8:
        return nested(random, random.choice((2, 8, 29, 30, 31, 40, 200)))
    if kind == 9:
        return [anything(random, depth + 1) for _ in range(random.randrange(4))]
    return {text(random): anything(random, depth + 1) for _ in range(random.randrange(4))}


def nested(random: Random, depth: int) -> Any:
    """Make containers in containers."""
    inner: Any = 1
    for _ in range(depth):
        inner = [inner] if random.random() < 0.5 else {"in": inner}
    return inner


def _scalar(random: Random) -> Any:
    return random.choice((_number, _number, text, lambda _: None, lambda r: r.random() < 0.5))(random)


NUMBERS = (
    0, 1, -1, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**64 - 1, 2**64, 10**40,
    0.1, -0.0, 1e308, 5e-324, 1e19, math.nan, math.inf, -math.inf,
)  # fmt: skip
PIECES = (
    "", "a", "茶", "投诉", "\0", "\n", '"', "\\", "\u2028", "\ufeff", "é", "e\u0301", "😀", "\ud83d", "\udc00", "ſ", "İ", ":", "{",
)  # fmt: skip
AMOUNTS = (
    *"0 0.00 -0 -0.01 1 129.90 129.9 129.905 1.2345 1e3 +1 .5 5. 1,000.00 NaN Infinity ٣ 1_000 0x10 007 00.10".split(),
    "", " 1", "1 ", "9" * 13, "9" * 14, "9" * 15, "9" * 16, "9" * 33, "9" * 12 + ".99", "9" * 14 + ".9",
    1, 129.9, True, ["1"], {"amount": "1"}, None,
)  # fmt: skip


def _number(random: Random) -> Any:
    return random.choice(NUMBERS)


def text(random: Random) -> str:
    """Make a string: empty, long, of other scripts, with controls, with half a character."""
    made = "".join(random.choice(PIECES) for _ in range(random.randrange(5)))
    return made * random.choice((1, 1, 1, 1, 20, 130))


def instant(random: Random, now: datetime) -> Any:
    """Make a time: sound, at its bounds or beyond, or spelt as no RFC 3339 is."""
    at = now + random.choice((0 * DAY, -DAY, -399 * DAY, -401 * DAY, -4000 * DAY, DAY / 24, DAY * 400, DAY / 480, -DAY / 24))
    zone = random.choice(("Z", "z", "+00:00", "+08:00", "-23:59", "+24:00", "", "+0800", " UTC", "[Asia/Shanghai]", "+08"))
    spelt = at.strftime(
        random.choice(("%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dt%H:%M:%S", "%Y%m%dT%H%M%S", "%Y-%m-%dT%H:%M", "%c"))
    )
    fraction = random.choice(("", "", ".5", ".123", ".123456789", ".", ",5", ".00000000000000000001"))
    return random.choice((spelt + fraction + zone,) * 9 + (int(at.timestamp()), at.timestamp(), "now", at.strftime("%Y-%m-%dT23:59:60Z")))


def money(random: Random) -> Any:
    """Make an amount."""
    return deepcopy(random.choice(AMOUNTS))


def identity(random: Random) -> Any:
    """Make an entry of identities."""
    kind = random.choice(
        ("wx_unionid", "mobile", "wecom_external_userid", "brand_member", "wx_openid", "device", "cookie", "email", "", "MOBILE", 7, None)
    )
    junk = ("", " ", "0", "0000", "-", "-1", "null", "NULL", "None", "undefined", "NaN", "anonymous", "00-00", "138****8000", "x" * 257)
    fair = (f"b-{random.randrange(10**6)}", f"+86 138-0013-8{random.randrange(1000):03}", "é" * 128, "é" * 129, "８６138", "abc", "86")
    name = random.choice((*junk, *fair, *fair, *fair, 5, True, None, ["a"], {"id": "a"}, 2**70))
    entry: dict[str, Any] = {"type": kind, "id": name}
    if random.random() < 0.3:
        entry["verified"] = random.choice((True, False, None, "true", 1))
    if random.random() < 0.1:
        entry.pop(random.choice(list(entry)))
    return random.choice((entry,) * 12 + (None, "x", [], {}))


def currency(random: Random) -> Any:
    return random.choice(("CNY", "JPY", "KWD", "USD", "XXX", "cny", "RMB", "", "CLF", "BOV", "XAU", None, 156, "CNY "))


FIELDS: dict[str, Callable[[Random], Any]] = {
    "total": money,
    "discount": money,
    "amount": money,
    "currency": currency,
    "identities": lambda random: random.choice(
        ([identity(random) for _ in range(random.randrange(4))],) * 8 + (None, {}, "x", 0, identity(random))
    ),
    "status": lambda random: random.choice(("placed", "paid", "refunded", "cancelled", "PAID", "", None, 1, "claimed", "expired")),
    "status_version": lambda random: random.choice((0, 1, -1, 2**63 - 1, 2**63, 1.0, 1.5, "1", True, None)),
    "version": lambda random: random.choice((0, 1, -1, 2**63 - 1, 2**63, 1.0, "1", True, None)),
    "quantity": lambda random: random.choice((0, 1, -1, 0.5, "1", True, None, 2**64 - 1, 1e308)),
    "via": lambda random: random.choice(("wecom", "WECOM", "", None, 3, "other")),
    "msgtype": lambda random: random.choice(("text", "recall", "", None, "Text", [])),
    "direction": lambda random: random.choice(("in", "out", "IN", "", None)),
    "source": lambda random: random.choice(("/brand/other/shop", "/brand/", "shop", "", None, 7, "/brand/acme", "brand/acme/shop")),
    "specversion": lambda random: random.choice(("1.0", "1", 1.0, "0.3", "", None)),
    "at": lambda random: instant(random, datetime(2026, 11, 1, tzinfo=UTC)),
}
