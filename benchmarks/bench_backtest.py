"""What a backtest of the demo's campaigns takes: events per CPU-second from a file of them, and memory as it goes on.

The street of ``benchmarks.bench_folds``, written to a file, through the reader
and the folds that ``huiliu rules backtest`` uses, in this process.

Run: ``python -m benchmarks.bench_backtest [--events N] [--members N]``, after ``make setup``.
"""

import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from agents import compiled
from benchmarks.bench_folds import records

PARTS = 10


def write(file: Path, events: int, members: int) -> None:
    """Write the street's events, one a line; what is no text is left out, as no file of lines can hold it."""
    with file.open("wb") as opened:
        for record in records(events, members):
            if record.value and b"\n" not in record.value and record.value[:1] == b"{":
                opened.write(record.value + b"\n")


def main(
    events: Annotated[int, typer.Option(help="Events of all brands.")] = 100_000,
    members: Annotated[int, typer.Option(help="Members on the street.")] = 20_000,
) -> None:
    """Print how fast it is, part by part, and what memory each part ended with."""
    print("streams:", "compiled" if compiled.activate() else "as Python (python -m agents.compiled compiles them)")
    from agents.cli.backtest import of_file
    from agents.rules_folder import read_folder
    from benchmarks.workload import RULES
    from streams.backtest import Backtest, Recorded
    from streams.keys import Secrets

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "events.jsonl"
        write(file, events, members)
        test = Backtest(read_folder(RULES), Secrets(bytes(32), bytes(32), bytes(32)))
        found: Iterator[Recorded] = of_file(file, "")
        begun = time.process_time()
        for part in range(PARTS):
            before, fed = time.process_time(), test.events
            test.feed(islice(found, events // PARTS + (part == PARTS - 1) * events))
            spent = time.process_time() - before
            print(f"{test.events:9,} events  {(test.events - fed) / spent:8,.0f} a second  {_resident_mb():6,.0f} MB")
        outcomes = test.end()
        spent = time.process_time() - begun
    for one in outcomes:
        refused = sum(one.refused.values())
        print(f"{one.campaign:24} {one.grants:7,} grants, {one.granted - one.taken_back:9,} of {one.budget}, {refused:7,} refused")
    print(f"{test.events:,} events, {test.refused:,} refused by intake: {test.events / spent:,.0f} a CPU-second")


def _resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4_096 / 1e6


if __name__ == "__main__":
    typer.run(main)
