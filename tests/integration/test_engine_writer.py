"""The writer on a real Kafka: after a record that is refused nothing of the same partition arrives, so no receiver passes it over."""

import asyncio
import random
from collections.abc import Callable

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from agents.engine.fence import Fenced, HeartbeatFence, boot_s
from agents.engine.linger import Linger
from agents.engine.pipeline import Batch
from agents.engine.writer import Writer
from schemas.effects import Effect
from tests.integration.toy_cluster import read_all


def topic(servers: str, name: str, **settings: str) -> str:
    wanted = NewTopic(name, 1, 1, config={key.replace("_", "."): value for key, value in settings.items()})
    admin = AdminClient({"bootstrap.servers": servers})
    admin.create_topics([wanted])[name].result()
    return name


def open_fence(seconds: float = 30.0) -> HeartbeatFence:
    fence = HeartbeatFence(seconds)
    fence.beat(boot_s())
    return fence


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - the writer tells of nothing else
            await asyncio.sleep(0.01)


def test_effects_are_counted_down_and_their_offsets_told(kafka: str) -> None:
    name = topic(kafka, "writer-counts")

    failures: list[BaseException] = []

    async def run() -> list[int]:
        writer = Writer(kafka, open_fence(), Linger(5, 100), failures.append)
        serving = asyncio.ensure_future(writer.serve())
        batch = Batch(0, 0, {}, 500, 500, 0)
        await writer.send([Effect(name, 0, b"k", b"%d" % number) for number in range(500)], batch)
        await until(lambda: batch.waiting == 0)
        offsets = await writer.send_and_wait([Effect(name, 0, None, b"last"), Effect(name, 0, None, None, (("h", b"v"),))])
        writer.close()
        await serving
        return offsets

    assert asyncio.run(run()) == [500, 501]
    assert not failures
    assert [message.value() for message in read_all(kafka, name)][:500] == [b"%d" % number for number in range(500)]


def test_nothing_follows_a_record_that_is_refused(kafka: str) -> None:
    name = topic(kafka, "writer-gap", max_message_bytes="100000")
    huge = random.Random(1).randbytes(300_000)

    async def run() -> tuple[list[BaseException], int]:
        failures: list[BaseException] = []

        def failed(bug: BaseException) -> None:
            failures.append(bug)
            writer.give_up()

        writer = Writer(kafka, open_fence(), Linger(5, 100), failed)
        serving = asyncio.ensure_future(writer.serve())
        batch = Batch(0, 0, {}, 2_001, 0, 0)
        effects = [Effect(name, 0, None, b"%d" % number) for number in range(2_001)]
        effects[1_000] = Effect(name, 0, None, huge)
        await writer.send(effects[:500], batch)
        await until(lambda: batch.waiting <= 2_001 - 500)
        await writer.send(effects[500:], batch)
        await until(lambda: bool(failures))
        with pytest.raises(Fenced):
            await writer.send([Effect(name, 0, None, b"after")], batch)
        await serving
        await asyncio.sleep(0.5)  # what had left before may still arrive
        return failures, batch.waiting

    failures, waiting = asyncio.run(run())
    assert failures
    assert waiting > 0
    arrived = [message.value() for message in read_all(kafka, name)]
    assert arrived == [b"%d" % number for number in range(len(arrived))]
    assert 500 <= len(arrived) <= 1_000


def test_nothing_is_sent_without_a_heartbeat(kafka: str) -> None:
    name = topic(kafka, "writer-fence")

    async def run() -> list[BaseException]:
        failures: list[BaseException] = []
        fence = open_fence(0.2)
        writer = Writer(kafka, fence, Linger(5_000, 5_000), failures.append)
        serving = asyncio.ensure_future(writer.serve())
        await writer.send([Effect(name, 0, None, b"waits for company")], Batch(0, 0, {}, 1, 0, 0))
        await until(lambda: bool(failures))
        with pytest.raises(Fenced):
            await writer.send([Effect(name, 0, None, b"late")], Batch(0, 0, {}, 1, 0, 0))
        writer.give_up()
        await serving
        return failures

    failures = asyncio.run(run())
    assert isinstance(failures[0], Fenced)
    assert read_all(kafka, name) == []
