"""How a partition is taken over, and when the worker must not start."""

import pytest

from agents.engine.cluster import Ends, Topic
from agents.engine.reset import plan
from agents.engine.takeover import (
    MARKER,
    PROBE,
    CannotStart,
    Commit,
    Fence,
    Inspect,
    Log,
    Marker,
    Restore,
    Restored,
    Taken,
    highest_applied,
    pack,
    take_over,
    unpack,
)
from schemas.fold import STAMP, stamp

ID, OTHER_ID = b"a" * 16, b"b" * 16
MARKED = Marker(100, 5, ID, 16, 3)
LOG = Log(ID, 16, 20, 200, 100)


def carry_out(restored: Restored, log: Log) -> tuple[Taken | CannotStart, list[object]]:
    """Answer the plan's requests, and note them."""
    steps = take_over("members [3]")
    asked: list[object] = []
    answer: Restored | Log | None = None
    try:
        while True:
            request = steps.send(answer)
            asked.append(request)
            answer = restored if isinstance(request, Restore) else log if isinstance(request, Inspect) else None
    except StopIteration as end:
        return end.value, asked
    except CannotStart as refusal:
        return refusal, asked


def test_the_fence_comes_before_the_restore() -> None:
    _, asked = carry_out(Restored({}, MARKED, -1), LOG)
    assert [type(request) for request in asked] == [Fence, Restore, Inspect]


def test_it_goes_on_at_the_markers_position() -> None:
    states = {b"k": stamp(99, b"v")}
    taken, _ = carry_out(Restored(states, MARKED, 99), LOG)
    assert taken == Taken(states, MARKED)


def test_a_new_partition_commits_its_beginning_first() -> None:
    taken, asked = carry_out(Restored({}, None, -1), Log(ID, 16, 0, 200, None))
    assert isinstance(taken, Taken)
    assert taken.marker == Marker(0, 0, ID, 16, 1)
    commit = asked[-1]
    assert isinstance(commit, Commit)
    assert unpack(commit.records[MARKER] or b"") == taken.marker


@pytest.mark.parametrize(
    ("restored", "log", "says"),
    [
        (Restored({}, MARKED, -1), LOG._replace(topic_id=OTHER_ID), f"id {ID.hex()}, found {OTHER_ID.hex()}"),
        (Restored({}, MARKED, -1), LOG._replace(partitions=8), "made with 16 partitions, found 8"),
        (Restored({}, MARKED, -1), LOG._replace(end=99), "stop at offset 100, but the log ends at 99"),
        (Restored({}, MARKED, -1), LOG._replace(begin=101), "1 records were deleted unread"),
        (Restored({b"k": stamp(100, b"")}, MARKED, 100), LOG, "offset 100 applied, not below the position 100"),
        (Restored({b"k": stamp(1, b"")}, None, 1), Log(ID, 16, 0, 200, None), "1 states and no marker"),
        (Restored({}, None, -1), Log(ID, 16, 7, 200, None), "the log begins at 7, not at 0"),
        (Restored({}, None, -1), Log(ID, 16, 0, 200, 50), "the group has committed 50"),
    ],
)
def test_it_refuses_what_would_lose_or_repeat(restored: Restored, log: Log, says: str) -> None:
    refusal, asked = carry_out(restored, log)
    assert isinstance(refusal, CannotStart)
    assert str(refusal).startswith("members [3]: ")
    assert says in str(refusal)
    assert "huiliu reset" in str(refusal)
    assert asked[-1] == Commit({PROBE: None}), "only whoever still holds the fence may judge"


@pytest.mark.parametrize("topic_id", [ID, OTHER_ID])
def test_a_reset_forgets_what_is_not_carried_over_and_begins_a_later_epoch_at_what_is_left(topic_id: bytes) -> None:
    def carry(key: bytes, state: bytes, position: int, other: bool) -> bytes | None:
        assert (position, other) == (40, topic_id == OTHER_ID)
        return stamp(39, state[STAMP:]) if key == b"kept" else None

    restored = Restored({b"k": stamp(9, b""), b"kept": stamp(9, b"rules")}, MARKED, 9)
    marker, records = plan(restored, Topic(topic_id, 8), Ends(40, 90), carry)
    assert marker == Marker(40, 0, topic_id, 8, 4)
    assert records == {b"k": None, b"kept": stamp(39, b"rules"), MARKER: pack(marker)}


def test_the_edges_are_fine() -> None:
    for log in (LOG._replace(begin=100), LOG._replace(end=100)):
        taken, _ = carry_out(Restored({b"k": stamp(99, b"")}, MARKED, 99), log)
        assert isinstance(taken, Taken)


def test_the_highest_applied_offset_is_found_without_decoding() -> None:
    assert highest_applied({b"a": stamp(3, b"zzz"), b"b": stamp(300, b""), b"c": stamp(20, b"x")}) == 300
    assert highest_applied({}) == -1
