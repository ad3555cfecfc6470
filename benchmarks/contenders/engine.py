"""The engine: the same job as a fold, with membership, take-over and one transaction a partition."""

import os
import signal
import tempfile
import time
from collections.abc import Collection, Mapping
from pathlib import Path

from agents.engine.app import create_app
from agents.engine.observer import Quiet
from agents.engine.options import Options
from agents.engine.stage import Durable, KeyedStage
from agents.engine.worker import run as run_worker
from benchmarks.contenders.job import Counted, Job, advance, decode_event, decode_state, encode
from schemas import topics
from schemas.effects import Effect
from schemas.fold import STAMP, Folded, Home, Record


class CountingFold:
    """Decodes the states that a batch touches, and packs them at its end."""

    culprit: bytes | None = None

    def __init__(self, output: str) -> None:
        self._output = output

    def restore(self, home: Home, states: Mapping[bytes, bytes], clock_ms: int) -> None:
        """Begin from what was committed."""
        self._states, self._partition, self._clock_ms = states, home.partition, clock_ms

    def begin(self, skip: Collection[tuple[int, bytes]] = ()) -> None:  # noqa: ARG002 - nothing here raises
        """Open a batch."""
        self._touched: dict[bytes, Counted] = {}
        self._last: dict[bytes, int] = {}
        self._effects: list[Effect] = []

    def fold(self, record: Record) -> None:
        """Fold one record."""
        key, value = record.key, record.value
        assert key is not None
        assert value is not None
        state = self._touched.get(key)
        if state is None:
            packed = self._states.get(key)
            state = self._touched[key] = decode_state(memoryview(packed)[STAMP:]) if packed else Counted()
        self._last[key] = record.offset
        self._effects.append(Effect(self._output, self._partition, key, advance(state, decode_event(value))))

    def refuse(self, record: Record, bug: BaseException) -> None:  # noqa: ARG002
        """Pass nothing over: a bug here is the benchmark's."""
        raise bug

    def commit(self) -> Folded:
        """Close the batch."""
        last = self._last
        states: dict[bytes, bytes | None] = {key: last[key].to_bytes(STAMP, "big") + encode(state) for key, state in self._touched.items()}
        return Folded(self._effects, states, self._clock_ms)

    def abort(self) -> None:
        """Forget the batch."""


class Clock(Quiet):
    """Starts when the last partition is taken over."""

    began = 0.0

    def restored(self, partition: int, states: int, size: int, seconds: float) -> None:  # noqa: ARG002
        """Begin to count."""
        self.began = time.process_time()


def run(job: Job) -> float:
    """Do the job until all is durable; gives the CPU seconds that they took."""
    clock, positions, spent = Clock(), dict[int, int](), [0.0]

    def durable(done: Durable) -> None:
        positions[done.partition] = done.position
        if sum(positions.values()) == job.total:
            spent[0] = time.process_time() - clock.began
            os.kill(os.getpid(), signal.SIGTERM)

    with tempfile.TemporaryDirectory() as folder:
        stage = KeyedStage(
            job.app_id, job.source, topics.changelog(job.app_id, "bench"), lambda: CountingFold(job.output), on_durable=durable
        )
        run_worker(lambda: create_app(stage, Options(job.servers, Path(folder)), clock))
    return spent[0]
