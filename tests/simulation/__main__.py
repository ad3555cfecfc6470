"""The simulation as a command: schedules of the product, then the mutants; a failure is cut down to a short trace.

Run: ``make simulate``, or ``python -m tests.simulation [--schedules N] [--seed S] [--mutant NAME]``.
The exit status is 1 when a law was broken or a mutant got away.
"""

import time
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tests.simulation import campaign, mutants
from tests.simulation.draws import Draws
from tests.simulation.shrink import attempt, shrink
from tests.simulation.worker import Parts

SCHEDULES = 20_000
MOST = SCHEDULES

out, err = Console(highlight=False, soft_wrap=True), Console(stderr=True)


def main(
    schedules: Annotated[int, typer.Option(help="How many schedules of the product.")] = SCHEDULES,
    seed: Annotated[int | None, typer.Option(help="This schedule alone, told step by step.")] = None,
    mutant: Annotated[str | None, typer.Option(help="This mutant alone; a part of its name will do.")] = None,
    first: Annotated[int, typer.Option(help="The first seed.")] = 0,
) -> None:
    """Look for a schedule that breaks a law; and see that every planted bug is caught."""
    if seed is not None:
        raise typer.Exit(int(tell(seed, campaign.named(mutant).parts if mutant else Parts())))
    if mutant is not None:
        catch = campaign.hunt(campaign.named(mutant).name, first, MOST)
        say(catch)
        if catch.seed is not None:
            tell(catch.seed, campaign.named(mutant).parts)
        raise typer.Exit(int(catch.seed is None))
    found = product(first, schedules)
    missed = planted(first)
    raise typer.Exit(int(bool(found or missed)))


def tell(seed: int, parts: Parts) -> bool:
    """Tell one schedule, cut down if it breaks a law; tell whether it does."""
    if attempt(Draws(seed), parts) is None:
        out.print(f"seed {seed}: every law held")
        return False
    broken = shrink(seed, parts)
    for number, line in enumerate(broken.trace, 1):
        out.print(f"{number:4} {line[:200]}", markup=False)
    out.print(f"seed {seed}: {broken.violation}", markup=False)
    return True


def product(first: int, schedules: int) -> bool:
    """Run the product's schedules; tell whether one broke a law."""
    began = time.monotonic()
    with bar() as progress:
        task = progress.add_task("schedules", total=schedules)

        def done(more: campaign.Tally) -> None:
            progress.advance(task, more.schedules)
            for seed, violation in more.broken:
                out.print(f"seed {seed}: {violation}", markup=False)

        tally = campaign.run_all(first, schedules, done)
    if tally.broken:
        tell(tally.broken[0][0], Parts())
    out.print(
        f"{tally.schedules:,} schedules from seed {first} in {time.monotonic() - began:.0f} s: {len(tally.broken)} violations; "
        f"{tally.records:,} brands' records, {tally.repeated:,} effects sent again, {tally.fenced:,} writes refused"
    )
    return bool(tally.broken)


def planted(first: int) -> bool:
    """Hunt the mutants; tell whether one got away."""
    with bar() as progress:
        task = progress.add_task("mutants", total=len(mutants.ALL))

        def done(catch: campaign.Catch) -> None:
            progress.advance(task)
            say(catch)

        catches = campaign.hunt_all(first, MOST, done)
    caught = sum(catch.seed is not None for catch in catches)
    out.print(f"{caught} of {len(catches)} planted bugs caught")
    return caught < len(catches)


def say(catch: campaign.Catch) -> None:
    how = f"not caught in {catch.tries} schedules" if catch.seed is None else f"seed {catch.seed}: {catch.violation[:160]}"
    out.print(f"{catch.mutant}: {how}", markup=False)


def bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=err, disable=not err.is_terminal)


if __name__ == "__main__":
    typer.run(main)
