"""The serving copy anew from the committed changelog: what ``huiliu serving rebuild`` does.

Workers go on writing meanwhile: no row gives way to an older one.
"""

import asyncio
import uuid
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from agents import key_file
from agents.engine.takeover import MARKER, Marker, unpack
from agents.serving_rows import rows_of
from agents.settings import BadSettings, Settings
from agents.topic_log import TopicLog
from schemas import stages
from sinks.redis import BATCH, UNREACHABLE, Claim, Ended, Row, ServingCopy
from streams.keys import Keys
from streams.partition import MEMBER_KEY, Partition

PATIENCE_S: Final = 10.0

Progress = Callable[[int, int], None]
"""Told how much is done, of how much: changelog records, all partitions together."""


class Rebuilt(NamedTuple):
    """How many *members* were written in how many *rows* (one a brand), from how many *partitions*, and how it ended."""

    partitions: int
    members: int
    rows: int
    ended: Ended


class Restored(NamedTuple):
    """One partition of members as it is committed: packed states without the marker, and what makes words of them."""

    states: Mapping[bytes, bytes]
    marker: Marker
    partition: Partition


def restored(log: TopicLog, partition: int, read: Callable[[], None] = lambda: None) -> Restored | None:
    """Read one changelog partition to its end; None if nothing was ever committed.  *read* is told of each record."""
    states: dict[bytes, bytes] = {}
    for entry in log.read(partition):
        read()
        if entry.value is None:
            states.pop(entry.key or b"", None)
        else:
            states[entry.key or b""] = entry.value
    packed = states.pop(MARKER, None)
    if packed is None:
        return None
    marker, rules_and_books = unpack(packed), Partition()
    rules_and_books.restore({key: state for key, state in states.items() if len(key) != MEMBER_KEY}, marker.clock_ms)
    return Restored(states, marker, rules_and_books)


def rebuild(settings: Settings, progress: Progress) -> Rebuilt:
    """Write every committed member to Redis, and take the mark of staleness off.

    Raises ``BadSettings`` when there is no Redis, no Kafka, no key file, or
    Redis does not answer.
    """
    if settings.redis is None:
        raise BadSettings("redis: not set, so there is no serving copy; set HUILIU_REDIS=redis://host:port/0")
    keys = Keys(key_file.read(settings.keys))
    try:
        return asyncio.run(_rebuild(settings, settings.redis, keys, progress))
    except UNREACHABLE as error:
        raise BadSettings(f"redis: the serving copy can't be written: {error}") from None


async def _rebuild(settings: Settings, url: str, keys: Keys, progress: Progress) -> Rebuilt:
    copy, name = ServingCopy(url, PATIENCE_S), uuid.uuid4().hex
    marks = await copy.begin_rebuild(name)
    partitions = members = rows = done = 0
    try:
        with TopicLog(settings, stages.MEMBERS.changelog) as log:
            total = sum(extent.end - extent.first for extent in log.extents().values())

            def read() -> None:
                nonlocal done
                done += 1
                progress(done, total)

            for number in log.partitions:
                found = restored(log, number, read)
                if found is not None:
                    written = await _write(copy, number, found, keys)
                    partitions, members, rows = partitions + 1, members + written[0], rows + written[1]
        return Rebuilt(partitions, members, rows, await copy.end_rebuild(name, marks))
    finally:
        await copy.close()


async def _write(copy: ServingCopy, number: int, found: Restored, keys: Keys) -> tuple[int, int]:
    """Write one partition; returns how many members in how many rows."""
    marker, members, written = found.marker, 0, 0
    await copy.open(number, marker.epoch)
    rows: list[Row] = []
    for key, packed in found.states.items():
        if len(key) == MEMBER_KEY:
            members += 1
            rows += rows_of(key, packed, found.partition, keys, marker.epoch, marker.clock_ms)
        if len(rows) >= BATCH:
            await copy.write(rows)
            written, rows = written + len(rows), []
    if rows:
        await copy.write(rows)
    await copy.settle([Claim(number, marker.epoch, 0, marker.position)])
    return members, written + len(rows)
