"""The serving copy anew, and one member's card, from a committed changelog on the real Kafka."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from agents import admin
from agents.engine.changelog import Changelog
from agents.engine.takeover import MARKER, Marker, pack
from agents.servers import start_kafka
from agents.serving_rebuild import Rebuilt, rebuild
from agents.settings import BadSettings, Settings
from schemas import stages
from sinks.redis import STANDING
from streams.keys import Secrets
from tests.integration.command import huiliu
from tests.integration.test_serving import PIPELINE, copy_in, standing, without_scores, worker
from tests.property.pipeline import KEYS, PARTITIONS, SECRETS, Stage

HALF = 150


def commit(servers: str, stage: Stage) -> None:
    """Commit a partition as its worker would: in two transactions, and begin a third that is never ended."""
    changelog = Changelog(servers, stages.MEMBERS.app_id, stages.MEMBERS.changelog)
    producer = changelog.fence(stage.partition)
    copy = Stage(stage.partition, stage.log)
    for _ in range(2):
        copy.fold([HALF, len(copy.log)] if copy.folded else [HALF])
        marker = Marker(copy.folded, copy.clock_ms, b"internal-members", PARTITIONS, 1)
        changelog.commit(producer, stage.partition, {**copy.table, MARKER: pack(marker)})
    producer.begin_transaction()
    producer.produce(stages.MEMBERS.changelog, b"torn", next(iter(copy.table)), stage.partition)
    producer.flush(10)
    producer.abort_transaction(10)


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Give a Kafka where every partition of the street is committed."""
    folder = tmp_path_factory.mktemp("rebuild")
    write_keys(folder / "keys.json", SECRETS)
    with start_kafka() as server:
        settings = Settings(kafka=server.bootstrap, partitions=PARTITIONS, data=folder)
        admin.ensure(settings, admin.internal_topics(PARTITIONS))
        for stage in PIPELINE.stages:
            commit(server.bootstrap, stage)
        yield settings


def write_keys(path: Path, secrets: Secrets) -> None:
    names = {name: getattr(secrets, name).hex() for name in ("member", "pairwise", "dedupe")}
    path.write_text(json.dumps({"version": 1, **names}))


@pytest.fixture
def settings(committed: Settings, redis_url: str) -> Settings:
    redis.Redis.from_url(redis_url).flushall()
    return committed.model_copy(update={"redis": redis_url})


def nobody_looks(done: int, of: int) -> None:
    """Take no notice."""


def environment(settings: Settings) -> dict[str, str]:
    return {"HUILIU_REDIS": settings.redis or "", "HUILIU_DATA": str(settings.data)}


def test_a_rebuilt_copy_is_what_the_workers_wrote_and_they_go_on_from_it(settings: Settings, redis_url: str) -> None:
    workers = [worker(redis_url, partition).go() for partition in range(PARTITIONS)]
    assert all(one.round() for one in workers)
    written = copy_in(redis_url)
    redis.Redis.from_url(redis_url).flushall()
    for one in workers:
        assert one.round()
        assert one.round()
    assert "stale_since" in standing(redis_url)
    seen: list[tuple[int, int]] = []
    found = rebuild(settings, lambda done, of: seen.append((done, of)))
    assert found == Rebuilt(PARTITIONS, sum(len(one.fold.states) - specials(one.table) for one in workers), len(written), "whole")
    assert copy_in(redis_url) == written
    assert standing(redis_url).keys() == {"marks", *(f"partition:{partition}" for partition in range(PARTITIONS))}
    assert all(one.round() for one in workers)
    assert not any(one.is_stale for one in workers)
    assert 0 < seen[-1][0] <= seen[-1][1]


def specials(table: dict[bytes, bytes]) -> int:
    return sum(len(key) != 16 for key in table)


def test_a_copy_that_misses_something_while_it_is_rebuilt_stays_marked(settings: Settings, redis_url: str) -> None:
    client = redis.Redis.from_url(redis_url)

    def miss(done: int, of: int) -> None:
        if done == 1:
            client.hset(STANDING, mapping={"stale_since": "2026-11-24T04:00:00.000Z", "marks": "1"})

    assert rebuild(settings, miss).ended == "marked"
    assert "stale_since" in standing(redis_url)
    assert rebuild(settings, nobody_looks).ended == "whole"
    assert "stale_since" not in standing(redis_url)


