"""``huiliu worker STAGE``: one stage's worker, one process on one core."""

import importlib
from typing import Annotated

import typer

from agents.cli.common import settings_of
from schemas.stages import Stage


def worker(context: typer.Context, stage: Annotated[Stage, typer.Argument(help="Which stage.")]) -> None:
    """Run one worker of a stage until SIGTERM or Ctrl-C; start more of them to scale.

    Example: HUILIU_KAFKA=127.0.0.1:9092 huiliu worker members
    """
    settings = settings_of(context)
    settings.bootstrap()
    # Only this stage's modules: a worker's memory is its members', and it starts sooner.
    raise typer.Exit(importlib.import_module(f"agents.{stage}").run(settings))


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(worker)
