"""Buckets of time: minutes and hours of UTC, days of a time zone.

An event at t counts at clock c when ``0 <= bucket(c) - bucket(t) < width``, so
what holds is a function of events and clock, never of arrival order.

Source: RULES 2.
"""

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo

from schemas.rules import DAY_MS, granularity_ms

_SLOT_MS: Final = 900_000  # no time zone changes its offset within a quarter of an hour
_SLOTS: Final = 4_096


class Clockwork:
    """Numbers the buckets of one granularity; day buckets are those of *timezone*.

    What was asked last is remembered: one event asks for the same two instants
    some twenty times.
    """

    __slots__ = ("_numbers", "_offsets", "_zone", "grain_ms")

    def __init__(self, grain_ms: int, timezone: str) -> None:
        self.grain_ms = grain_ms
        self._zone = ZoneInfo(timezone) if grain_ms == DAY_MS and timezone != "UTC" else None
        self._offsets: dict[int, int] = {}
        self._numbers: dict[int, int] = {}

    def bucket(self, t_ms: int) -> int:
        """Number the bucket that holds *t_ms*."""
        number = self._numbers.get(t_ms)
        return number if number is not None else self._number(t_ms)

    def start(self, bucket: int) -> int:
        """Find the first instant (ms) of *bucket* or of a later one, where a zone skips midnight."""
        if self._zone is None:
            return bucket * self.grain_ms
        start = bucket * DAY_MS - self._offset(bucket * DAY_MS // _SLOT_MS)
        while self.bucket(start - 1) >= bucket:
            start -= _SLOT_MS
        while self.bucket(start) < bucket:
            start += _SLOT_MS
        return start

    def _number(self, t_ms: int) -> int:
        if len(self._numbers) >= _SLOTS:
            self._numbers.clear()
        offset = 0 if self._zone is None else self._offset(t_ms // _SLOT_MS)
        number = self._numbers[t_ms] = (t_ms + offset) // self.grain_ms
        return number

    def _offset(self, slot: int) -> int:
        offset = self._offsets.get(slot)
        if offset is None:
            if len(self._offsets) >= _SLOTS:
                self._offsets.clear()
            at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=slot * _SLOT_MS)
            delta = at.astimezone(self._zone).utcoffset() or timedelta()
            offset = self._offsets[slot] = int(delta.total_seconds()) * 1_000
        return offset


class Window:
    """So many buckets, the present one included."""

    __slots__ = ("clock", "width")

    def __init__(self, clock: Clockwork, width: int) -> None:
        self.clock = clock
        self.width = width

    def oldest(self, now_ms: int) -> int:
        """Number the oldest bucket that still counts at *now_ms*."""
        return self.clock.bucket(now_ms) - self.width + 1

    def leaves(self, bucket: int) -> int:
        """Tell the clock (ms) at which *bucket* stops counting."""
        return self.clock.start(bucket + self.width)


def window(within_ms: int, timezone: str) -> Window:
    """Give the window of a rule; its days are those of *timezone*."""
    grain_ms = granularity_ms(within_ms)
    return Window(_clockwork(grain_ms, timezone if grain_ms == DAY_MS else "UTC"), within_ms // grain_ms)


@cache
def _clockwork(grain_ms: int, timezone: str) -> Clockwork:
    return Clockwork(grain_ms, timezone)
