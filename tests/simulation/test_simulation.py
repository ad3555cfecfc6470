"""The engine's deciding code under seeded schedules: what it must never do, and that the harness would see it.

The short form: ``make simulate`` runs 20,000 schedules and every mutant.
"""

import pytest

from tests.simulation import campaign, mutants
from tests.simulation import shrink as shrinking
from tests.simulation.draws import Draws
from tests.simulation.shrink import Broken, attempt, shrink
from tests.simulation.worker import Parts

SCHEDULES = 500
ENOUGH = 150


def test_no_schedule_breaks_a_law() -> None:
    tally = campaign.run_all(0, SCHEDULES, lambda _: None)
    assert not tally.broken, "\n".join(f"python -m tests.simulation --seed {seed}: {violation}" for seed, violation in tally.broken)
    assert tally.fenced > SCHEDULES / 2, "zombies were hardly ever refused: the schedules are too tame"
    assert tally.repeated > 5 * SCHEDULES, "hardly anything was sent twice: the schedules are too tame"


@pytest.mark.parametrize("mutant", [one for one in mutants.ALL if not one.rare], ids=lambda mutant: mutant.name)
def test_the_harness_sees_what_is_taken_out(mutant: mutants.Mutant) -> None:
    assert campaign.hunt(mutant.name, 0, ENOUGH).seed is not None


def test_a_failure_is_cut_down_to_a_shorter_one_and_repeats() -> None:
    mutant = campaign.named("from the group's offset")
    seed = campaign.hunt(mutant.name, 0, ENOUGH).seed
    assert seed is not None
    whole, short = attempt(Draws(seed), mutant.parts), shrink(seed, mutant.parts, tries=100)
    assert whole is not None
    assert len(short.trace) < len(whole.trace)
    again = attempt(Draws(seed, short.script), mutant.parts)
    assert again is not None
    assert (again.violation, again.trace) == (short.violation, short.trace)


def test_cutting_down_ends_when_the_tries_are_used_up(monkeypatch: pytest.MonkeyPatch) -> None:
    mutant = campaign.named("from the group's offset")
    tried = []

    def counted(draws: Draws, parts: Parts) -> Broken | None:
        tried.append(draws)
        return attempt(draws, parts)

    monkeypatch.setattr(shrinking, "attempt", counted)
    shrink(0, mutant.parts, tries=10)
    assert len(tried) <= 1 + 10 + 2  # the schedule itself; what else was to be tried at the same place
