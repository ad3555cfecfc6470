"""A members worker as a process keeps the serving copy, on the real Kafka and Redis."""

import os
import subprocess
import sys
import time
from pathlib import Path

from confluent_kafka import Producer

from agents import admin
from agents.servers import start_kafka, start_redis
from agents.settings import Settings
from schemas import topics
from schemas.brands import ConsentDefaults, Registration
from tests.integration.test_serving import PIPELINE, copy_in, standing, without_scores, worker
from tests.integration.test_serving_rebuild import write_keys
from tests.property.pipeline import PARTITIONS, SECRETS, Stage

PATIENCE_S = 90
COMMAND = [sys.executable, "-c", "from agents.cli import main; main()", "worker", "members"]


def test_a_killed_and_restarted_worker_leaves_the_copy_whole(tmp_path: Path) -> None:
    write_keys(tmp_path / "keys.json", SECRETS)
    with start_kafka() as kafka, start_redis() as reference, start_redis() as served:
        assert all(worker(reference.url, stage.partition).go(events(stage)).round() for stage in PIPELINE.stages)
        settings = Settings(kafka=kafka.bootstrap, partitions=PARTITIONS, data=tmp_path)
        admin.ensure(settings, admin.internal_topics(PARTITIONS))
        for brand in ("yunwu-tea", "shanye-outdoor", "xiaoman-baby"):
            admin.add_brand(settings, Registration(brand, brand, admin.now(), 4, 4, "json", ConsentDefaults()))
        environment = os.environ | {
            "HUILIU_KAFKA": kafka.bootstrap,
            "HUILIU_REDIS": served.url,
            "HUILIU_PARTITIONS": str(PARTITIONS),
            "HUILIU_DATA": str(tmp_path),
            "HUILIU_SESSION_TIMEOUT_S": "2",
        }
        send(kafka.bootstrap, 0, 100)
        with subprocess.Popen(COMMAND, env=environment) as killed:
            wait_until_written(served.url, 100)
            killed.kill()
        send(kafka.bootstrap, 100, -1)
        with subprocess.Popen(COMMAND, env=environment) as again:
            wait_until_written(served.url)
            again.terminate()
            assert again.wait(30) == 0
        assert without_scores(copy_in(served.url)) == without_scores(copy_in(reference.url))
        assert "stale_since" not in standing(served.url)


def events(stage: Stage) -> int:
    """Count the records but the last: a tick, which counts up to the time at which Kafka takes it."""
    return len(stage.log) - 1


def send(bootstrap: str, start: int, end: int) -> None:
    producer = Producer({"bootstrap.servers": bootstrap})
    for stage in PIPELINE.stages:
        for record in stage.log[start:end]:
            producer.produce(topics.MEMBERS, record.value, record.key, stage.partition)
    assert producer.flush(30) == 0


def wait_until_written(url: str, position: int | None = None) -> None:
    wanted = {f"partition:{stage.partition}": position or events(stage) for stage in PIPELINE.stages}
    deadline = time.monotonic() + PATIENCE_S
    while True:
        found = standing(url)
        if all(int(found.get(name, "1.0").partition(".")[2]) >= at for name, at in wanted.items()):
            return
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
