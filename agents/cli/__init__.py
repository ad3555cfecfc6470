"""The command line: a module a command, each found by itself.

A module of this package that defines ``register(app)`` adds the command, or
the group, of its own name.  Nothing is imported before the program runs, and
then what was asked for alone: Faust and its like take half a second.  Exit
status: 0 fine, 1 found something, 2 cannot run.
"""

import importlib
import pkgutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from agents import compiled
from agents.cli.common import err
from agents.settings import BadSettings

Config = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="TOML file of settings; the environment stands above it.")]


def start(context: typer.Context, config: Config = None) -> None:
    """Live tags, engagement and interactive coupons for an alliance of brands, on Kafka.

    Settings come from HUILIU_* in the environment, then --config, then defaults: see huiliu settings.

    Example: huiliu up --rules deploy/demo/rules
    """
    context.obj = config


def create_cli(asked: str = "") -> typer.Typer:
    """Put all commands together; the one that was *asked* for is enough, if there is one of that name."""
    app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)
    app.callback()(start)
    modules = sorted(module.name for module in pkgutil.iter_modules(__path__))
    one = asked.replace("-", "_")
    for name in [one] if one in modules else modules:
        register = getattr(importlib.import_module(f"{__name__}.{name}"), "register", None)
        if register is not None:
            register(app)
    return app


def main() -> None:
    """Run the command line; what cannot run says why in a line or two, without a traceback."""
    compiled.activate()
    asked = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
    try:
        create_cli(asked)()
    except BadSettings as wrong:
        err.print(str(wrong), markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)
