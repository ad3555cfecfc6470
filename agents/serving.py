"""Keeps the serving copy in step with what is durable, and never in anybody's way.

Members that changed are collected as they are, packed, the latest state of
each; twice a second they are worded and written.  While Redis does not answer
they wait, at most ``MOST`` of them.  What is written of a partition is noted in
Redis with its position; so a worker that takes a partition over writes what a
killed one left, and a Redis that was emptied or went back is noticed.

The copy is marked as stale when it may lack something that nobody will write
by himself; ``huiliu serving rebuild`` makes it whole.

Source: DESIGN 3.
"""

import asyncio
import threading
import weakref
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from time import monotonic
from typing import Final, Protocol

from mode import Service

from agents.engine.stage import Durable
from agents.members_fold import RenderedFold
from agents.serving_rows import rows_of
from schemas.fold import Home, stamped_offset
from sinks.redis import BATCH, UNREACHABLE, Claim, Row, ServingCopy
from streams.keys import Keys
from streams.partition import MEMBER_KEY

MOST: Final = 100_000
EVERY_S: Final = 0.5
LONGEST_WAIT_S: Final = 5.0
LAST_WORD_S: Final = 2.0
SLICE_S: Final = 0.002
SCANNED: Final = 2_000


class Audience(Protocol):
    """Whoever tells operators; ``sinks.telemetry`` does."""

    def served(self, members: int, seconds: float) -> None: ...
    def serving_stale(self, problem: str) -> None: ...
    def serving_fresh(self) -> None: ...


class Kept:
    """What is to be written of one partition.

    *changed*: packed members since the last write; *in_hand*: those being
    written.  *position* is the durable one, *written* that up to which all was
    written, *reached* that which Redis has noted: None until it was asked.
    *in_redis*: there should be members of it in Redis.
    """

    def __init__(self, home: Home, fold: RenderedFold) -> None:
        self.partition, self.epoch = home.partition, home.epoch
        self.in_redis = _any_member(fold.states)
        self.fold = weakref.ref(fold)
        self.clock_ms = fold.clock_ms
        self.changed: dict[bytes, bytes] = {}
        self.in_hand: dict[bytes, bytes] = {}
        self.position = self.written = 0
        self.reached: int | None = None

    def put_back(self) -> None:
        """Keep what could not be written; what changed since is newer."""
        self.changed = {**self.in_hand, **self.changed}
        self.in_hand = {}


