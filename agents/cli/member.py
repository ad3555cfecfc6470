"""``huiliu member BRAND ID``: one member as the brand sees it."""

from typing import Annotated

import msgspec
import typer
from msgspec import UNSET
from rich.table import Table

from agents.cli.common import FOUND, AsJson, err, fail, out, print_json, settings_of
from agents.member_lookup import BadIdentity, look_up
from streams.member_card import MemberCard
from streams.reward_card import Explained, RefusalCard, RewardCard, ShareRefusalCard


def member(
    context: typer.Context,
    brand: Annotated[str, typer.Argument(help="The brand's slug.")],
    identity: Annotated[str, typer.Argument(metavar="ID", help="The id that the CRM knows, or TYPE:ID, as mobile:13800000000.")],
    *,
    explain: Annotated[str | None, typer.Option("--explain", metavar="CAMPAIGN", help="Why it gives them a reward, or not.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show one member as the brand sees them: tags with since and evidence, engagement, orders, consent, rewards, what is counted.

    As of the last commit; status 1 if the brand never saw them.

    Example: huiliu member acme brand_member:1001 --explain share-three
    """
    try:
        found = look_up(settings_of(context), brand, identity, explain)
    except BadIdentity as problem:
        fail(str(problem))
    if found is None:
        err.print(f"{brand} never saw this member, or the event is not committed yet", markup=False, highlight=False)
        raise typer.Exit(FOUND)
    if as_json:
        print_json(msgspec.to_builtins(found))
        return
    if found.explained is not None:
        out.print(_explained(found.explained))
        _rewards(found.explained.rewards, found.explained.refused)
        _shares(found.explained.shares)
        return
    _tell(found)


def _explained(found: Explained) -> Table:
    table = Table("wanted", "found", "", title=f"{found.campaign}, version {found.version}, {found.state}")
    for clause in found.clauses:
        table.add_row(clause.wanted, clause.found, "yes" if clause.holds else "no", style="" if clause.holds else "red")
    return table


def _rewards(rewards: list[RewardCard], *refused: RefusalCard | None) -> None:
    table = Table("reward", "campaign", "status", "value", "earned", "by", "good until", "taken back", title="rewards")
    for one in rewards:
        value = f"{one.value} {one.currency or 'points'}"
        back = "" if one.taken_back in ("0", "0.00") else one.taken_back
        table.add_row(one.reward_id, one.campaign, one.status, value, one.earned, one.trigger, one.valid_until or "", back)
    if rewards:
        out.print(table)
    for last in refused:
        if last is not None:
            said = f"{last.campaign}: {last.trigger} earned nothing at {last.at}: {last.reason} ({last.detail})"
            out.print(said, markup=False, highlight=False, soft_wrap=True)


def _shares(refused: list[ShareRefusalCard]) -> None:
    table = Table("share", "earned nothing for", "times", "latest", "by", title="visits and orders at their shares")
    for one in refused:
        table.add_row(one.share, one.reason, str(one.times), one.at, one.trigger)
    if refused:
        out.print(table)


def _tell(found: MemberCard) -> None:
    spend = ", ".join(f"{amount} {currency}" for currency, amount in sorted(found.spend.items())) or "nothing"
    scores = {"brand": found.engagement.brand, "alliance": found.engagement.alliance}
    last = {name: getattr(found.last, name) for name in ("click", "share", "order", "chat")}
    facts = Table.grid(padding=(0, 2))
    for name, said in (
        ("member", found.id),
        ("as of", found.as_of),
        ("first seen", found.first_seen),
        *((f"last {name}", at) for name, at in last.items() if at is not UNSET),
        *((f"engagement, {name}", f"{score}") for name, score in scores.items() if score is not UNSET),
        ("orders", f"{found.orders}, {spend}"),
        ("points", str(found.rewards.points)),
        ("consent", _consent(found)),
    ):
        facts.add_row(name, str(said))
    out.print(facts)
    out.print(_tags(found))
    if found.rewards.rewards or found.rewards.refused:
        _rewards(found.rewards.rewards, *found.rewards.refused)
    if found.rules:
        out.print(_rules(found))
    if found.counters:
        out.print(_counters(found))


def _consent(found: MemberCard) -> str:
    given = found.consent
    allowed = [name for name in ("tags", "rewards", "alliance") if getattr(given, name)]
    origin = "by the registration" if given.stated is None else f"stated {given.stated}, version {given.version}"
    with_whom = f" with {', '.join(given.recipients)}" if given.recipients else ""
    return f"{', '.join(allowed) or 'nothing'}{with_whom} ({origin})"


def _tags(found: MemberCard) -> Table:
    table = Table("tag", "since", "because of", "latest events", "rules", title="tags")
    for tag in found.tags:
        table.add_row(tag.tag, tag.since, str(tag.value), "\n".join(tag.events), str(tag.rules))
    return table


def _rules(found: MemberCard) -> Table:
    table = Table("rule", "holds", "found", "counted since", title="rules")
    for rule in found.rules:
        table.add_row(rule.tag, "yes" if rule.holds else "no", str(rule.value), rule.counted_since or "the beginning")
    return table


def _counters(found: MemberCard) -> Table:
    table = Table("rules of", "counts", "within", "since", title="counters")
    for counter in found.counters:
        table.add_row(counter.owner, counter.counts, counter.within, counter.since or "the beginning")
    return table


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("member")(member)
