"""How long records wait for company: short when batches are full anyway or load is small, long when many topics share it.

What a producer costs is decided by records per (topic, partition) batch, and
how many such batches a second there are: few destinations make few, whatever
the load.

Source: DESIGN 4 (writer).
"""

from collections.abc import Sequence
from time import monotonic

from agents.engine.pace import PACE_MS
from schemas.effects import Effect

FULL = 16
SAMPLE_EVERY = 8
LOOK_S = 5.0
BUSY = 10_000  # batches a second: a batch for each record costs 20 to 27 µs more than full ones (DESIGN 4), a quarter of a core


class Linger:
    """Chooses between two lingers, by how many records a destination has within the short one."""

    def __init__(self, short_ms: int, long_ms: int) -> None:
        self.short_ms, self.long_ms = short_ms, long_ms
        self.ms = short_ms
        self._began = monotonic()
        self._batches = 0
        self._records = 0
        self._destinations: set[tuple[str, int]] = set()

    def note(self, effects: Sequence[Effect]) -> bool:
        """Count *effects*; tell whether the linger changed."""
        self._batches += 1
        self._records += len(effects)
        if self._batches % SAMPLE_EVERY == 0:
            self._destinations.update((effect.topic, effect.partition) for effect in effects)
        now = monotonic()
        return now - self._began >= LOOK_S and self._decide(now)

    def _decide(self, now: float) -> bool:
        rate = self._records / (now - self._began)
        wanted = choose(rate, len(self._destinations), self.short_ms, self.long_ms)
        self._began, self._batches, self._records = now, 0, 0
        self._destinations.clear()
        changed, self.ms = wanted != self.ms, wanted
        return changed


def choose(rate: float, destinations: int, short_ms: int, long_ms: int) -> int:
    """Choose the linger for *rate* records a second over *destinations*: long if batches would be both many and thin.

    What comes at the reader's pace makes no more batches than that, however short the linger.
    """
    windows_per_s = 1000 / max(short_ms, PACE_MS)
    batches_per_s = min(rate, destinations * windows_per_s)
    thin = rate < FULL * destinations * windows_per_s
    return long_ms if thin and batches_per_s >= BUSY else short_ms
