"""CPU time of a process, in all and by kind of thread, as Linux counts it."""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

TICKS: Final = os.sysconf("SC_CLK_TCK")
KINDS: Final = ((r"rdk:broker.*", "librdkafka: brokers"), (r"rdk:.*", "librdkafka: main"))
"""Threads by name; what matches none is an engine's thread with another purpose."""


class Used(NamedTuple):
    """Seconds of user and system time, in all and by kind of thread; ended threads are in the total alone."""

    total_s: float
    by_thread: dict[str, float]

    def __sub__(self, other: "Used") -> "Used":
        """Say what was used since *other*."""
        return Used(self.total_s - other.total_s, {name: spent - other.by_thread.get(name, 0.0) for name, spent in self.by_thread.items()})

    @staticmethod
    def total(several: "Iterable[Used]") -> "Used":
        """Add up what *several* processes have used."""
        total_s = 0.0
        by_thread: dict[str, float] = {}
        for one in several:
            total_s += one.total_s
            for name, spent in one.by_thread.items():
                by_thread[name] = by_thread.get(name, 0.0) + spent
        return Used(total_s, by_thread)


def used(process: int) -> Used:
    """Read what *process* has used so far."""
    folder = Path("/proc") / str(process)
    by_thread: dict[str, float] = {}
    for task in (folder / "task").iterdir():
        try:
            name, spent = _read(task)
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended
        kind = "loop" if task.name == str(process) else next((kind for shape, kind in KINDS if re.fullmatch(shape, name)), "other threads")
        by_thread[kind] = by_thread.get(kind, 0.0) + spent
    return Used(_read(folder)[1], by_thread)


def _read(folder: Path) -> tuple[str, float]:
    """Read name and seconds from a ``stat`` file; the name, in parentheses, may hold anything."""
    name, _, rest = (folder / "stat").read_text().partition("(")[2].rpartition(")")
    fields = rest.split()
    return name, (int(fields[11]) + int(fields[12])) / TICKS
