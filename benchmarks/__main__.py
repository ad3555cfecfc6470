"""Every figure: the engine beside other ways of doing its job, the whole pipeline, its latency.

Run: ``make bench``, or ``python -m benchmarks [--quick] [--only PART] [--json FILE] [--plots DIR]``.
The exit status is 1 when a target is missed or a result is wrong.
"""

import json
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import typer
from rich.console import Console, RenderableType

from benchmarks import bench_engine, folds, footprint, growth, latency, pipeline, plots, tables
from benchmarks.scale import FULL, QUICK, Scale

Tell = Callable[[str], None]
Found = dict[str, Any]


class Part(StrEnum):
    """What can be measured alone."""

    PIPELINE = "pipeline"
    LATENCY = "latency"
    ENGINE = "engine"
    FOLDS = "folds"
    FOOTPRINT = "footprint"
    GROWTH = "growth"


class How(NamedTuple):
    """How a part is measured, shown, and held against its targets; a shorter run is too short for the last."""

    measure: Callable[[Scale, Tell], Found]
    show: Callable[[Found], RenderableType]
    missed: Callable[[Found, Scale], bool]


PARTS: Final = {
    Part.PIPELINE: How(pipeline.measure, tables.of_pipeline, pipeline.missed),
    Part.LATENCY: How(latency.measure, tables.of_latency, latency.missed),
    Part.ENGINE: How(bench_engine.measure, tables.of_engine, bench_engine.missed),
    Part.FOLDS: How(folds.measure, tables.of_folds, folds.missed),
    Part.FOOTPRINT: How(footprint.measure, tables.of_footprint, footprint.missed),
    Part.GROWTH: How(growth.measure, tables.of_growth, growth.missed),
}


def main(
    quick: Annotated[bool, typer.Option(help="Under two minutes: fewer events and rounds.")] = False,
    only: Annotated[Part | None, typer.Option(help="One part alone.")] = None,
    file: Annotated[Path | None, typer.Option("--json", help="Write the results here, too.")] = None,
    pictures: Annotated[Path | None, typer.Option("--plots", help="Draw the figures into this folder.")] = None,
) -> None:
    """Measure, and show the figures."""
    console = Console(stderr=True)
    found: dict[str, Found] = {}
    missed = False
    scale = QUICK if quick else FULL
    for part, how in PARTS.items():
        if only in (None, part):
            one = found[part] = how.measure(scale, console.print)
            console.print(how.show(one))
            missed |= how.missed(one, scale)
    sys.stdout.write(json.dumps(found) + "\n")
    if file is not None:
        file.write_text(json.dumps(found, indent=2) + "\n")
    for written in plots.draw(found, pictures) if pictures is not None else ():
        console.print(f"drawn: {written}")
    raise typer.Exit(int(missed))


if __name__ == "__main__":
    typer.run(main)
