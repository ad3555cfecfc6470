"""What is looked at every few seconds: lag, progress, the fence, topics that were made again.

A worker that has lag and makes no progress for long exits: the supervisor
starts it again.

Source: DESIGN 4 (watchdog), 5.
"""

from time import monotonic, time
from typing import NamedTuple

import faust

from agents.engine.engine import Engine
from agents.engine.fence import Fenced, boot_s
from agents.engine.pipeline import Place
from agents.engine.takeover import CannotStart

WAITING_S = 5.0
MISSING_S = 0.5


class Stuck(Exception):
    """There is lag, and no progress."""


class Progress(NamedTuple):
    """How far a place had come, and since when."""

    mark: tuple[int, int]
    since: float


class Watch(faust.Service):
    """Looks after *engine*."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._cluster = engine, engine.cluster
        self._progress: dict[Place, Progress] = {}
        self._open: bool | None = None
        self._waiting: set[str] = set()
        self._since: float | None = None
        super().__init__()

    @faust.Service.task
    async def _look(self) -> None:
        while not self.should_stop:
            await self.sleep(self._engine.options.refresh_s)
            try:
                await self._look_once()
            except CannotStart as refusal:
                self._engine.fail(refusal)
            except Exception as unanswered:  # noqa: BLE001 - the watch goes on whatever the cluster answers; the fence decides
                self.log.warning("the cluster did not answer: %r", unanswered)

    @faust.Service.task
    async def _look_for_missing(self) -> None:
        """Let the writer go on with a topic as soon as it exists again."""
        writer = self._engine.writer
        while not self.should_stop:
            await self.sleep(MISSING_S)
            if not writer.missing:
                continue
            try:
                for name, topic in (await self._cluster.topics(writer.missing)).items():
                    await writer.go_on(name, topic.partitions)
            except Fenced as fenced:
                self._engine.fail(fenced)
            except Exception as unanswered:  # noqa: BLE001 - it is asked again
                self.log.warning("the cluster did not answer: %r", unanswered)

    async def _look_once(self) -> None:
        engine = self._engine
        is_open = engine.app.fence.is_open(boot_s())
        if is_open != self._open:
            self._open = is_open
            engine.observer.fence(is_open)
        self._tell_of_writes()
        if engine.problem is not None:
            self._judge_start()
            return
        self._since = None
        places = list(engine.ledger.pipelines)
        topics = await self._cluster.topics({place.topic for place in places})
        if stale := engine.backend.stale(topics):
            await engine.take_again(stale)
            return
        await self._measure([place for place in places if place.topic in topics])

    def _tell_of_writes(self) -> None:
        """Name the topics that are waited for, and those that are not any more."""
        writer, observer = self._engine.writer, self._engine.observer
        waiting = {topic: monotonic() - missing.since for topic, missing in writer.missing.items()}
        if writer.stuck_s > WAITING_S:
            waiting.setdefault(writer.last_topic, writer.stuck_s)
        for topic, seconds in waiting.items():
            observer.waiting(topic, seconds)
        for topic in self._waiting - waiting.keys():
            observer.arrived(topic)
        self._waiting = set(waiting)

    def _judge_start(self) -> None:
        """Give up a worker that takes over for too long without an answer; a restore that goes on is an answer."""
        engine, now = self._engine, monotonic()
        self._since = max(self._since or now, engine.backend.heard_at)
        if now - self._since > engine.options.watchdog_s:
            engine.fail(Stuck(f"{engine.problem}, for {now - self._since:.0f} s"))

    async def _measure(self, places: list[Place]) -> None:
        """Tell each place's lag by the reader's own position, and give up one that stands still."""
        engine = self._engine
        ends = await self._cluster.ends(places, committed=True)
        for place, (_, end) in ends.items():
            pipeline = engine.ledger.pipelines.get(place)
            position = await engine.reader.position(place)
            if pipeline is None or position is None:
                continue
            waiting = max(0, end - position)
            pending = waiting or not pipeline.idle
            seconds = time() - engine.folded_ms[place] / 1000 if waiting and place in engine.folded_ms else 0.0
            engine.observer.lag(*place, waiting, max(0.0, seconds))
            self._judge(place, (position, pipeline.durable), bool(pending))
        for place in set(self._progress) - set(engine.ledger.pipelines):
            del self._progress[place]

    def _judge(self, place: Place, mark: tuple[int, int], pending: bool) -> None:
        now, limit = monotonic(), self._engine.options.watchdog_s
        last = self._progress.get(place)
        if last is None or last.mark != mark or not pending or self._engine.writer.missing:  # that another start would not find either
            self._progress[place] = Progress(mark, now)
        elif now - last.since > limit:
            self._engine.fail(Stuck(f"{place.topic} [{place.partition}]: lag, and no progress for {now - last.since:.0f} s from {mark}"))
