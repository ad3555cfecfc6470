"""``huiliu brands``: add a brand, list them."""

from enum import StrEnum
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from agents import admin
from agents.cli.common import AsJson, out, print_json, settings_of
from schemas import topics
from schemas.brands import ConsentDefaults, Registration


class Format(StrEnum):
    """What a CRM's records are written in."""

    JSON = "json"
    MSGPACK = "msgpack"


def add(
    context: typer.Context,
    slug: Annotated[str, typer.Argument(help="The brand in topic names: a-z, 0-9 and -, 2 to 32 characters.")],
    name: Annotated[str | None, typer.Option(help="The brand for people; the slug if not given.")] = None,
    events_partitions: Annotated[int, typer.Option(min=1, help="Partitions of the topic that the brand publishes to.")] = 4,
    crm_partitions: Annotated[int, typer.Option(min=1, help="Partitions of its CRM topic; must divide those of the internal topics.")] = 4,
    record_format: Annotated[Format, typer.Option("--format", help="What its CRM reads.")] = Format.JSON,
    *,
    tags: Annotated[bool, typer.Option("--tags/--no-tags", help="Tags for members who never stated consent.")] = True,
    rewards: Annotated[bool, typer.Option("--rewards/--no-rewards", help="Rewards for members who never stated consent.")] = True,
    as_json: AsJson = False,
) -> None:
    """Make a brand's topics and register it; a running intake takes it up within 60 s.

    Done again it checks the topics, and replaces name, format and consent defaults.

    Example: huiliu brands add acme --name "Acme 咖啡" --format json
    """
    wanted = Registration(
        slug, name or slug, admin.now(), events_partitions, crm_partitions, record_format.value, ConsentDefaults(tags, rewards)
    )  # fmt: skip
    made = admin.add_brand(settings_of(context), wanted)
    if as_json:
        print_json({"brand": msgspec.to_builtins(wanted), "topics_made": made})
        return
    out.print(
        f"{slug} is registered. It publishes to {topics.events(slug)}; its CRM reads {topics.crm(slug)}.", highlight=False, soft_wrap=True
    )


def list_all(context: typer.Context, *, as_json: AsJson = False) -> None:
    """List the registered brands.

    Example: huiliu brands list --json
    """
    found = admin.list_brands(settings_of(context))
    if as_json:
        print_json([msgspec.to_builtins(each) for each in found])
        return
    table = Table("brand", "name", "events partitions", "CRM partitions", "format", "consent by default", "registered")
    for each in found:
        given = [purpose for purpose in ("tags", "rewards") if getattr(each.consent, purpose)]
        row = [
            each.brand,
            each.name,
            str(each.events_partitions),
            str(each.crm_partitions),
            each.format,
            ", ".join(given),
            each.registered_at,
        ]
        table.add_row(*row)
    out.print(table)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help="Add and list brands.  Example: huiliu brands add acme")
    group.command("add")(add)
    group.command("list")(list_all)
    app.add_typer(group, name="brands")
