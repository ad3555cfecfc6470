"""Every part of ``make bench`` runs, and what it measures is right.  How fast it is, is not asked here."""

from functools import partial
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks import plots
from benchmarks.__main__ import PARTS, Part
from benchmarks.machine import Calibration
from benchmarks.rounds import Rounds, Sample
from benchmarks.scale import SHORT


@pytest.mark.parametrize("part", list(Part))
def test_a_part_runs_and_its_results_are_right(part: Part, tmp_path: Path) -> None:
    told: list[str] = []
    found = PARTS[part].measure(SHORT, told.append)
    assert not PARTS[part].missed(found, SHORT), found
    console = Console(width=200, record=True)
    console.print(PARTS[part].show(found))
    assert console.export_text().count("\n") > 4
    for picture in plots.draw({part: found}, tmp_path):
        assert picture.read_bytes().startswith(b"\x89PNG")
        assert picture.stat().st_size < 100_000


def sample(number: int, name: str, rate: float, after_ns: float) -> Sample:
    return Sample(number, name, rate, Calibration(100.0, 200.0), Calibration(100.0, after_ns))


def test_a_measurement_counts_only_if_the_machine_stayed_as_it_was() -> None:
    rounds = Rounds()
    rounds.samples = [sample(0, "engine", 80.0, 229.0), sample(0, "straight", 100.0, 171.0), sample(1, "engine", 10.0, 231.0)]
    assert [one.kept for one in rounds.samples] == [True, False, False]
    assert rounds.rate("engine") == 80.0
    assert rounds.rate("straight") is None


def test_a_ratio_is_of_two_measurements_of_one_round() -> None:
    rounds = Rounds()
    for number, (mine, others) in enumerate(((80.0, 100.0), (40.0, 80.0), (90.0, 100.0))):
        rounds.samples += [sample(number, "engine", mine, 200.0), sample(number, "straight", others, 200.0)]
    rounds.samples.append(sample(3, "engine", 1_000.0, 200.0))  # its counterpart was dropped
    assert rounds.over("engine", "straight") == 0.8


def test_there_is_a_picture_when_every_round_was_dropped(tmp_path: Path) -> None:
    nothing = {"events_per_cpu_s": {"straight": None, "engine": None}}
    (picture,) = plots.draw({Part.ENGINE: nothing}, tmp_path)
    assert picture.read_bytes().startswith(b"\x89PNG")


def order_of_three_rounds() -> list[tuple[str, ...]]:
    order: list[str] = []
    told: list[str] = []

    def measured(name: str, number: int) -> float:
        order.append(name)
        return float(number)

    Rounds(lambda: Calibration(100.0, 200.0)).run({name: partial(measured, name) for name in "abc"}, 3, told.append, repeat=False)
    return [tuple(order[at : at + 3]) for at in range(0, 9, 3)]


def test_rounds_come_in_an_order_that_a_seed_fixes_and_no_contender_has_a_place_of_its_own() -> None:
    orders = order_of_three_rounds()
    assert orders == order_of_three_rounds()
    assert all(sorted(each) == ["a", "b", "c"] for each in orders)
    assert len(set(orders)) > 1
