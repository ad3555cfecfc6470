"""From a schedule that broke a law to a short one that breaks one, too: choices are cut off, taken out and made quiet."""

from collections.abc import Sequence
from typing import NamedTuple

from tests.simulation.draws import Draws
from tests.simulation.kafka import Violation
from tests.simulation.worker import Parts
from tests.simulation.world import World

TRIES = 600


class Broken(NamedTuple):
    """A schedule that broke a law: what is said of it, the choices that lead there, and what happened."""

    violation: str
    script: list[int]
    trace: list[str]


def attempt(draws: Draws, parts: Parts) -> Broken | None:
    """Run one schedule; None if every law held."""
    world = World(draws, parts)
    try:
        world.run()
    except Violation as violation:
        return Broken(str(violation), draws.taken, [_worded(one) for one in world.kafka.trace])
    return None


def shrink(seed: int, parts: Parts, tries: int = TRIES) -> Broken:
    """Find the shortest schedule that can be made of that of *seed*, which breaks a law, in so many *tries*."""
    best = attempt(Draws(seed), parts)
    assert best is not None, f"schedule {seed} breaks no law"
    left, size = tries, len(best.script) // 2
    while left > 0 and size:
        at, found = 0, False
        while at < len(best.script) and left > 0:
            for shorter in _candidates(best.script, at, size):
                left -= 1
                tried = attempt(Draws(seed, shorter), parts)
                if tried is not None and _weight(tried) < _weight(best):
                    best, found = tried, True
                    break
            else:
                at += size
        size = size if found and size == 1 else size // 2
    return best


def _candidates(script: list[int], at: int, size: int) -> Sequence[list[int]]:
    without = [*script[:at], *script[at + size :]]
    if not any(script[at : at + size]):
        return [without]
    return [script[:at], without, [*script[:at], *[0] * size, *script[at + size :]]]


def _weight(broken: Broken) -> tuple[int, int]:
    return len(broken.trace), sum(map(bool, broken.script))


def _worded(happened: tuple[object, ...]) -> str:
    return " ".join(str(part) for part in happened)
