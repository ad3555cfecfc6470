"""The real workers as processes on the real Kafka: started, killed and stopped one by one."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from confluent_kafka import Consumer, TopicPartition

from agents import admin, key_file
from agents.clients import librdkafka
from agents.engine.worker import CANNOT_RUN
from agents.servers import free_port
from agents.settings import Settings
from schemas import topics

POLL_S = 0.05
READY_S = 60


def eventually(holds: Callable[[], object], what: str, seconds: float = READY_S) -> None:
    """Return when *holds* is true; fail, saying *what* was waited for, when it is not within *seconds*."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(POLL_S)


class Process(Protocol):
    """What a crew needs of a process that it started; ``subprocess.Popen`` has it."""

    pid: int

    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def kill(self) -> None: ...
    def send_signal(self, sig: int, /) -> None: ...


Launch = Callable[[str, Mapping[str, str], Path], Process]
"""Starts a worker of a stage, with an environment beside this process's own, that writes to a log."""


def launch(stage: str, environment: Mapping[str, str], log: Path) -> Process:
    """Start ``huiliu worker STAGE``."""
    return start_alone(["-m", "agents", "worker", stage], environment, log)


def start_alone(arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> Process:
    """Start Python with *arguments*; it is killed with this process."""
    with log.open("ab") as file:
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", sys.executable, *arguments],
            env=os.environ | environment, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True,
        )  # fmt: skip


class Worker:
    """One ``huiliu worker STAGE``."""

    def __init__(self, stage: str, environment: Mapping[str, str], log: Path, launch: Launch) -> None:
        self.stage, self.log, self.port = stage, log, free_port()
        self.meant = False
        self.process = launch(stage, {**environment, "HUILIU_HTTP_PORT": str(self.port)}, log)

    def ready(self) -> bool:
        """Tell whether the worker says that it does its work."""
        return self.health("ready")[0] == 200

    def health(self, page: str) -> tuple[int, str]:
        """Ask it whether it is ``live`` or ``ready``; gives the status, 0 without an answer, and the text."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health/{page}", timeout=1) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read().decode()
        except (urllib.error.URLError, TimeoutError, ConnectionError) as silent:
            return 0, str(silent)

    def kill(self) -> None:
        """End it at once."""
        self.meant = True
        self.process.kill()
        self.process.wait()

    def ask_to_stop(self) -> None:
        """Send SIGTERM."""
        self.meant = True
        self.process.send_signal(signal.SIGTERM)

    def stopped(self, seconds: float = 20) -> int:
        """Wait until it ended; gives its status."""
        return self.process.wait(seconds)

    def last_lines(self, count: int = 30) -> str:
        """Read the end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])


class Crew:
    """The workers of one installation; leaving it as a context kills what is left."""

    def __init__(self, settings: Settings, launch: Launch = launch) -> None:
        self.settings, self.launch = settings, launch
        self.workers: list[Worker] = []
        self.ended: list[str] = []
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        if not settings.keys.exists():
            key_file.make(settings.keys)
        admin.ensure(settings, admin.internal_topics(settings.partitions))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for worker in self.workers:
            if worker.process.poll() is None:
                worker.kill()

    def start(self, *stages: str, **more: str) -> list[Worker]:
        """Start a worker of each of *stages*, with *more* in its environment; several of one stage share its partitions."""
        told = {name: getattr(self.settings, name) for name in self.settings.model_fields_set}
        environment = {f"HUILIU_{name.upper()}": str(value) for name, value in told.items() if value is not None}
        first = len(self.workers)
        for number, stage in enumerate(stages, first):
            self.workers.append(Worker(stage, {**environment, **more}, self.settings.data_dir / f"{number:02}-{stage}.log", self.launch))
        return self.workers[first:]

    def running(self, stage: str) -> list[Worker]:
        """Name the workers of *stage* that have not ended."""
        return [worker for worker in self.workers if worker.stage == stage and worker.process.poll() is None]

    def staying(self, stage: str) -> list[Worker]:
        """Name those of *stage* that nobody asked to leave."""
        return [worker for worker in self.running(stage) if not worker.meant]

    def tend(self) -> None:
        """Start again what ended by itself (a worker that was fenced does), as a supervisor would; note each in *ended*."""
        for worker in [one for one in self.workers if one.process.poll() is not None and not one.meant]:
            worker.meant = True
            self.ended.append(f"{worker.stage} ended with {worker.process.poll()}:\n{worker.last_lines(8)}")
            self.start(worker.stage)

    def wait_until_ready(self) -> None:
        """Return when all workers say so."""
        eventually(self._ready, "all workers ready")

    def _ready(self) -> bool:
        self.tend()
        return all(worker.ready() for worker in self.workers if worker.process.poll() is None)

    def stop(self, stage: str, *, fenced: bool = False) -> None:
        """Stop all workers of *stage* gracefully; each must end well, or have had no time to begin, or find that it is *fenced*."""
        stopping = self.running(stage)
        for worker in stopping:
            worker.ask_to_stop()
        for worker in stopping:
            status = worker.stopped()
            found_out = fenced and status == CANNOT_RUN and "Fenced" in worker.log.read_text(errors="replace")
            fine = found_out or status in (0, -signal.SIGTERM)
            assert fine, f"{stage} did not stop well, with {status}:\n{worker.last_lines()}"

    def wait_until_drained(self, brands: Iterable[str], seconds: float = READY_S) -> None:
        """Return when intake has decided on all that the brands published, and members have folded all of it."""
        events = [topics.events(brand) for brand in brands]
        eventually(lambda: self._behind("huiliu-intake", events) == 0, "intake at the end of the events", seconds)
        self.wait_until_folded("members", topics.MEMBERS, seconds)

    def wait_until_rewarded(self, brands: Iterable[str], seconds: float = READY_S) -> None:
        """Return when what the brands published has been folded, budgets have answered, and members have folded that."""
        self.wait_until_drained(brands, seconds)
        self.wait_until_folded("budgets", topics.BUDGETS, seconds)
        self.wait_until_folded("members", topics.MEMBERS, seconds)

    def wait_until_folded(self, stage: str, topic: str, seconds: float) -> None:
        """Return when *stage* has folded what *topic* holds by now."""
        target = self._ends([topic])
        eventually(lambda: self._behind(f"huiliu-{stage}", [topic], target) == 0, f"{stage} at the end of {topic}", seconds)

    def _ends(self, names: list[str]) -> dict[tuple[str, int], int]:
        consumer = Consumer(librdkafka(self.settings) | {"group.id": "huiliu-lag"})
        try:
            found = {}
            for name in names:
                for partition in consumer.list_topics(name, timeout=10).topics[name].partitions:
                    extent = consumer.get_watermark_offsets(TopicPartition(name, partition), timeout=10)
                    assert extent is not None
                    found[name, partition] = extent[1]
            return found
        finally:
            consumer.close()

    def _behind(self, group: str, names: list[str], ends: dict[tuple[str, int], int] | None = None) -> int:
        """Count the records between the group's commits and the ends."""
        self.tend()
        ends = self._ends(names) if ends is None else ends
        consumer = Consumer(librdkafka(self.settings) | {"group.id": group})
        try:
            committed = consumer.committed([TopicPartition(name, partition) for name, partition in ends], timeout=10)
        finally:
            consumer.close()
        return sum(max(0, ends[each.topic, each.partition] - max(each.offset, 0)) for each in committed)
