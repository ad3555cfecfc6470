"""Every choice of a schedule, drawn from one seed and noted, so that a failure can be repeated and cut down.

A choice of 0 is always the quiet one: nothing fails, nothing ends.  A script
that has run out says 0 for ever, so cutting choices off leaves a schedule.
"""

from collections.abc import Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")
MILLE = 1000


class Draws:
    """Draws from *seed*, or gives again what *script* says."""

    def __init__(self, seed: int, script: Sequence[int] | None = None) -> None:
        self._random = Random(seed).random
        self._script = script
        self.taken: list[int] = []

    def below(self, limit: int) -> int:
        """Draw a number from 0 to *limit* - 1."""
        if self._script is None:
            drawn = int(self._random() * limit)
        else:
            at = len(self.taken)
            drawn = self._script[at] % limit if at < len(self._script) else 0
        self.taken.append(drawn)
        return drawn

    def between(self, low: int, high: int) -> int:
        return low + self.below(high - low + 1)

    def happens(self, mille: int) -> bool:
        """Draw whether something happens that does in *mille* of a thousand cases."""
        return mille > 0 and self.below(MILLE) >= MILLE - mille

    def choice(self, listed: Sequence[T]) -> T:
        return listed[self.below(len(listed))]
