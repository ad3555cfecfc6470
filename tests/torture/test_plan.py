"""What a seed stands for, and that what may be drawn or planted is there."""

import inspect
import subprocess
import sys

import pytest

from schemas.rules import RuleSet
from streams.rules_check import check
from streams.ruleset import Counting, definition, leaves
from tests.torture.faults import Faults
from tests.torture.plan import ODD, moved_rules, pieces, plan
from tests.torture.points import POINTS
from tests.torture.run import RULES
from tests.torture.worker import MARK

AT_MS = 1_795_000_000_000
BY_NAME = ("kill", "point", "halt", "SIGTERM", "freeze")


def test_a_seed_is_a_run() -> None:
    assert plan(17) == plan(17) != plan(18)
    records = list(pieces(plan(17), AT_MS))
    assert records == list(pieces(plan(17), AT_MS))
    assert sum(MARK in record.value for record in records) == 6


def test_all_that_is_drawn_can_be_done() -> None:
    drawn = {fault.name for seed in range(1, 301) for fault in plan(seed).faults}
    for name in drawn:
        kind, _, rest = name.partition(" ")
        assert kind in BY_NAME or hasattr(Faults, f"_{kind}_{rest.replace(' ', '_')}".rstrip("_")), name
    assert {name.split()[2].partition(":")[0] for name in drawn if name.startswith("point")} >= {point.split()[0] for point in POINTS}
    odd = {name for seed in range(1, 301) for name in plan(seed).odd}
    assert odd >= {*ODD, "clocks an hour ahead", "clocks an hour behind", "clocks a year ahead", "clocks a year behind"}


@pytest.mark.parametrize("name", POINTS)
def test_a_point_is_a_function_of_the_products(name: str) -> None:
    point = POINTS[name]
    assert inspect.isfunction(getattr(point.owner, point.function))


def test_without_a_disk_of_its_own_none_is_filled() -> None:
    assert not any(fault.name == "disk full" for seed in range(1, 301) for fault in plan(seed, disk=False).faults)


@pytest.mark.parametrize("name", ["yunwu-tea", "xiaoman-baby", "shanye-outdoor"])
def test_another_edition_counts_the_same_and_asks_for_other_thresholds(name: str) -> None:
    text = (RULES / f"{name}.yaml").read_text()
    first, second = check(text), check(moved_rules(text))
    assert isinstance(first, RuleSet)
    assert isinstance(second, RuleSet)
    assert _counted(first) == _counted(second)
    assert first.tags != {tag: second.tags[tag] for tag in first.tags}


def _counted(rules: RuleSet) -> set[bytes]:
    found = [leaf for rule in rules.tags.values() for leaf in leaves(rule)]
    return {definition(leaf, rules.timezone) for leaf in found if isinstance(leaf, Counting)}


def test_what_is_planted_takes_the_place_of_something() -> None:
    # in a process of its own: bugs are planted for good
    code = "from tests.torture.plants import PLANTS\nassert len(PLANTS) >= 30\nfor bug in PLANTS.values():\n    bug.plant()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
