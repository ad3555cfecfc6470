"""``huiliu rules backtest``: what campaigns would have done with events that were recorded."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import Annotated, Any, Final

import msgspec
import typer
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from agents import clients, key_file
from agents.cli.backtest_plot import NoPlots, draw
from agents.cli.common import FOUND, AsJson, err, fail, out, print_json, settings_of
from agents.event_lines import CONTENT_TYPE, lines
from agents.settings import Settings
from agents.topic_log import TopicLog, in_order_of_append
from schemas import rules, topics
from schemas.rules import RuleSet
from schemas.scalars import minor_text, parse_instant
from streams.backtest import Backtest, Outcome, Recorded
from streams.keys import Secrets
from streams.rules_check import check, told

SLICE: Final = 1_000
_HEADERS: Final = (CONTENT_TYPE,)
NO_SECRETS: Final = Secrets(bytes(32), bytes(32), bytes(32))


class _Head(msgspec.Struct):
    """What a line says of its event before anybody judges it."""

    source: Any = None
    time: Any = None


_head: Final = msgspec.json.Decoder(_Head).decode


def backtest(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A rules file, YAML.")],
    events: Annotated[str, typer.Option("--events", help="A file of CloudEvents, one JSON a line (gzip or not), or a brand's topic.")],
    *,
    since: Annotated[str | None, typer.Option("--from", help="Leave out what was appended before, RFC 3339.")] = None,
    until: Annotated[str | None, typer.Option("--to", help="Leave out what was appended from then on, RFC 3339.")] = None,
    against: Annotated[int | None, typer.Option("--against", help="Also run this published version, and show the difference.")] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="PNG", help="Also draw spend against budget, and refusals by reason.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run the rules over recorded events with the folds that run live, without side effects: grants, cost, refusals by reason.

    In a file each event counts as appended when it happened.  Who is held out
    is as it is live if the key file is there.

    Example: huiliu rules backtest acme.yaml --events huiliu.acme.events --plot acme.png
    """
    settings = settings_of(context)
    read = check(file.read_text("utf-8-sig")) if file.is_file() else fail(f"{file}: no such file")
    if not isinstance(read, RuleSet):
        for line in told(read, str(file)):
            out.print(line, markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(FOUND)
    window = _instant(since), _instant(until)
    secrets = key_file.read(settings.keys) if settings.keys.is_file() else NO_SECRETS
    began = monotonic()
    test = Backtest([read], secrets)
    outcomes = _run(test, _records(settings, read.owner, events, window))
    seconds = monotonic() - began
    before = (
        _run(Backtest([_published(settings, read.owner, against)], secrets), _records(settings, read.owner, events, window))
        if (against is not None)
        else []
    )
    if plot is not None:
        try:
            draw(outcomes, plot)
        except (NoPlots, OSError) as problem:
            fail(f"--plot {plot}: {problem}")
    if as_json:
        print_json(
            {
                "events": test.events,
                "refused_by_intake": test.refused,
                "seconds": round(seconds, 3),
                "campaigns": [msgspec.to_builtins(one) for one in outcomes],
                "against": [msgspec.to_builtins(one) for one in before],
            }
        )
        return
    out.print(_table(outcomes, {one.campaign: one for one in before} if against is not None else None))
    out.print(f"{test.events:,} events, {test.refused:,} refused by intake, {test.events / seconds:,.0f} a second", highlight=False)


def _run(test: Backtest, records: Iterator[Recorded]) -> list[Outcome]:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:,.0f}"))
    with Progress(*columns, console=err, transient=True) as progress:
        task = progress.add_task("events", total=None)
        while found := list(islice(records, SLICE)):
            test.feed(found)
            progress.update(task, completed=test.events)
    return test.end()


