"""What all commands share: where to print, the settings, how to fail."""

import json
from typing import Annotated, Any, Final, NoReturn

import typer
from rich.console import Console

from agents.settings import Loaded, Settings, load

out: Final = Console()
err: Final = Console(stderr=True)

FOUND: Final = 1
CANNOT: Final = 2

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


def loaded_of(context: typer.Context) -> Loaded:
    """Read the settings as ``--config`` and the environment have them; raises ``BadSettings``, which ends the program with status 2."""
    return load(context.find_root().obj)


def settings_of(context: typer.Context) -> Settings:
    """Read the settings; raises ``BadSettings``."""
    return loaded_of(context).settings


def print_json(document: Any) -> None:
    """Print *document* for a script: as it is, neither wrapped nor coloured."""
    out.file.write(json.dumps(document, ensure_ascii=False, default=str) + "\n")


def fail(message: str) -> NoReturn:
    """Say on stderr why the command cannot run, and end with status 2."""
    err.print(message, markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(CANNOT)
