"""The demo in small: it adds up, ends by itself and leaves nothing."""

import os
import re
import subprocess
import sys
from pathlib import Path


def _leftovers(folder: Path) -> set[str]:
    """Name what demos keep or run."""
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout.splitlines()
    return {line for line in listed if str(folder) in line} | {str(each) for each in folder.glob("huiliu-demo-*")}


def test_a_short_demo_adds_up_and_leaves_nothing(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-m", "deploy.demo", "--seconds", "4", "--rate", "500", "--seed", "3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    adds_up = re.search(r"Everything adds up: (2,\d{3}) events of 3 brands\.", done.stdout)
    assert adds_up, done.stdout
    assert adds_up[1] > "2,000"  # coupons were redeemed, too
    assert _leftovers(tmp_path) == set()
