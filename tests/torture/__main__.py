"""``python -m tests.torture``: see ``--help``."""

import faulthandler
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from agents.servers import ServerFailed
from agents.settings import BadSettings
from tests.torture import PLAIN
from tests.torture.ground import Ground
from tests.torture.plan import Plan, plan
from tests.torture.plants import PLANTS, Plant, listed
from tests.torture.report import Caught, Report, line
from tests.torture.run import Outcome, Series, scratch

PER_GROUND: Final = 15
PLANT_S: Final = 600.0
FOUND, CANNOT = 1, 2


def torture(
    runs: Annotated[int, typer.Option(help="How many runs.", min=1)] = 30,
    minutes: Annotated[float, typer.Option(help="Begin no run after that many minutes; of a planted bug at most 10.")] = 600,
    seed: Annotated[int, typer.Option(help="The first run's seed; each later one's is one more.")] = 1,
    fault: Annotated[list[str] | None, typer.Option(help="Do this in place of what the seeds draw; may be given again.")] = None,
    plant: Annotated[
        list[str] | None, typer.Option(help="Plant this bug, which must be found (all = each in turn, list = name them).")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write all figures to this file.")] = None,
) -> None:
    """Run real workers on a real Kafka and Redis, do them harm at random, and hold what comes of it against an oracle.

    One line a run; exit status 0 if nothing was found, 1 if something was, 2 if it could not run.
    With --plant it is the other way round: 0 if every bug was found.

    Example: python -m tests.torture --runs 300 --json torture.json
    Example: python -m tests.torture --runs 1 --seed 17      (repeats what run 17 did)
    Example: python -m tests.torture --plant "no marks"
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(CANNOT))  # so that nothing is left behind
    console = Console(soft_wrap=True, highlight=False)
    _quieten()
    faulthandler.register(signal.SIGUSR1, sys.stderr)
    try:
        if plant == ["list"]:
            console.print("\n".join(listed()), markup=False)
        elif plant:
            raise typer.Exit(_plant(plant, seed, min(60 * minutes, PLANT_S), json_file, console))
        else:
            raise typer.Exit(_torture(range(seed, seed + runs), fault, minutes, json_file, console))
    except (ServerFailed, BadSettings) as failure:
        console.print(str(failure), markup=False)
        raise typer.Exit(CANNOT) from None


def _quieten() -> None:
    """Let librdkafka, which writes to file 2 whenever a broker is away, write to nowhere; Python's own stderr stays."""
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def _torture(seeds: Sequence[int], wanted: list[str] | None, minutes: float, json_file: Path | None, console: Console) -> int:
    report, until = Report(), time.monotonic() + 60 * minutes
    with _progress(console) as progress:
        task = progress.add_task("torture", total=len(seeds))

        def ran(outcome: Outcome) -> None:
            report.add(outcome)
            console.print(line(outcome), markup=False)
            progress.advance(task)

        while seeds and time.monotonic() < until:
            with Ground() as ground:
                plans = [plan(each, disk=ground.disk, wanted=wanted) for each in seeds[:PER_GROUND]]
                done = _series(Series(ground, plans), ran, until, console)
            seeds = seeds[done:]
            _write(json_file, report.as_json())
    console.print(report.summary(), markup=False)
    return FOUND if report.found else 0


def _series(series: Series, ran: Callable[[Outcome], None], until: float, console: Console) -> int:
    """Do runs on one ground, until one finds something; returns how many were done."""
    with series.crew:
        for done, each in enumerate(series.plans, 1):
            outcome = _run(series, each, first=done == 1)
            ran(outcome)
            if not outcome.fine:
                _tell(outcome, series, console)
                return done
            if time.monotonic() > until:
                return done
    return len(series.plans)


def _tell(outcome: Outcome, series: Series, console: Console) -> None:
    logs = scratch()
    series.keep_logs(logs)
    for text in [*outcome.found.findings[:12], *outcome.ended, f"logs: {logs}"]:
        console.print(f"    {text}", markup=False)


def _plant(wanted: list[str], seed: int, seconds: float, json_file: Path | None, console: Console) -> int:
    """Plant one bug after another; 0 if each was found."""
    names = list(PLANTS) if wanted == ["all"] else wanted
    for name in names:
        if name not in PLANTS:
            console.print(f"--plant {name}: no such bug; --plant list names them", markup=False)
            return CANNOT
    os.environ[PLAIN] = "yes"
    table, caught = Table("bug", "seed", "seconds", "found by"), []
    with _progress(console) as progress:
        for name in progress.track(names, description="planted bugs"):
            found = _seek(name, PLANTS[name], seed, seconds)
            caught.append(found)
            console.print(found.said(), markup=False)
            table.add_row(name, str(found.seed), f"{found.seconds:.0f}", found.line or "NOT FOUND")
            _write(json_file, Caught.as_json(caught))
    console.print(table)
    return 0 if all(found.line for found in caught) else FOUND


def _seek(name: str, planted: Plant, seed: int, seconds: float) -> Caught:
    """Run with a bug until it is found, for so many *seconds* at most."""
    began = time.monotonic()
    while time.monotonic() < began + seconds:
        with ExitStack() as stack:
            ground = stack.enter_context(Ground())
            plans = [plan(each, wanted=planted.faults, also_odd=planted.odd) for each in range(seed, seed + PER_GROUND)]
            series = Series(ground, plans, name)
            stack.enter_context(series.crew)
            for each in plans:
                found = _run(series, each, first=each is plans[0]).found.findings
                line = found[0] if found else None
                if line is not None or time.monotonic() > began + seconds:
                    return Caught(name, each.seed, time.monotonic() - began, line)
        seed += PER_GROUND
    return Caught(name, seed, time.monotonic() - began, None)


def _run(series: Series, each: Plan, *, first: bool) -> Outcome:
    """Do a run; that workers don't even start is a finding of the *first*."""
    if first:
        try:
            series.open()
        except AssertionError as stuck:
            return series.stuck(each, stuck)
    return series.run(each)


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True)


def _write(file: Path | None, document: str) -> None:
    if file is not None:
        file.write_text(document)


if __name__ == "__main__":
    typer.run(torture)
