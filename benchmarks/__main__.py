"""Every figure: the engine beside a straight loop and idiomatic Faust, and the whole pipeline.

Run: ``make bench``, or ``python -m benchmarks [--quick] [--only engine|pipeline] [--json FILE]``.
The exit status is 1 when a target is missed or a result is wrong.
"""

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from agents.servers import start_kafka
from benchmarks import bench_engine, pipeline

EVENTS, QUICK_EVENTS = 300_000, 60_000


class Part(StrEnum):
    """What can be measured alone."""

    ENGINE = "engine"
    PIPELINE = "pipeline"


def main(
    quick: Annotated[bool, typer.Option(help="Under two minutes: fewer events and rounds.")] = False,
    only: Annotated[Part | None, typer.Option(help="One part alone.")] = None,
    file: Annotated[Path | None, typer.Option("--json", help="Write the results here, too.")] = None,
) -> None:
    """Measure, and show the figures."""
    console = Console(stderr=True)
    found: dict[str, Any] = {}
    if only is not Part.ENGINE:
        for mixed in (False,) if quick else (False, True):
            one = pipeline.measure(QUICK_EVENTS if quick else EVENTS, console.print, mixed=mixed)
            found[f"pipeline, {one['input']}"] = one
            console.print(_table_of_pipeline(one))
    if only is not Part.PIPELINE:
        with start_kafka(tuned=True) as kafka:
            found["engine"] = bench_engine.measure(kafka.bootstrap, quick)
        console.print(_table_of_engine(found["engine"]))
    sys.stdout.write(json.dumps(found) + "\n")
    if file is not None:
        file.write_text(json.dumps(found, indent=2) + "\n")
    raise typer.Exit(int(_missed(found, quick)))


def _missed(found: dict[str, Any], quick: bool) -> bool:
    """Tell whether a result is wrong or a target missed; a quick run is too short to hold rates against targets."""
    pipelines = [one for name, one in found.items() if name != "engine"]
    if any(one["problems"] for one in pipelines):
        return True
    ratios = found["engine"]["engine_over"].items() if "engine" in found else ()
    return not quick and (
        any(one["events_per_cpu_s"] < one["target"] for one in pipelines) or any(over < bench_engine.TARGETS[name] for name, over in ratios)
    )


def _table_of_pipeline(one: dict[str, Any]) -> Table:
    title = f"{one['events']:,} events, {one['input']}: {one['events_per_cpu_s']:,} events per CPU-second (target {one['target']:,})"
    table = Table(
        title=title, caption=f"100 hashes took {one['calibration_us']} µs before and after; {one['problems'] or 'all accounted for'}"
    )
    for column in ("stage", "µs an event", "of which", "CPU s to start", "wall s"):
        table.add_column(column)
    for stage, spent in one["us_per_event"].items():
        where = "\n".join(f"{name} {each:.2f}" for name, each in one["where_us"][stage].items())
        table.add_row(stage, f"{spent:.2f}", where, f"{one['start_cpu_s'][stage]:.2f}", f"{one['wall_s'][stage]:.1f}")
    return table


def _table_of_engine(found: dict[str, Any]) -> Table:
    table = Table(title="one keyed stage")
    for column in ("", "events per CPU-second", "engine over it", "target"):
        table.add_column(column)
    for name, rate in found["events_per_cpu_s"].items():
        over = found["engine_over"].get(name)
        table.add_row(name, f"{rate:,}", "" if over is None else f"{over}", "" if over is None else f"{bench_engine.TARGETS[name]}")
    return table


if __name__ == "__main__":
    typer.run(main)
