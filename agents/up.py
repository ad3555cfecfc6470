"""``huiliu up``: everything on one machine, for a laptop, a test or a demo.

Kafka and Redis (unless running ones are named), key file, topics, rules, and
each stage as a supervised process.  All that is to be kept is in one folder:
stopped and started again on it, everything goes on with the same state.
"""

import asyncio
import fcntl
import json
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from agents import admin, key_file
from agents.metrics import WORKERS
from agents.rules_folder import publish_all, read_folder
from agents.servers import ServerFailed, free_port, start_kafka, start_redis
from agents.settings import RUNNING, BadSettings, Settings
from agents.supervisor import Part, Say, Supervisor

LOCK: Final = "lock"
GRACE_S: Final = 2
"""What a worker may take beyond its own stop time before it is killed."""


class Plan(NamedTuple):
    """What is asked for.  *config* is handed on to the workers."""

    rules: Path | None = None
    workers: int = 1
    config: Path | None = None


def up(settings: Settings, plan: Plan, say: Say) -> int:
    """Run everything until SIGTERM or Ctrl-C; a second one kills.  0 if all ended well, 1 if a worker had to be killed or failed."""
    sets = read_folder(plan.rules) if plan.rules else []
    data = settings.data_dir
    data.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        stack.enter_context(locked(data))
        running = _with_servers(settings, stack, say)
        if not running.keys.exists():
            key_file.make(running.keys)
        admin.ensure(running, admin.internal_topics(running.partitions))
        if sets:
            publish_all(running, sets, say)
        parts = _parts(plan.workers)
        stack.enter_context(_noted(running, parts))
        return asyncio.run(_supervise(running, plan, parts, say))


@contextmanager
def locked(data: Path) -> Iterator[None]:
    """Hold the data folder for this process alone; raises ``BadSettings`` if another one has it."""
    with (data / LOCK).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadSettings(f"data: {data}: another `huiliu up` runs on it; stop that one, or name another folder with --data") from None
        yield


def _with_servers(settings: Settings, stack: ExitStack, say: Say) -> Settings:
    """Start what no address names; returns the settings with all addresses."""
    found: dict[str, str] = {}
    try:
        if settings.kafka is None:
            found["kafka"] = stack.enter_context(start_kafka(settings.data_dir / "kafka")).bootstrap
        if settings.redis is None:
            found["redis"] = stack.enter_context(start_redis(settings.data_dir / "redis")).url
    except ServerFailed as failure:
        raise BadSettings(str(failure)) from None
    running = settings.model_copy(update=found)
    say(f"Kafka is at {running.kafka}, Redis at {running.redis}, data in {running.data_dir}")
    return running


def _parts(workers: int) -> list[Part]:
    members = [(f"members-{number}", "members") for number in range(1, workers + 1)]
    stages = [("intake", "intake"), ("control", "control"), ("shares", "shares"), ("budgets", "budgets"), *members]
    return [Part(name, ("worker", stage), free_port()) for name, stage in stages]


@contextmanager
def _noted(running: Settings, parts: list[Part]) -> Iterator[None]:
    """Leave word in the data folder for the other commands: addresses, and where the workers answer."""
    note, workers = running.data_dir / RUNNING, running.data_dir / WORKERS
    addresses = {"kafka": running.kafka, "redis": running.redis, "key_file": str(running.keys)}
    lines = [f"pid = {os.getpid()}", *(f"{name} = {json.dumps(address)}" for name, address in addresses.items())]
    note.write_text("\n".join(lines) + "\n")
    workers.write_text(json.dumps({part.name: part.port for part in parts}))
    try:
        yield
    finally:
        note.unlink(missing_ok=True)
        workers.unlink(missing_ok=True)


def _environment(running: Settings, config: Path | None) -> dict[str, str]:
    """Hand on what is known now; everything else the workers read as this process did."""
    named = {"KAFKA": running.kafka, "REDIS": running.redis, "DATA": running.data_dir, "KEY_FILE": running.keys}
    named["CONFIG"] = config.resolve() if config else os.environ.get("HUILIU_CONFIG", "")
    return os.environ | {f"HUILIU_{name}": str(value) for name, value in named.items()}


async def _supervise(running: Settings, plan: Plan, parts: list[Part], say: Say) -> int:
    supervisor = Supervisor(parts, _environment(running, plan.config), running.data_dir / "logs", say)
    asked = asyncio.Event()

    def stop() -> None:
        if asked.is_set():
            supervisor.kill()
        asked.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    supervisor.start()
    ready = asyncio.create_task(_say_when_ready(supervisor, say))
    await asked.wait()
    ready.cancel()
    say("stopping; what is in flight becomes durable first")
    well = await supervisor.stop(running.stop_timeout_s + GRACE_S)
    say("stopped" if well else f"stopped, not all in order: see {running.data_dir / 'logs'}")
    return 0 if well else 1


async def _say_when_ready(supervisor: Supervisor, say: Say) -> None:
    await supervisor.wait_until_ready()
    say(f"ready: {', '.join(worker.part.name for worker in supervisor.workers)}; Ctrl-C stops all")


__all__ = ["Plan", "locked", "up"]
