"""Named points of a worker's work at which it kills itself, or stops until it is woken.

The product has no such switches: its functions are wrapped.
"""

import inspect
import os
import signal
from collections.abc import Callable
from functools import wraps
from typing import Any, Final, NamedTuple

from confluent_kafka import Producer

from agents.engine import changelog, group
from agents.engine.engine import Engine
from agents.engine.keyed import KeyedBackend
from agents.engine.stateless import StatelessBackend
from agents.engine.writer import Writer
from sinks.redis import ServingCopy

ENV: Final = "TORTURE_POINT"
BEFORE, AFTER = "before", "after"
HALT: Final = "halt "


class Transactional(Producer):
    """confluent-kafka's producer as a class of ours, whose methods can be wrapped."""

    def begin_transaction(self) -> None:
        super().begin_transaction()

    def commit_transaction(self, *timeout: float) -> None:
        super().commit_transaction(*timeout)


class Point(NamedTuple):
    """A function that is passed; *most*: at which passage at the latest it happens."""

    stages: tuple[str, ...]
    owner: type
    function: str
    most: int


POINTS: Final = {
    "effects": Point(("intake", "members", "control", "budgets", "shares"), Writer, "_hand_over", 12),
    "begin": Point(("members", "control", "budgets", "shares"), Transactional, "begin_transaction", 12),
    "commit": Point(("members", "control", "budgets", "shares"), Transactional, "commit_transaction", 12),
    "group commit": Point(("intake", "members", "budgets", "shares"), group.Thread, "report", 4),
    "fence": Point(("members", "control", "budgets", "shares"), changelog.Changelog, "fence", 2),
    "restore": Point(("members", "control", "budgets", "shares"), changelog.Changelog, "restore", 2),
    "take-over": Point(("intake",), StatelessBackend, "take_over", 1),
    "fold": Point(("members", "budgets", "shares"), KeyedBackend, "fold", 12),
    "revocation": Point(("intake", "members", "budgets"), Engine, "revoked", 2),
    "serving": Point(("members",), ServingCopy, "write", 3),
}


def arm(said: str) -> None:
    """Let this process die at ``side name:passage``, or stop there, as SIGSTOP does, at ``halt side name:passage``."""
    where, _, passage = said.removeprefix(HALT).partition(":")
    side, _, name = where.partition(" ")
    point = POINTS[name]
    setattr(changelog, Producer.__name__, Transactional)
    ends = signal.SIGSTOP if said.startswith(HALT) else signal.SIGKILL
    setattr(point.owner, point.function, _ending(getattr(point.owner, point.function), side, int(passage), ends))


def _ending(function: Callable[..., Any], side: str, passage: int, ends: signal.Signals) -> Callable[..., Any]:
    passed = 0

    def passes(at: str) -> None:
        nonlocal passed
        passed += at == side
        if at == side and passed == passage:
            os.kill(os.getpid(), ends)

    if inspect.iscoroutinefunction(function):

        @wraps(function)
        async def waiting(*given: Any, **named: Any) -> Any:
            passes(BEFORE)
            answer = await function(*given, **named)
            passes(AFTER)
            return answer

        return waiting

    @wraps(function)
    def calling(*given: Any, **named: Any) -> Any:
        passes(BEFORE)
        answer = function(*given, **named)
        passes(AFTER)
        return answer

    return calling
