"""Becoming durable: transactions as they fall due, each after the effects of its batches were delivered.

When one is due is decided in ``Ledger`` and ``Pipeline``; how long to wait for
more, here.
"""

import asyncio
from collections.abc import Callable
from time import monotonic

from agents.engine.backend import Backend, Lost, Overtaken
from agents.engine.ledger import Ledger
from agents.engine.options import Options
from agents.engine.pipeline import Pipeline, Place, Transaction

HURRY_S = 0.01


class Committer:
    """Commits what is due of *ledger* through *backend*; any error but ``Lost`` goes to *fail*.

    *settled* is set whenever a commit came to an end, *unreported* holds the
    durable positions that the group has not been told.
    """

    def __init__(self, ledger: Ledger, backend: Backend, options: Options, fail: Callable[[BaseException], None]) -> None:
        self._ledger, self._backend, self._options, self._fail = ledger, backend, options, fail
        self._began: dict[Place, float] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._hurry = False
        self.settled = asyncio.Event()
        self.room = asyncio.Event()
        self.unreported: dict[Place, int] = {}

    async def run(self) -> None:
        """Look for what is due, again and again."""
        while True:
            await asyncio.sleep(HURRY_S if self._hurry else self._options.commit_interval_s / 10)
            for due in self._backend.commits(self._due()):
                task = asyncio.ensure_future(self._commit(due))
                self._running.add(task)
                task.add_done_callback(self._running.discard)

    def _due(self) -> list[tuple[Pipeline, Transaction]]:
        """Begin what may be committed: after the interval, or at once when much is pending."""
        ledger, options, now = self._ledger, self._options, monotonic()
        full = 2 * ledger.pending_records > options.pending_records or 2 * ledger.pending_size > options.pending_bytes
        due = []
        for place, pipeline in ledger.pipelines.items():
            if self._hurry or full or now - self._began.get(place, 0.0) >= options.commit_interval_s:
                transaction = ledger.due(pipeline)
                if transaction is not None:
                    self._began[place] = now
                    due.append((pipeline, transaction))
        return due

    async def _commit(self, due: list[tuple[Pipeline, Transaction]]) -> None:
        try:
            await self._backend.commit(due)
        except (Lost, Overtaken) as moved:
            for pipeline, _ in due:
                self._lose_or_fail(pipeline, moved)
        except Exception as bug:  # noqa: BLE001 - fenced, timed out, unknown: no second try
            self._fail(bug)
        else:
            for pipeline, _ in due:
                self._ledger.committed(pipeline)
                self.unreported[pipeline.place] = pipeline.durable
        self.settled.set()
        self.room.set()

    def _lose_or_fail(self, pipeline: Pipeline, moved: Lost | Overtaken) -> None:
        """Drop a place that was rightly taken over; end a worker that missed its own end, or nobody would read what it still owns."""
        owned = self._ledger.pipelines.get(pipeline.place) is pipeline
        if not self._ledger.fenced(pipeline):
            self._fail(moved)
        elif owned:  # else it was dropped before, and may be being taken over again
            self._backend.lose(pipeline.place)

    def lose(self, places: list[Place]) -> None:
        """Forget places that are another's by now: it goes on from what is durable."""
        for place in places:
            self._ledger.lose(place)
            self._backend.lose(place)
        self.settled.set()
        self.room.set()

    async def wait_for_room(self) -> None:
        """Wait while too much is read and not durable."""
        ledger, options = self._ledger, self._options
        while ledger.pending_records >= options.pending_records or ledger.pending_size >= options.pending_bytes:
            self.room.clear()
            await self.room.wait()

    async def drain(self, timeout_s: float) -> bool:
        """Wait until all that was folded is durable; False if it was not in time."""
        self._hurry = True
        deadline = monotonic() + timeout_s
        try:
            while not self._ledger.idle and not self._ledger.broken and monotonic() < deadline:
                self.settled.clear()
                await asyncio.wait_for(self.settled.wait(), deadline - monotonic())
        except TimeoutError:
            pass
        finally:
            self._hurry = False
        return self._ledger.idle and not self._ledger.broken

    def durable(self) -> dict[Place, int]:
        """Tell the durable position of each place."""
        return {place: pipeline.durable for place, pipeline in self._ledger.pipelines.items()}
