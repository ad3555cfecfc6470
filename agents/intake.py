"""The intake stage: wiring only.

All brands' events topics, trusted by nobody, become envelopes for the members
or dead letters.
"""

from hashlib import blake2b

from agents import key_file
from agents.brand_watch import BrandWatch
from agents.engine.app import EngineApp, create_app
from agents.engine.stage import StatelessStage
from agents.engine.worker import run as run_worker
from agents.intake_fold import IntakeFold
from agents.settings import Settings
from agents.wiring import keep_topics, options_of, serve_http, telemetry_of
from schemas import stages, topics
from schemas.brands import Registration
from schemas.envelope import JSON, MSGPACK, Terms
from sinks.telemetry import Telemetry
from streams.keys import Secrets

RANKING = "1"  # of CONTRACT 4: which identity wins, and how each is normalised


def create(settings: Settings, telemetry: Telemetry) -> EngineApp:
    """Make the app; call it inside the loop that runs it."""
    secrets = key_file.read(settings.keys)
    fold = IntakeFold(secrets, settings.partitions)
    telemetry.watch_intake(fold.admitted, fold.refused)
    seen: dict[str, bytes] = {}

    def changed(brand: Registration) -> None:
        if brand.brand in seen:
            fold.enlist(brand.brand, terms(brand), seen[brand.brand])
        else:
            telemetry.brand_added(brand.brand)

    watch = BrandWatch(settings.bootstrap(), changed)

    def opened(topic: str, topic_id: bytes) -> None:
        brand = topics.brand_of(topic) or ""
        seen[brand] = topic_id
        fold.enlist(brand, terms(watch.registration(brand)), topic_id)

    stage = StatelessStage(stages.INTAKE, topics.BRANDS, watch, fold, routing(secrets, settings.partitions), opened)
    app = create_app(stage, options_of(settings), telemetry)
    serve_http(app, telemetry, settings)
    keep_topics(app, telemetry, settings)
    return app


def terms(brand: Registration) -> Terms:
    """Say what of a registration travels with each event."""
    return Terms(brand.crm_partitions, MSGPACK if brand.format == "msgpack" else JSON, brand.consent.tags, brand.consent.rewards)


def routing(secrets: Secrets, partitions: int) -> str:
    """Name the version of all that decides where a record goes; the key's fingerprint tells nothing of the key."""
    print_of_key = blake2b(b"huiliu routing", key=secrets.member[:64], digest_size=6).hexdigest()
    return f"{RANKING}-{partitions}-{print_of_key}"


def run(settings: Settings) -> int:
    """Run one worker until it is told to stop; gives the exit status."""
    telemetry = telemetry_of("intake", settings)
    return run_worker(lambda: create(settings, telemetry))
