from hypothesis import given, settings
from hypothesis import strategies as st

from streams import evidence
from streams.evidence import forget, packed, remember

OFFSET = 12
EVENTS = st.lists(st.tuples(st.integers(0, 2**40), st.text(max_size=40)), max_size=12, unique=True)


def kept(events: list[tuple[int, str]]) -> bytes:
    recent = b""
    for t_ms, event in events:
        recent = remember(recent, packed(t_ms, event, OFFSET))
    return recent


def entries(recent: bytes) -> list[tuple[int, str]]:
    found = evidence.entries(recent)
    assert all(offset == OFFSET for _, _, offset in found)
    return [(t_ms, event) for t_ms, event, _ in found]


@settings(deadline=None)
@given(EVENTS)
def test_the_latest_five_are_kept_whatever_the_order_of_arrival(events: list[tuple[int, str]]) -> None:
    assert entries(kept(events)) == sorted(events, reverse=True)[:5]


@settings(deadline=None)
@given(EVENTS.flatmap(lambda events: st.tuples(st.just(events), st.permutations(events))))
def test_the_same_events_give_the_same_bytes(both: tuple[list[tuple[int, str]], list[tuple[int, str]]]) -> None:
    assert kept(both[0]) == kept(both[1])


def test_of_equal_times_the_greater_id_is_the_later() -> None:
    assert entries(kept([(7, "b"), (7, "c"), (7, "a")])) == [(7, "c"), (7, "b"), (7, "a")]


def test_an_id_may_be_empty_chinese_or_long() -> None:
    events = [(3, ""), (2, "订单一"), (1, "x" * 65_535)]
    assert entries(kept(events)) == events


@settings(deadline=None)
@given(EVENTS)
def test_a_forgotten_event_is_gone_and_no_other(events: list[tuple[int, str]]) -> None:
    latest = sorted(events, reverse=True)[:5]
    for event in latest:
        assert entries(forget(kept(events), *event)) == [one for one in latest if one != event]


def test_the_same_id_at_another_time_is_another_event() -> None:
    assert entries(forget(kept([(1, "a"), (2, "a")]), 1, "a")) == [(2, "a")]


def test_forgetting_what_was_not_there_changes_nothing() -> None:
    assert forget(kept([(1, "a")]), 1, "b") == kept([(1, "a")])
