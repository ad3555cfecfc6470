"""Many schedules, side by side: the product's, which must break no law, and the mutants', which must."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

from tests.simulation import mutants
from tests.simulation.draws import Draws
from tests.simulation.kafka import Violation
from tests.simulation.shrink import attempt
from tests.simulation.worker import Parts
from tests.simulation.world import World

CHUNK = 50


class Tally(NamedTuple):
    """What some schedules came to; *broken* is (seed, violation) of each that broke a law."""

    schedules: int
    fenced: int
    repeated: int
    records: int
    broken: list[tuple[int, str]]


class Catch(NamedTuple):
    """Which seed caught a mutant, and the line that says so; None after so many *tries*."""

    mutant: str
    tries: int
    seed: int | None
    violation: str


def run(first: int, count: int) -> Tally:
    """Run the product under *count* seeds from *first* on."""
    fenced = repeated = records = 0
    broken = []
    for seed in range(first, first + count):
        world = World(Draws(seed), Parts())
        try:
            world.run()
        except Violation as violation:
            broken.append((seed, str(violation)))
        fenced += world.kafka.fenced
        repeated += world.kafka.repeated
        records += len(world.kafka.said)
    return Tally(count, fenced, repeated, records, broken)


def hunt(name: str, first: int, most: int) -> Catch:
    """Try seeds from *first* on, at most so many, until one catches the mutant *name*."""
    mutant = named(name)
    for seed in range(first, first + most):
        broken = attempt(Draws(seed), mutant.parts)
        if broken is not None:
            return Catch(name, seed - first + 1, seed, broken.violation)
    return Catch(name, most, None, "")


def named(name: str) -> mutants.Mutant:
    """Find a mutant by its name, or by a part of it that no other has."""
    found = [mutant for mutant in mutants.ALL if mutant.name == name] or [mutant for mutant in mutants.ALL if name in mutant.name]
    if len(found) != 1:
        raise ValueError(f"{name}: {len(found)} mutants are called that; one of {', '.join(mutant.name for mutant in mutants.ALL)}")
    return found[0]


def run_all(first: int, count: int, done: Callable[[Tally], None]) -> Tally:
    """Run *count* schedules on all cores; *done* hears what each chunk of them came to."""
    total = Tally(0, 0, 0, 0, [])
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for one in pool.map(run, range(first, first + count, CHUNK), _chunks(count)):
            total = Tally(
                total.schedules + one.schedules,
                total.fenced + one.fenced,
                total.repeated + one.repeated,
                total.records + one.records,
                total.broken + one.broken,
            )
            done(one)
    return total


def hunt_all(first: int, most: int, done: Callable[[Catch], None]) -> list[Catch]:
    """Hunt every mutant on all cores; *done* hears of each."""
    catches = []
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        names = [mutant.name for mutant in mutants.ALL]
        for catch in pool.map(hunt, names, [first] * len(names), [most] * len(names)):
            done(catch)
            catches.append(catch)
    return catches


def _chunks(count: int) -> Iterator[int]:
    for begin in range(0, count, CHUNK):
        yield min(CHUNK, count - begin)
