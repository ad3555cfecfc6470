"""The control stage: rule sets and ticks, into every partition of budgets and members.  Wiring only.

Source: DESIGN 3 (control).
"""

import time
from typing import Final

from agents.engine.app import EngineApp, create_app
from agents.engine.pipeline import Place
from agents.engine.stage import KeyedStage
from agents.engine.worker import run as run_worker
from agents.settings import Settings
from agents.wiring import options_of, serve_http, telemetry_of
from schemas import stages, topics
from sinks.telemetry import Telemetry
from streams.control import ControlFold, tick

LOOK_S: Final = 0.1
"""How often a worker looks whether it owns the rules yet."""


def run(settings: Settings) -> int:
    """Run a worker until it is told to stop; gives the exit status."""
    telemetry = telemetry_of("control", settings)
    return run_worker(lambda: create_control(settings, telemetry))


def create_control(settings: Settings, telemetry: Telemetry) -> EngineApp:
    """Put the stage together."""
    stage = KeyedStage(*stages.CONTROL, lambda: ControlFold(settings.partitions))
    app = create_app(stage, options_of(settings), telemetry)
    serve_http(app, telemetry, settings)
    tell_the_time(app, settings)
    return app


def tell_the_time(app: EngineApp, settings: Settings) -> None:
    """Let whoever owns the rules send a tick to every partition, at once and then every ``tick_s``."""
    rules = Place(topics.RULES, 0)

    async def ticker() -> None:
        while not app.should_stop:
            owned = rules in app.engine.ledger.pipelines
            if owned:
                await app.engine.send(tick(time.time_ns() // 1_000_000, settings.partitions))
            await app.sleep(settings.tick_s if owned else LOOK_S)

    app.task(ticker)
