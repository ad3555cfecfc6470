"""``huiliu dead-letters``: what a brand's records were refused for, and a second chance for them."""

from collections.abc import Iterator
from typing import Annotated, Any, Final, NamedTuple

import typer
from rich.table import Table

from agents.cli.common import FOUND, AsJson, fail, out, print_json, settings_of
from agents.settings import Settings
from agents.topic_log import Entry, NotDelivered, TopicLog, Writer
from schemas import topics
from schemas.dead_letters import AT, DETAIL, HEADERS, OFFSET, PARTITION, REASON, TOPIC_ID
from schemas.refusals import Reason
from streams.audit import headers_of

BATCH: Final = "batch:"
"""How the detail of a whole compressed batch begins, which is no record that could be sent again."""

Brand = Annotated[str, typer.Argument(help="Whose records.")]
OfReason = Annotated[Reason | None, typer.Option(help="Only those refused for this.")]


class Letter(NamedTuple):
    """A dead letter at its own place, with what its headers say of the record that it was."""

    entry: Entry
    reason: str
    detail: str
    at: str
    origin: tuple[str, int, int]

    @property
    def place(self) -> str:
        """Name it as ``show`` and ``replay`` take it."""
        return f"{self.entry.partition}:{self.entry.offset}"

    def document(self) -> dict[str, Any]:
        """Give it for a script."""
        _, partition, offset = self.origin
        return {
            "place": self.place, "reason": self.reason, "detail": self.detail, "at": self.at,
            "partition": partition, "offset": offset, "value": _text(self.entry.value),
        }  # fmt: skip


def list_letters(
    context: typer.Context,
    brand: Brand,
    *,
    reason: OfReason = None,
    last: Annotated[int, typer.Option(min=1, help="So many at most, the latest.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List a brand's dead letters, the latest last.

    Example: huiliu dead-letters list acme --reason bad_money
    """
    found = sorted(_letters(settings_of(context), brand, reason), key=lambda letter: letter.entry.appended_ms)
    if as_json:
        print_json([letter.document() for letter in found[-last:]])
        return
    table = Table("place", "refused", "reason", "detail")
    for letter in found[-last:]:
        table.add_row(letter.place, letter.at, letter.reason, letter.detail)
    out.print(table)
    out.print(f"{len(found)} dead letters" + (f", the last {last} shown" if len(found) > last else ""), highlight=False)


def show(
    context: typer.Context,
    brand: Brand,
    place: Annotated[str, typer.Argument(metavar="PARTITION:OFFSET", help="Which one, as list names it.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Show one dead letter: why it was refused, and the record as it came.

    Example: huiliu dead-letters show acme 0:12
    """
    letter = _letter(settings_of(context), brand, place)
    if letter is None:
        out.print(f"{brand}: no dead letter at {place}", markup=False, highlight=False)
        raise typer.Exit(FOUND)
    if as_json:
        print_json(letter.document() | {"key": _text(letter.entry.key), "headers": headers_of(_original(letter.entry))})
        return
    _, partition, offset = letter.origin
    for name, text in (
        ("reason", letter.reason),
        ("detail", letter.detail),
        ("record", f"offset {offset} of partition {partition} of {topics.events(brand)}, {letter.at}"),
        ("key", _text(letter.entry.key) or "none"),
        *((f"header {name}", text) for name, text in headers_of(_original(letter.entry)).items()),
        ("value", _text(letter.entry.value) or "none"),
    ):
        out.print(f"{name}: {text}", markup=False, highlight=False, soft_wrap=True)


def replay(
    context: typer.Context,
    brand: Brand,
    places: Annotated[list[str] | None, typer.Argument(metavar="[PARTITION:OFFSET]", help="Which ones; all if none is named.")] = None,
    *,
    reason: OfReason = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Publish dead letters again as they came, once what was wrong is mended.

    What is refused again becomes a dead letter again; what was taken meanwhile
    is dropped as a duplicate.

    Example: huiliu dead-letters replay acme --reason crashed --yes
    """
    settings = settings_of(context)
    chosen = _chosen(settings, brand, places, reason)
    if not chosen:
        out.print(f"{brand}: no dead letter to replay", markup=False, highlight=False)
        raise typer.Exit(FOUND)
    if not yes:
        typer.confirm(f"Publish {len(chosen)} records to {topics.events(brand)} again?", abort=True)
    try:
        with Writer(settings) as writer:
            for letter in chosen:
                writer.send(topics.events(brand), letter.entry.value, letter.entry.key, _original(letter.entry))
    except NotDelivered as error:
        fail(f"{error}; {writer.delivered} of {len(chosen)} are published; replaying them again does no harm")
    if as_json:
        print_json({"brand": brand, "replayed": writer.delivered})
    else:
        out.print(f"{writer.delivered} records published again", highlight=False)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help="List, show and replay refused records.  Example: huiliu dead-letters list acme")
    group.command("list")(list_letters)
    group.command()(show)
    group.command()(replay)
    app.add_typer(group, name="dead-letters")


def _letters(settings: Settings, brand: str, reason: str | None) -> Iterator[Letter]:
    """Read all dead letters; one that was written twice, by a worker that was killed, comes once."""
    seen: set[tuple[str, int, int]] = set()
    with TopicLog(settings, topics.dead_letters(brand)) as log:
        for entry in log.read():
            letter = _of(entry)
            if letter.origin not in seen and reason in (None, letter.reason):
                seen.add(letter.origin)
                yield letter


def _letter(settings: Settings, brand: str, place: str) -> Letter | None:
    partition, _, offset = place.partition(":")
    if not partition.isdecimal() or not offset.isdecimal():
        fail(f"{place}: not a place; expected PARTITION:OFFSET, such as 0:12")
    with TopicLog(settings, topics.dead_letters(brand)) as log:
        entry = log.at(int(partition), int(offset))
    return _of(entry) if entry is not None else None


def _chosen(settings: Settings, brand: str, places: list[str] | None, reason: str | None) -> list[Letter]:
    """Choose what to replay, in the order in which the brand sent it."""
    if not places:
        chosen = list(_letters(settings, brand, reason))
    else:
        found = {place: _letter(settings, brand, place) for place in places}
        chosen = [letter for letter in found.values() if letter is not None]
        if missing := [place for place, letter in found.items() if letter is None]:
            fail(f"{brand}: no dead letter at {', '.join(missing)}; nothing is replayed")
    return sorted((letter for letter in chosen if not letter.detail.startswith(BATCH)), key=lambda letter: (letter.at, letter.origin))


def _of(entry: Entry) -> Letter:
    headers = headers_of(entry.headers)
    origin = (headers.get(TOPIC_ID, ""), int(headers.get(PARTITION, -1)), int(headers.get(OFFSET, -1)))
    return Letter(entry, headers.get(REASON, ""), headers.get(DETAIL, ""), headers.get(AT, ""), origin)


def _original(entry: Entry) -> list[tuple[str, bytes | None]]:
    """Give the headers that the brand itself sent."""
    return [(name, text) for name, text in entry.headers if name not in HEADERS]


def _text(part: bytes | None) -> str | None:
    return part.decode("utf-8", "backslashreplace") if part is not None else None
