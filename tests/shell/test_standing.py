"""Where a stage without a table goes on, and when it must not."""

import pytest

from agents.engine.standing import Committed, SetAside, doubtful, resume, write
from agents.engine.takeover import CannotStart

ID, OTHER_ID = b"a" * 16, b"b" * 16


def at(committed: Committed | None, *, topic_id: bytes = ID, begin: int = 0, end: int = 100, routing: str = "r1") -> int:
    return resume("huiliu.acme.events [0]", committed, topic_id, begin, end, routing)


def test_a_topic_never_read_is_read_from_its_beginning() -> None:
    assert at(None) == 0
    assert at(None, begin=7) == 7


def test_it_goes_on_at_the_commit() -> None:
    assert at(Committed(50, write(ID, "r1", clean=False))) == 50


def test_a_topic_made_again_is_read_from_its_beginning() -> None:
    assert at(Committed(50, write(OTHER_ID, "r1", clean=False))) == 0


def test_another_routing_starts_from_a_clean_stop_only() -> None:
    assert at(Committed(50, write(ID, "r0", clean=True))) == 50
    with pytest.raises(CannotStart, match="routed by r0 up to an unclean stop, this worker routes by r1"):
        at(Committed(50, write(ID, "r0", clean=False)))


def test_another_routing_is_refused_for_a_topic_made_again_too() -> None:
    with pytest.raises(CannotStart, match="unclean stop"):
        at(Committed(50, write(OTHER_ID, "r0", clean=False)))


@pytest.mark.parametrize("metadata", ["", "faust", '{"topic_id": 3}'])
def test_a_commit_that_is_not_ours_is_refused(metadata: str) -> None:
    with pytest.raises(CannotStart, match="without our metadata"):
        at(Committed(50, metadata))


@pytest.mark.parametrize(("begin", "end", "says"), [(60, 100, "10 records were deleted unread"), (0, 40, "the log ends at 40")])
def test_a_partition_that_lost_records_is_set_aside_alone(begin: int, end: int, says: str) -> None:
    with pytest.raises(SetAside, match=says):
        at(Committed(50, write(ID, "r1", clean=False)), begin=begin, end=end)


def test_after_an_unclean_stop_all_that_was_in_the_log_may_have_been_sent() -> None:
    assert doubtful(Committed(50, write(ID, "r1", clean=False)), ID, 100) == 100


def test_nothing_is_in_doubt_after_a_clean_stop_or_in_a_topic_never_read() -> None:
    assert doubtful(Committed(50, write(ID, "r1", clean=True)), ID, 100) == 0
    assert doubtful(Committed(50, write(OTHER_ID, "r1", clean=False)), ID, 100) == 0
    assert doubtful(None, ID, 100) == 0