def _records(settings: Settings, owner: str, events: str, window: tuple[int | None, int | None]) -> Iterator[Recorded]:
    """Read what was recorded: a file, else the topic of that name, in the order of append times."""
    first, last = window
    path = Path(events)
    found = of_file(path, owner) if path.is_file() else _of_topic(settings, events)
    return (one for one in found if (first is None or one.timestamp >= first) and (last is None or one.timestamp < last))


def of_file(path: Path, owner: str) -> Iterator[Recorded]:
    """Read a file of events, each appended when it happened; one that names no brand counts as *owner*'s."""
    with path.open("rb") as opened:
        for line in lines(opened):
            try:
                head = _head(line.value)
            except msgspec.DecodeError:
                head = _Head()
            at_ms = parse_instant(head.time) if isinstance(head.time, str) else None
            yield Recorded(_topic(head.source) or topics.events(owner), 0, line.number, at_ms or 0, None, line.value, _HEADERS)


def _topic(source: object) -> str | None:
    """Find the topic of whose event it is, by its source."""
    parts = source.split("/") if isinstance(source, str) else ()
    return topics.events(parts[2]) if len(parts) > 2 and topics.is_slug(parts[2]) else None


def _of_topic(settings: Settings, topic: str) -> Iterator[Recorded]:
    if topics.brand_of(topic) is None:
        fail(f"--events {topic}: neither a file nor a brand's topic, such as huiliu.acme.events")
    for entry in in_order_of_append(settings, topic):
        yield Recorded(topic, entry.partition, entry.offset, entry.appended_ms, entry.key, entry.value, tuple(entry.headers))


def _published(settings: Settings, owner: str, version: int) -> RuleSet:
    with TopicLog(settings, topics.RULES) as log:
        entry = log.at(0, version)
    if entry is None or entry.value is None or entry.key != owner.encode():
        standing = clients.latest(settings, topics.RULES).get(owner.encode())
        fail(f"--against {version}: no such version of {owner}; the one that stands is {standing.offset() if standing else 'none'}")
    return rules.decode(entry.value)


def _instant(text: str | None) -> int | None:
    if text is None:
        return None
    found = parse_instant(text)
    if found is None:
        fail(f"{text}: not an instant; expected RFC 3339, such as 2026-11-01T00:00:00+08:00")
    return found


def _table(outcomes: list[Outcome], before: dict[str, Outcome] | None) -> Table:
    table = Table(title="backtest", show_lines=True)
    table.add_column("campaign", overflow="fold")
    for name in ("grants", "granted\n- taken back", "cost of\nthe budget", "members\nheld out"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("refused")
    for one in outcomes:
        was = before.get(one.campaign) if before is not None else None
        refused = [f"{reason} {times:,}" for reason, times in one.refused.items()]
        if one.exhausted is not None:
            refused.append(f"exhausted {one.exhausted[:16].replace('T', ' ')}")
        table.add_row(
            one.campaign.replace("/", "\n"),
            f"{one.grants:,}{_change(one.grants, was.grants if was else None)}",
            f"{_money(one.granted, one.currency)}\n- {_money(one.taken_back, one.currency)}",
            _cost(one, was),
            f"{one.members:,}\n{one.held_out:,}",
            "\n".join(refused),
        )
    return table


def _cost(one: Outcome, was: Outcome | None) -> str:
    """Say what a campaign cost, of how much, and how much more than before; the budget of points is so many grants."""
    cost = one.granted - one.taken_back
    said = [_money(cost, one.currency)]
    if was is not None:
        more = cost - was.granted + was.taken_back
        said.append(f"({'+' if more >= 0 else ''}{_money(more, one.currency)})")
    if one.budget is not None:
        said.append(f"of {_money(one.budget, one.currency)}{'' if one.currency else ' grants'}")
    return "\n".join(said)


def _change(now: int, was: int | None) -> str:
    return "" if was is None else f" ({now - was:+,})"


def _money(value: int, currency: str) -> str:
    return f"{minor_text(value, currency)} {currency}" if currency else f"{value:,}"
