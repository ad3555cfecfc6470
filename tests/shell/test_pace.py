"""A broker is asked at a pace, and may keep for long only what leaves nobody out."""

import asyncio
from time import monotonic

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer import fetcher

from agents.engine.pace import BUSY_WAIT_MS, IDLE_WAIT_MS, PACE_MS, PAUSE_S, Fetcher


class Upstream:
    """What aiokafka's own fetcher does with a request: notes it, and says that there is something new."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[tuple[int, float]] = []
        self.waits: list[int] = []
        monkeypatch.setattr(fetcher.Fetcher, "__init__", lambda _: None)
        monkeypatch.setattr(fetcher.Fetcher, "_proc_fetch_request", self.send)
        monkeypatch.setattr(fetcher.Fetcher, "_get_actions_per_node", self.plan)
        self.fetcher = Fetcher()
        self.fetcher._client = self  # noqa: SLF001 - aiokafka's
        self.looked_up = 0

    def force_metadata_update(self) -> None:
        self.looked_up += 1

    async def send(self, _: object, node_id: int, __: object) -> bool:
        self.asked.append((node_id, monotonic()))
        return True

    def plan(self, _: object) -> None:
        self.waits.append(self.fetcher._fetch_max_wait_ms)  # noqa: SLF001 - aiokafka's

    async def fetch(self, node_id: int) -> bool:
        return bool(await self.fetcher._proc_fetch_request(None, node_id, None))  # noqa: SLF001 - aiokafka calls it

    def ask_with(self, buffered: dict[TopicPartition, str]) -> None:
        self.fetcher._records = buffered  # noqa: SLF001 - aiokafka's
        self.fetcher._get_actions_per_node(None)  # noqa: SLF001 - aiokafka calls it


@pytest.fixture
def upstream(monkeypatch: pytest.MonkeyPatch) -> Upstream:
    return Upstream(monkeypatch)


def test_a_broker_is_asked_again_after_a_while_and_another_one_at_once(upstream: Upstream) -> None:
    async def fetch() -> None:
        await upstream.fetch(1)
        again = asyncio.ensure_future(upstream.fetch(1))
        await asyncio.sleep(0)
        await upstream.fetch(2)
        await again

    asyncio.run(fetch())
    (first, began), (other, _), (second, went_on) = upstream.asked
    assert (first, other, second) == (1, 2, 1)
    assert went_on - began >= PACE_MS / 1000


def test_a_fetch_that_is_called_off_while_it_waits_has_nothing_new(upstream: Upstream) -> None:
    async def call_off() -> bool:
        await upstream.fetch(1)
        waiting = asyncio.ensure_future(upstream.fetch(1))
        await asyncio.sleep(0)
        waiting.cancel()
        return await waiting

    assert asyncio.run(call_off()) is False
    assert len(upstream.asked) == 1


def test_a_fetch_that_is_called_off_while_aiokafka_backs_off_has_nothing_new_either(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def back_off(*_: object) -> bool:
        await asyncio.sleep(60)
        return True

    async def call_off() -> bool:
        waiting = asyncio.ensure_future(upstream.fetch(1))
        await asyncio.sleep(0.01)
        waiting.cancel()
        return await waiting

    monkeypatch.setattr(fetcher.Fetcher, "_proc_fetch_request", back_off)
    assert asyncio.run(call_off()) is False


def test_topics_are_looked_up_anew_after_a_pause(upstream: Upstream) -> None:
    async def fetch() -> None:
        await upstream.fetch(1)
        await upstream.fetch(1)
        assert not upstream.looked_up
        await asyncio.sleep(PAUSE_S + 0.1)
        await upstream.fetch(1)

    asyncio.run(fetch())
    assert upstream.looked_up == 1


def test_only_a_fetch_of_every_partition_may_be_kept_by_the_broker_for_long(upstream: Upstream) -> None:
    upstream.ask_with({})
    upstream.ask_with({TopicPartition("in", 3): "records"})
    assert upstream.waits == [IDLE_WAIT_MS, BUSY_WAIT_MS]
