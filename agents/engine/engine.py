"""The engine: what is read, what is restored and when it counts.

Faust says which partitions are ours and runs the agent; ``Ledger`` and
``Pipeline`` decide; ``Reader``, ``Writer`` and a ``Backend`` do.  This module
brings them together and decides nothing.

Source: DESIGN 4.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import faust

from agents.engine.backend import Backend, Lost
from agents.engine.group import Consumer, Position
from agents.engine.ledger import Ledger
from agents.engine.linger import Linger
from agents.engine.observer import Observer
from agents.engine.options import Options
from agents.engine.pipeline import Batch, Pipeline, Place, Transaction
from agents.engine.reader import Reader
from agents.engine.takeover import CannotStart
from agents.engine.writer import Writer
from schemas.effects import Effect
from schemas.fold import Record

if TYPE_CHECKING:
    from agents.engine.app import EngineApp

REPORT_S = 1.0


class Work(NamedTuple):
    """A batch of one place, as read under one generation."""

    pipeline: Pipeline
    generation: int
    records: Sequence[Record]
    size: int


class Engine(faust.Service):
    """Reads each owned place from its position; effects delivered, then committed, then durable, then reported."""

    def __init__(
        self, app: "EngineApp", backend: Backend, put: Callable[[Work], Awaitable[None]], options: Options, observer: Observer
    ) -> None:
        self.app, self.backend, self.put, self.options, self.observer = app, backend, put, options, observer
        self.ledger = Ledger()
        self.reader = Reader(options, app.conf.id)
        self.writer = Writer(options.servers, app.fence, Linger(options.short_linger_ms, options.long_linger_ms), self.fail)
        self.unreported: dict[Place, int] = {}
        self.committed_at: dict[Place, float] = {}
        self.progress_at = monotonic()
        self.ended: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        self._hurry = False
        self._reading = asyncio.Event()
        self._settled = asyncio.Event()
        self._room = asyncio.Event()
        self._commits: set[asyncio.Task[None]] = set()
        super().__init__()

    # -- membership

    async def revoked(self) -> None:
        """Stop reading; let what is folded become durable before the partitions move."""
        self.ledger.revoked()
        self._reading.clear()
        if not await self.drain(self.options.session_timeout_s * 0.7):
            self.log.warning("what was folded did not become durable in time: whoever takes over repeats it")

    async def assigned(self, active: Iterable[Place]) -> None:
        """Take over what is new, drop what is gone, go on with what was kept."""
        if self.ledger.broken:
            return
        generation = self.ledger.generation
        plan = self.ledger.assigned(active)
        for place in plan.lost:
            self.backend.lose(place)
        try:
            starts = await self.backend.take_over(plan.new) if plan.new else {}
        except CannotStart as refusal:
            self.observer.refused_start(str(refusal))
            self.fail(refusal)
            return
        except Exception as bug:  # noqa: BLE001 - whatever it was, we do not own the places
            self.fail(bug)
            return
        for place, start in starts.items():
            self.ledger.opened(place, start.position, start.clock_ms)
            self.unreported[place] = start.position
        if generation == self.ledger.generation:
            self.reader.assign(self.ledger.start())
            self.progress_at = monotonic()
            self._reading.set()

    # -- reading and folding

    @faust.Service.task
    async def _read(self) -> None:
        while not self.should_stop:
            await self._reading.wait()
            await self._wait_for_room()
            generation = self.ledger.generation
            try:
                found = await self.reader.read()
            except Exception as bug:  # noqa: BLE001 - a log that can't be read ends the worker
                if generation == self.ledger.generation and not self.should_stop:
                    self.fail(bug)
                continue
            for place, records in found.items():
                await self._hand_over(place, generation, records)

    async def _hand_over(self, place: Place, generation: int, records: Sequence[Any]) -> None:
        """Give what was read to the agent, in batches."""
        pipeline = self.ledger.pipelines.get(place)
        if pipeline is None:
            return
        step = self.options.batch_records
        for start in range(0, len(records), step):
            if generation != self.ledger.generation:
                return
            batch = records[start : start + step]
            size = sum([record.serialized_value_size for record in batch])
            self.ledger.read(len(batch), size)
            await self.put(Work(pipeline, generation, batch, size))

    async def _wait_for_room(self) -> None:
        """Hold reading back while too much is read and not durable."""
        while self.ledger.pending_records >= self.options.pending_records or self.ledger.pending_size >= self.options.pending_bytes:
            self._room.clear()
            await self._room.wait()

    async def fold(self, work: Work) -> None:
        """Fold one batch and let its effects leave; it becomes durable when they are delivered."""
        ledger, pipeline, records = self.ledger, work.pipeline, work.records
        if not ledger.accepts(pipeline, work.generation, records[0].offset):
            ledger.release(len(records), work.size)
            self._room.set()
            return
        began = monotonic()
        try:
            done = self.backend.fold(pipeline.place, records)
            position = records[-1].offset + 1
            batch = ledger.folded(pipeline, position, done.clock_ms, done.states, len(done.effects), len(records), work.size)
            self.observer.folded(*pipeline.place, len(records), monotonic() - began)
            self.progress_at = monotonic()
            await self._send(pipeline, batch, done.effects)
        except Exception as bug:  # noqa: BLE001 - the first failure ends everything
            self.fail(bug)

    async def _send(self, pipeline: Pipeline, batch: Batch, effects: list[Effect]) -> None:
        if self.ledger.may_send:
            await self.writer.send(effects, lambda count: pipeline.delivered(batch, count))

    async def send(self, effects: Sequence[Effect]) -> None:
        """Write *effects* of a task of the stage's own; returns when they are in the log."""
        left = len(effects)
        landed = asyncio.Event()

        def delivered(count: int) -> None:
            nonlocal left
            left -= count
            if not left:
                landed.set()

        if self.ledger.broken:
            raise self.ledger.broken
        await self.writer.send(effects, delivered)
        if effects:
            await landed.wait()

    # -- becoming durable

    @faust.Service.task
    async def _commit_what_is_due(self) -> None:
        while not self.should_stop:
            await asyncio.sleep(0.01 if self._hurry else self.options.commit_interval_s / 10)
            due = self._due()
            if due:
                task = asyncio.ensure_future(self._commit(due))
                self._commits.add(task)
                task.add_done_callback(self._commits.discard)

    def _due(self) -> list[tuple[Pipeline, Transaction]]:
        """Begin what may be committed: after the interval, or at once when much is pending."""
        ledger, now = self.ledger, monotonic()
        full = ledger.pending_records > self.options.pending_records // 2 or ledger.pending_size > self.options.pending_bytes // 2
        due = []
        for place, pipeline in ledger.pipelines.items():
            if self._hurry or full or now - self.committed_at.get(place, 0.0) >= self.options.commit_interval_s:
                transaction = ledger.due(pipeline)
                if transaction is not None:
                    self.committed_at[place] = now
                    due.append((pipeline, transaction))
        return due

    async def _commit(self, due: list[tuple[Pipeline, Transaction]]) -> None:
        try:
            await self.backend.commit(due)
        except Lost:
            for pipeline, _ in due:
                self.ledger.lose(pipeline.place)
                self.backend.lose(pipeline.place)
        except Exception as bug:  # noqa: BLE001 - fenced, timed out, unknown: no second try
            self.fail(bug)
        else:
            for pipeline, _ in due:
                self.ledger.committed(pipeline)
                self.unreported[pipeline.place] = pipeline.durable
            self.progress_at = monotonic()
        self._settled.set()
        self._room.set()

    async def drain(self, timeout_s: float) -> bool:
        """Wait until all that was folded is durable; False if it was not in time."""
        self._hurry = True
        deadline = monotonic() + timeout_s
        try:
            while not self.ledger.idle and not self.ledger.broken and monotonic() < deadline:
                self._settled.clear()
                try:
                    await asyncio.wait_for(self._settled.wait(), deadline - monotonic())
                except TimeoutError:
                    break
        finally:
            self._hurry = False
        return self.ledger.idle and not self.ledger.broken

    @faust.Service.task
    async def _report(self) -> None:
        """Tell lag monitors what is durable; never read back by a stage with a table."""
        while not self.should_stop:
            await self.sleep(REPORT_S)
            if self._reading.is_set():
                await self.report()

    async def report(self) -> None:
        """Commit the durable positions that the group does not know yet."""
        owned = {place: at for place, at in self.unreported.items() if place in self.ledger.pipelines}
        self.unreported.clear()
        positions = {place: Position(at) for place, at in self.backend.positions(owned).items()}
        if positions:
            await cast(Consumer, self.app.consumer).report(positions)

    @faust.Service.task
    async def _serve_writer(self) -> None:
        await self.writer.serve()

    # -- ends

    def fail(self, bug: BaseException) -> None:
        """Note the first failure: nothing more is folded, sent or committed, and the worker exits."""
        if self.ledger.fail(bug):
            self._reading.clear()
            self.writer.give_up()
            self.observer.failed(repr(bug))
            self._settled.set()
            if not self.ended.done():
                self.ended.set_result(bug)

    async def finish(self, timeout_s: float) -> bool:
        """End in order: let the stage say farewell, stop reading, make all durable; False if it was not in time."""
        deadline = monotonic() + timeout_s
        self.ledger.revoked()
        self._reading.clear()
        durable = await self.drain(deadline - monotonic())
        if durable:
            await self.report()
        return durable

    async def on_start(self) -> None:
        """Connect the reader."""
        await self.reader.start()

    async def on_stop(self) -> None:
        """Disconnect."""
        self.writer.close()
        await self.reader.stop()
