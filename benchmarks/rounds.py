"""Rounds of several contenders, in an order that is shuffled anew for each, with the machine looked at in between.

A measurement during which the machine moved is dropped, and a round is added
for it as long as there are no more than twice as many as asked for.
"""

import statistics
from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Final, NamedTuple

from benchmarks.machine import Calibration, calibrate

SEED: Final = 20261125

Measure = Callable[[int], float]
"""Measures one contender in the round of that number; gives events per CPU-second."""


class Sample(NamedTuple):
    """One measurement, and the machine before and after it."""

    round: int
    name: str
    rate: float
    before: Calibration
    after: Calibration

    @property
    def kept(self) -> bool:
        """Whether the machine stayed as it was."""
        return not self.before.moved(self.after)


class Rounds:
    """What was measured, in order; *look* tells how the machine is."""

    def __init__(self, look: Callable[[], Calibration] = calibrate) -> None:
        self._look = look
        self.samples: list[Sample] = []

    def run(self, contenders: Mapping[str, Measure], rounds: int, tell: Callable[[str], None], *, repeat: bool = True) -> None:
        """Measure each contender *rounds* times; with *repeat* until so many samples count, in twice as many rounds at most."""
        number = 0
        self._machine = self._look()
        while number < rounds or (repeat and number < 2 * rounds and any(len(self.kept(name)) < rounds for name in contenders)):
            order = list(contenders)
            Random(SEED + number).shuffle(order)
            for name in order:
                self._measure(number, name, contenders[name], tell)
            number += 1

    def _measure(self, number: int, name: str, measure: Measure, tell: Callable[[str], None]) -> None:
        rate = measure(number)
        before, self._machine = self._machine, self._look()
        sample = Sample(number, name, rate, before, self._machine)
        self.samples.append(sample)
        tell(f"round {number + 1}, {name}: {rate:,.0f} events per CPU-second{'' if sample.kept else ', dropped: the machine moved'}")

    def kept(self, name: str) -> list[Sample]:
        """Give the samples of *name* that count."""
        return [one for one in self.samples if one.name == name and one.kept]

    def rate(self, name: str) -> float | None:
        """Give the median of *name*; None if nothing counts."""
        kept = self.kept(name)
        return statistics.median(one.rate for one in kept) if kept else None

    def over(self, name: str, other: str) -> float | None:
        """Give the median of *name*'s rate over *other*'s in the same round; None if no round has both."""
        mine, others = ({one.round: one.rate for one in self.kept(each)} for each in (name, other))
        ratios = [rate / others[number] for number, rate in mine.items() if number in others]
        return statistics.median(ratios) if ratios else None

    def told(self) -> list[dict[str, Any]]:
        """Word every sample for the results' file."""
        return [{**one._asdict(), "before": list(one.before), "after": list(one.after), "kept": one.kept} for one in self.samples]
