"""One worker process: start, run until told to stop or broken, end within the time allowed."""

import asyncio
import gc
import os
import signal
import threading
from collections.abc import Callable
from time import monotonic
from typing import Any

from agents.engine.app import EngineApp
from agents.engine.engine import Engine

FINE, CANNOT_RUN = 0, 2
CLOSE_S = 2.0  # of the time for a stop: to leave the group
GRACE_S = 1.0  # beyond the time for a stop


def run(make: Callable[[], EngineApp]) -> int:
    """Run the app that *make* makes; SIGTERM and SIGINT stop it in order.  Gives the exit status.

    The collector has little to find (states are packed, a batch's working set
    is a tree) and would walk what is alive again and again: a fifth of the
    members' CPU with Python's own thresholds.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 20, 1_000)
    return asyncio.run(_run(make))


async def _run(make: Callable[[], EngineApp]) -> int:
    app = make()
    engine = app.engine
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    starting: asyncio.Future[None] = asyncio.ensure_future(app.start())
    starting.add_done_callback(lambda started: _note_start(engine, started))
    stopping = asyncio.ensure_future(told.wait())
    either: set[asyncio.Future[Any]] = {engine.ended, stopping}
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    # Who failed has nothing to make durable: whoever takes over, or the next start, need not wait for an answer that may never come.
    failed = engine.ended.done()
    stop_s = CLOSE_S if failed else engine.options.stop_s
    _end_after(stop_s + GRACE_S, engine)
    deadline = monotonic() + stop_s
    clean = not failed and await app.finish(deadline - monotonic() - CLOSE_S)
    engine.observer.stopped(clean)
    await _end(app, starting, deadline)
    return FINE if clean else _status(engine)


def _end_after(seconds: float, engine: Engine) -> None:
    """End the process after *seconds*, whoever still waits: a thread for an answer from Kafka, a service that does not hear."""
    timer = threading.Timer(seconds, lambda: os._exit(_status(engine)))
    timer.daemon = True
    timer.start()


def _status(engine: Engine) -> int:
    return CANNOT_RUN if engine.ended.done() else FINE


def _note_start(engine: Engine, started: "asyncio.Future[None]") -> None:
    """End the worker if the app could not be started."""
    if not started.cancelled() and (bug := started.exception()) is not None:
        engine.fail(bug)


async def _end(app: EngineApp, starting: "asyncio.Future[None]", deadline: float) -> None:
    """Leave the group and close; what Faust does not end in time ends with the process."""
    try:
        starting.cancel()
        await asyncio.wait_for(app.stop(), max(0.5, deadline - monotonic()))
    except (TimeoutError, asyncio.CancelledError):
        os._exit(_status(app.engine))
