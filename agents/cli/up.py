"""``huiliu up``: everything on one machine."""

from pathlib import Path
from typing import Annotated

import typer

from agents.cli.common import out, settings_of
from agents.settings import Settings
from agents.up import Plan
from agents.up import up as run


def up(
    context: typer.Context,
    rules: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Publish the rules files of this folder, and register their brands.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where everything is kept; HUILIU_DATA or ~/.local/share/huiliu if not given.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Workers of the members stage.")] = 1,
) -> None:
    """Run Kafka, Redis and every stage on this machine until Ctrl-C.

    HUILIU_KAFKA and HUILIU_REDIS name running ones to use instead. Stopped and
    started again on the same data, it goes on with the same state. While it
    runs, the other commands find it by themselves (give them HUILIU_DATA if
    the data is not in the default folder).

    Example: huiliu up --rules deploy/demo/rules
    """
    settings: Settings = settings_of(context)
    if data is not None:
        settings = settings.model_copy(update={"data": data.resolve()})
    raise typer.Exit(run(settings, Plan(rules, workers, context.find_root().obj), _say))


def _say(text: str) -> None:
    out.print(text, markup=False, highlight=False, soft_wrap=True)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(up)
