"""`huiliu crm` on the real Kafka, behind the real workers."""

import time
from collections.abc import Iterator

import msgspec
import pytest

from agents.servers import start_kafka
from agents.settings import Settings
from agents.topic_log import TopicLog, Writer
from schemas import topics
from schemas.scalars import instant_text
from tests.integration.command import Ran, huiliu
from tests.integration.crew import Crew

BRAND = "acme"
PARTITIONS = 4
GOOD, COPIES, BAD = 40, 2, 3


def event(number: int) -> bytes:
    return msgspec.json.encode(
        {
            "specversion": "1.0",
            "id": f"e-{number}",
            "source": f"/brand/{BRAND}/shop",
            "type": "cn.huiliu.click.v1",
            "time": instant_text(time.time_ns() // 1_000_000 - 60_000),
            "data": {"identities": [{"type": "brand_member", "id": f"M{number % 7}"}], "page": f"/{number}"},
        }
    )


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Give an installation that has taken in good events, copies and bad ones, and was stopped in order."""
    with start_kafka() as server:
        made = Settings(kafka=server.bootstrap, partitions=PARTITIONS, data=tmp_path_factory.mktemp("crm"))
        huiliu("brands", "add", BRAND, kafka=server.bootstrap, environment={"HUILIU_PARTITIONS": str(PARTITIONS)})
        good = [event(number) for number in range(GOOD)]
        with Writer(made) as writer:
            for value in (*good, *good[:COPIES], *(b"{" for _ in range(BAD))):
                writer.send(topics.events(BRAND), value, value[-20:] if value in good else None)
        with Crew(made) as crew:
            crew.start("intake", "members")
            crew.wait_until_ready()
            crew.wait_until_drained([BRAND])
            crew.stop("intake")
            crew.stop("members")
        yield made


def crm(settings: Settings, *options: str) -> Ran:
    return huiliu("crm", BRAND, *options, kafka=settings.bootstrap())


def test_every_offset_is_accounted_for_after_a_stop(settings: Settings) -> None:
    ran = crm(settings, "--verify", "--json")
    report = ran.document
    assert report["problems"] == []
    assert (report["published"], report["enriched"], report["dead_letters"]) == (GOOD + COPIES + BAD, GOOD, {"undecodable": BAD})
    assert (report["duplicates"], report["unstated"]) == (COPIES, 0)
    assert report["manifests"] > 0
    assert ran.status == 0


def test_what_adds_up_is_said_in_words(settings: Settings) -> None:
    assert "everything adds up" in crm(settings, "--verify").out


def test_what_the_crm_received_is_told_a_line_each(settings: Settings) -> None:
    lines = crm(settings, "--to-end").out.splitlines()
    assert sum("click /" in line for line in lines) == GOOD


def test_json_gives_the_brands_own_event_back(settings: Settings) -> None:
    documents = [msgspec.json.decode(line) for line in crm(settings, "--to-end", "--json").out.splitlines()]
    ids = {document["data"]["event"]["id"] for document in documents if document["type"] == "cn.huiliu.enriched.v1"}
    assert ids == {f"e-{number}" for number in range(GOOD)}


def test_a_record_that_skips_a_sequence_is_found(settings: Settings) -> None:
    with TopicLog(settings, topics.crm(BRAND)) as log:
        copied = next(entry for entry in log.read())
    changed = {"ce_huiliusequence": b"9999"}
    with Writer(settings) as writer:
        headers = [(name, changed.get(name, text)) for name, text in copied.headers]
        writer.send(topics.crm(BRAND), copied.value, copied.key, headers)
    ran = crm(settings, "--verify", "--json")
    assert ran.status == 1
    assert any("is missing; 9999 came" in problem for problem in ran.document["problems"])
