"""The engine: what is read, what is restored and when it counts.

Faust says which partitions are ours and runs the agent; ``Ledger`` and
``Pipeline`` decide; ``Reader``, ``Writer``, ``Committer`` and a ``Backend``
do.  This module brings them together and decides nothing.

Source: DESIGN 4.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Sequence
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple, cast

import faust
from aiokafka.errors import OffsetOutOfRangeError

from agents.engine.backend import Backend, Lost, Overtaken
from agents.engine.cluster import Cluster
from agents.engine.committer import Committer
from agents.engine.fetched import Run
from agents.engine.group import Consumer, Position
from agents.engine.ledger import Ledger
from agents.engine.linger import Linger
from agents.engine.observer import Observer
from agents.engine.options import Options
from agents.engine.pipeline import Pipeline, Place
from agents.engine.reader import Reader
from agents.engine.takeover import CannotStart
from agents.engine.writer import Writer
from schemas.effects import Effect
from schemas.fold import Record

if TYPE_CHECKING:
    from agents.engine.app import EngineApp

REPORT_S = 1.0
DRAIN_SHARE = 0.7  # of the session timeout: then others wait for us no longer


class Work(NamedTuple):
    """A batch of one place, as read under one generation: all that there is from the offset *begins* on, up to *ends*."""

    pipeline: Pipeline
    generation: int
    begins: int
    ends: int
    records: Sequence[Record]
    size: int


class Engine(faust.Service):
    """Reads each owned place from its position; effects delivered, then committed, then durable, then reported.

    *put* hands the batches of one fetch to the agent, which calls ``fold`` for
    each: what Faust costs an item is shared by all places that had records.
    *ended* is done with the first failure.
    """

    def __init__(
        self,
        app: "EngineApp",
        backend: Backend,
        cluster: Cluster,
        put: Callable[[Sequence[Work]], Awaitable[None]],
        options: Options,
        observer: Observer,
    ) -> None:
        self.app, self.backend, self.cluster, self.put, self.options, self.observer = app, backend, cluster, put, options, observer
        self.ledger = Ledger()
        self.reader = Reader(options, app.conf.id)
        self.writer = Writer(options.servers, app.fence, Linger(options.short_linger_ms, options.long_linger_ms), self.fail)
        self.committer = Committer(self.ledger, backend, options, self.fail)
        self.ended: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        self._reading = asyncio.Event()
        self._changing = asyncio.Lock()
        self._met_kafka = False
        self._settled_in = False
        self._rebalances = 0
        self._fetching = asyncio.Lock()
        self._assigning: set[asyncio.Task[None]] = set()
        self.folded_ms: dict[Place, int] = {}
        super().__init__()

    @property
    def failure(self) -> str | None:
        """Say what ended the worker; None while nothing did."""
        return repr(self.ledger.broken) if self.ledger.broken else None

    @property
    def problem(self) -> str | None:
        """Say why the worker does no work yet; None when it reads."""
        if self.failure or self._settled_in:
            return self.failure
        return "partitions are being taken over" if self._met_kafka else f"Kafka at {self.options.servers} does not answer"

    async def meet_kafka(self) -> None:
        """Wait until Kafka answers: whoever gave up would be started again later and later."""
        while not await self.cluster.answers():
            self.log.warning("Kafka at %s does not answer; waiting for it", self.options.servers)
        self._met_kafka = True

    # -- membership

    async def revoked(self) -> None:
        """Stop reading; let what is folded become durable before the partitions move."""
        self._rebalances += 1
        self.ledger.revoked()
        self._stop_reading()
        deadline = monotonic() + self.options.session_timeout_s * DRAIN_SHARE
        drained = await self.committer.drain(deadline - monotonic())
        if not drained:
            self.log.warning("what was folded did not become durable in time: whoever takes over repeats it")
        if not await self._wait_for_take_over(deadline - monotonic()) or not drained:
            return
        try:
            await self.backend.settled(self.committer.durable())
        except Lost:
            self.committer.lose(list(self.ledger.pipelines))

    async def _wait_for_take_over(self, timeout_s: float) -> bool:
        """Wait until each assignment so far was seen to, or has seen that it was overtaken; False if that was not in time.

        A take-over would fence the next owner; and what is still in the ledger
        may have been another's since.
        """
        try:
            async with asyncio.timeout(max(0.0, timeout_s)):
                while self._assigning:
                    await asyncio.wait(set(self._assigning))
                async with self._changing:
                    return True
        except TimeoutError:
            self.log.warning("a take-over goes on although a rebalance, or a stop, has begun")
            return False

    def _stop_reading(self) -> None:
        self.ledger.pause()
        self._reading.clear()
        self._settled_in = False

    def assigned(self, active: Iterable[Place]) -> None:
        """Begin to take over what is new; Faust does not wait for it."""
        task = asyncio.ensure_future(self._go_on_with(set(active), self._rebalances))
        self._assigning.add(task)
        task.add_done_callback(self._assigning.discard)

    async def _go_on_with(self, active: set[Place], rebalance: int) -> None:
        """Take over what is new, drop what is gone, go on with what was kept; unless the next rebalance has begun."""
        async with self._changing:
            if self.ledger.broken:
                return
            if rebalance != self._rebalances:  # overtaken; but what was another's in between is not kept, even if it comes back
                self.committer.lose([place for place in self.ledger.pipelines if place not in active])
                return
            plan = self.ledger.assigned(active)
            self.committer.lose(plan.lost)
            try:
                stale = await self.stale({place.topic for place in plan.kept})
                self.committer.lose(stale)
                owned = self.ledger.pipelines
                await self.backend.kept({place: owned[place].durable for place in plan.kept if place in owned})
            except Lost:
                self.committer.lose(plan.kept)
            except Exception as bug:  # noqa: BLE001 - whether what is kept is still what it was is not known
                self.fail(bug)
                return
            await self._take_over([*plan.new, *stale], rebalance)

    async def stale(self, names: Collection[str]) -> list[Place]:
        """Find the places of the topics *names* that are another topic's by now: it was deleted and made again."""
        self.reader.doubted.difference_update(names)
        topics = await self.cluster.topics(names)
        self.reader.doubted.update(set(names) - topics.keys())
        return self.backend.stale(topics)

    async def take_again(self, places: list[Place]) -> None:
        """Take those of *places* that are still ours over again: their logs are not what they were."""
        async with self._changing:
            places = [place for place in places if place in self.ledger.pipelines]
            if not self._settled_in or not places:
                return
            self._stop_reading()
            self.committer.lose(places)
            await self._take_over(places, self._rebalances)

    async def _take_over(self, places: list[Place], rebalance: int) -> None:
        """Take *places* over and read all that is owned, unless another rebalance than *rebalance*, or a stop, has begun."""
        try:
            starts = await self.backend.take_over(places, lambda: rebalance == self._rebalances) if places else {}
        except (Lost, Overtaken) as moved:
            if rebalance == self._rebalances:
                self.fail(moved)
            return
        except Exception as bug:  # noqa: BLE001 - whatever it was, we do not own the places
            self.fail(bug)
            return
        for place, start in starts.items():
            self.ledger.opened(place, start.position, start.clock_ms)
            self.committer.unreported[place] = start.position
        async with self._fetching:  # or what is being read now would be taken for what is read next
            if rebalance == self._rebalances and not self.ledger.broken:
                self._settled_in = True
                positions = self.ledger.start()
                if positions:
                    self.reader.assign(positions)
                    self._reading.set()

    # -- reading and folding

    @faust.Service.task
    async def _read(self) -> None:
        while not self.should_stop:
            await self._reading.wait()
            await self.committer.wait_for_room()
            generation = self.ledger.generation
            try:
                async with self._fetching:
                    found = await self.reader.read()
                doubted = self.reader.doubted.intersection(place.topic for place in found)
                if doubted and (stale := await self.stale(doubted)):
                    await self.take_again(stale)
                    continue
            except OffsetOutOfRangeError as gone:
                topics = {topic for topic, _ in gone.args[0]}
                await self.take_again([place for place in self.ledger.pipelines if place.topic in topics])
                continue
            except Exception as bug:  # noqa: BLE001 - a log that can't be read ends the worker
                if generation == self.ledger.generation and not self.should_stop:
                    self.fail(bug)
                continue
            works = [work for place, run in found.items() for work in self._batches(place, generation, run)]
            if works:
                await self.put(works)

    def _batches(self, place: Place, generation: int, run: Run) -> Iterator[Work]:
        """Cut what was read into batches; it is pending from now on."""
        pipeline = self.ledger.pipelines.get(place)
        if pipeline is None:
            return
        step = self.options.batch_records
        begins = run.begins
        for start in range(0, len(run), step):
            batch = run[start : start + step] if len(run) > step else run
            ends = batch[-1].offset + 1 if start + step < len(run) else run.ends
            size = sum([len(record.value) for record in batch if record.value])
            self.ledger.read(len(batch), size)
            yield Work(pipeline, generation, begins, ends, batch, size)
            begins = ends

    async def fold(self, work: Work) -> None:
        """Fold one batch and let its effects leave; it becomes durable when they are delivered."""
        ledger, pipeline, records = self.ledger, work.pipeline, work.records
        if not ledger.accepts(pipeline, work.generation, work.begins):
            ledger.release(len(records), work.size)
            self.committer.room.set()
            return
        began = monotonic()
        try:
            done = self.backend.fold(pipeline.place, records)
            batch = ledger.folded(pipeline, work.ends, done.clock_ms, done.states, len(done.effects), len(records), work.size)
            self.folded_ms[pipeline.place] = records[-1].timestamp
            self.observer.folded(*pipeline.place, len(records), monotonic() - began)
            if ledger.may_send:
                await self.writer.send(done.effects, batch)
        except Exception as bug:  # noqa: BLE001 - the first failure ends everything
            self.fail(bug)

    async def send(self, effects: Sequence[Effect]) -> list[int]:
        """Write *effects* of a task of the stage's own; returns their offsets when all are in the log."""
        if self.ledger.broken:
            raise self.ledger.broken
        return await self.writer.send_and_wait(effects)

    # -- becoming durable

    @faust.Service.task
    async def _commit(self) -> None:
        await self.committer.run()

    @faust.Service.task
    async def _serve_writer(self) -> None:
        await self.writer.serve()

    @faust.Service.task
    async def _report(self) -> None:
        while not self.should_stop:
            await self.sleep(REPORT_S)
            if self._reading.is_set():
                await self.report()

    async def report(self) -> None:
        """Tell lag monitors what is durable; never read back by a stage with a table.

        What the group does not take, as while it forms anew, is told again.
        """
        unreported = self.committer.unreported
        owned = {place: at for place, at in unreported.items() if place in self.ledger.pipelines}
        unreported.clear()
        positions = {place: Position(at) for place, at in self.backend.positions(owned).items()}
        if positions and not await cast(Consumer, self.app.consumer).report(positions):
            unreported.update({place: at for place, at in owned.items() if place not in unreported})

    # -- ends

    def fail(self, bug: BaseException) -> None:
        """Note the first failure: nothing more is folded, sent or committed, and the worker exits."""
        if not self.ledger.fail(bug):
            return
        self._reading.clear()
        self.writer.give_up()
        if isinstance(bug, CannotStart):
            self.observer.refused_start(str(bug))
        else:
            self.observer.failed(repr(bug))
        self.committer.settled.set()
        if not self.ended.done():
            self.ended.set_result(bug)

    async def finish(self, timeout_s: float) -> bool:
        """End in order: stop reading, make all durable, tell the group; False if it was not in time."""
        deadline = monotonic() + timeout_s
        self._rebalances += 1
        self._stop_reading()
        known = await self._wait_for_take_over(timeout_s / 2)
        if not await self.committer.drain(deadline - monotonic()) or not known or self._assigning:
            return False
        try:
            await self.backend.settled(self.committer.durable())
            await self.report()
        except Lost:
            return False
        return True

    async def say_farewell(self, made: Sequence[tuple[Place, Effect]], timeout_s: float) -> bool:
        """Write a last record into each place and fold up to it; False if it was not in time."""
        deadline = monotonic() + timeout_s
        try:
            offsets = await asyncio.wait_for(self.send([effect for _, effect in made]), timeout_s)
        except Exception as refused:  # noqa: BLE001 - a farewell is a courtesy
            self.log.warning("no farewell was written: %r", refused)
            return False
        left = {place: offset for (place, _), offset in zip(made, offsets, strict=True)}
        while left and monotonic() < deadline and not self.ledger.broken:
            await asyncio.sleep(0.01)
            owned = self.ledger.pipelines
            left = {place: offset for place, offset in left.items() if place in owned and owned[place].position <= offset}
        return not left

    async def on_start(self) -> None:
        """Connect the reader."""
        await self.reader.start()

    async def on_stop(self) -> None:
        """Disconnect."""
        self.writer.close()
        await self.reader.stop()
