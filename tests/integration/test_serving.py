"""The serving copy on a real Redis: in step, never older, and never in the way."""

import asyncio
import json
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
import redis

from agents.engine.stage import Durable
from agents.members_fold import RenderedFold
from agents.servers import Redis, start_redis
from agents.serving import Serving
from schemas.crm import TAG_ENTERED, CrmRecord, Engagement, Last, MemberView, TagChanged
from schemas.fold import Home
from sinks.redis import STANDING, Row, ServingCopy, TagSince, Version, member_key
from sinks.telemetry import Telemetry
from streams.partition import MEMBER_KEY
from tests.oracle.brand import DAY, NOON
from tests.property.pipeline import KEYS, PARTITIONS, Pipeline, Stage
from tests.property.test_recount import ALLIANCE, RULES, published, read

TIMEOUT_S = 0.3


def log_of_a_street() -> Pipeline:
    pipeline = Pipeline()
    pipeline.publish_rules([read(path.read_text()) for path in RULES] + [read(ALLIANCE)], NOON)
    pipeline.publish(published(11, 1200, 40, 3 * DAY))
    pipeline.tick(NOON + 1)
    return pipeline


PIPELINE = log_of_a_street()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Redis]:
    """Give a Redis of the test's own that keeps its data, so that it can be killed and started again."""
    started = [start_redis(tmp_path / "redis")]
    yield started[0]
    started[0].kill()


@dataclass
class Worker:
    """A members worker with one partition of the street, and its serving copy; no Kafka."""

    url: str
    stage: Stage
    table: dict[bytes, bytes] = field(default_factory=dict)
    clock_ms: int = 0
    folded: int = 0
    most: int = 100_000
    epoch: int = 1

    def __post_init__(self) -> None:
        self.telemetry = Telemetry("members")
        self.serving = Serving(ServingCopy(self.url, TIMEOUT_S), KEYS, self.telemetry, self.most)
        self.fold = RenderedFold(KEYS, self.telemetry, self.serving.taken)
        home = Home("huiliu.internal.members", b"internal-members", self.stage.partition, PARTITIONS, self.epoch)
        self.fold.restore(home, self.table, self.clock_ms)

    def go(self, records: int | None = None) -> "Worker":
        """Fold so many records (None: all that are left), and make them durable."""
        batch = self.stage.log[self.folded :][:records]
        self.fold.begin()
        for record in batch:
            self.fold.fold(record)
        folded = self.fold.commit()
        self.folded, self.clock_ms = self.folded + len(batch), folded.clock_ms
        self.table.update({key: packed for key, packed in folded.states.items() if packed is not None})
        self.serving.on_durable(Durable(self.stage.partition, self.epoch, self.folded, folded.clock_ms, folded.states))
        return self

    def round(self) -> bool:
        """Let it write once, and leave Redis: each round of a test has a loop of its own."""
        return asyncio.run(self._round())

    async def _round(self) -> bool:
        taken = await self.serving.round()
        await self.serving._copy.close()  # noqa: SLF001 - a connection can't be carried to the next loop
        return taken

    def successor(self) -> "Worker":
        """Give the worker that takes the partition over."""
        return Worker(self.url, self.stage, dict(self.table), self.clock_ms, self.folded, self.most)

    @property
    def is_stale(self) -> bool:
        return self.telemetry.registry.get_sample_value("huiliu_serving_stale") == 1


def worker(url: str, partition: int = 0, **more: Any) -> Worker:
    return Worker(url, PIPELINE.stages[partition], **more)


def copy_in(url: str) -> dict[str, dict[str, Any]]:
    """Read all members of the copy, JSON as what it means; without the clock at which they were worded."""
    client = redis.Redis.from_url(url, decode_responses=True)
    found = {}
    for key in client.scan_iter("huiliu:*:member:*", count=1000):
        fields: Any = client.hgetall(key)
        found[key] = {name: json.loads(text) if text[:1] in "[{" else text for name, text in fields.items() if name != "as_of"}
    return found


def standing(url: str) -> Any:
    return redis.Redis.from_url(url, decode_responses=True).hgetall(STANDING)


