from itertools import permutations

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from schemas.member_state import BrandState
from schemas.state import VALUES
from streams import counters
from streams.counters import Counter
from streams.evidence import entries, packed
from streams.windows import window
from tests.unit.one_partition import HOUR, MINUTE, NOON

TEN = Counter(2, "count", ("click",), window(10 * MINUTE, "UTC"), -1)
SKUS = Counter(4, "values", ("click",), window(10 * MINUTE, "UTC"), -1, dimension="sku")


def counted(*minutes: int, now: int = 0) -> BrandState:
    state = BrandState()
    for minute in minutes:
        counters.add(TEN, state.counts, NOON + minute * MINUTE, NOON + max(now, *minutes) * MINUTE, 1)
    return state


def seen(*values: tuple[str, int]) -> BrandState:
    state, now_ms = BrandState(), NOON + max(minute for _, minute in values) * MINUTE
    for number, (sku, minute) in enumerate(values):
        counters.add_values(SKUS, state, [sku], NOON + minute * MINUTE, now_ms, packed(NOON + minute * MINUTE, f"e{number}", number))
    return state


def test_a_total_takes_the_buckets_of_the_window_alone() -> None:
    state = counted(0, 0, 5)
    assert [counters.total(TEN, state, NOON + minutes * MINUTE) for minutes in (5, 9, 10, 14, 15)] == [3, 3, 1, 1, 0]


def test_nothing_was_counted_of_what_was_never_added() -> None:
    assert counters.total(TEN, BrandState(), NOON) == 0


def test_what_has_left_its_window_is_not_added() -> None:
    state = BrandState()
    counters.add(TEN, state.counts, NOON, NOON + 10 * MINUTE, 1)
    assert state.counts == {}


def test_a_bucket_that_came_to_nothing_leaves_nothing() -> None:
    state = counted(0, 1)
    counters.add(TEN, state.counts, NOON, NOON + MINUTE, -1)
    assert list(state.counts[TEN.id].values()) == [1]


def test_buckets_that_no_clock_will_reach_are_dropped_when_one_opens() -> None:
    state = counted(0, 1, 2)
    counters.add(TEN, state.counts, NOON + HOUR, NOON + HOUR, 1)
    assert len(state.counts[TEN.id]) == 1


def test_a_bucket_that_still_counts_is_not_dropped() -> None:
    state = counted(0)
    counters.add(TEN, state.counts, NOON + 9 * MINUTE, NOON + 9 * MINUTE, 1)
    assert counters.total(TEN, state, NOON + 9 * MINUTE) == 2


def test_a_total_falls_below_when_enough_of_the_oldest_are_gone() -> None:
    state = counted(0, 0, 3, 7)
    falls = [counters.falls_below(TEN, state, NOON + 7 * MINUTE, least) for least in (1, 2, 3, 4)]
    assert falls == [NOON + minutes * MINUTE for minutes in (17, 13, 10, 10)]


@settings(deadline=None)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=20), st.integers(1, 5))
def test_the_clock_at_which_a_total_falls_below_is_the_first_of_them(minutes: list[int], least: int) -> None:
    state = counted(*minutes)
    now_ms = NOON + max(minutes) * MINUTE
    assume(counters.total(TEN, state, now_ms) >= least)
    falls = counters.falls_below(TEN, state, now_ms, least)
    assert counters.total(TEN, state, falls) < least <= counters.total(TEN, state, falls - 1)


def test_the_leader_is_the_value_counted_most_and_of_equals_the_lowest() -> None:
    for values in permutations([("b", 0), ("a", 1), ("b", 2), ("a", 3), ("c", 3)]):
        assert counters.leader(SKUS, seen(*values), NOON + 3 * MINUTE) == (2, "a")
    assert counters.leader(SKUS, seen(("b", 5), ("a", 0), ("b", 5), ("a", 0)), NOON + 10 * MINUTE) == (2, "b")


def test_without_values_nobody_leads() -> None:
    assert counters.leader(SKUS, BrandState(), NOON) is None
    assert counters.leader(SKUS, seen(("a", 0)), NOON + 10 * MINUTE) is None


def test_of_each_value_the_latest_bucket_counts() -> None:
    state = seen(("a", 0), ("b", 4), ("a", 2))
    first = NOON // MINUTE
    assert counters.latest_buckets(SKUS, state, NOON + 4 * MINUTE) == [first + 4, first + 2]
    assert counters.latest_buckets(SKUS, state, NOON + 12 * MINUTE) == [first + 4]


def test_a_value_goes_with_its_last_event_and_keeps_the_others() -> None:
    state = seen(("a", 0), ("a", 1), ("b", 1))
    counters.take_out_values(SKUS, state, ["a"], NOON, "e0")
    assert entries(state.value_events[SKUS.id]["a"]) == [(NOON + MINUTE, "e1", 1)]
    counters.take_out_values(SKUS, state, ["a"], NOON + MINUTE, "e1")
    assert list(state.values[SKUS.id]) == ["b"]


def test_taking_out_what_was_never_had_changes_nothing() -> None:
    state = seen(("a", 0))
    counters.take_out_values(SKUS, state, ["b"], NOON, "e0")
    counters.take_out_values(SKUS, state, ["a"], NOON + MINUTE, "e0")
    counters.take_out_values(Counter(6, "values", (), SKUS.window, -1), state, ["a"], NOON, "e0")
    assert counters.leader(SKUS, state, NOON) == (1, "a")


def test_the_65th_value_forgets_the_oldest_and_says_so() -> None:
    state = seen(*((f"v{number:02}", 1) for number in range(VALUES - 1)), ("oldest", 0))
    assert counters.add_values(SKUS, state, ["v00"], NOON + MINUTE, NOON + MINUTE, packed(NOON + MINUTE, "e", 5)) == 0
    assert counters.add_values(SKUS, state, ["new", "newer"], NOON + 2 * MINUTE, NOON + 2 * MINUTE, packed(NOON + 2 * MINUTE, "e", 6)) == 2
    kept = state.values[SKUS.id]
    assert ("oldest" in kept, "v00" in kept, "v01" in kept, len(kept)) == (False, False, True, VALUES)
