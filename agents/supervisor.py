"""Keep worker processes running: start each again when it fails, stop all in order, leave none behind."""

import asyncio
import signal
import sys
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Final, NamedTuple

import aiohttp

BACKOFF_S: Final = (0.5, 1, 2, 4, 8, 15)
STEADY_S: Final = 60
"""A worker that ran for that long failed anew: it is started again at once, not after the longest wait."""
POLL_S: Final = 0.1
LAST_BYTES: Final = 4_000
PATIENCE: Final = aiohttp.ClientTimeout(2)

Say = Callable[[str], None]


class Part(NamedTuple):
    """A worker to keep running: its name, its arguments after ``huiliu``, its port for metrics and health."""

    name: str
    arguments: tuple[str, ...]
    port: int


class Supervised:
    """One worker that is kept running.  *process* is the present one; *restarts* counts the later ones."""

    def __init__(self, part: Part, environment: Mapping[str, str], log: Path, say: Say) -> None:
        self.part, self.environment, self.log, self.say = part, environment, log, say
        self.process: asyncio.subprocess.Process | None = None
        self.restarts = 0
        self.stopping = asyncio.Event()

    async def keep_running(self) -> None:
        """Run the worker until ``stop``; again after each end, with longer waits while it keeps failing."""
        failures = 0
        while not self.stopping.is_set():
            began = time.monotonic()
            status = await self._run()
            if self.stopping.is_set():
                return
            failures = 0 if time.monotonic() - began > STEADY_S else failures + 1
            wait_s = BACKOFF_S[min(failures, len(BACKOFF_S)) - 1] if failures else 0
            self.say(f"{self.part.name} ended with status {status}; again in {wait_s} s; its log is {self.log}\n{self._last_lines()}")
            self.restarts += 1
            await self._wait(wait_s)

    def stop(self) -> None:
        """Ask the worker to end; it is not started again."""
        self.stopping.set()
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the worker at once."""
        self.stopping.set()
        self._signal(signal.SIGKILL)

    async def ready(self) -> bool:
        """Ask the worker whether it does its work."""
        return await health(self.part.port) is None

    async def _run(self) -> int:
        with self.log.open("ab") as log:
            # A session of its own, so that Ctrl-C reaches the supervisor alone; killed with it if it is killed.
            self.process = await asyncio.create_subprocess_exec(
                "setpriv", "--pdeathsig", "KILL", "--", sys.executable, "-m", "agents", *self.part.arguments,
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, env=dict(self.environment), start_new_session=True,
            )  # fmt: skip
        if self.stopping.is_set():  # asked between the last look and the start
            self._signal(signal.SIGTERM)
        return await self.process.wait()

    def _signal(self, number: signal.Signals) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(number)

    async def _wait(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self.stopping.wait(), seconds)
        except TimeoutError:
            return

    def _last_lines(self, count: int = 5) -> str:
        with self.log.open("rb") as log:
            log.seek(max(0, self.log.stat().st_size - LAST_BYTES))
            return "\n".join(f"    {line}" for line in log.read().decode(errors="replace").splitlines()[-count:])


class Supervisor:
    """All workers of ``huiliu up``."""

    def __init__(self, parts: list[Part], environment: Mapping[str, str], logs: Path, say: Say) -> None:
        logs.mkdir(parents=True, exist_ok=True)
        ports = {part.name: {"HUILIU_HTTP_PORT": str(part.port)} for part in parts}
        self.workers = [Supervised(part, {**environment, **ports[part.name]}, logs / f"{part.name}.log", say) for part in parts]
        self.tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start every worker."""
        self.tasks = [asyncio.create_task(worker.keep_running(), name=worker.part.name) for worker in self.workers]

    async def wait_until_ready(self) -> None:
        """Return when every worker does its work."""
        # Asked again and again: the workers are other processes, which no event of ours can reach.
        while not all(await asyncio.gather(*(worker.ready() for worker in self.workers))):  # noqa: ASYNC110
            await asyncio.sleep(POLL_S)

    async def stop(self, grace_s: float) -> bool:
        """End every worker within *grace_s*; tell whether each ended by itself and well."""
        for worker in self.workers:
            worker.stop()
        _, late = await asyncio.wait(self.tasks, timeout=grace_s)
        self.kill()
        await asyncio.gather(*self.tasks)
        return not late and all(worker.process is not None and worker.process.returncode == 0 for worker in self.workers)

    def kill(self) -> None:
        """End every worker at once."""
        for worker in self.workers:
            worker.kill()


async def health(port: int, host: str = "127.0.0.1") -> str | None:
    """Ask a worker what is wrong with it; None = it does its work."""
    try:
        async with aiohttp.ClientSession(timeout=PATIENCE) as session, session.get(f"http://{host}:{port}/health/ready") as answer:
            return None if answer.status == HTTPStatus.OK else (await answer.text()).strip()
    except (aiohttp.ClientError, TimeoutError) as error:
        return f"does not answer: {type(error).__name__}"
