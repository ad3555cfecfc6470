"""The writer on a real Kafka: after a record that is refused nothing of the same partition arrives, so no receiver passes it over."""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from time import monotonic

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from agents.engine.fence import Fenced, HeartbeatFence, boot_s
from agents.engine.linger import Linger
from agents.engine.pipeline import Batch
from agents.engine.writer import Writer
from schemas.effects import Effect
from tests.integration.toy_cluster import read_all


def topic(servers: str, name: str, partitions: int = 1, **settings: str) -> str:
    wanted = NewTopic(name, partitions, 1, config={key.replace("_", "."): value for key, value in settings.items()})
    admin = AdminClient({"bootstrap.servers": servers})
    admin.create_topics([wanted])[name].result()
    return name


def last_received(numbers: list[int], step: int) -> int:
    """Take *numbers* as a receiver does that drops what it has: none may be left out."""
    highest = numbers[0]
    for number in numbers:
        assert number <= highest + step
        highest = max(highest, number)
    return highest


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
        with suppress(KafkaException):  # where librdkafka hears of the refusal while it takes what follows
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


def test_a_topic_that_was_deleted_holds_up_nobody_and_gets_the_rest_in_order(kafka: str) -> None:
    gone, other = topic(kafka, "writer-gone"), topic(kafka, "writer-other")
    admin = AdminClient({"bootstrap.servers": kafka})

    async def run() -> int:
        failures: list[BaseException] = []
        writer = Writer(kafka, open_fence(), Linger(5, 100), failures.append)
        serving = asyncio.ensure_future(writer.serve())
        batches: list[Batch] = []

        async def send(name: str) -> Batch:
            batch = Batch(0, 0, {}, 3, 3, 0)
            number = 3 * sum(name == sent for sent in names)
            names.append(name)
            await writer.send([Effect(name, 0, None, b"%d" % (number + nth)) for nth in range(3)], batch)
            return batch

        names: list[str] = []
        first = await send(gone)
        await until(lambda: first.waiting == 0)
        await asyncio.to_thread(lambda: admin.delete_topics([gone])[gone].result())
        began = monotonic()
        while not writer.missing or monotonic() < began + 1:
            batches.append(await send(gone))
            passed = await send(other)
            await until(lambda passed=passed: passed.waiting == 0)  # type: ignore[misc]
            await asyncio.sleep(0.01)
        assert list(writer.missing) == [gone]
        await asyncio.to_thread(topic, kafka, gone)
        batches.append(await send(gone))
        while writer.missing:
            await writer.go_on(gone, 1)
            await asyncio.sleep(0.1)
        batches.append(await send(gone))
        await until(lambda: not any(batch.waiting for batch in batches))
        assert not failures
        writer.close()
        await serving
        return 3 * names.count(gone)

    sent = asyncio.run(run())
    arrived = [int(message.value() or b"") for message in read_all(kafka, gone)]
    assert arrived[0] <= 3
    assert last_received(arrived, 1) == sent - 1


def test_what_comes_while_a_topic_goes_waits_for_it(kafka: str) -> None:
    """librdkafka says ``_DESTROY`` of records that it took just when it let go of their partition."""
    gone, partitions, size = "writer-goes", 8, 80
    admin = AdminClient({"bootstrap.servers": kafka})
    topic(kafka, gone, partitions)

    async def run() -> int:
        failures: list[BaseException] = []
        writer = Writer(kafka, open_fence(), Linger(5, 100), failures.append)
        serving = asyncio.ensure_future(writer.serve())
        batches: list[Batch] = []

        async def send() -> None:
            number = size * len(batches)
            batches.append(Batch(0, 0, {}, size, size, 0))
            effects = [Effect(gone, each % partitions, None, b"%d" % each) for each in range(number, number + size)]
            await writer.send(effects, batches[-1])

        await send()
        await until(lambda: batches[0].waiting == 0)
        going = asyncio.ensure_future(asyncio.to_thread(lambda: admin.delete_topics([gone])[gone].result()))
        async with asyncio.timeout(20):
            while not writer.missing and not failures:
                await send()
                await asyncio.sleep(0.001)
            await going
            assert not failures
            await asyncio.to_thread(topic, kafka, gone, partitions)
            while writer.missing:
                await writer.go_on(gone, partitions)
                await asyncio.sleep(0.1)
        await until(lambda: not any(batch.waiting for batch in batches))
        assert not failures
        writer.close()
        await serving
        return size * len(batches)

    sent = asyncio.run(run())
    arrived: dict[int, list[int]] = {partition: [] for partition in range(partitions)}
    for message in read_all(kafka, gone):
        arrived[message.partition() or 0].append(int(message.value() or b""))
    for partition, numbers in arrived.items():
        assert last_received(numbers, partitions) == sent - partitions + partition


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
