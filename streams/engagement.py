"""The score that decays: Σ weight · 2^(−(clock − t) / half-life), kept as one number with a landmark.

Adding and taking out commute, so the score is a function of the events that
count and of the clock.  Half-lives follow one another: from the clock at which
a new one was published it alone decays the score, old events' too.

Source: RULES 3.
"""

from collections.abc import Sequence
from math import ceil, floor, log2
from typing import Final

from schemas.member_state import NEVER, Score

SECOND_MS: Final = 1_000
DECIMALS: Final = 6
_HALF_UNIT: Final = 0.5 * 10**-DECIMALS
_UNITS: Final = 1e6
_EXACT: Final = 1e9
"""Below this a score in millionths is exact in a float, and rounding it there is a tenth of the work of ``round``."""


class Decay:
    """How a score fades: *half_lives* as (clock from which it holds, half-life), both ms, oldest first, never empty."""

    __slots__ = ("_half_lives", "_latest")

    def __init__(self, half_lives: Sequence[tuple[int, int]]) -> None:
        self._half_lives = tuple(half_lives)
        self._latest = half_lives[-1][1]

    def factor(self, from_ms: int, to_ms: int) -> float:
        """Give what is left at *to_ms* of 1.0 at *from_ms* (more than 1.0 if *to_ms* is earlier)."""
        if len(self._half_lives) == 1:
            return float(2.0 ** ((from_ms - to_ms) / self._latest))
        return float(2.0 ** (self._age(from_ms) - self._age(to_ms)))

    def lasts(self, value: float, least: float, now_ms: int) -> int:
        """Tell the clock, rounded up to the second, at which *value* at *now_ms* is below *least* once rounded."""
        floor = least - _HALF_UNIT
        if floor <= 0:
            return NEVER
        fades = now_ms + log2(value / floor) * self._latest
        return max(ceil(fades / SECOND_MS), now_ms // SECOND_MS + 1) * SECOND_MS

    def _age(self, t_ms: int) -> float:
        age = 0.0
        origin = self._half_lives[0][0]
        for index, (start, half_life) in enumerate(self._half_lives):
            end = self._half_lives[index + 1][0] if index + 1 < len(self._half_lives) else NEVER
            if index == 0 and t_ms < start:
                return (t_ms - origin) / half_life
            if t_ms <= start:
                break
            age += (min(t_ms, end) - start) / half_life
        return age


def add(score: Score, weight: float, t_ms: int, now_ms: int, decay: Decay) -> None:
    """Count an event of *weight* at *t_ms*; the landmark moves to the clock *now_ms*."""
    score.value = score.value * decay.factor(score.at_ms, now_ms) + weight * decay.factor(t_ms, now_ms)
    score.at_ms = now_ms
    score.events += 1


def take_out(score: Score, weight: float, t_ms: int, now_ms: int, decay: Decay) -> None:
    """Undo ``add`` of the same event, at a later clock."""
    add(score, -weight, t_ms, now_ms, decay)
    score.events -= 2
    if score.events <= 0:
        score.events, score.value = 0, 0.0


def raw(score: Score | None, now_ms: int, decay: Decay) -> float:
    """Read the score at the clock *now_ms*, not rounded; 0.0 when empty."""
    if score is None or not score.events:
        return 0.0
    return score.value * decay.factor(score.at_ms, now_ms)


def rounded(value: float) -> float:
    """Round a score as it is compared and printed: 6 decimals, never below 0."""
    if not 0.0 < value < _EXACT:
        return max(0.0, round(value, DECIMALS))
    return floor(value * _UNITS + 0.5) / _UNITS


def at(score: Score | None, now_ms: int, decay: Decay) -> float:
    """Read the score at the clock *now_ms* as it is compared and printed."""
    return rounded(raw(score, now_ms, decay))
