"""Torture in small: ten runs with the faults that matter most, and a bug that is planted and must be found."""

import json
import subprocess
import sys
from pathlib import Path

LIMIT_S = 600  # each run has limits of its own


def _torture(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "tests.torture", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)


FAULTS = ("kill members", "kill intake", "SIGTERM members", "churn", "point after commit:5 members")


def test_ten_runs_with_kills_stops_and_rebalances_find_nothing(tmp_path: Path) -> None:
    faults = [part for fault in FAULTS for part in ("--fault", fault)]
    done = _torture("--runs", "10", "--seed", "1", *faults, "--json", str(tmp_path / "runs.json"))
    assert done.returncode == 0, done.stdout + done.stderr
    runs = json.loads((tmp_path / "runs.json").read_text())
    assert [(run["lost"], run["wrong"], run["twice"], run["inversion"], run["gap"]) for run in runs] == [(0, 0, 0, 0, 0)] * 10
    assert all(run["records"] >= 1_000 and len(run["faults"]) == len(FAULTS) for run in runs)


def test_a_deleted_topic_is_made_again_and_a_crowd_gets_no_cent_too_much() -> None:
    done = _torture("--runs", "1", "--seed", "50", "--fault", "crm deleted", "--fault", "crowd")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_planted_bug_is_found(tmp_path: Path) -> None:
    done = _torture("--plant", "half-folded state kept after an exception", "--json", str(tmp_path / "bugs.json"))
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = json.loads((tmp_path / "bugs.json").read_text())
    assert found["line"]


def test_a_bug_that_nobody_knows_cannot_be_planted() -> None:
    done = _torture("--plant", "none such")
    assert (done.returncode, done.stdout.strip()) == (2, "--plant none such: no such bug; --plant list names them")
