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
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

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


class Commands(TyperGroup):
    """All commands; each is imported when somebody asks for it."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import a command.  Where there is none of that name, all of them: one that is meant may be told."""
        if cmd_name not in self.commands:
            module = cmd_name.replace("-", "_")
            self._import([module] if module in _modules() else _modules())
        return super().get_command(ctx, cmd_name)

    def list_commands(self, ctx: Any) -> list[str]:
        """Import all commands; gives their names, in order."""
        self._import(_modules())
        return sorted(super().list_commands(ctx))

    def _import(self, modules: list[str]) -> None:
        for module in modules:
            register = getattr(importlib.import_module(f"{__name__}.{module}"), "register", None)
            if register is not None:
                app = _typer()
                register(app)
                self.commands.update(typer.main.get_group(app).commands)


def _modules() -> list[str]:
    return [module.name for module in pkgutil.iter_modules(__path__)]


def _typer(**more: Any) -> typer.Typer:
    return typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False, **more)


def create_cli() -> typer.Typer:
    """Put all commands together."""
    app = _typer(cls=Commands, no_args_is_help=True)
    app.callback()(start)
    return app


def main() -> None:
    """Run the command line; what cannot run says why in a line or two, without a traceback."""
    compiled.activate()
    try:
        create_cli()()
    except (BadSettings, OSError) as wrong:
        if isinstance(wrong, OSError) and wrong.filename is None:  # not of a file that was named
            raise
        why = f"{wrong.filename}: {wrong.strerror}" if isinstance(wrong, OSError) else str(wrong)
        err.print(why, markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)
