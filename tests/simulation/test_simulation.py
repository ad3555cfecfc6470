"""The engine's deciding code under seeded schedules: what it must never do, and that the harness would see it."""

import pytest

from tests.simulation import mutants
from tests.simulation.kafka import Violation
from tests.simulation.worker import Parts
from tests.simulation.world import World

SCHEDULES = 5_000
ENOUGH = 2_000


def test_no_schedule_breaks_a_law() -> None:
    fenced = repeated = 0
    for seed in range(SCHEDULES):
        world = World(seed, Parts())
        try:
            world.run()
        except Violation as violation:
            pytest.fail(f"schedule {seed}: {violation}")
        fenced += world.kafka.fenced
        repeated += world.kafka.repeated
    assert fenced > SCHEDULES / 10, "zombies were hardly ever refused: the schedules are too tame"
    assert repeated > SCHEDULES, "hardly anything was sent twice: the schedules are too tame"


@pytest.mark.parametrize("mutant", mutants.ALL, ids=lambda mutant: mutant.name)
def test_the_harness_sees_what_is_taken_out(mutant: mutants.Mutant) -> None:
    assert any(broken(seed, mutant.parts) for seed in range(ENOUGH))


def broken(seed: int, parts: Parts) -> bool:
    try:
        World(seed, parts).run()
    except Violation:
        return True
    return False
