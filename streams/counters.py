"""Counters: how often, how much, which values, in buckets of time.

A counter adds what an event brings into the event's own bucket and takes it
out of the same one, so its content is a function of the events that count.
Buckets that no clock to come can reach are dropped when a new one opens.

This module is on the hot path (about 0.4 µs a counter and event), hence plain
dicts edited in place; they belong to the batch's working set.

Source: RULES 2 and 3.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.member_state import BrandState, Buckets, Recent
from schemas.state import VALUES
from streams import evidence
from streams.windows import Window


@dataclass(frozen=True)
class Counter:
    """What a counter counts, from the record after *since_offset* on.

    *kind*: ``count``, ``sum`` (of *currency*), ``values`` (of *dimension*) or
    ``keywords`` (*words*, as written).
    """

    id: int
    kind: str
    events: tuple[str, ...]
    window: Window
    since_offset: int
    currency: str | None = None
    dimension: str | None = None
    words: tuple[str, ...] = ()


def add(counter: Counter, counts: dict[int, Buckets], t_ms: int, now_ms: int, amount: int) -> None:
    """Add *amount* to the bucket of *t_ms*, unless it counts no longer at *now_ms*; 0 leaves nothing behind."""
    window = counter.window
    bucket = window.clock.bucket(t_ms)
    oldest = window.oldest(now_ms)
    if bucket < oldest:
        return
    buckets = counts.get(counter.id)
    if buckets is None:
        counts[counter.id] = {bucket: amount}
        return
    if bucket in buckets:
        buckets[bucket] += amount
        if not buckets[bucket]:
            del buckets[bucket]
        return
    for old in [b for b in buckets if b < oldest]:
        del buckets[old]
    buckets[bucket] = amount


def total(counter: Counter, state: BrandState, now_ms: int) -> int:
    """Sum the buckets that count at *now_ms*."""
    buckets = state.counts.get(counter.id)
    if not buckets:
        return 0
    oldest = counter.window.oldest(now_ms)
    found = 0
    for bucket, n in buckets.items():
        if bucket >= oldest:
            found += n
    return found


def falls_below(counter: Counter, state: BrandState, now_ms: int, least: int) -> int:
    """Tell the clock (ms) at which a total of at least *least* falls below it for want of new events."""
    buckets = state.counts[counter.id]
    oldest = counter.window.oldest(now_ms)
    left = total(counter, state, now_ms)
    for bucket in sorted(buckets):
        if bucket >= oldest:
            left -= buckets[bucket]
            if left < least:
                return counter.window.leaves(bucket)
    raise AssertionError(f"counter {counter.id} never falls below {least}")


def add_values(counter: Counter, state: BrandState, values: Sequence[str], t_ms: int, now_ms: int, entry: bytes) -> int:
    """Count one event (*entry* is its evidence) for each of *values*; returns how many old values had to go, for 64 are kept."""
    window = counter.window
    bucket = window.clock.bucket(t_ms)
    oldest = window.oldest(now_ms)
    if bucket < oldest:
        return 0
    kept = state.values.get(counter.id)
    if kept is None:
        kept = state.values[counter.id] = {}
        state.value_events[counter.id] = {}
    recent = state.value_events[counter.id]
    for text in values:
        buckets = kept.get(text)
        if buckets is None:
            kept[text] = {bucket: 1}
            recent[text] = entry
        else:
            buckets[bucket] = buckets.get(bucket, 0) + 1
            recent[text] = evidence.remember(recent[text], entry)
    if len(kept) <= VALUES:
        return 0
    return _forget_values(kept, recent, oldest)


def take_out_values(counter: Counter, state: BrandState, values: Sequence[str], t_ms: int, event: str) -> None:
    """Undo ``add_values`` of the same event; what was forgotten since stays forgotten."""
    kept = state.values.get(counter.id)
    if kept is None:
        return
    bucket = counter.window.clock.bucket(t_ms)
    recent = state.value_events[counter.id]
    for text in values:
        buckets = kept.get(text)
        if buckets is None or bucket not in buckets:
            continue
        buckets[bucket] -= 1
        if not buckets[bucket]:
            del buckets[bucket]
        recent[text] = evidence.forget(recent[text], t_ms, event)
        if not buckets:
            del kept[text]
            del recent[text]


def latest_buckets(counter: Counter, state: BrandState, now_ms: int) -> list[int]:
    """List the latest bucket of each value that counts at *now_ms*, latest first."""
    kept = state.values.get(counter.id)
    if kept is None:
        return []
    oldest = counter.window.oldest(now_ms)
    latest = [bucket for buckets in kept.values() if (bucket := _latest(buckets)) >= oldest]
    latest.sort(reverse=True)
    return latest


def leader(counter: Counter, state: BrandState, now_ms: int) -> tuple[int, str] | None:
    """Find the count and the value that is counted most at *now_ms*; of equals the lowest by code point."""
    kept = state.values.get(counter.id)
    if kept is None:
        return None
    oldest = counter.window.oldest(now_ms)
    most, leading = 0, ""
    for text, buckets in kept.items():
        n = 0
        for bucket, count in buckets.items():
            if bucket >= oldest:
                n += count
        if n > most or (n == most and n and text < leading):
            most, leading = n, text
    return (most, leading) if most else None


def _latest(buckets: Buckets) -> int:
    return next(iter(buckets)) if len(buckets) == 1 else max(buckets)


def _forget_values(kept: dict[str, Buckets], recent: dict[str, Recent], oldest: int) -> int:
    """Drop what counts no longer, then the oldest by (latest bucket, value), until 64 are left."""
    for text in [text for text, buckets in kept.items() if max(buckets) < oldest]:
        del kept[text], recent[text]
    surplus = len(kept) - VALUES
    if surplus <= 0:
        return 0
    for _, text in sorted((max(buckets), text) for text, buckets in kept.items())[:surplus]:
        del kept[text], recent[text]
    return surplus
