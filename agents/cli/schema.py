"""``huiliu schema``: the JSON Schemas of everything on the wire."""

from pathlib import Path
from typing import Annotated

import typer

from agents.cli.common import AsJson, fail, out, print_json
from schemas import jsonschema

Name = Annotated[str | None, typer.Argument(metavar="TYPE", help="An event's or CRM record's type, such as cn.huiliu.click.v1.")]
Folder = Annotated[Path | None, typer.Option("--write", metavar="DIR", help="Write every schema into this folder, a file a type.")]


def schema(name: Name = None, *, write: Folder = None, as_json: AsJson = False) -> None:
    """Print the JSON Schema (2020-12) of a type, list the types, or write all schemas to a folder.

    Example: huiliu schema cn.huiliu.order.v1
    """
    if write is not None:
        write_all(write)
    elif name is None:
        if as_json:
            print_json(jsonschema.names())
        else:
            out.print("\n".join(jsonschema.names()), markup=False, highlight=False)
    elif name in jsonschema.names():
        out.file.write(jsonschema.rendered(name))
    else:
        fail(f"{name}: no such type; expected one of {', '.join(jsonschema.names())}")


def write_all(folder: Path) -> None:
    """Write the schema of each type to ``<folder>/<type>.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in jsonschema.names():
        (folder / f"{name}.json").write_text(jsonschema.rendered(name), encoding="utf-8")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(schema)
