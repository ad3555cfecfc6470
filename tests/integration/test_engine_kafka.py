"""The engine's worker on a real Kafka: killed, stopped, stalled and rebalanced, it loses and doubles nothing."""

import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.servers import start_kafka
from tests.integration.toy_cluster import SESSION_S, ToyCluster, wait_until


@pytest.fixture
def cluster(kafka: str, request: pytest.FixtureRequest) -> Iterator[ToyCluster]:
    made = ToyCluster(kafka, request.node.name.replace("_", "-"))
    yield made
    made.end()


def test_a_worker_folds_stops_in_order_and_goes_on(cluster: ToyCluster) -> None:
    cluster.publish(3_000)
    worker = cluster.start()
    cluster.wait_until_durable()
    began = time.monotonic()
    assert cluster.stop_all() == [0]
    assert time.monotonic() - began < 10
    assert "stopped clean=True" in cluster.said(worker)
    cluster.publish(1_000)
    cluster.start()
    cluster.wait_until_durable()
    cluster.judge()


def test_what_was_folded_when_the_stop_came_is_durable(cluster: ToyCluster) -> None:
    cluster.publish(20_000)
    worker = cluster.start()
    wait_until(lambda: sum(cluster.positions()) > 0, 30, lambda: f"nothing was committed: {worker.poll()}")
    assert cluster.stop_all() == [0]
    cluster.start()
    cluster.wait_until_durable()
    cluster.judge()
    assert len(cluster.read(cluster.output)) == cluster.sent, "an orderly stop repeats nothing"


def test_kills_stalls_and_rebalances_lose_and_double_nothing(cluster: ToyCluster) -> None:
    chance = random.Random(20261124)
    cluster.publish(500)
    cluster.start()
    cluster.start()
    for _ in range(6):
        cluster.publish(1_500)
        time.sleep(chance.uniform(0.3, 1.5))
        worker = chance.choice([worker for worker in cluster.workers if worker.poll() is None])
        worker.send_signal(chance.choice((signal.SIGKILL, signal.SIGTERM, signal.SIGKILL)))
        cluster.start()
    cluster.publish(1_500)
    cluster.wait_until_durable()
    cluster.judge()


def test_a_worker_that_wakes_after_its_session_can_write_nothing(cluster: ToyCluster) -> None:
    cluster.publish(2_000)
    sleeper = cluster.start()
    wait_until(lambda: sum(cluster.positions()) > 0, 30, lambda: f"nothing was committed: {sleeper.poll()}")
    cluster.publish(4_000)
    sleeper.send_signal(signal.SIGSTOP)
    cluster.start()
    cluster.publish(4_000)
    cluster.wait_until_durable(SESSION_S + 40)
    sleeper.send_signal(signal.SIGCONT)
    cluster.publish(2_000)
    cluster.wait_until_durable()
    cluster.judge()


def test_a_group_whose_leader_did_not_see_the_topic_has_its_partitions_seconds_later(cluster: ToyCluster) -> None:
    cluster.publish(500)
    cluster.start("--blind")
    cluster.wait_until_durable()
    cluster.judge()


def test_a_stop_ends_in_time_though_a_thread_waits_for_an_answer(cluster: ToyCluster) -> None:
    cluster.publish(500)
    cluster.start("--stuck")
    cluster.wait_until_durable()
    assert cluster.stop_all() == [0]


def test_what_the_group_refused_to_note_is_told_again(cluster: ToyCluster) -> None:
    """A member that was put out learns so with a report, mostly, and keeps its partitions: nothing more may come in them."""

    def is_told() -> bool:
        return cluster.told() == cluster.positions()

    cluster.start("--session", "30")
    cluster.publish(500)
    cluster.wait_until_durable()
    for _ in range(2):
        wait_until(is_told, 20, lambda: f"told {cluster.told()}, positions {cluster.positions()}")
        cluster.put_out()
        cluster.publish(500)
        cluster.wait_until_durable()
    wait_until(is_told, 20, lambda: f"told {cluster.told()}, positions {cluster.positions()}")
    cluster.judge()


def test_nobody_waits_for_a_worker_that_died_on_the_same_machine(cluster: ToyCluster) -> None:
    long_s = 40
    cluster.publish(500)
    cluster.start("--session", str(long_s))
    dead = cluster.start("--session", str(long_s))
    cluster.wait_until_durable()
    before = cluster.both()
    for _ in range(3):
        dead.kill()
        cluster.publish(500)
        dead = cluster.start("--session", str(long_s))
        cluster.wait_until_durable(long_s / 2)
        after = cluster.both()
        assert len(after & before) == 1, "who lives stays in the group"
        before = after
    cluster.judge()


def test_a_worker_that_outlived_its_broker_takes_over_what_another_had(tmp_path: Path) -> None:
    kafka = start_kafka(tmp_path / "kafka")
    cluster = ToyCluster(kafka.bootstrap, "outlived")
    try:
        staying, leaving = cluster.start(), cluster.start()
        cluster.publish(500)
        cluster.wait_until_durable()
        kafka.kill()
        kafka = start_kafka(tmp_path / "kafka")
        cluster.publish(500)
        cluster.wait_until_durable()
        leaving.kill()
        cluster.publish(500)
        cluster.wait_until_durable(3 * SESSION_S)
        assert staying.poll() is None
        cluster.judge()
    finally:
        cluster.end()
        kafka.stop()
