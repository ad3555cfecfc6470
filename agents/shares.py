"""The shares stage: wiring only.

What members did with a share becomes what it brought its sharer.
"""

from agents.engine.app import EngineApp, create_app
from agents.engine.stage import KeyedStage
from agents.engine.worker import run as run_worker
from agents.settings import Settings
from agents.wiring import options_of, serve_http, telemetry_of
from schemas import stages
from sinks.telemetry import Telemetry
from streams.shares_fold import SharesFold


def create(settings: Settings, telemetry: Telemetry) -> EngineApp:
    """Make the app; call it inside the loop that runs it."""
    refused: dict[tuple[str, str], int] = {}
    telemetry.watch_shares(refused)
    stage = KeyedStage(*stages.SHARES, lambda: SharesFold(refused))
    app = create_app(stage, options_of(settings), telemetry)
    serve_http(app, telemetry, settings)
    return app


def run(settings: Settings) -> int:
    """Run one worker until it is told to stop; gives the exit status."""
    telemetry = telemetry_of("shares", settings)
    return run_worker(lambda: create(settings, telemetry))
