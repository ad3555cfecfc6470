"""Dates, instants and hours of the day in a rules file.

Source: RULES 5 (schedule).
"""

import re
from datetime import date, datetime
from typing import Final

from schemas.rules import DAY_MS
from schemas.scalars import parse_instant
from streams.rules_cursor import Cursor
from streams.windows import window

_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_HOURS: Final = re.compile(r"([0-9]{2}):([0-9]{2})-([0-9]{2}):([0-9]{2})")
_MINUTES: Final = 24 * 60
_FIRST: Final = date(1970, 1, 1)
_ALWAYS: Final = (0, _MINUTES)


def day_start(at: Cursor, timezone: str) -> int | None:
    """Read a date, whose first instant in *timezone* it stands for, or an instant with its zone; None where it is wrong."""
    found: int | None = None
    if isinstance(at.value, str):
        found = _first_of_day(at.value, timezone) if _DATE.fullmatch(at.value) else parse_instant(at.value)
    if found is None:
        at.wrong(f"{at.came} is not a day; write it as 2026-11-01, or with its time and zone as 2026-11-01T09:00:00+08:00")
    return found


def _first_of_day(text: str, timezone: str) -> int | None:
    try:
        day = datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007 - a day of the rules' zone, not an instant
    except ValueError:
        return None
    return window(4 * DAY_MS, timezone).clock.start((day - _FIRST).days)


def hours(at: Cursor) -> tuple[int, int]:
    """Read ``08:00-22:00`` into minutes of the day."""
    match = _HOURS.fullmatch(at.value) if isinstance(at.value, str) else None
    first, last = (int(match[1]) * 60 + int(match[2]), int(match[3]) * 60 + int(match[4])) if match else (0, 0)
    fine = match is not None and int(match[2]) < 60 and int(match[4]) < 60 and first < _MINUTES and last <= _MINUTES
    if not fine:
        at.wrong(f'{at.came} is not a time of day; write it as "08:00-22:00", or "22:00-02:00" over midnight')
        return _ALWAYS
    if first == last:
        at.wrong(f"{at.came} is no time at all, so it can never fire; leave hours out for the whole day")
        return _ALWAYS
    return first, last
