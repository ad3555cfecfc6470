"""``huiliu rules``: check a file, publish it, show what stands, run it over what was recorded."""

from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec
import typer
from rich.table import Table

from agents import admin, clients
from agents.cli.backtest import backtest
from agents.cli.common import FOUND, AsJson, fail, out, print_json, settings_of
from agents.settings import Settings
from schemas import rules, topics
from schemas.rules import ALLIANCE, RuleSet
from streams.rules_check import check as check_text
from streams.rules_words import duration_text, said, said_budget, said_reward, said_trigger
from streams.yaml_tree import Mistake

RulesFile = Annotated[Path, typer.Argument(metavar="FILE", help="A rules file, YAML.")]


class Standing(NamedTuple):
    """A published set and its version, which is its offset."""

    version: int
    document: bytes


def check(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Rules files, YAML.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Check rules files and tell everything that is wrong, each with its line; needs no Kafka.

    Example: huiliu rules check acme.yaml bolt.yaml
    """
    read = {file: _read(file) for file in files}
    if as_json:
        print_json([_outcome(file, found) for file, found in read.items()])
    else:
        for file, found in read.items():
            _tell(file, found)
    if any(isinstance(found, list) for found in read.values()):
        raise typer.Exit(FOUND)


def publish(context: typer.Context, file: RulesFile, *, as_json: AsJson = False) -> None:
    """Publish a rules file; it takes effect live.  Nothing is published if anything is wrong.

    Example: huiliu rules publish acme.yaml
    """
    found = _read(file)
    if isinstance(found, list):
        if as_json:
            print_json(_outcome(file, found))
        else:
            _tell(file, found)
        raise typer.Exit(FOUND)
    settings = settings_of(context)
    admin.ensure(settings, admin.internal_topics(settings.partitions))
    _check_owner(settings, file, found.owner)
    version, changed = publish_set(settings, found)
    if as_json:
        print_json({"owner": found.owner, "version": version, "changed": changed, "tags": sorted(found.tags)})
    else:
        what = "published as" if changed else "unchanged, it stands as"
        out.print(f"{found.owner}: {_size(found)}, {what} version {version}", highlight=False, soft_wrap=True)


def show(context: typer.Context, owner: Annotated[str, typer.Argument(help="A brand, or alliance.")], *, as_json: AsJson = False) -> None:
    """Show the rules that stand for a brand or the alliance.

    Example: huiliu rules show acme --json
    """
    standing = _standing(settings_of(context), owner)
    if standing is None:
        out.print(f"{owner}: no rules are published", highlight=False, soft_wrap=True)
        raise typer.Exit(FOUND)
    if as_json:
        print_json({"owner": owner, "version": standing.version, "rules": msgspec.json.decode(standing.document)})
        return
    _show(rules.decode(standing.document), standing.version)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help="Check, publish and show rules.  Example: huiliu rules check acme.yaml")
    group.command()(check)
    group.command()(publish)
    group.command()(show)
    group.command()(backtest)
    app.add_typer(group, name="rules")


def _read(file: Path) -> RuleSet | list[Mistake]:
    try:
        content = file.read_bytes()
    except OSError as error:
        fail(f"{file}: {error.strerror}")
    try:
        return check_text(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return [Mistake(line, "", "not UTF-8; save the file as UTF-8")]


def _tell(file: Path, found: RuleSet | list[Mistake]) -> None:
    if isinstance(found, RuleSet):
        out.print(f"{file}: fine, {_size(found)} of {found.owner}", markup=False, highlight=False, soft_wrap=True)
        return
    for mistake in found:
        out.print(mistake.told(str(file)), markup=False, highlight=False, soft_wrap=True)


def _outcome(file: Path, found: RuleSet | list[Mistake]) -> dict[str, Any]:
    if isinstance(found, RuleSet):
        return {
            "file": str(file),
            "fine": True,
            "owner": found.owner,
            "tags": sorted(found.tags),
            "campaigns": sorted(found.campaigns),
            "mistakes": [],
        }
    return {"file": str(file), "fine": False, "mistakes": [mistake._asdict() for mistake in found]}


def _check_owner(settings: Settings, file: Path, owner: str) -> None:
    """End with status 1 if no brand of that name is registered: nobody would ever be judged by the rules."""
    known = [brand.brand for brand in admin.list_brands(settings)]
    if owner == ALLIANCE or owner in known:
        return
    hint = f"registered are {', '.join(known)}" if known else "none is yet"
    out.print(
        f"{file}: brand: {owner} is not registered ({hint}); add it with: huiliu brands add {owner}",
        markup=False, highlight=False, soft_wrap=True,
    )  # fmt: skip
    raise typer.Exit(FOUND)


def _standing(settings: Settings, owner: str) -> Standing | None:
    message = clients.latest(settings, topics.RULES).get(owner.encode())
    return Standing(message.offset() or 0, bytes(message.value() or b"")) if message is not None else None


def publish_set(settings: Settings, found: RuleSet) -> tuple[int, bool]:
    """Publish unless the same stands already; returns the version and whether it is a new one."""
    document = rules.encode(found)
    standing = _standing(settings, found.owner)
    if standing is not None and standing.document == document:
        return standing.version, False
    return clients.send(settings, topics.RULES, found.owner.encode(), document).offset() or 0, True


def _show(standing: RuleSet, version: int) -> None:
    out.print(f"{standing.owner}, version {version}; days of {standing.timezone}", highlight=False)
    if standing.engagement is not None:
        weights = ", ".join(f"{event} {weight:g}" for event, weight in sorted(standing.engagement.weights.items()))
        out.print(f"engagement halves in {duration_text(standing.engagement.half_life_ms)}; {weights}", highlight=False)
    if standing.sharing is not None:
        window = duration_text(standing.sharing.window_ms)
        out.print(f"orders are a share's for {window}; rewarded to depth {standing.sharing.depth}", highlight=False)
    table = Table("tag", "entered by")
    for name, rule in standing.tags.items():
        table.add_row(name, said(rule))
    out.print(table)
    if standing.campaigns:
        offered = Table("campaign", "state", "triggered by", "if", "gives", "budget")
        for name, one in standing.campaigns.items():
            condition = said(one.condition) if one.condition is not None else ""
            offered.add_row(name, one.state, said_trigger(one.trigger), condition, said_reward(one), said_budget(one))
        out.print(offered)


def _size(found: RuleSet) -> str:
    campaigns = f", {len(found.campaigns)} campaigns" if found.campaigns else ""
    return f"{len(found.tags)} tags{campaigns}"
