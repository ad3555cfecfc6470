"""The control stage as a process, on the real Kafka."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents import admin
from agents.servers import start_kafka
from agents.settings import Settings
from agents.topic_log import TopicLog
from schemas import envelope, topics
from schemas.envelope import Envelope, RulesSet, Tick
from tests.integration.command import huiliu

PARTITIONS = 4
PATIENCE_S = 60
RULES = "brand: acme\ntags:\n  away: {silent: {for: 30d}}\n"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Give a Kafka of its own: ticks would disturb others."""
    with start_kafka() as server:
        made = Settings(kafka=server.bootstrap, partitions=PARTITIONS, tick_s=0.3, data=tmp_path_factory.mktemp("control"))
        admin.ensure(made, admin.internal_topics(PARTITIONS))
        yield made


@pytest.fixture
def worker(settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    environment = os.environ | {
        "HUILIU_KAFKA": settings.bootstrap(),
        "HUILIU_PARTITIONS": str(PARTITIONS),
        "HUILIU_TICK_S": "0.3",
        "HUILIU_DATA": str(settings.data),
    }
    with subprocess.Popen([sys.executable, "-c", "from agents.cli import main; main()", "worker", "control"], env=environment) as process:
        yield process
        process.kill()


def told(settings: Settings, wanted: type[Envelope], times: int) -> list[tuple[int, Envelope]]:
    """Wait until each partition was told *times* of what is *wanted*; gives (partition, envelope) in the order of arrival."""
    found: list[tuple[int, Envelope]] = []
    deadline = time.monotonic() + PATIENCE_S
    with TopicLog(settings, topics.MEMBERS) as log:
        for entry in log.follow(beginning=True):
            assert time.monotonic() < deadline, f"told only {found}"
            if entry is not None and isinstance(one := envelope.decode(entry.value or b""), wanted):
                found.append((entry.partition, one))
                counts = [sum(partition == each for each, _ in found) for partition in range(PARTITIONS)]
                if min(counts) >= times:
                    return found
    raise AssertionError("the log ended")


@pytest.mark.usefixtures("worker")
def test_every_partition_is_told_the_time_again_and_again(settings: Settings) -> None:
    ticks = [one.time_ms for partition, one in told(settings, Tick, 3) if partition == 0 and isinstance(one, Tick)]
    assert ticks == sorted(ticks)
    assert ticks[1] - ticks[0] >= 300


def test_every_partition_is_told_of_a_published_set_once(settings: Settings, worker: subprocess.Popen[bytes], tmp_path: Path) -> None:
    file = tmp_path / "acme.yaml"
    file.write_text(RULES)
    environment = {"HUILIU_PARTITIONS": str(PARTITIONS)}
    assert huiliu("brands", "add", "acme", kafka=settings.bootstrap(), environment=environment).status == 0
    published = huiliu("rules", "publish", str(file), "--json", kafka=settings.bootstrap(), environment=environment).document
    sets = told(settings, RulesSet, 1)
    assert sorted(partition for partition, _ in sets) == list(range(PARTITIONS))
    assert {(one.owner, one.version) for _, one in sets if isinstance(one, RulesSet)} == {("acme", published["version"])}
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(20) == 0
