"""A worker of the harness: the product's own ``agents.STAGE.run``, in a forked process, with what is planted or armed.

One thing is always there: the fold of members raises for a record that is
marked, after all of it was folded.  No record of a brand could make it raise.
"""

import ctypes
import importlib
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final

from agents.engine import app, departed
from agents.engine.process import client_id, is_dead
from agents.members_fold import RenderedFold
from agents.settings import load
from schemas.fold import Record
from tests.torture import plants, points

MARK: Final = b"torture-crash-"
APART: Final = "HUILIU_TORTURE_APART"
PDEATHSIG: Final = 1
FORKS: Final = get_context("forkserver")


class Boom(Exception):
    """A bug in the fold."""


class Forked:
    """A process of a crew; see ``tests.integration.crew.Process``."""

    def __init__(self, process: BaseProcess) -> None:
        self.process = process
        self.pid = process.pid or 0

    def poll(self) -> int | None:
        return self.process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self.process.join(timeout)
        status = self.process.exitcode
        if status is None:
            raise TimeoutError(f"process {self.pid} has not ended within {timeout} s")
        return status

    def kill(self) -> None:
        self.process.kill()

    def send_signal(self, sig: int, /) -> None:
        if self.process.exitcode is None:
            os.kill(self.pid, sig)


def launch(stage: str, environment: Mapping[str, str], log: Path) -> Forked:
    """Start a worker, as ``tests.integration.crew.launch`` does."""
    return fork(_run, stage, dict(environment), log)


def fork(function: Callable[..., None], *given: object) -> Forked:
    """Run *function* in a process of its own."""
    FORKS.set_forkserver_preload(["tests.torture.preload"])
    process = FORKS.Process(target=function, args=given, daemon=True)
    process.start()
    return Forked(process)


def die_with_parent() -> None:
    """Let this process be killed when the one that it was forked from ends, which ends with the harness."""
    ctypes.CDLL(None).prctl(PDEATHSIG, signal.SIGKILL)


def _run(stage: str, environment: Mapping[str, str], log: Path) -> None:
    die_with_parent()
    os.setsid()
    with log.open("ab") as file:
        for number in (1, 2):
            os.dup2(file.fileno(), number)
    os.environ.update(environment)
    sys.exit(work(stage))


def work(stage: str) -> int:
    """Be a worker of *stage* in this process, as the environment says."""
    if armed := os.environ.get(points.ENV):
        points.arm(armed)
    _let_raise()
    if os.environ.get(APART):
        _live_apart()
    if planted := os.environ.get(plants.ENV):
        plants.PLANTS[planted].plant()
    return int(importlib.import_module(f"agents.{stage}").run(load().settings))


def _live_apart() -> None:
    """Be as on a machine of its own: nobody else can tell whether this process is dead, and it of nobody."""
    setattr(app, client_id.__name__, socket.gethostname)
    setattr(departed, is_dead.__name__, lambda _: False)


def _let_raise() -> None:
    """Let every fold of members raise for the records that are marked."""
    make = RenderedFold.__init__

    def made(self: RenderedFold, *given: Any, **named: Any) -> None:
        make(self, *given, **named)
        vars(self)["fold"] = _raising(self.fold)

    setattr(RenderedFold, make.__name__, made)


def _raising(fold: Callable[[Record], None]) -> Callable[[Record], None]:
    def folded(record: Record) -> None:
        fold(record)
        if MARK in (record.value or b""):
            raise Boom

    return folded
