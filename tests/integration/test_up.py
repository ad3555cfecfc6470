import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from agents import admin, key_file
from agents.settings import Settings, load

RULES = """
brand: acme
tags:
  clicker: {count: {events: [click], at_least: 1, within: 30d}}
"""


@contextmanager
def started(data: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HUILIU_")}
    command = [sys.executable, "-m", "agents", "up", "--data", str(data), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


def lines_until(stream: IO[str] | None, begins: str) -> list[str]:
    """Read until a line begins so; the pipe ends, and the test with it, if the process does."""
    assert stream is not None
    found: list[str] = []
    for line in stream:
        found.append(line.rstrip("\n"))
        if line.startswith(begins):
            return found
    raise AssertionError(f"ended before {begins!r}: {found}")


def children(pid: int) -> list[int]:
    return [int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()]


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def ask(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run another command, which finds what runs on *data* by itself."""
    environment = {**os.environ, "HUILIU_DATA": str(data)}
    return subprocess.run(
        [sys.executable, "-m", "agents", *arguments], capture_output=True, text=True, env=environment, check=False, timeout=60
    )


def running(data: Path) -> Settings:
    return load(None, {"HUILIU_DATA": str(data)}).settings


def workers_and_lag(data: Path) -> dict[str, tuple[int, int]]:
    stages = json.loads(ask(data, "status", "--json").stdout)["stages"]
    return {name: (stage["workers"], stage["lag_records"]) for name, stage in stages.items()}


def test_up_runs_everything_stops_within_15_s_and_goes_on_where_it_was(tmp_path: Path) -> None:
    data, rules = tmp_path / "data", tmp_path / "rules"
    rules.mkdir()
    (rules / "acme.yaml").write_text(RULES)
    with started(data, "--rules", str(rules)) as process:
        said = lines_until(process.stdout, "ready: intake, control, shares, budgets, members-1")
        assert "rules of acme: 1 tags, published as version 0" in said
        first = running(data)
        assert [brand.brand for brand in admin.list_brands(first)] == ["acme"]
        secrets = key_file.read(first.keys)
        assert within(60, lambda: workers_and_lag(data) == dict.fromkeys(("intake", "members", "shares", "budgets", "control"), (1, 0)))
        assert "5 workers" in ask(data, "watch", "--seconds", "2").stdout
        pids = children(process.pid)
        process.send_signal(signal.SIGINT)
        assert process.wait(15) == 0
    assert not any(map(lives, pids))
    assert running(data).kafka is None
    nothing = ask(data, "watch")
    assert (nothing.returncode, "no `huiliu up` runs" in nothing.stderr) == (2, True)
    with started(data, "--rules", str(rules)) as process:
        assert "rules of acme: 1 tags, unchanged, version 0" in lines_until(process.stdout, "ready:")
        second = running(data)
        assert (second.kafka, key_file.read(second.keys)) == (first.kafka, secrets)
        process.terminate()
        assert process.wait(15) == 0


def test_a_worker_that_is_killed_is_started_again_and_all_die_with_up(tmp_path: Path) -> None:
    with started(tmp_path) as process:
        lines_until(process.stdout, "ready:")
        ports = json.loads((tmp_path / "workers.json").read_text())
        assert set(ports) == {"intake", "control", "shares", "budgets", "members-1"}
        victim = next(pid for pid in children(process.pid) if "control" in Path(f"/proc/{pid}/cmdline").read_text().split("\0"))
        os.kill(victim, signal.SIGKILL)
        assert lines_until(process.stdout, "control ended with status -9; again in 0.5 s")
        assert within(60, lambda: any("control" in Path(f"/proc/{pid}/cmdline").read_text() for pid in children(process.pid)))
        pids = children(process.pid)
        process.kill()
        assert within(10, lambda: not any(map(lives, pids)))


def test_two_on_one_folder_are_refused(tmp_path: Path) -> None:
    with started(tmp_path) as process:
        lines_until(process.stdout, "Kafka is at")
        second = subprocess.run(
            [sys.executable, "-m", "agents", "up", "--data", str(tmp_path)], capture_output=True, text=True, check=False, timeout=60
        )
        assert second.returncode == 2
        assert "another `huiliu up` runs on it" in second.stderr


def test_wrong_rules_are_told_and_nothing_is_started(tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "acme.yaml").write_text(RULES.replace("30d", "90 days"))
    command = [sys.executable, "-m", "agents", "up", "--data", str(tmp_path / "data"), "--rules", str(rules)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "acme.yaml:4: " in done.stderr
    assert "90d" in done.stderr
    assert not (tmp_path / "data").exists()
