import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from agents.cli import create_cli


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    children: dict[str, Any] = getattr(command, "commands", {})
    if not children:
        yield path
    for name, child in children.items():
        yield from commands(child, (*path, name))


ALL = sorted(commands(typer.main.get_command(create_cli())))


def test_the_commands_of_the_design_are_there() -> None:
    expected = {("up",), ("worker",), ("brands", "add"), ("brands", "list"), ("settings",), ("status",), ("watch",), ("rules", "check")}
    assert expected <= set(ALL)


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_each_command_shows_an_example(path: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(create_cli(), [*path, "--help"])
    assert shown.exit_code == 0
    assert "Example:" in shown.output
    assert "huiliu " in shown.output.split("Example:", 1)[1]


def test_a_command_imports_no_more_than_it_needs() -> None:
    program = "import sys; from agents.cli import create_cli; create_cli('dead-letters'); print('faust' in sys.modules, *sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("False ")
    assert "agents.cli.dead_letters" in done.stdout.split()
    assert "agents.cli.member" not in done.stdout.split()


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_a_command_asked_for_is_the_same_alone(path: tuple[str, ...]) -> None:
    alone = CliRunner().invoke(create_cli(path[0]), [*path, "--help"])
    assert (alone.exit_code, alone.output) == (0, CliRunner().invoke(create_cli(), [*path, "--help"]).output)


def test_a_misspelt_command_is_told_what_was_meant() -> None:
    done = subprocess.run([sys.executable, "-m", "agents", "stauts"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "status" in done.stderr


def test_what_cannot_run_says_why_without_a_traceback() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "agents", "settings"], capture_output=True, text=True, env={"HUILIU_PARTITIONS": "none"}, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("HUILIU_PARTITIONS: 'none': input should be a valid integer")
    assert "Traceback" not in done.stderr


def test_a_misspelt_variable_is_found() -> None:
    shown = CliRunner().invoke(create_cli(), ["settings", "--json"], env={"HUILIU_PARTITION": "3"})
    assert shown.exit_code == 1
    assert "HUILIU_PARTITION: no such setting" in shown.output
