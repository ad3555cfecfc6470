"""Units and their spelling: money in minor units, instants in milliseconds, keys in bytes.

Source: CONTRACT 2 and 3.
"""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from schemas.currencies import DIGITS

Minor = Annotated[int, Meta(description="An amount in the minor unit of its currency.")]
Instant = Annotated[int, Meta(description="Milliseconds since 1970-01-01T00:00:00Z.")]
MemberKey = Annotated[bytes, Meta(min_length=16, max_length=16)]

MOST_DIGITS: Final = 15
"""Digits of the largest amount, in the minor unit: a thousand orders of it still add up within 64 bits."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_AMOUNTS: Final = {
    digits: re.compile(r"-?[0-9]+" if not digits else rf"-?[0-9]+(?:\.[0-9]{{1,{digits}}})?") for digits in set(DIGITS.values())
}
_TO_MICROSECONDS: Final = len("2026-01-01T00:00:00.123456Z")
_FINER: Final = re.compile(r"(\.[0-9]{6})[0-9]+")
_Zoned = Annotated[datetime, Meta(tz=True)]


def parse_minor(amount: object, digits: int) -> Minor | None:
    """Read a decimal string in the major unit of a currency that has *digits* decimals.

    None for anything else: a number, an exponent, a plus, a blank, digits other
    than ASCII's, more decimals than the currency has, or more than
    ``MOST_DIGITS`` digits of the minor unit.  Fewer decimals are fine.

    Source: CONTRACT 2.
    """
    if type(amount) is not str or _AMOUNTS[digits].fullmatch(amount) is None or len(amount) > 64:
        return None
    whole, _, decimals = amount.partition(".")
    minor = int(whole + decimals.ljust(digits, "0"))
    return minor if -(10**MOST_DIGITS) < minor < 10**MOST_DIGITS else None


def minor_text(minor: Minor, currency: str) -> str:
    """Spell *minor* as a decimal string with the digits of *currency*; KeyError for an unknown currency."""
    digits = DIGITS[currency]
    if not digits:
        return str(minor)
    whole, decimals = divmod(abs(minor), 10**digits)
    return f"{'-' if minor < 0 else ''}{whole}.{decimals:0{digits}d}"


def parse_instant(text: str) -> Instant | None:
    """Read an RFC 3339 date and time with its zone; None for anything else.

    What is finer than a millisecond is cut off.  A leap second is the first
    second of the next minute.

    Source: CONTRACT 2.
    """
    if len(text) < 20 or text[10] not in "Tt" or (text[-1] not in "Zz" and text[-3] != ":"):
        return None
    if len(text) > _TO_MICROSECONDS:
        text = _FINER.sub(r"\1", text)
    try:
        return (msgspec.convert(text, _Zoned) - _EPOCH) // _MILLISECOND
    except msgspec.ValidationError:
        return _parse_leap_second(text)


def _parse_leap_second(text: str) -> Instant | None:
    if text[14:19] != "59:60":
        return None
    before = parse_instant(f"{text[:17]}59{text[19:]}")
    return None if before is None else before + 1000


def instant_text(instant: Instant) -> str:
    """Spell *instant* as RFC 3339 in UTC with milliseconds."""
    minute, rest = divmod(instant, 60_000)
    return f"{_minute_text(minute)}{rest // 1000:02d}.{rest % 1000:03d}Z"


@lru_cache(maxsize=65_536)
def _minute_text(minute: int) -> str:
    return (_EPOCH + timedelta(minutes=minute)).strftime("%Y-%m-%dT%H:%M:").rjust(17, "0")
