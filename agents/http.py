"""A worker's web page: ``/metrics`` for Prometheus, ``/health/live`` and ``/health/ready`` for a supervisor."""

from collections.abc import Callable
from typing import Final

from aiohttp import web
from mode import Service

from sinks.telemetry import Telemetry

METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

Problem = Callable[[], str | None]
"""Say what is wrong, or None for nothing."""


class Http(Service):
    """Serves in the worker's own loop, so that an answer proves that the loop turns.

    *live*: a worker with a problem should be restarted; *ready*: one with a
    problem does no work yet, and needs no restart.  Port 0 takes a free one,
    which *port* then tells.
    """

    def __init__(self, telemetry: Telemetry, live: Problem, ready: Problem, host: str = "127.0.0.1", port: int = 0) -> None:
        self.telemetry, self.live, self.ready_for_work, self.host, self.port = telemetry, live, ready, host, port
        self._runner: web.AppRunner | None = None
        super().__init__()

    async def on_start(self) -> None:
        """Listen."""
        pages = web.Application()
        pages.add_routes(
            [
                web.get("/metrics", self._metrics),
                web.get("/health/live", self._live),
                web.get("/health/ready", self._ready),
            ]
        )
        self._runner = web.AppRunner(pages, access_log=None, handle_signals=False)
        await self._runner.setup()
        await web.TCPSite(self._runner, self.host, self.port).start()
        self.port = self._runner.addresses[0][1]
        self.telemetry.listening(self.host, self.port)

    async def on_stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=self.telemetry.page(), headers={"Content-Type": METRICS_TYPE})

    async def _live(self, _: web.Request) -> web.Response:
        return _answer(self.live())

    async def _ready(self, _: web.Request) -> web.Response:
        return _answer(self.live() or self.ready_for_work())


def _answer(problem: str | None) -> web.Response:
    return web.Response(text="ok\n") if problem is None else web.Response(status=503, text=f"{problem}\n")
