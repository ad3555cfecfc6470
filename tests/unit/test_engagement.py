from itertools import permutations
from math import exp2

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.member_state import NEVER, Score
from streams import engagement
from streams.engagement import Decay
from tests.unit.one_partition import DAY, HOUR, NOON, SECOND

HOURLY = Decay([(NOON, HOUR)])
EVENTS = st.tuples(st.floats(0.5, 100), st.integers(0, 30 * DAY))


def total(events: list[tuple[float, int]], now_ms: int, half_life_ms: int) -> float:
    return sum(weight * exp2((t_ms - now_ms) / half_life_ms) for weight, t_ms in events)


def test_a_score_halves_in_a_half_life() -> None:
    score = Score()
    engagement.add(score, 8.0, NOON, NOON, HOURLY)
    assert [engagement.at(score, NOON + hours * HOUR, HOURLY) for hours in range(4)] == [8.0, 4.0, 2.0, 1.0]


def test_a_late_event_counts_for_what_is_left_of_it() -> None:
    score = Score()
    engagement.add(score, 8.0, NOON - 2 * HOUR, NOON, HOURLY)
    assert engagement.at(score, NOON, HOURLY) == 2.0


@settings(deadline=None)
@given(st.lists(EVENTS, min_size=1, max_size=12), st.integers(1, 400))
def test_one_number_says_what_the_sum_over_all_events_says(events: list[tuple[float, int]], hours: int) -> None:
    decay, score, clock = Decay([(0, hours * HOUR)]), Score(), 0
    for weight, t_ms in events:
        clock = max(clock, t_ms)
        engagement.add(score, weight, t_ms, clock, decay)
    assert engagement.raw(score, clock + DAY, decay) == pytest.approx(total(events, clock + DAY, hours * HOUR), rel=1e-9, abs=1e-12)


def test_the_order_of_events_is_of_no_account_once_rounded() -> None:
    found = set()
    for events in permutations([(1.0, NOON), (5.0, NOON - HOUR), (2.5, NOON - 777)]):
        score = Score()
        for weight, t_ms in events:
            engagement.add(score, weight, t_ms, NOON, HOURLY)
        found.add(engagement.at(score, NOON + 12_345, HOURLY))
    assert len(found) == 1


def test_taking_out_undoes_adding_at_any_later_clock() -> None:
    score = Score()
    engagement.add(score, 3.0, NOON, NOON, HOURLY)
    engagement.add(score, 10.0, NOON, NOON + 5, HOURLY)
    engagement.take_out(score, 10.0, NOON, NOON + HOUR, HOURLY)
    assert engagement.at(score, NOON + HOUR, HOURLY) == 1.5
    assert score.events == 1


def test_what_holds_no_event_is_zero_and_not_what_rounding_left() -> None:
    score = Score()
    for number in range(5):
        engagement.add(score, 0.1, NOON + number, NOON + number, HOURLY)
    for number in range(5):
        engagement.take_out(score, 0.1, NOON + number, NOON + 99, HOURLY)
    assert (score.value, score.events) == (0.0, 0)


def test_nothing_is_zero() -> None:
    assert engagement.at(None, NOON, HOURLY) == 0.0
    assert engagement.at(Score(), NOON, HOURLY) == 0.0


@pytest.mark.parametrize(("value", "printed"), [(1.23456749, 1.234567), (1.2345676, 1.234568), (-0.0000001, 0.0), (-5.0, 0.0)])
def test_scores_are_rounded_to_six_decimals_and_never_negative(value: float, printed: float) -> None:
    assert engagement.rounded(value) == printed


def test_what_is_long_past_is_nothing_and_no_error() -> None:
    score, minutely = Score(), Decay([(0, 60_000)])
    engagement.add(score, 1e9, NOON, NOON, minutely)
    assert engagement.at(score, NOON + 400 * DAY, minutely) == 0.0


# Half-lives that follow one another


def test_each_half_life_holds_from_its_clock_on() -> None:
    decay = Decay([(NOON, HOUR), (NOON + 2 * HOUR, 4 * HOUR)])
    assert decay.factor(NOON, NOON + 2 * HOUR) == 0.25
    assert decay.factor(NOON, NOON + 6 * HOUR) == 0.125
    assert decay.factor(NOON + 2 * HOUR, NOON + 6 * HOUR) == 0.5
    assert decay.factor(NOON + HOUR, NOON + 4 * HOUR) == pytest.approx(0.5 * 2**-0.5)


def test_before_the_first_it_held_already() -> None:
    decay = Decay([(NOON, HOUR), (NOON + 2 * HOUR, 4 * HOUR)])
    assert decay.factor(NOON - HOUR, NOON) == 0.5


@settings(deadline=None)
@given(st.integers(-10, 20), st.integers(-10, 20), st.integers(-10, 20))
def test_decaying_twice_is_decaying_once(a: int, b: int, c: int) -> None:
    decay = Decay([(NOON, HOUR), (NOON + 2 * HOUR, 4 * HOUR), (NOON + 7 * HOUR, HOUR // 2)])
    first, second, third = (NOON + hours * HOUR for hours in (a, b, c))
    assert decay.factor(first, second) * decay.factor(second, third) == pytest.approx(decay.factor(first, third), rel=1e-9)


# Until when


@settings(deadline=None)
@given(st.floats(0.01, 1e6), st.floats(0.001, 1.0), st.integers(0, 10**7))
def test_a_score_falls_below_within_the_second_that_is_told_and_not_before(least: float, share: float, now_ms: int) -> None:
    value = least / share
    ends = HOURLY.lasts(value, least, now_ms)
    assert ends % SECOND == 0
    assert ends > now_ms
    assert value * HOURLY.factor(now_ms, ends) < least - 0.49e-6
    if ends - SECOND > now_ms:
        assert value * HOURLY.factor(now_ms, ends - SECOND) > least - 0.51e-6


def test_a_threshold_below_what_is_printed_is_never_left() -> None:
    assert HOURLY.lasts(1.0, 0.0000001, NOON) == NEVER
