import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.windows import Clockwork, Window, window
from tests.unit.one_partition import DAY, HOUR, MINUTE, NOON, ms

ZONES = ("UTC", "Asia/Shanghai", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Santiago", "Pacific/Apia")


@pytest.mark.parametrize(
    ("within_ms", "grain_ms", "width"),
    [
        (MINUTE, MINUTE, 1),
        (2 * HOUR, MINUTE, 120),
        (3 * HOUR, HOUR, 3),
        (3 * DAY, HOUR, 72),
        (4 * DAY, DAY, 4),
        (400 * DAY, DAY, 400),
    ],
)
def test_a_window_is_counted_in_minutes_to_two_hours_in_hours_to_three_days_and_else_in_days(
    within_ms: int, grain_ms: int, width: int
) -> None:
    found = window(within_ms, "Asia/Shanghai")
    assert (found.clock.grain_ms, found.width) == (grain_ms, width)


def test_minutes_and_hours_are_utcs_and_days_the_zones() -> None:
    at = ms("2026-11-24T23:30:00+05:45")
    assert window(HOUR, "Asia/Kathmandu").clock.bucket(at) == at // MINUTE
    assert window(DAY, "Asia/Kathmandu").clock.bucket(at) == at // HOUR
    day = window(4 * DAY, "Asia/Kathmandu").clock
    assert day.bucket(at) == day.bucket(at - 23 * HOUR)
    assert day.bucket(at) == day.bucket(at + 30 * MINUTE) - 1


@pytest.mark.parametrize("zone", ZONES)
@settings(deadline=None)
@given(at_ms=st.integers(0, 4 * 10**12))
def test_an_instant_lies_between_the_start_of_its_bucket_and_that_of_the_next(zone: str, at_ms: int) -> None:
    clock = window(4 * DAY, zone).clock
    bucket = clock.bucket(at_ms)
    assert clock.start(bucket) <= at_ms < clock.start(bucket + 1)


@pytest.mark.parametrize("zone", ZONES)
@settings(deadline=None)
@given(day=st.integers(1, 40_000))
def test_a_bucket_starts_at_the_first_instant_that_it_holds(zone: str, day: int) -> None:
    clock = Clockwork(DAY, zone)
    start = clock.start(day)
    assert clock.bucket(start - 1) < day <= clock.bucket(start)


@pytest.mark.parametrize(
    ("zone", "day", "start", "hours"),
    [
        ("Asia/Shanghai", "2026-11-24", "2026-11-24T00:00:00+08:00", 24),
        ("America/New_York", "2026-03-08", "2026-03-08T00:00:00-05:00", 23),
        ("America/New_York", "2026-11-01", "2026-11-01T00:00:00-04:00", 25),
        ("America/Santiago", "2026-09-06", "2026-09-06T01:00:00-03:00", 23),
        ("Pacific/Apia", "2011-12-30", "2011-12-31T00:00:00+14:00", 0),
    ],
)
def test_a_day_is_as_long_as_its_zone_has_it(zone: str, day: str, start: str, hours: int) -> None:
    clock = Clockwork(DAY, zone)
    bucket = ms(f"{day}T00:00:00+00:00") // DAY
    assert clock.start(bucket) == ms(start)
    assert clock.start(bucket + 1) - clock.start(bucket) == hours * HOUR


def test_an_event_counts_for_the_width_of_its_window_the_present_bucket_included() -> None:
    found = Window(Clockwork(MINUTE, "UTC"), 10)
    bucket = found.clock.bucket(NOON)
    assert found.leaves(bucket) == NOON + 10 * MINUTE
    assert found.oldest(NOON + 10 * MINUTE - 1) == bucket
    assert found.oldest(NOON + 10 * MINUTE) == bucket + 1


@settings(deadline=None)
@given(at_ms=st.integers(0, 4 * 10**12), later_ms=st.integers(0, 500 * DAY))
def test_a_bucket_counts_until_the_clock_at_which_it_leaves(at_ms: int, later_ms: int) -> None:
    found = window(30 * DAY, "America/New_York")
    bucket = found.clock.bucket(at_ms)
    now_ms = at_ms + later_ms
    assert (bucket >= found.oldest(now_ms)) is (now_ms < found.leaves(bucket))


def test_what_was_asked_before_is_of_no_account() -> None:
    used = Clockwork(DAY, "America/New_York")
    for number in range(10_000):
        used.bucket(NOON + number * 977 * MINUTE)
    for at in (NOON, NOON + 5_000 * DAY, NOON - 300 * DAY):
        assert used.bucket(at) == Clockwork(DAY, "America/New_York").bucket(at)
