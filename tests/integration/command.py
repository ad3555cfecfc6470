"""The command line as a test runs it: in this process, against the real servers."""

import json
from typing import Any, NamedTuple

from typer.testing import CliRunner

from agents.cli import create_cli


class Ran(NamedTuple):
    """How a command ended, and what it printed."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Read what was printed as one JSON document."""
        return json.loads(self.out)


def huiliu(*arguments: str, kafka: str = "", environment: dict[str, str] | None = None, stdin: bytes | None = None) -> Ran:
    """Run ``huiliu`` with *arguments*; a bug in it is raised here."""
    names = {"HUILIU_KAFKA": kafka, "COLUMNS": "200"} | (environment or {})
    result = CliRunner().invoke(create_cli(), arguments, env=names, input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Ran(result.exit_code, result.stdout, result.stderr)
