"""The budgets stage: wiring only.

What members ask for is granted or refused by the one writer of each campaign.
"""

from agents.engine.app import EngineApp, create_app
from agents.engine.stage import Durable, KeyedStage
from agents.engine.worker import run as run_worker
from agents.settings import Settings
from agents.wiring import options_of, serve_http, telemetry_of
from schemas import stages
from schemas.budgets import unpack_budget
from sinks.telemetry import Telemetry
from streams.budgets import BudgetsFold, campaign_of, left_of


def create(settings: Settings, telemetry: Telemetry) -> EngineApp:
    """Make the app; call it inside the loop that runs it."""

    def told(durable: Durable) -> None:
        """Tell an operator what is left of each campaign that changed."""
        for key, packed in durable.states.items():
            campaign = campaign_of(key)
            if campaign is not None and packed is not None:
                left = left_of(unpack_budget(packed), durable.clock_ms)
                telemetry.budget(campaign, left.reserved_minor, left.spent_minor, left.money_minor, left.grants)

    app = create_app(KeyedStage(*stages.BUDGETS, BudgetsFold, on_durable=told), options_of(settings), telemetry)
    serve_http(app, telemetry, settings)
    return app


def run(settings: Settings) -> int:
    """Run one worker until it is told to stop; gives the exit status."""
    telemetry = telemetry_of("budgets", settings)
    return run_worker(lambda: create(settings, telemetry))
