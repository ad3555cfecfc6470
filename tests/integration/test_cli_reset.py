"""`huiliu reset` on the real Kafka: what was folded once is folded again, under the ids that it had."""

from collections.abc import Iterator

import pytest

from agents.servers import start_kafka
from agents.settings import Settings
from agents.topic_log import TopicLog, Writer
from schemas import topics
from schemas.crm import ENRICHED
from tests.integration.command import Ran, huiliu
from tests.integration.crew import Crew
from tests.integration.test_cli_crm import event

BRAND = "acme"
EVENTS = 60


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with start_kafka() as server:
        made = Settings(kafka=server.bootstrap, partitions=4, data=tmp_path_factory.mktemp("reset"))
        huiliu("brands", "add", BRAND, kafka=server.bootstrap, environment={"HUILIU_PARTITIONS": "4"})
        with Writer(made) as writer:
            for number in range(EVENTS):
                writer.send(topics.events(BRAND), event(number), None)
        yield made


def reset(settings: Settings, stage: str, *options: str) -> Ran:
    return huiliu("reset", stage, *options, kafka=settings.bootstrap())


def work(settings: Settings, *stages: str) -> None:
    with Crew(settings) as crew:
        crew.start(*stages)
        crew.wait_until_ready()
        crew.wait_until_drained([BRAND])
        for stage in stages:
            crew.stop(stage)


def enriched(settings: Settings, epoch: int) -> dict[str, int]:
    """Give the sequence of each enriched record of *epoch* by its id."""
    found = {}
    for record in TopicLog(settings, topics.crm(BRAND)).read():
        headers = dict(record.headers)
        if headers["ce_type"] == ENRICHED.encode() and headers["ce_huiliuepoch"] == b"%d" % epoch:
            found[(headers["ce_id"] or b"").decode()] = int(headers["ce_huiliusequence"] or b"")
    return found


def test_members_begun_anew_tell_the_same_records_in_another_epoch(settings: Settings) -> None:
    work(settings, "intake", "members")
    ran = reset(settings, "members", "--yes", "--json")
    assert (ran.status, {one["epoch"] for one in ran.document}, len(ran.document)) == (0, {2}, 4)
    work(settings, "members")
    assert len(enriched(settings, 1)) == EVENTS
    assert enriched(settings, 2) == enriched(settings, 1)


def test_intake_begun_anew_sends_nothing_twice_in_effect(settings: Settings) -> None:
    before = enriched(settings, 2)
    assert reset(settings, "intake", "--yes").status == 0
    work(settings, "intake", "members")
    assert enriched(settings, 2) == before


def test_a_stage_at_work_is_not_begun_anew(settings: Settings) -> None:
    with Crew(settings) as crew:
        crew.start("members")
        crew.wait_until_ready()
        ran = reset(settings, "members", "--yes")
        crew.stop("members")
    assert ran.status == 2
    assert "stop them first" in ran.err


def test_a_worker_that_died_here_holds_nobody_up(settings: Settings) -> None:
    with Crew(settings) as crew:
        worker = crew.start("members")[0]
        crew.wait_until_ready()
        worker.kill()
        assert reset(settings, "members", "--yes").status == 0
