"""Buckets of time: minutes and hours of UTC, days of a time zone.

An event at t counts at clock c when ``0 <= bucket(c) - bucket(t) < width``, so
what holds is a function of events and clock, never of arrival order.

Source: RULES 2.
"""

from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from schemas.rules import DAY_MS, granularity_ms

_SLOT_MS: Final = 900_000  # no time zone changes its offset within a quarter of an hour
_SLOTS: Final = 4_096
_EPOCH: Final = date(1970, 1, 1).toordinal()


class Clockwork:
    """Numbers the buckets of one granularity; *day* buckets are those of *timezone*."""

    __slots__ = ("_offsets", "_zone", "grain_ms")

    def __init__(self, grain_ms: int, timezone: str) -> None:
        self.grain_ms = grain_ms
        self._zone = ZoneInfo(timezone) if grain_ms == DAY_MS and timezone != "UTC" else None
        self._offsets: dict[int, int] = {}

    def bucket(self, t_ms: int) -> int:
        """Number the bucket that holds *t_ms*."""
        if self._zone is None:
            return t_ms // self.grain_ms
        slot = t_ms // _SLOT_MS
        offset = self._offsets.get(slot)
        if offset is None:
            offset = self._remember(slot)
        return (t_ms + offset) // DAY_MS

    def start(self, bucket: int) -> int:
        """Find the first instant (ms) of *bucket* or of a later one, where a zone skips midnight."""
        if self._zone is None:
            return bucket * self.grain_ms
        day = datetime.fromordinal(bucket + _EPOCH).replace(tzinfo=self._zone)
        start = int(day.timestamp()) * 1_000
        while self.bucket(start - 1) >= bucket:
            start -= _SLOT_MS
        while self.bucket(start) < bucket:
            start += _SLOT_MS
        return start

    def _remember(self, slot: int) -> int:
        if len(self._offsets) >= _SLOTS:
            self._offsets.clear()
        at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=slot * _SLOT_MS)
        delta = at.astimezone(self._zone).utcoffset() or timedelta()
        self._offsets[slot] = offset = int(delta.total_seconds()) * 1_000
        return offset


class Window(NamedTuple):
    """So many buckets, the present one included."""

    clock: Clockwork
    width: int

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
