import asyncio

import aiohttp

from agents.http import Http
from sinks.telemetry import Telemetry


async def ask(server: Http, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{server.port}{path}") as answer:
        return answer.status, await answer.text()


async def answers(live: str | None, ready: str | None) -> list[tuple[int, str]]:
    server = Http(Telemetry("members"), lambda: live, lambda: ready)
    async with server:
        return [await ask(server, "/health/live"), await ask(server, "/health/ready")]


def test_health_tells_what_is_wrong() -> None:
    ok = (200, "ok\n")
    assert asyncio.run(answers(None, None)) == [ok, ok]
    assert asyncio.run(answers(None, "restoring")) == [ok, (503, "restoring\n")]
    assert asyncio.run(answers("stuck", None)) == [(503, "stuck\n"), (503, "stuck\n")]


def test_metrics_are_served() -> None:
    async def page() -> tuple[int, str]:
        telemetry = Telemetry("members")
        telemetry.tag_entered("acme", 2)
        server = Http(telemetry, lambda: None, lambda: None)
        async with server:
            return await ask(server, "/metrics")

    status, text = asyncio.run(page())
    assert status == 200
    assert 'huiliu_tags_total{brand="acme",change="entered"} 2.0' in text
