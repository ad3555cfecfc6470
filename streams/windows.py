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

    What was asked of a zone last, and before, is remembered: one event asks
    some twenty times, for its own time and for the clock.
    """

    __slots__ = ("_asked_ms", "_before", "_before_ms", "_number", "_offsets", "_zone", "grain_ms")

    def __init__(self, grain_ms: int, timezone: str) -> None:
        self.grain_ms = grain_ms
        self._zone = ZoneInfo(timezone) if grain_ms == DAY_MS and timezone != "UTC" else None
        self._offsets: dict[int, int] = {}
        self._asked_ms = self._before_ms = -1
        self._number = self._before = -1

    def bucket(self, t_ms: int) -> int:
        """Number the bucket that holds *t_ms*."""
        if self._zone is None:
            return t_ms // self.grain_ms
        if t_ms != self._asked_ms:
            number = self._before if t_ms == self._before_ms else (t_ms + self._offset(t_ms // _SLOT_MS)) // self.grain_ms
            self._before_ms, self._before = self._asked_ms, self._number
            self._asked_ms, self._number = t_ms, number
        return self._number

    def local(self, t_ms: int) -> int:
        """Give *t_ms* as the wall clock of the zone shows it, in ms since 1970-01-01T00:00 there."""
        return t_ms if self._zone is None else t_ms + self._offset(t_ms // _SLOT_MS)

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