def test_a_copy_that_is_emptied_while_it_is_rebuilt_is_not_called_whole(settings: Settings, redis_url: str) -> None:
    client = redis.Redis.from_url(redis_url)

    def empty(done: int, of: int) -> None:
        if done == of // 2:
            client.flushall()

    assert rebuild(settings, empty).ended == "lost"


def test_a_member_that_a_worker_wrote_meanwhile_does_not_go_back(settings: Settings, redis_url: str) -> None:
    rebuild(settings, nobody_looks)
    client = redis.Redis.from_url(redis_url)
    key = next(client.scan_iter("huiliu:*:member:*"))
    client.hset(key, mapping={"version": "1.99999", "orders": "41"})
    rebuild(settings, nobody_looks)
    assert client.hget(key, "orders") == b"41"


def test_the_command_says_what_it_wrote(settings: Settings, redis_url: str) -> None:
    ran = huiliu("serving", "rebuild", "--json", kafka=settings.bootstrap(), environment=environment(settings))
    assert (ran.status, ran.document["ended"], ran.document["rows"]) == (0, "whole", len(copy_in(redis_url)))
    told = huiliu("serving", "rebuild", kafka=settings.bootstrap(), environment=environment(settings))
    assert "The serving copy is whole." in told.out


def test_without_a_redis_there_is_nothing_to_rebuild(committed: Settings) -> None:
    with pytest.raises(BadSettings, match="HUILIU_REDIS"):
        rebuild(committed, nobody_looks)


def test_a_redis_that_is_not_there_is_said_in_a_line(committed: Settings) -> None:
    with pytest.raises(BadSettings, match="can't be written"):
        rebuild(committed.model_copy(update={"redis": "redis://127.0.0.1:1/0"}), nobody_looks)


def a_member(redis_url: str) -> tuple[str, str, dict[str, Any]]:
    """Choose a member that has tags: brand, id, hash."""
    for key, fields in sorted(without_scores(copy_in(redis_url)).items()):
        if fields["tags"]:
            _, brand, _, member = key.split(":")
            return brand, member, fields
    raise AssertionError("nobody has tags")


def test_a_member_is_shown_by_the_id_that_the_crm_knows(settings: Settings, redis_url: str) -> None:
    rebuild(settings, nobody_looks)
    brand, member, fields = a_member(redis_url)
    ran = huiliu("member", brand, member, "--json", kafka=settings.bootstrap(), environment=environment(settings))
    assert ran.status == 0
    assert [{"tag": tag["tag"], "since": tag["since"]} for tag in ran.document["tags"]] == fields["tags"]
    assert (ran.document["spend"], ran.document["last"]) == (fields["spend"], fields["last"])
    shown = huiliu("member", brand, member, kafka=settings.bootstrap(), environment=environment(settings))
    assert fields["first_seen"] in shown.out


@pytest.mark.parametrize(
    ("asked", "key"),
    [
        ("mobile:+86 138 0000 0000", KEYS.member("mobile", "", "13800000000")),
        ("brand_member:yu00000001", KEYS.member("brand_member", "yunwu-tea", "yu00000001")),
    ],
)
def test_a_member_is_shown_by_an_identity_of_theirs(settings: Settings, asked: str, key: bytes) -> None:
    ran = huiliu("member", "yunwu-tea", asked, "--json", kafka=settings.bootstrap(), environment=environment(settings))
    assert ran.status == 0, ran.err
    assert ran.document["id"] == KEYS.pairwise("yunwu-tea", key)


@pytest.mark.parametrize(("asked", "status"), [("brand_member:nobody-at-all", 1), ("0" * 32, 1), ("nobody", 2), ("mobile:000", 2)])
def test_who_is_not_there_is_said_so(settings: Settings, asked: str, status: int) -> None:
    ran = huiliu("member", "yunwu-tea", asked, kafka=settings.bootstrap(), environment=environment(settings))
    assert ran.status == status
    assert ran.err
