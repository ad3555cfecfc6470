"""``huiliu share BRAND ID``: what a share brought."""

from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from agents import key_file
from agents.cli.common import FOUND, AsJson, err, out, print_json, settings_of
from agents.settings import Settings
from agents.topic_log import TopicLog
from schemas import stages, topics
from schemas.shares import Share, key_of, unpack
from streams.keys import Keys
from streams.share_memory import visitors


def share(
    context: typer.Context,
    brand: Annotated[str, typer.Argument(help="The brand's slug.")],
    share_id: Annotated[str, typer.Argument(metavar="ID", help="The share's id, as the brand's events name it.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Show what a share brought: who shared, how deep in a chain, visitors, orders, and what earned nothing, by reason.

    As of the last commit; status 1 if nothing was ever heard of it.

    Example: huiliu share acme s-2026-1001
    """
    settings = settings_of(context)
    found = _look_up(settings, key_of(brand, share_id))
    if found is None:
        err.print(f"{brand} never heard of this share, or the event is not committed yet", markup=False, highlight=False)
        raise typer.Exit(FOUND)
    told = _told(found, brand, settings)
    if as_json:
        print_json(told)
    else:
        _tell(told)


def _look_up(settings: Settings, key: bytes) -> Share | None:
    """Read the share's partition of the changelog: the last of a key stands."""
    last: bytes | None = None
    with TopicLog(settings, stages.SHARES.changelog) as log:
        for entry in log.read(topics.keyed_partition(key, len(log.partitions))):
            if entry.key == key:
                last = entry.value
    return unpack(last) if last is not None else None


def _told(found: Share, brand: str, settings: Settings) -> dict[str, Any]:
    """Say what is known; a sharer of another brand's is not named, for their id there is that brand's alone."""
    sharer = found.sharer
    own = sharer is not None and sharer.brand == brand
    return {
        "sharer": Keys(key_file.read(settings.keys)).pairwise(brand, sharer.member) if own and sharer is not None else None,
        "shared_at": sharer.brand if sharer is not None else None,
        "kept_at": found.home or brand,
        "parent": found.parent,
        "depth": found.depth,
        "sku": found.sku,
        "visitors": visitors(found),
        "exact": not found.crowd,
        "orders": found.orders,
        "refused": found.refused,
        "waiting": len(found.deeds) if sharer is None or found.above is None else 0,
    }


def _tell(told: dict[str, Any]) -> None:
    refused = ", ".join(f"{reason} {times}" for reason, times in sorted(told["refused"].items()))
    facts = Table.grid(padding=(0, 2))
    for name, said in (
        ("shared by", told["sharer"] or (f"a member of {told['shared_at']}" if told["shared_at"] else "nobody yet")),
        ("passed on from", told["parent"] and f"{told['parent']}, at depth {told['depth']}"),
        ("shows", told["sku"]),
        ("visitors", f"{'' if told['exact'] else 'about '}{told['visitors']:,}"),
        ("orders", str(told["orders"])),
        ("earned nothing", refused),
        ("waiting", told["waiting"] and f"{told['waiting']}, until more is known"),
    ):
        if said:
            facts.add_row(name, escape(said))
    out.print(facts)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(share)
