"""Units in a rules file: durations, windows, money, numbers, event names, time zones.

Each reads one value into its normalised form, or reports it and gives a
harmless one.

Source: RULES 1 to 3, CONTRACT 2 (money).
"""

import math
import re
from collections.abc import Collection, Mapping
from functools import cache
from importlib.resources import files
from typing import Final

from schemas import topics
from schemas.currencies import DIGITS
from schemas.rules import ALLIANCE, DAY_MS, EVENT_NAMES, HOUR_MS, LONGEST_MS, MINUTE_MS, SHORTEST_MS, granularity_ms
from schemas.scalars import parse_minor
from streams.rules_cursor import Cursor, meant, quoted

UNITS_MS: Final[Mapping[str, int]] = {"m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS, "w": 7 * DAY_MS}
MOST: Final = 1_000_000_000

_DURATION: Final = re.compile(r"([0-9]{1,9})([mhdw])")
_PERCENT: Final = re.compile(r"([0-9]{1,3})(?:\.([0-9]{1,4}))?%")
_ALMOST: Final = re.compile(r"\s*([0-9]{1,9})\s*(seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|hr|h|days?|d|weeks?|w)\s*", re.IGNORECASE)
_GRAINS: Final[Mapping[int, str]] = {
    HOUR_MS: "between 2h and 3d a window is counted by the hour",
    DAY_MS: "above 3d a window is counted by the day",
}


def duration(at: Cursor) -> int:
    """Read ``<int>`` and m, h, d or w, from 1 m to 400 d, into ms."""
    match = _DURATION.fullmatch(at.value) if isinstance(at.value, str) else None
    if match is None:
        at.wrong(f"{at.came} is not a duration; write {_closest_duration(at.value)}")
        return DAY_MS
    length_ms = int(match[1]) * UNITS_MS[match[2]]
    if not SHORTEST_MS <= length_ms <= LONGEST_MS:
        at.wrong(f"{at.came} is too {'short' if length_ms < SHORTEST_MS else 'long'}; expected 1m to 400d")
        return DAY_MS
    return length_ms


def window(at: Cursor) -> int:
    """Read a duration that is a multiple of its granularity (RULES 2)."""
    length_ms = duration(at)
    grain_ms = granularity_ms(length_ms)
    if length_ms % grain_ms:
        below, unit = length_ms // grain_ms, "h" if grain_ms == HOUR_MS else "d"
        at.wrong(f"{at.came} is not whole: {_GRAINS[grain_ms]}; write {below}{unit} or {below + 1}{unit}")
    return length_ms


def positive(at: Cursor, most: int = MOST) -> int:
    """Read an integer from 1 to *most*."""
    if isinstance(at.value, int) and not isinstance(at.value, bool) and 1 <= at.value <= most:
        return at.value
    at.wrong(f"{at.came}; expected a whole number from 1 to {most}")
    return 1


def integer(at: Cursor, least: int, most: int) -> int:
    """Read an integer from *least* to *most*."""
    if isinstance(at.value, int) and not isinstance(at.value, bool) and least <= at.value <= most:
        return at.value
    at.wrong(f"{at.came}; expected a whole number from {least} to {most}")
    return least


def percent(at: Cursor) -> int:
    """Read ``10%`` or ``2.5%`` into parts per million."""
    match = _PERCENT.fullmatch(at.value) if isinstance(at.value, str) else None
    ppm = int(match[1]) * 10_000 + int((match[2] or "").ljust(4, "0")) if match else -1
    if 0 <= ppm <= 1_000_000:
        return ppm
    at.wrong(f"{at.came} is not a share of members; expected 0% to 100%, such as 10%")
    return 0


def brand(at: Cursor) -> str:
    """Read a brand's name."""
    if isinstance(at.value, str) and topics.is_slug(at.value) and at.value != ALLIANCE:
        return at.value
    at.wrong(f"{at.came} is not a brand's name; expected 2 to 32 of a-z, 0-9 and -, a letter first")
    return "?"


def currency(at: Cursor) -> str:
    """Read a currency of ISO 4217."""
    if isinstance(at.value, str) and at.value in DIGITS:
        return at.value
    hint = meant(at.value, DIGITS) if isinstance(at.value, str) else ""
    at.wrong(f"{at.came} is not a currency of ISO 4217{hint}; expected a code such as CNY")
    return ""


def money(at: Cursor, currency: str) -> int:
    """Read an amount above 0, a string in *currency*'s major unit, into its minor unit; *currency* is empty where it is wrong itself."""
    if isinstance(at.value, int | float) and not isinstance(at.value, bool):
        at.wrong(f"{at.came} is not money; write it in quotes: {quoted(at.came)}")
        return 1
    amount_minor = parse_minor(at.value, DIGITS[currency or "CNY"])
    if amount_minor is not None and amount_minor > 0:
        return amount_minor
    if currency:
        example = f"{1000:.{DIGITS[currency]}f}"
        at.wrong(f"{at.came} is not money in {currency}; expected a decimal string above 0, such as {quoted(example)}")
    return 1


def number(at: Cursor, least: float) -> float:
    """Read a number from *least* up."""
    if isinstance(at.value, int | float) and not isinstance(at.value, bool) and math.isfinite(at.value) and least <= at.value <= MOST:
        return float(at.value)
    at.wrong(f"{at.came}; expected a number from {least:.6f}".rstrip("0").rstrip(".") + f" to {MOST}")
    return 1.0


def event_name(at: Cursor, known: Collection[str] = EVENT_NAMES) -> str:
    """Read the name of an event that rules know; *known* narrows them."""
    return word(at, known, "an event that can be summed" if known != EVENT_NAMES else "an event")


def event_names(at: Cursor) -> tuple[str, ...]:
    """Read one event name or a list of them; sorted, without repeats."""
    if isinstance(at.value, str):
        return (event_name(at),)
    return tuple(sorted({event_name(each) for each in at.items("an event's name or a list of them")}))


def event_key(at: Cursor, name: str) -> None:
    """Check the key of *at*, *name*, where keys are events."""
    if name not in EVENT_NAMES:
        at.wrong(f"{quoted(name)} is not an event{meant(name, EVENT_NAMES)}; expected one of {', '.join(EVENT_NAMES)}")


def word(at: Cursor, known: Collection[str], expected: str) -> str:
    """Read one of the *known* words."""
    if isinstance(at.value, str) and at.value in known:
        return at.value
    hint = meant(at.value, known) if isinstance(at.value, str) else ""
    at.wrong(f"{at.came} is not {expected}{hint}; expected one of {', '.join(known)}")
    return next(iter(known))


def text(at: Cursor, expected: str, longest: int) -> str:
    """Read a string that is not blank."""
    if isinstance(at.value, str) and at.value.strip() and len(at.value) <= longest:
        return at.value
    if isinstance(at.value, bool | int | float):
        at.wrong(f"{at.came} is not text; write it in quotes: {quoted(at.came)}")
    else:
        at.wrong(f"{at.came}; expected {expected}, 1 to {longest} characters")
    return "?"


def timezone(at: Cursor) -> str:
    """Read an IANA time zone's name."""
    if isinstance(at.value, str) and at.value in _timezones():
        return at.value
    hint = meant(at.value, _timezones()) if isinstance(at.value, str) else ""
    at.wrong(f"{at.came} is not a time zone{hint}; expected an IANA name such as Asia/Shanghai")
    return "UTC"


@cache
def _timezones() -> frozenset[str]:
    """Name the zones of the pinned tzdata: a machine may have others of its own, ``localtime`` among them."""
    return frozenset(files("tzdata").joinpath("zones").read_text().split())


def _closest_duration(value: object) -> str:
    """Say how what was meant would be written."""
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return f"{value}d (or {value}m, {value}h, {value}w)"
    match = _ALMOST.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return "a whole number and m, h, d or w, such as 90d"
    if match[2].casefold().startswith("s"):
        return f"whole minutes, such as {max(1, math.ceil(int(match[1]) / 60))}m"
    return f"{int(match[1])}{match[2][0].casefold()}"