class Serving(Service):
    """The serving copy of the partitions that this worker has."""

    def __init__(self, copy: ServingCopy, keys: Keys, audience: Audience, most: int = MOST) -> None:
        self._copy, self._keys, self._audience, self._most = copy, keys, audience, most
        self._kept: dict[int, Kept] = {}
        self._kept_changes = threading.Lock()
        self._one_round = asyncio.Lock()
        self._missed: str | None = None
        self._stale: bool | None = None
        super().__init__()

    # What the stage tells

    def taken(self, home: Home, fold: RenderedFold) -> None:
        """Serve a partition that was just restored; may be called in any thread.  It ends when the engine drops *fold*."""
        kept = Kept(home, fold)
        with self._kept_changes:
            self._kept[home.partition] = kept

    def on_durable(self, durable: Durable) -> None:
        """Take what became durable; never blocks."""
        kept = self._kept.get(durable.partition)
        if kept is None or kept.epoch != durable.epoch:
            return
        kept.position, kept.clock_ms = durable.position, durable.clock_ms
        self._collect(kept, {key: packed for key, packed in durable.states.items() if len(key) == MEMBER_KEY and packed is not None})

    @property
    def waiting(self) -> int:
        """Count the members that are to be written."""
        return sum(len(kept.changed) + len(kept.in_hand) for kept in list(self._kept.values()))

    def _collect(self, kept: Kept, members: dict[bytes, bytes]) -> None:
        if self.waiting + len(members) > self._most:
            dropped = len(members)
            members = {key: packed for key, packed in members.items() if key in kept.changed}
            if len(members) < dropped:
                self._missed = f"more than {self._most} members were waiting to be written"
        kept.changed.update(members)

    # The rounds

    @Service.task
    async def _rounds(self) -> None:
        wait_s = EVERY_S
        while not self.should_stop:
            wait_s = EVERY_S if await self.round() else min(2 * wait_s, LONGEST_WAIT_S)
            await self.sleep(wait_s)

    async def on_stop(self) -> None:
        """Write what is left, if Redis is quick; whoever has the partition next writes the rest."""
        try:
            async with asyncio.timeout(LAST_WORD_S):
                await self.round()
        except TimeoutError:
            pass
        await self._copy.close()

    async def round(self) -> bool:
        """Write all that changed so far; False if Redis did not take it, and it waits.

        One round at a time: what another still has in hand must not be noted as written.
        """
        async with self._one_round:
            return await self._round()

    async def _round(self) -> bool:
        with self._kept_changes:
            kept = [each for each in self._kept.values() if each.fold() is not None]
            self._kept = {each.partition: each for each in kept}
        began, written = monotonic(), 0
        try:
            for each in kept:
                if each.reached is None:
                    await self._open(each)
                written += await self._write(each)
            await self._settle(kept)
        except UNREACHABLE as error:
            self._stale = True
            self._audience.serving_stale(f"{type(error).__name__}: {error}")
            return False
        if written:
            self._audience.served(written, monotonic() - began)
        return True

    async def _open(self, kept: Kept) -> None:
        """Ask how far Redis is, and collect what it lacks: another worker may have been killed before it wrote."""
        standing = await self._copy.open(kept.partition, kept.epoch)
        fold = kept.fold()
        if fold is None:
            return
        if standing is None:
            if kept.in_redis:
                await self._mark(f"Redis had nothing of partition {kept.partition}: it is new, or was emptied")
            kept.reached = 0
            return
        since = standing.offset if standing.epoch == kept.epoch else 0
        if standing.epoch <= kept.epoch:
            await self._collect_since(kept, fold, since)
        kept.reached = since

    async def _collect_since(self, kept: Kept, fold: RenderedFold, position: int) -> None:
        """Collect the members that changed at *position* or later.

        The table may be ahead of what is durable; a crash would fold the same
        records to the same states, so nothing false is shown.
        """
        keys = list(fold.states)
        for start in range(0, len(keys), SCANNED):
            found = ((key, fold.states.get(key)) for key in keys[start : start + SCANNED] if len(key) == MEMBER_KEY)
            lacking = {key: packed for key, packed in found if packed is not None and stamped_offset(packed) >= position}
            self._collect(kept, {key: packed for key, packed in lacking.items() if key not in kept.changed})
            await asyncio.sleep(0)  # let the loop turn

    async def _write(self, kept: Kept) -> int:
        """Write what changed in one partition, in batches; returns how many members."""
        fold = kept.fold()
        if fold is None:
            return 0
        kept.in_hand, kept.changed = kept.changed, {}
        position, members = kept.position, len(kept.in_hand)
        try:
            for rows in self._worded(kept, fold):
                await self._copy.write(rows)
        except UNREACHABLE:
            kept.put_back()
            raise
        kept.in_hand, kept.in_redis = {}, kept.in_redis or members > 0
        kept.written = max(position, kept.reached or 0)
        return members

    def _worded(self, kept: Kept, fold: RenderedFold) -> Iterable[list[Row]]:
        """Word the members in hand, in batches that take the loop no longer than ``SLICE_S``."""
        rows: list[Row] = []
        until = monotonic() + SLICE_S
        for key, packed in kept.in_hand.items():
            rows += rows_of(key, packed, fold.partition, self._keys, kept.epoch, kept.clock_ms)
            if len(rows) >= BATCH or monotonic() > until:
                yield rows
                rows, until = [], monotonic() + SLICE_S
        if rows:
            yield rows

    async def _settle(self, kept: list[Kept]) -> None:
        """Note how far the copy is; ask again about partitions of which Redis has less than it had."""
        if self._missed is not None:
            await self._mark(self._missed)
            self._missed = None
        settled = await self._copy.settle([Claim(each.partition, each.epoch, each.reached or 0, each.written) for each in kept])
        for each in kept:
            each.reached = None if each.partition in settled.gaps else each.written
        if settled.stale_since is None and not settled.gaps and self._stale is not False:
            self._stale = False
            self._audience.serving_fresh()
        elif settled.stale_since is not None and not self._stale:
            self._stale = True
            self._audience.serving_stale(f"since {settled.stale_since}; `huiliu serving rebuild` makes it whole")

    async def _mark(self, problem: str) -> None:
        await self._copy.mark_stale(datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"), problem)
        self._stale = True
        self._audience.serving_stale(problem)


def _any_member(states: Mapping[bytes, bytes]) -> bool:
    return any(len(key) == MEMBER_KEY for key in states)
