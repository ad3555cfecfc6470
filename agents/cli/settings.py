"""``huiliu settings``: every setting with its value and where it came from."""

import typer
from rich.table import Column, Table

from agents.cli.common import FOUND, AsJson, err, loaded_of, out, print_json
from agents.settings import Settings, shown


def settings(context: typer.Context, *, as_json: AsJson = False) -> None:
    """Print every setting, its value and its source; secrets are masked.

    Ends with status 1 if the environment has HUILIU_ names that mean nothing.

    Example: HUILIU_KAFKA=127.0.0.1:9092 huiliu settings
    """
    found, sources, unknown = loaded_of(context)
    if as_json:
        print_json({name: {"value": shown(found, name), "source": sources[name]} for name in Settings.model_fields})
    else:
        table = Table("setting", Column("value", overflow="fold"), Column("source", overflow="fold"), "meaning")
        for name, field in Settings.model_fields.items():
            table.add_row(name, shown(found, name), sources[name], field.description)
        out.print(table)
    for name in unknown:
        err.print(f"{name}: no such setting", style="yellow")
    if unknown:
        raise typer.Exit(FOUND)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(settings)
