"""Hostile records beside a well-behaved brand, through real workers on a real Kafka.

Run: ``make fuzz``, or ``python -m tests.fuzz [--records N] [--seed S] [--rate R]``.  The
exit status is 1 when a record ended wrong, a worker ended or grew by more than
256 MB, or the other brand's p99 more than doubled.

``python -m tests.fuzz --beside burst`` (or ``deleted``) has two well-behaved
brands: one publishes tenfold all at once, or loses its CRM topic; exit status 1
when the other one's p99 more than doubled.
"""

import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tests.fuzz.beside import KINDS, beside
from tests.fuzz.field import TIMES
from tests.fuzz.run import Outcome, fuzz

RECORDS = 100_000
SHOWN = 20

out, err = Console(highlight=False, soft_wrap=True), Console(stderr=True)


def main(
    records: Annotated[int, typer.Option(help="How many hostile records.")] = RECORDS,
    seed: Annotated[int, typer.Option(help="The same seed makes the same records, but for the time that they state.")] = 1,
    kind: Annotated[str | None, typer.Option("--beside", help="Instead, what befalls another brand: burst or deleted.")] = None,
    rate: Annotated[
        int | None, typer.Option(help="Events a second of a well-behaved brand, if not 0.2 % of what goes through at most.", min=1)
    ] = None,
    seconds: Annotated[float, typer.Option(help="With --beside: of each of the four turns without it, and with it.", min=5)] = 15.0,
) -> None:
    """See that each hostile record ends in one place, for the right reason, and that nobody else notices.

    Example: python -m tests.fuzz --records 5000 --seed 7
    Example: python -m tests.fuzz --beside burst --rate 100
    """
    if kind is not None:
        raise typer.Exit(look_beside(kind, rate, seconds))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with tempfile.TemporaryDirectory() as folder, Progress(*columns, console=err, disable=not err.is_terminal) as bar:
        task = bar.add_task("records", total=records)
        outcome = fuzz(Path(folder), records, seed, lambda more: bar.advance(task, more), rate=rate)
    show(outcome, seed)
    raise typer.Exit(int(bool(outcome.findings or outcome.slowed)))


def look_beside(kind: str, rate: int | None, seconds: float) -> int:
    """Say what the other brand noticed."""
    if kind not in KINDS:
        err.print(f"--beside {kind}: no such thing; there are {', '.join(KINDS)}", markup=False)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        noticed = beside(kind, Path(folder), rate, seconds)
    without, meanwhile = f"p50 {noticed.p50_without_ms}, p99 {noticed.p99_without_ms} ms", f"p50 {noticed.p50_ms}, p99 {noticed.p99_ms} ms"
    out.print(f"{kind}, {noticed.rate} events/s a brand: the other brand's {without} without, {meanwhile} meanwhile", markup=False)
    return int(noticed.slowed)


def show(outcome: Outcome, seed: int) -> None:
    for finding in outcome.findings[:SHOWN]:
        out.print(finding, markup=False)
    ends = ", ".join(f"{name} {count:,}" for name, count in outcome.ends.most_common())
    total = f"seed {seed}: {outcome.ends.total():,} records, bent in {outcome.forms:,} ways"
    out.print(f"{total}: {ends}; {len(outcome.findings)} findings", markup=False)
    grown = ", ".join(f"{one.stage} {(one.highest - one.before) / 2**20:+.0f} MiB" for one in outcome.watched)
    p99 = f"p99 {outcome.p99_without_ms} ms without, {outcome.p99_beside_ms} ms beside"
    out.print(f"memory: {grown}; the other brand's {p99}, at {outcome.rate} events/s beside {TIMES * outcome.rate}", markup=False)


if __name__ == "__main__":
    typer.run(main)
