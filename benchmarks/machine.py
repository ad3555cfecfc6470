"""The machine that is measured on: which core does what, and whether it is as fast as a moment ago.

Clients have a core of their own, the broker and the harness share another.  A
calibration is a fixed piece of work before and after each measurement: one
part computes, one walks 50 MB in an order that no cache knows, because a
neighbour on the same memory slows the second alone.
"""

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from random import Random
from typing import Final, NamedTuple

MOVED: Final = 0.15
PASSES: Final = 5
HASHES: Final = 10_000
ENTRIES, WALKED, BYTES = 250_000, 40_000, 100


class Calibration(NamedTuple):
    """Nanoseconds of CPU: a hash, and a look-up in 50 MB."""

    compute_ns: float
    memory_ns: float

    def moved(self, later: "Calibration") -> bool:
        """Tell whether the machine was another by *later*: by more than 15 % in either part."""
        return any(max(one, other) > min(one, other) * (1 + MOVED) for one, other in zip(self, later, strict=True))


def calibrate() -> Calibration:
    """Do the fixed work on the clients' core; the best of several passes each."""
    with on(client_cores()):
        return Calibration(_best(_hash) / HASHES, _best(_walk) / WALKED)


def client_cores() -> set[int]:
    """Name the core that clients have for themselves."""
    return {min(_cores())}


def broker_cores() -> set[int]:
    """Name the cores that are left for the broker and the harness; the same one if there is no other."""
    return set(_cores()) - client_cores() or client_cores()


@contextmanager
def on(cores: set[int]) -> Iterator[None]:
    """Run this thread on *cores*; processes and threads that it starts meanwhile stay there."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@cache
def _cores() -> frozenset[int]:
    """Read once which cores there are: afterwards we are pinned ourselves."""
    return frozenset(os.sched_getaffinity(0))


def _best(work: Callable[[], object]) -> float:
    spent = []
    for _ in range(PASSES):
        began = time.process_time_ns()
        work()
        spent.append(time.process_time_ns() - began)
    return min(spent)


def _hash() -> None:
    for number in range(HASHES):
        hashlib.blake2b(b"%d" % number).hexdigest()


def _walk() -> int:
    table, order = _table()
    return sum([len(table[key]) for key in order])


@cache
def _table() -> tuple[dict[bytes, bytes], list[bytes]]:
    random = Random(5)
    table = {random.randbytes(16): random.randbytes(BYTES) for _ in range(ENTRIES)}
    return table, random.sample(list(table), WALKED)
