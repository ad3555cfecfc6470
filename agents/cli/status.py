"""``huiliu status``: whether everything is at work, and what is waiting."""

from typing import Annotated, Any, Final

import typer
from confluent_kafka import KafkaException
from rich.table import Table

from agents import admin, lag
from agents.cli.common import FOUND, AsJson, fail, out, print_json, settings_of
from agents.metrics import Page, local_workers, read_page
from agents.settings import Settings
from schemas import stages, topics

KEYED: Final = (stages.MEMBERS, stages.SHARES, stages.BUDGETS, stages.CONTROL)
NAMES: Final = {group: group.removeprefix("huiliu-") for group in (stages.INTAKE, *(stage.app_id for stage in KEYED))}


def status(
    context: typer.Context,
    *,
    partitions: Annotated[bool, typer.Option("--partitions", help="Each partition with its position.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show every stage: workers, records waiting, and for how long if the workers run on this machine.

    Ends with status 1 if a stage has no worker.

    Example: huiliu status --json
    """
    settings = settings_of(context)
    found = _look(settings)
    if as_json:
        print_json(found)
    else:
        out.print(_table(found))
        if found["budgets"]:
            out.print(_left(found["budgets"]))
        if partitions:
            out.print(_partitions(found))
    if any(not stage["workers"] for stage in found["stages"].values()):
        raise typer.Exit(FOUND)


def _look(settings: Settings) -> dict[str, Any]:
    brands = [brand.brand for brand in admin.list_brands(settings)]
    inputs = {stages.INTAKE: [topics.events(brand) for brand in brands]} | {stage.app_id: [stage.topic] for stage in KEYED}
    try:
        found = lag.look(settings, inputs)
    except KafkaException as error:
        fail(f"kafka: {settings.bootstrap()}: {error}")
    pages = {name: page for name, address in local_workers(settings).items() if (page := read_page(address))}
    return {
        "kafka": settings.bootstrap(),
        "brands": brands,
        "budgets": _budgets([page for name, page in pages.items() if name.startswith("budgets")]),
        "stages": {
            NAMES[group]: _stage(now, [page for name, page in pages.items() if name.startswith(NAMES[group])])
            for group, now in found.items()
        },
    }


def _budgets(pages: list[Page]) -> dict[str, dict[str, int]]:
    """Tell what campaigns cost in their present period and what is left: money in minor units; as far as workers here have said."""
    found: dict[str, dict[str, int]] = {}
    for page in pages:
        for (campaign, kind), minor in page.by("budget_minor", "campaign", "kind").items():
            found.setdefault(campaign, {})[f"{kind}_minor"] = int(minor)
        for (campaign,), grants in page.by("budget_grants_left", "campaign").items():
            found.setdefault(campaign, {})["grants_left"] = int(grants)
    return dict(sorted(found.items()))


def _stage(now: lag.StageNow, pages: list[Page]) -> dict[str, Any]:
    return {
        "workers": now.workers,
        "partitions": len(now.input),
        "lag_records": sum(each.records for each in now.input),
        "lag_seconds": max((page.one("lag_seconds", max) for page in pages), default=None),
        "states": int(sum(page.one("states") for page in pages)) if pages else None,
        "crashes": int(sum(page.one("crashes_total") for page in pages)) if pages else None,
        "positions": [{**each._asdict(), "lag": each.records} for each in now.input],
    }


def _table(found: dict[str, Any]) -> Table:
    table = Table("stage", "workers", "partitions", "waiting", "for s", "states", "crashes")
    for name, stage in found["stages"].items():
        told = [stage[column] for column in ("workers", "partitions", "lag_records", "lag_seconds", "states", "crashes")]
        table.add_row(name, *("" if value is None else f"{value:,.10g}" for value in told), style="" if stage["workers"] else "red")
    return table


def _left(budgets: dict[str, dict[str, int]]) -> Table:
    table = Table("campaign", "reserved", "spent", "left", "grants left", title="budgets, minor units")
    for campaign, told in budgets.items():
        shown = [told.get(name) for name in ("reserved_minor", "spent_minor", "left_minor", "grants_left")]
        table.add_row(campaign, *("" if value is None else f"{value:,}" for value in shown))
    return table


def _partitions(found: dict[str, Any]) -> Table:
    table = Table("stage", "topic", "partition", "position", "end", "waiting")
    for name, stage in found["stages"].items():
        for each in stage["positions"]:
            position = "" if each["position"] is None else str(each["position"])
            table.add_row(name, each["topic"], str(each["partition"]), position, str(each["end"]), str(each["lag"]))
    return table


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(status)
