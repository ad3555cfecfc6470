"""What every stage's worker has in common: the engine's options, log lines, the web page."""

from agents.brand_topics import BrandTopics
from agents.engine.app import EngineApp
from agents.engine.options import Options
from agents.http import Http
from agents.settings import Settings
from sinks import logs
from sinks.telemetry import Telemetry


def options_of(settings: Settings) -> Options:
    """Say how the engine runs, from the settings of the process; raises ``BadSettings`` if Kafka is not named."""
    return Options(
        servers=settings.bootstrap(),
        data_dir=settings.data_dir,
        session_timeout_s=settings.session_timeout_s,
        commit_interval_s=settings.commit_interval_s,
        short_linger_ms=settings.linger_ms,
        long_linger_ms=settings.max_linger_ms,
        watchdog_s=settings.watchdog_s,
        stop_s=settings.stop_timeout_s,
    )


def telemetry_of(stage: str, settings: Settings) -> Telemetry:
    """Begin the log lines of *stage*, and its metrics."""
    logs.configure(settings.log_level, stage=stage)
    return Telemetry(stage)


def serve_http(app: EngineApp, telemetry: Telemetry, settings: Settings) -> None:
    """Let *app* answer ``/metrics`` and ``/health`` as long as it runs.

    Live until something failed; ready once what it owns, if anything, is taken over and read.
    """
    engine = app.engine
    app.health = Http(telemetry, lambda: engine.failure, lambda: engine.problem, settings.http_host, settings.http_port)


def keep_topics(app: EngineApp, telemetry: Telemetry, settings: Settings) -> None:
    """Let *app* make topics again that brands receive in."""

    async def keep() -> None:
        await app.add_runtime_dependency(BrandTopics(settings, lambda: app.engine.writer.missing, telemetry))

    app.task(keep)
