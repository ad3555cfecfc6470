"""A marketer's YAML, read again: names, durations and money of one rule set (RULES 3)."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

from tests.oracle.validity import minor

UNITS_MS: Final = {"m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 7 * 86_400_000}
HOUR_MS: Final = UNITS_MS["h"]
DAY_MS: Final = UNITS_MS["d"]


@dataclass(frozen=True)
class Rules:
    """One owner's set.  *tags* is as written: each a map of one word to what it says."""

    owner: str
    timezone: str = "UTC"
    half_life_ms: int | None = None
    weights: dict[str, float] = field(default_factory=dict)
    tags: dict[str, dict[str, Any]] = field(default_factory=dict)
    sharing_ms: int = 7 * DAY_MS
    sharing_depth: int = 1

    @property
    def shares(self) -> bool:
        """Tell whether what shares bring is counted."""
        return "share." in f"{self.tags}{self.weights}"

    @property
    def brought(self) -> frozenset[str]:
        """Name the tags that count what shares bring."""
        prefix = "alliance/" if self.owner == "alliance" else ""
        return frozenset(prefix + name for name, says in self.tags.items() if "share." in f"{says}")


def read(text: str | Path) -> Rules:
    """Read a rule set from YAML."""
    written = YAML(typ="safe", pure=True).load(text)
    engagement = written.get("engagement") or {}
    sharing = written.get("sharing") or {}
    return Rules(
        owner=written.get("brand") or "alliance",
        timezone=written.get("timezone", "UTC"),
        half_life_ms=duration_ms(engagement["half_life"]) if engagement else None,
        weights={name: float(weight) for name, weight in (engagement.get("weights") or {}).items()},
        tags=written.get("tags") or {},
        sharing_ms=duration_ms(sharing.get("window", "7d")),
        sharing_depth=sharing.get("depth", 1),
    )


def duration_ms(text: str) -> int:
    """Read ``90d`` and the like."""
    match = re.fullmatch(r"(\d+)([mhdw])", text)
    if match is None:
        raise ValueError(text)
    return int(match[1]) * UNITS_MS[match[2]]


def grain(window_ms: int) -> str:
    """Name the granularity of a window: minute, hour or day (RULES 2)."""
    if window_ms <= 2 * HOUR_MS:
        return "minute"
    return "hour" if window_ms <= 3 * DAY_MS else "day"


def buckets(window_ms: int) -> int:
    """Tell how many buckets a window spans."""
    return window_ms // {"minute": 60_000, "hour": HOUR_MS, "day": DAY_MS}[grain(window_ms)]


def threshold(clause: dict[str, Any]) -> int:
    """Read ``at_least``; of a sum, in minor units."""
    at_least = clause.get("at_least", 1)
    return minor(str(at_least), clause["currency"]) if "currency" in clause else int(at_least)
