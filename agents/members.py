"""The members stage: wiring only.

Envelopes become tags, engagement and what each brand's CRM is told.
"""

from agents import key_file
from agents.engine.app import EngineApp, create_app
from agents.engine.stage import KeyedStage
from agents.engine.worker import run as run_worker
from agents.members_fold import RenderedFold
from agents.serving import Serving
from agents.settings import Settings
from agents.wiring import keep_topics, options_of, serve_http, telemetry_of
from schemas import stages, topics
from schemas.effects import Effect
from schemas.envelope import ManifestRequest, encode
from sinks.redis import ServingCopy
from sinks.telemetry import Telemetry
from streams.keys import Keys


def create(settings: Settings, telemetry: Telemetry) -> EngineApp:
    """Make the app; call it inside the loop that runs it."""
    keys = Keys(key_file.read(settings.keys))
    serving = Serving(ServingCopy(settings.redis), keys, telemetry) if settings.redis is not None else None
    taken, on_durable = (serving.taken, serving.on_durable) if serving is not None else (None, None)
    stage = KeyedStage(*stages.MEMBERS, lambda: RenderedFold(keys, telemetry, taken), farewell, on_durable)
    app = create_app(stage, options_of(settings), telemetry)
    serve_http(app, telemetry, settings)
    keep_topics(app, telemetry, settings)
    if serving is not None:
        serve_copy(app, serving)
    return app


def serve_copy(app: EngineApp, serving: Serving) -> None:
    """Let *app* keep the serving copy as long as it runs."""

    async def copy() -> None:
        await app.add_runtime_dependency(serving)

    app.task(copy)


def farewell(partition: int) -> Effect:
    """Ask for the manifests of *partition*, so that what a stopped worker sent is vouched for."""
    return Effect(topics.MEMBERS, partition, None, encode(ManifestRequest()))


def run(settings: Settings) -> int:
    """Run one worker until it is told to stop; gives the exit status."""
    telemetry = telemetry_of("members", settings)
    return run_worker(lambda: create(settings, telemetry))
