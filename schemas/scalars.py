"""Units and their spelling: money in minor units, instants in milliseconds, keys in bytes.

Source: CONTRACT 2 and 3.
"""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from msgspec import Meta

from schemas.currencies import DIGITS

Minor = Annotated[int, Meta(description="An amount in the minor unit of its currency.")]
Instant = Annotated[int, Meta(description="Milliseconds since 1970-01-01T00:00:00Z.")]
MemberKey = Annotated[bytes, Meta(min_length=16, max_length=16)]

MOST_DIGITS: Final = 15
"""Digits of the largest amount, in the minor unit: a thousand orders of it still add up within 64 bits."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_MINUTES: Final = tuple(f"T{minute // 60:02d}:{minute % 60:02d}:" for minute in range(1440))
_SECONDS: Final = tuple(f"{second:02d}." for second in range(60))
_MILLIS: Final = tuple(f"{milli:03d}Z" for milli in range(1000))
_MS_OF_SECONDS: Final = {text: 1000 * second for second, text in enumerate(_SECONDS)}
_MS_OF_MILLIS: Final = {text: milli for milli, text in enumerate(_MILLIS)}
_LONGEST_AMOUNT: Final = 32
_KNOWN_MINUTES: Final = 65_536
_minutes: Final[dict[str, Instant]] = {}
"""Minutes by their text: few of them are met often.  Emptied when full."""
_KNOWN_DAYS: Final = 4_096
_day_texts: Final[dict[int, str]] = {}
_MOST: Final = 10**MOST_DIGITS - 1


def parse_minor(amount: object, digits: int) -> Minor | None:
    """Read a decimal string in the major unit of a currency that has *digits* decimals.

    None for anything else: a number, an exponent, a plus, a blank, digits other
    than ASCII's, more decimals than the currency has, or more than
    ``MOST_DIGITS`` digits of the minor unit.  Fewer decimals are fine.

    Source: CONTRACT 2.
    """
    if type(amount) is not str or len(amount) > _LONGEST_AMOUNT or not amount.isascii():
        return None
    whole, point, decimals = amount.partition(".")
    negative = whole.startswith("-")
    if negative:
        whole = whole[1:]
    if not whole.isdecimal() or len(decimals) > digits or (point and not decimals.isdecimal()):
        return None
    minor = int(whole + decimals.ljust(digits, "0"))
    if minor > _MOST:
        return None
    return -minor if negative else minor


def minor_text(minor: Minor, currency: str) -> str:
    """Spell *minor* as a decimal string with the digits of *currency*; KeyError for an unknown currency."""
    digits = DIGITS[currency]
    if not digits:
        return str(minor)
    text = str(abs(minor)).zfill(digits + 1)
    return f"{'-' if minor < 0 else ''}{text[:-digits]}.{text[-digits:]}"


def parse_instant(text: str) -> Instant | None:
    """Read an RFC 3339 date and time with its zone; None for anything else.

    What is finer than a millisecond is cut off.  A leap second is the first
    second of the next minute.  The spelling that most systems write, ours too,
    is put together from parts: a third of the time, once an event.

    Source: CONTRACT 2.
    """
    seconds, millis = _MS_OF_SECONDS.get(text[17:20]), _MS_OF_MILLIS.get(text[20:])
    if seconds is not None and millis is not None:
        minute = _minute_of(text[:17])
        return None if minute is None else minute + seconds + millis
    return _parse_any(text)


def _minute_of(text: str) -> Instant | None:
    found = _minutes.get(text)
    if found is None and (found := _parse_any(f"{text}00.000Z")) is not None:
        if len(_minutes) >= _KNOWN_MINUTES:
            _minutes.clear()
        _minutes[text] = found
    return found


def _parse_any(text: str) -> Instant | None:
    if not _shaped(text):
        return None
    try:
        return (datetime.fromisoformat(text) - _EPOCH) // _MILLISECOND
    except ValueError:
        return _parse_rarer(text)


def _shaped(text: str) -> bool:
    """Tell whether separators and zone are where RFC 3339 has them: ISO 8601 allows much more."""
    return (
        len(text) >= 20
        and text[4] == text[7] == "-"
        and text[10] in "Tt"
        and text[13] == text[16] == ":"
        and (text[19] in "Z+-z" or (text[19] == "." and text[20:21].isdecimal()))
        and (text[-1] in "Zz" or (text[-3] == ":" and text[-6] in "+-"))
    )


def _parse_rarer(text: str) -> Instant | None:
    """Read what Python does not: letters in lower case, and the leap second."""
    if "t" in text or "z" in text:
        return _parse_any(text.replace("t", "T").replace("z", "Z"))
    if text[14:19] != "59:60":
        return None
    before = _parse_any(f"{text[:17]}59{text[19:]}")
    return None if before is None else before + 1000


def instant_text(instant: Instant) -> str:
    """Spell *instant* as RFC 3339 in UTC with milliseconds."""
    of_day = instant % 86_400_000
    of_minute = of_day % 60_000
    day, minute, second = _day_text(instant // 86_400_000), _MINUTES[of_day // 60_000], _SECONDS[of_minute // 1000]
    return f"{day}{minute}{second}{_MILLIS[of_minute % 1000]}"


def _day_text(day: int) -> str:
    text = _day_texts.get(day)
    if text is None:
        if len(_day_texts) >= _KNOWN_DAYS:
            _day_texts.clear()
        text = _day_texts[day] = (_EPOCH + timedelta(days=day)).date().isoformat()
    return text
