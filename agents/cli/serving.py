"""``huiliu serving``: the serving copy in Redis."""

import typer
from rich.progress import Progress

from agents.cli.common import FOUND, AsJson, err, out, print_json, settings_of
from agents.serving_rebuild import rebuild

ENDS = {
    "whole": "The serving copy is whole.",
    "marked": "Something was missed meanwhile: the copy is still marked as stale; run it again.",
    "lost": "Redis was emptied meanwhile, or another rebuild began: the copy is not known to be whole; run it again.",
}


def rebuild_copy(context: typer.Context, *, as_json: AsJson = False) -> None:
    """Write every member to Redis from what is committed, and take the mark of staleness off.

    Workers may go on meanwhile: no member gives way to an older copy.

    Example: huiliu serving rebuild
    """
    settings = settings_of(context)
    with Progress(console=err, transient=True) as bar:
        task = bar.add_task("reading the changelog", total=None)
        done = rebuild(settings, lambda read, of: bar.update(task, completed=read, total=of))
    if as_json:
        print_json(done._asdict())
    else:
        out.print(f"{done.members:,} members of {done.partitions} partitions, {done.rows:,} rows. {ENDS[done.ended]}", highlight=False)
    if done.ended != "whole":
        raise typer.Exit(FOUND)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help="The serving copy in Redis.  Example: huiliu serving rebuild")
    group.callback()(_serving)
    group.command("rebuild")(rebuild_copy)
    app.add_typer(group, name="serving")


def _serving() -> None:
    """Keep the group a group though it has one command."""
