import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from agents import clients, key_file
from agents.cli import create_cli
from agents.settings import BadSettings


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if not path:
        command.list_commands(None)  # imports them
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
    assert "agents.cli.dead_letters" in _imported("dead-letters", "--help")
    assert not _imported("dead-letters", "--help") & {"agents.cli.member", "faust"}
    assert not _imported("--help") & {"faust", "matplotlib"}


def _imported(*arguments: str) -> set[str]:
    program = "import sys; from agents.cli import main\ntry: main()\nfinally: print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_all_commands_are_listed_in_order() -> None:
    shown = CliRunner().invoke(create_cli(), ["--help"]).output
    listed = [line.split()[0] for line in shown.partition("Commands:")[2].splitlines() if line[:2] == "  " and line[2] != " "]
    assert listed == sorted({path[0] for path in ALL})


def test_a_file_of_settings_may_be_called_as_a_command_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rules").write_text("partitions = 3\n")
    monkeypatch.chdir(tmp_path)
    shown = CliRunner().invoke(create_cli(), ["--config", "rules", "settings", "--json"])
    assert json.loads(shown.stdout)["partitions"]["value"] == "3"


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


@pytest.mark.parametrize("command", [["schema", "--write", "/proc/nowhere"], ["up", "--data", "/proc/nowhere"]])
def test_a_folder_that_cannot_be_made_is_named(command: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", "agents", *command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "/proc/nowhere: No such file or directory\n")


@pytest.mark.parametrize(
    "command",
    ["status", "brands list", "brands add acme", "rules show acme", "member acme brand_member:lin", "share acme s-1", "crm acme --verify",
     "dead-letters list acme", "serving rebuild", "reset shares --yes"],
)  # fmt: skip
def test_a_kafka_that_is_not_there_is_named(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key_file.make(tmp_path / "keys.toml")
    nowhere = {"HUILIU_KAFKA": "127.0.0.1:1", "HUILIU_REDIS": "redis://127.0.0.1:1"}
    for name, value in {**nowhere, "HUILIU_KEY_FILE": tmp_path / "keys.toml", "HUILIU_DATA": tmp_path}.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr(clients, "REACH_S", 0.2)
    done = CliRunner().invoke(create_cli(), command.split())
    assert isinstance(done.exception, BadSettings), done.output
    assert "127.0.0.1:1" in str(done.exception)
