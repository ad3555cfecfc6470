"""Faust as its documentation shows it: an agent over a topic, a Table, one send an event."""

import asyncio
import time

import faust

from benchmarks.contenders.job import Counted, Enriched, Job


class Event(faust.Record, serializer="json"):
    """What happened; Faust decodes it by codec."""

    id: str
    member: str
    amount: int
    item: str
    note: str


def run(job: Job) -> float:
    """Do the job; gives the CPU seconds that they took."""
    return asyncio.run(_run(job))


async def _run(job: Job) -> float:
    app = faust.App(
        job.app_id, broker=f"kafka://{job.servers}", store="memory://", topic_partitions=job.partitions, web_enabled=False,
        topic_disable_leader=True, consumer_auto_offset_reset="earliest",
    )  # fmt: skip
    events = app.topic(job.source, key_type=bytes, value_type=Event)
    outputs = app.topic(job.output, key_type=bytes, value_serializer="json")
    table = app.Table("bench", default=lambda: [0, 0, "", ""], key_type=str, value_type=list)
    ended: asyncio.Future[float] = asyncio.get_running_loop().create_future()
    done, began = 0, 0.0

    @app.agent(events)
    async def count(stream):  # type: ignore[no-untyped-def]
        nonlocal done, began
        async for event in stream:
            if not done:
                began = time.process_time()
            state = Counted(*table[event.member])
            state.count, state.total, state.last, state.note = state.count + 1, state.total + event.amount, event.item, event.note[:100]
            table[event.member] = [state.count, state.total, state.last, state.note]
            enriched = Enriched(event.id, event.member, state.count, state.total)
            await outputs.send(key=event.member.encode(), value=[enriched.id, enriched.member, enriched.count, enriched.total])
            done += 1
            if done == job.total:
                ended.set_result(time.process_time() - began)

    await app.start()
    spent = await ended
    await app.stop()
    return spent
