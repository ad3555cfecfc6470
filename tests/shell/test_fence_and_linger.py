"""When nothing may be sent, and how long records wait for company."""

import pytest

from agents.engine.fence import HeartbeatFence
from agents.engine.linger import choose


def test_the_fence_is_closed_until_the_first_heartbeat() -> None:
    assert not HeartbeatFence(10).is_open(5.0)


def test_the_fence_closes_a_session_timeout_after_the_last_heartbeat_left() -> None:
    fence = HeartbeatFence(10)
    fence.beat(100.0)
    assert fence.is_open(109.999)
    assert not fence.is_open(110.0)


def test_an_answer_that_comes_late_does_not_turn_the_clock_back() -> None:
    fence = HeartbeatFence(10)
    fence.beat(100.0)
    fence.beat(95.0)
    assert fence.is_open(109.0)


def test_linger_is_short_with_little_load_or_few_topics_and_long_when_many_share_it() -> None:
    assert choose(1_000, 300, 5, 100) == 5
    assert choose(50_000, 12, 5, 100) == 5
    assert choose(50_000, 1_200, 5, 100) == 100
    assert choose(500_000, 100, 5, 100) == 5
    assert choose(50_000, 0, 5, 100) == 5


@pytest.mark.parametrize("rate", [1_000, 5_000, 7_500, 20_000, 200_000])
def test_few_destinations_never_wait_long_whatever_the_load(rate: int) -> None:
    assert choose(rate, 12, 5, 100) == 5
    assert choose(rate, 40, 5, 100) == 5
    assert choose(rate, 40, 1, 100) == 1