def without_scores(copy: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Leave the scores out: they are as of the clock of each writing."""
    return {key: {name: found for name, found in fields.items() if name != "engagement"} for key, fields in copy.items()}


def whole_copy(server: Redis, partition: int = 0) -> dict[str, dict[str, Any]]:
    """Give what the copy is when nothing ever went wrong; leaves Redis empty."""
    client = redis.Redis.from_url(server.url)
    client.flushall()
    done = worker(server.url, partition).go()
    assert done.round()
    copy = copy_in(server.url)
    assert len(copy) >= sum(len(key) == MEMBER_KEY for key in done.table) > 0
    client.flushall()
    return copy


def told(stage: Stage) -> dict[str, dict[str, str]]:
    """Follow a CRM: each member's tags, and since when, from entries and exits alone."""
    copy = Stage(stage.partition, stage.log)
    copy.fold()
    tags: dict[str, dict[str, str]] = {}
    for record in copy.decisions:
        if isinstance(record, CrmRecord) and isinstance(change := record.value, TagChanged):
            held = tags.setdefault(member_key(record.brand, change.member), {})
            if record.type == TAG_ENTERED:
                held[change.tag] = change.at
            else:
                del held[change.tag]
    return tags


def test_the_copy_has_the_tags_that_the_crm_was_told_of_and_since_when(server: Redis) -> None:
    tags = told(PIPELINE.stages[0])
    assert any(tags.values())
    for key, fields in whole_copy(server).items():
        assert {held["tag"]: held["since"] for held in fields["tags"]} == tags.get(key, {})


def test_changes_are_coalesced_and_end_as_if_written_one_by_one(server: Redis) -> None:
    whole = whole_copy(server)
    slow = worker(server.url)
    while slow.folded < len(slow.stage.log):
        assert slow.go(37).round()
    assert without_scores(copy_in(server.url)) == without_scores(whole)
    assert not slow.is_stale
    assert standing(server.url) == {"partition:0": f"1.{slow.folded}"}


def row(epoch: int, offset: int, orders: int) -> Row:
    view = MemberView("m", "2026-11-24T04:00:00.000Z", "2026-11-24T04:00:00.000Z", ["a"], Engagement(brand=1.5), orders, {}, Last())
    return Row("acme", Version(epoch, offset), view, [TagSince("a", "2026-11-24T04:00:00.000Z")])


@pytest.mark.parametrize(("epoch", "offset", "taken"), [(1, 99, 0), (1, 100, 1), (1, 1_000, 1), (2, 5, 1), (0, 9_999, 0)])
def test_a_row_gives_way_to_none_that_is_older_compared_as_numbers(server: Redis, epoch: int, offset: int, taken: int) -> None:
    async def write() -> int:
        copy = ServingCopy(server.url)
        await copy.write([row(1, 100, orders=7)])
        written = await copy.write([row(epoch, offset, orders=8)])
        await copy.close()
        return written

    assert asyncio.run(write()) == taken
    assert copy_in(server.url)["huiliu:acme:member:m"]["orders"] == str(7 + taken)


def test_a_zombie_writes_nothing_over_its_successor(server: Redis) -> None:
    zombie = worker(server.url).go(100)
    successor = worker(server.url).go()
    assert successor.round()
    after = copy_in(server.url)
    assert zombie.round()
    assert copy_in(server.url) == after
    assert standing(server.url) == {"partition:0": f"1.{successor.folded}"}


def test_what_a_killed_worker_did_not_write_its_successor_writes(server: Redis) -> None:
    whole = whole_copy(server)
    killed = worker(server.url).go(200)
    assert killed.round()
    killed.go(150)
    successor = killed.successor()
    assert successor.round()
    assert successor.go().round()
    assert without_scores(copy_in(server.url)) == without_scores(whole)
    assert not successor.is_stale


def test_a_stop_in_the_middle_of_a_write_notes_nothing_that_is_not_written(server: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = whole_copy(server)
    leaving = worker(server.url)
    assert leaving.round()

    async def leave() -> None:
        begun, left = asyncio.Event(), asyncio.Event()

        async def stuck(rows: list[Row]) -> int:
            begun.set()
            await left.wait()
            raise ConnectionError("closed meanwhile")

        monkeypatch.setattr(leaving.serving._copy, "write", stuck)  # noqa: SLF001 - the connection is what ends
        writing = asyncio.create_task(leaving.go().serving.round())
        await begun.wait()
        await leaving.serving.on_stop()
        left.set()
        assert not await writing

    asyncio.run(leave())
    assert leaving.successor().round()
    assert without_scores(copy_in(server.url)) == without_scores(expected)


def test_redis_restarted_with_its_data_goes_on_and_is_not_stale(server: Redis, tmp_path: Path) -> None:
    whole = whole_copy(server)
    going = worker(server.url).go(200)
    assert going.round()
    server.stop()  # a kill would not do: while the disk is slow, Redis answers up to 2 s before it writes
    assert not going.go(150).round()
    assert going.is_stale
    with start_redis(tmp_path / "redis") as again:
        assert again.url == server.url
        assert going.go().round()
        assert without_scores(copy_in(again.url)) == without_scores(whole)
        assert not going.is_stale


def test_redis_restarted_empty_is_noticed_and_marked_until_it_is_rebuilt(server: Redis, tmp_path: Path) -> None:
    going = worker(server.url).go(300)
    assert going.round()
    server.kill()
    shutil.rmtree(tmp_path / "redis" / "appendonlydir")
    with start_redis(tmp_path / "redis") as again:
        assert going.round()
        assert going.round()
        found = standing(again.url)
        assert found["stale_since"].startswith("20")
        assert "partition 0" in found["problem"]
        assert going.is_stale
        assert going.go().round()
        assert going.is_stale


def test_redis_gone_back_to_an_older_copy_is_made_good_by_the_worker(server: Redis) -> None:
    whole = whole_copy(server)
    client = redis.Redis.from_url(server.url)
    going = worker(server.url).go(200)
    assert going.round()
    older = {key: client.dump(key) or b"" for key in client.scan_iter()}
    assert going.go().round()
    client.flushall()
    for key, dumped in older.items():
        client.restore(key, 0, dumped)
    assert going.round()
    assert going.round()
    assert without_scores(copy_in(server.url)) == without_scores(whole)
    assert not going.is_stale


def test_members_beyond_the_bound_are_dropped_and_the_copy_is_marked(server: Redis) -> None:
    narrow = worker(server.url, most=5)
    server.process.send_signal(signal.SIGSTOP)
    narrow.go(60)
    assert not narrow.round()
    narrow.go()
    assert narrow.serving.waiting <= 5
    server.process.send_signal(signal.SIGCONT)
    assert narrow.round()
    assert narrow.is_stale
    assert "more than 5 members" in standing(server.url)["problem"]


def test_a_paused_redis_holds_nothing(server: Redis) -> None:
    going = worker(server.url).go(200)
    assert going.round()

    async def paused() -> tuple[float, float, bool]:
        turns = [monotonic()]

        async def turn() -> None:
            while True:
                await asyncio.sleep(0.001)
                turns.append(monotonic())

        turning = asyncio.create_task(turn())
        server.process.send_signal(signal.SIGSTOP)
        began = monotonic()
        going.go()
        folded_s = monotonic() - began
        turns.append(monotonic())
        taken = await going.serving.round()
        waited_s = monotonic() - began - folded_s
        turning.cancel()
        server.process.send_signal(signal.SIGCONT)
        await going.serving._copy.close()  # noqa: SLF001
        gaps = [after - before for before, after in pairwise(turns[2:])]
        return max(gaps), waited_s, taken

    longest_s, waited_s, taken = asyncio.run(paused())
    assert not taken
    assert waited_s < 3 * TIMEOUT_S
    assert longest_s < TIMEOUT_S, "the loop waited for Redis"
    assert going.serving.waiting > 0
    assert going.round()
    assert going.serving.waiting == 0
    assert not going.is_stale


def test_the_script_is_given_again_to_a_redis_that_forgot_it(server: Redis) -> None:
    going = worker(server.url).go(100)
    assert going.round()
    redis.Redis.from_url(server.url).script_flush()
    assert going.go().round()
    assert copy_in(server.url)


def test_a_stop_in_order_writes_the_rest_and_calls_nothing_stale(server: Redis) -> None:
    going = worker(server.url).go(100)

    async def serve_and_stop() -> None:
        await going.serving.start()
        await asyncio.sleep(0.1)
        going.go()
        await going.serving.stop()

    asyncio.run(serve_and_stop())
    assert going.serving.waiting == 0
    assert not going.is_stale
