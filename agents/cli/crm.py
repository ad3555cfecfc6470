"""``huiliu crm``: what a brand's CRM receives, and whether it has everything."""

from typing import Annotated

import typer
from rich.table import Table

from agents import crm_records
from agents.cli.common import FOUND, AsJson, out, print_json, settings_of
from agents.settings import Settings
from agents.topic_log import TopicLog
from schemas import topics
from streams.audit import Report


def crm(
    context: typer.Context,
    brand: Annotated[str, typer.Argument(help="Whose CRM.")],
    *,
    verify: Annotated[bool, typer.Option("--verify", help="Account for every offset that the brand published, and end.")] = False,
    beginning: Annotated[bool, typer.Option("--from-beginning", help="Begin with the oldest record, not with the next.")] = False,
    to_end: Annotated[bool, typer.Option("--to-end", help="End at the last record of now, instead of waiting for more.")] = False,
    as_json: AsJson = False,
) -> None:
    """Follow what a brand's CRM receives, or verify that nothing is missing.

    Verifying reads the brand's events, CRM and dead-letter topics to their
    ends; exit status 1 says that something does not add up.

    Example: huiliu crm acme --verify
    """
    settings = settings_of(context)
    if verify:
        _verify(settings, brand, as_json=as_json)
    else:
        _follow(settings, brand, beginning=beginning or to_end, to_end=to_end, as_json=as_json)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(crm)


def _follow(settings: Settings, brand: str, *, beginning: bool, to_end: bool, as_json: bool) -> None:
    with TopicLog(settings, topics.crm(brand)) as log:
        try:
            for entry in log.read() if to_end else log.follow(beginning=beginning):
                if entry is None:
                    continue
                if as_json:
                    print_json(crm_records.document_of(entry))
                    out.file.flush()  # whoever reads from a pipe wants it now
                else:
                    out.print(crm_records.said(entry), markup=False, highlight=False, soft_wrap=True)
        except KeyboardInterrupt:
            return


def _verify(settings: Settings, brand: str, *, as_json: bool) -> None:
    report = crm_records.audit(settings, brand)
    if as_json:
        print_json({"brand": brand} | report._asdict())
    else:
        _tell(brand, report)
    if report.problems:
        raise typer.Exit(FOUND)


def _tell(brand: str, report: Report) -> None:
    table = Table("published", "enriched", "dead letters", "duplicates", "manifests", title=brand)
    letters = sum(report.dead_letters.values())
    table.add_row(*(str(number) for number in (report.published, report.enriched, letters, report.duplicates, report.manifests)))
    out.print(table)
    for reason, times in report.dead_letters.items():
        out.print(f"dead letters, {reason}: {times}", highlight=False)
    for kind, times in report.received.items():
        out.print(f"received, {kind}: {times}", highlight=False)
    if report.repeats:
        out.print(f"{report.repeats} records came again and are dropped by their sequence", highlight=False)
    if report.unstated:
        out.print(
            f"{report.unstated} offsets are not yet stated by a manifest (hourly, and at a stop): duplicates, or on their way",
            highlight=False,
            soft_wrap=True,
        )
    for problem in report.problems:
        out.print(problem, markup=False, highlight=False, soft_wrap=True)
    out.print("something does not add up" if report.problems else "everything adds up", highlight=False)
