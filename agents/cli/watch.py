"""``huiliu watch``: what goes on, live."""

import time
from collections.abc import Mapping
from typing import Annotated, Final, NamedTuple

import typer
from rich.console import Group
from rich.live import Live
from rich.table import Table

from agents.cli.common import fail, out, settings_of
from agents.metrics import Labels, Page, local_workers, read_page, total
from agents.settings import Settings
from schemas.rewards import WOULD_EARN, WOULD_REFUSE, Refusal, Reversal

EVERY_S: Final = 1.0
COUNTED: Final = {"events": "events_total", "enriched": "enriched_total", "duplicates": "duplicates_total", "refused": "refusals_total"}
REFUSALS: Final = frozenset(Refusal)
REVERSALS: Final = frozenset(Reversal)
REFUSED_BY_SHADOWS: Final = {outcome: refusal for refusal, outcome in WOULD_REFUSE.items()}
MOST_CAMPAIGNS: Final = 20


class Look(NamedTuple):
    """All workers' pages at one moment."""

    at_s: float
    pages: list[Page]

    def by_brand(self, metric: str) -> Mapping[Labels, float]:
        """Add a metric up by brand."""
        return total(self.pages, metric, "brand")


def watch(
    context: typer.Context,
    worker: Annotated[list[str] | None, typer.Option(metavar="URL", help="A worker's address; those of huiliu up if not given.")] = None,
    seconds: Annotated[float | None, typer.Option(min=1, help="End after so long; on Ctrl-C if not given.")] = None,
) -> None:
    """Watch events, tags, refusals, lag and rewards of every brand, live; of campaigns the 20 of which there is most to count.

    Money is in minor units.  What a campaign would have done while it was a
    shadow has a line of its own.

    Example: huiliu watch
    Example: huiliu watch --worker http://10.0.0.5:9100 --worker http://10.0.0.6:9100
    """
    settings = settings_of(context)
    if not (worker or local_workers(settings)):
        fail("no `huiliu up` runs on this data folder; name the workers with --worker http://host:port")
    until = time.monotonic() + seconds if seconds else float("inf")
    before = _look(settings, worker)
    try:
        with Live(console=out, refresh_per_second=4) as screen:
            while time.monotonic() < until:
                time.sleep(EVERY_S)
                now = _look(settings, worker)
                screen.update(Group(_brands(before, now), *campaigns(now)))
                before = now
    except KeyboardInterrupt:
        return


def _look(settings: Settings, named: list[str] | None) -> Look:
    # Asked anew each time: huiliu up may have been started again on other ports.
    addresses = named or list(local_workers(settings).values())
    pages = [page for address in addresses if (page := read_page(address))]
    return Look(time.monotonic(), pages)


def _brands(before: Look, now: Look) -> Table:
    lag = sum(total(now.pages, "lag_records").values())
    age_s = max((page.one("lag_seconds", max) for page in now.pages), default=0.0)
    title = f"{len(now.pages)} workers, {lag:,.0f} records waiting, the oldest for {age_s:.1f} s"
    table = Table("brand", "events/s", *COUNTED, "tags entered", "exited", "to CRM, ms", "rewards, ms", title=title)
    for column in table.columns[1:]:
        column.justify = "right"
    tags = total(now.pages, "tags_total", "brand", "change")
    for (brand,) in sorted({*now.by_brand("events_total"), *now.by_brand("enriched_total"), *now.by_brand("refusals_total")}):
        entered, exited = tags.get((brand, "entered"), 0.0), tags.get((brand, "exited"), 0.0)
        counts = [now.by_brand(metric).get((brand,), 0.0) for metric in COUNTED.values()]
        rate = _grown(before, now, "events_total", brand) / (now.at_s - before.at_s)
        latencies = [_latency(before, now, metric, brand) for metric in ("event_to_crm_seconds", "reward_decision_seconds")]
        table.add_row(brand, f"{rate:,.0f}", *(f"{count:,.0f}" for count in (*counts, entered, exited)), *latencies)
    return table


def campaigns(now: Look) -> list[Table]:
    """Show what became of triggers and of budgets; nothing where no campaign has ever been asked for anything."""
    outcomes = total(now.pages, "rewards_total", "campaign", "outcome")
    if not outcomes:
        return []
    money, grants = total(now.pages, "budget_minor", "campaign", "kind"), total(now.pages, "budget_grants_left", "campaign")
    counted: dict[str, dict[str, float]] = {}
    for (campaign, outcome), times in outcomes.items():
        in_shadow = outcome == WOULD_EARN or outcome in REFUSED_BY_SHADOWS
        found = counted.setdefault(f"{campaign} (shadow)" if in_shadow else campaign, {})
        kind = _kind(REFUSED_BY_SHADOWS.get(outcome, outcome))
        found[kind] = found.get(kind, 0.0) + times
    table = Table("campaign", "asked", "granted", "refused", "taken back", "reserved", "spent", "left", "grants left", title="campaigns")
    for column in table.columns[1:]:
        column.justify = "right"
    for campaign, found in sorted(counted.items(), key=lambda one: (-sum(one[1].values()), one[0]))[:MOST_CAMPAIGNS]:
        counts = [found.get(kind, 0.0) for kind in ("asked", "granted", "refused", "taken back")]
        left = [*(money.get((campaign, kind)) for kind in ("reserved", "spent", "left")), grants.get((campaign,))]
        table.add_row(campaign, *("" if value is None else f"{value:,.0f}" for value in (*counts, *left)))
    return [table]


def _kind(outcome: str) -> str:
    if outcome in REFUSALS:
        return "refused"
    if outcome in REVERSALS:
        return "taken back"
    return "asked" if outcome == WOULD_EARN else outcome


def _latency(before: Look, now: Look, metric: str, brand: str) -> str:
    """Tell the mean since the last look."""
    seconds, times = (_grown(before, now, f"{metric}_{part}", brand) for part in ("sum", "count"))
    return f"{1000 * seconds / times:,.0f}" if times > 0 else ""


def _grown(before: Look, now: Look, metric: str, brand: str) -> float:
    # Below zero when a worker was started again: its counts begin anew.
    return max(0.0, now.by_brand(metric).get((brand,), 0.0) - before.by_brand(metric).get((brand,), 0.0))


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(watch)
