"""Runs in lines, and what they come to."""

import json
from collections import Counter
from collections.abc import Sequence
from math import isfinite
from typing import Any, NamedTuple

from tests.integration.findings import Kind
from tests.torture.run import Outcome


def line(outcome: Outcome) -> str:
    """Say a run in a line."""
    kinds, found = outcome.found.kinds, outcome.found
    held = f", held {outcome.held_ms[0]} ms" if outcome.held_ms else ""
    return (
        f"seed {outcome.plan.seed}: {outcome.records} records, lost {kinds[Kind.LOST]}, wrong {kinds[Kind.WRONG]}, "
        f"duplicates {kinds[Kind.TWICE]} logical {found.copies} physical, inversions {kinds[Kind.INVERSION]}, gaps {kinds[Kind.GAP]}, "
        f"recovered in {outcome.recovery_s:.1f} s{held}; {outcome.seconds:.0f} s; {outcome.plan.said()}"
    )


class Caught(NamedTuple):
    """What became of a planted bug: found in the run of *seed* by *line*, or not at all."""

    bug: str
    seed: int
    seconds: float
    line: str | None

    def said(self) -> str:
        """Say it in a line."""
        return f"{self.bug}: seed {self.seed}, {self.seconds:.0f} s: {self.line or 'NOT FOUND'}"

    @staticmethod
    def as_json(caught: Sequence["Caught"]) -> str:
        """Write all of them."""
        return json.dumps([one._asdict() for one in caught], ensure_ascii=False, indent=1)


class Report:
    """All runs so far."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []

    def add(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)

    @property
    def found(self) -> int:
        """Count the runs that found something."""
        return sum(not outcome.fine for outcome in self.outcomes)

    def kinds(self) -> Counter[Kind]:
        """Add up what was found."""
        return sum((outcome.found.kinds for outcome in self.outcomes), Counter[Kind]())

    def summary(self) -> str:
        """Say all of it in a few lines, with what zeros allow to say: fewer than 3 / n runs fail, with 95 % confidence."""
        runs, kinds = len(self.outcomes), self.kinds()
        if not runs:
            return "no run was done"
        records = sum(outcome.records for outcome in self.outcomes)
        copies = sum(outcome.found.copies for outcome in self.outcomes)
        slowest = max(outcome.recovery_s for outcome in self.outcomes)
        counts = ", ".join(f"{kind} {kinds[kind]}" for kind in Kind)
        said = f"{runs} runs, {records:,} records: {counts}; {copies} physical copies; slowest recovery {slowest:.1f} s"
        if self.found:
            seeds = ", ".join(str(outcome.plan.seed) for outcome in self.outcomes if not outcome.fine)
            return f"{said}\n{self.found} of {runs} runs found something: seeds {seeds}"
        return f"{said}\nnothing was found: with 95 % confidence fewer than {min(1, 3 / runs):.1%} of such runs would find anything (3 / n)"

    def as_json(self) -> str:
        """Write every run."""
        return json.dumps([_document(outcome) for outcome in self.outcomes], ensure_ascii=False, indent=1)


def _document(outcome: Outcome) -> dict[str, Any]:
    kinds = {kind.value: outcome.found.kinds[kind] for kind in Kind}
    return {
        "seed": outcome.plan.seed,
        "odd": outcome.plan.odd,
        "faults": [fault._asdict() for fault in outcome.plan.faults],
        "records": outcome.records,
        **kinds,
        "copies": outcome.found.copies,
        "recovery_s": round(outcome.recovery_s, 2) if isfinite(outcome.recovery_s) else None,
        "held_ms": outcome.held_ms,
        "seconds": round(outcome.seconds, 1),
        "findings": outcome.found.findings,
    }
