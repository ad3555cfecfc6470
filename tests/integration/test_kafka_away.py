"""Workers that start while Kafka is away: they wait for it, say so, and end when they are told to."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from agents.servers import Kafka, start_kafka
from agents.settings import Settings
from tests.integration.crew import Crew, Worker, eventually


@pytest.fixture
def away(tmp_path: Path) -> Iterator[tuple[Crew, Kafka]]:
    kafka = start_kafka(tmp_path / "kafka")
    try:
        settings = Settings(kafka=kafka.bootstrap, data=tmp_path / "data", partitions=2)
        with Crew(settings) as crew:
            kafka.stop()
            yield crew, kafka
    finally:
        kafka.stop()


def wait_until_it_waits(worker: Worker) -> None:
    eventually(lambda: worker.health("live") == (200, "ok\n"), "the page of a worker that waits")


def has_said(worker: Worker, words: str) -> bool:
    return words in worker.log.read_text()


def test_a_worker_waits_for_kafka_and_begins_when_it_is_there(away: tuple[Crew, Kafka], tmp_path: Path) -> None:
    crew, kafka = away
    workers = crew.start("intake", "members", "control")
    for worker in workers:
        wait_until_it_waits(worker)
        assert worker.health("ready") == (503, f"Kafka at {kafka.bootstrap} does not answer\n")
        eventually(partial(has_said, worker, "does not answer; waiting for it"), "a line in the log")
        assert worker.process.poll() is None
    with start_kafka(tmp_path / "kafka") as again:
        assert again.bootstrap == kafka.bootstrap
        crew.wait_until_ready()
        assert crew.ended == []
        assert not any(has_said(worker, "can't be told") for worker in workers), "the groups' topic was only just made"
        for stage in ("intake", "members", "control"):
            crew.stop(stage)


def test_a_worker_that_waits_for_kafka_stops_when_it_is_told_to(away: tuple[Crew, Kafka]) -> None:
    crew, _ = away
    workers = crew.start("intake", "members")
    for worker in workers:
        wait_until_it_waits(worker)
        worker.ask_to_stop()
        assert worker.stopped(15) == 0
