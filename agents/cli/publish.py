"""``huiliu publish``: a file of events into a brand's topic."""

import io
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated, Final, cast

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from agents.cli.common import FOUND, AsJson, err, fail, out, print_json, settings_of
from agents.event_lines import CONTENT_TYPE, Bad, Judge, Publishable, latest_ms, lines
from agents.settings import Settings
from agents.topic_log import NotDelivered, TopicLog, Writer
from schemas import topics

STDIN: Final = Path("-")
TOLD: Final = 20
FLUSHED: Final = 10_000

Opened = io.BufferedReader | io.BufferedRandom


def publish(
    context: typer.Context,
    brand: Annotated[str, typer.Argument(help="The brand that the events belong to.")],
    file: Annotated[Path, typer.Argument(help="CloudEvents, one JSON a line, gzip or not; - for standard input.")],
    *,
    rate: Annotated[float | None, typer.Option(min=0.1, help="Events a second; as fast as Kafka takes them if not given.")] = None,
    shift_to_now: Annotated[bool, typer.Option("--shift-to-now", help="Move all event times so that the latest is now.")] = False,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Publish the good lines though there are bad ones.")] = False,
    first: Annotated[int, typer.Option("--from", min=1, help="The line to begin with: where an earlier run ended.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Publish events of a brand, each line checked as intake checks it.

    With a bad line in a file nothing is published, unless --skip-bad; of
    standard input, all before the first bad line.  Exit status 1 says that
    there were bad lines.

    Example: huiliu publish acme events.jsonl.gz --rate 500 --shift-to-now
    """
    settings = settings_of(context)
    _check_topic(settings, brand)
    with _opened(file, spool=shift_to_now) as opened:
        run = _Run(settings, brand, opened, rate, first, as_json=as_json)
        run.prepare(shift_to_now=shift_to_now, skip_bad=skip_bad)
        run.send(skip_bad=skip_bad)
    run.tell()


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(publish)


class _Run:
    """One run of the command: what it found and did so far."""

    def __init__(self, settings: Settings, brand: str, opened: Opened, rate: float | None, first: int, *, as_json: bool) -> None:
        self.settings, self.brand, self.opened, self.rate, self.first, self.as_json = settings, brand, opened, rate, first, as_json
        self.bad: list[Bad] = []
        self.sent = self.published = 0
        self.last_line, self.next_line = first - 1, first
        self.total: int | None = None
        self.judge = Judge(brand, time.time_ns() // 1_000_000)

    def prepare(self, *, shift_to_now: bool, skip_bad: bool) -> None:
        """Read what can be read twice once before anything is sent; ends with status 1 if a line is bad."""
        if not self.opened.seekable():
            return
        if shift_to_now:
            latest = latest_ms(lines(self.opened))
            now_ms = time.time_ns() // 1_000_000
            self.judge = Judge(self.brand, now_ms, now_ms - latest if latest is not None else 0)
            self.opened.seek(0)
        judged = list(map(type, self._judged()))
        self.total = judged.count(Publishable)
        self.opened.seek(0)
        if self.bad and not skip_bad:
            self.tell()
        self.bad.clear()

    def send(self, *, skip_bad: bool) -> None:
        """Send the good lines; what stops it says with which line to go on."""
        writer = Writer(self.settings)
        try:
            with writer, self._progress() as progress:
                bar = progress.add_task(self.brand, total=self.total)
                for line in self._sendable(skip_bad=skip_bad):
                    writer.send(topics.events(self.brand), line.value, line.key, (CONTENT_TYPE,))
                    self.sent += 1
                    self.last_line = line.number
                    progress.advance(bar)
                    if self.sent % FLUSHED == 0:
                        writer.flush()
                        self._reached()
        except (NotDelivered, KeyboardInterrupt) as error:
            if writer.delivered == self.sent:
                self._reached()
            fail(
                f"{error or 'stopped'}; {self.published} events are published for sure; "
                f"go on with --from {self.next_line}: copies of what was published are dropped as duplicates"
            )
        self._reached()

    def _reached(self) -> None:
        """Note that Kafka has all that was sent."""
        self.published, self.next_line = self.sent, self.last_line + 1

    def _sendable(self, *, skip_bad: bool) -> Iterator[Publishable]:
        """Give good lines, no faster than the rate; ends at a bad one unless *skip_bad*."""
        began = time.monotonic()
        for number, line in enumerate(self._judged()):
            if isinstance(line, Publishable):
                if self.rate:
                    time.sleep(max(0.0, began + number / self.rate - time.monotonic()))
                yield line
            elif not skip_bad:
                return

    def tell(self) -> None:
        """Say what was done, and end with status 1 if there were bad lines."""
        if self.as_json:
            bad = [{"line": each.number, "reason": each.refused.reason, "detail": each.refused.detail} for each in self.bad]
            print_json({"brand": self.brand, "published": self.published, "bad": bad})
        else:
            for each in self.bad[:TOLD]:
                out.print(each.told(), markup=False, highlight=False, soft_wrap=True)
            if len(self.bad) > TOLD:
                out.print(f"… and {len(self.bad) - TOLD} more", highlight=False)
            hint = "; --skip-bad publishes the others" if self.bad and not self.published else ""
            out.print(f"{self.published} events published, {len(self.bad)} bad lines{hint}", highlight=False)
        if self.bad:
            raise typer.Exit(FOUND)

    def _judged(self) -> Iterator[Publishable | Bad]:
        try:
            for line in lines(self.opened):
                if line.number < self.first:
                    continue
                judged = self.judge.judge(line)
                if isinstance(judged, Bad):
                    self.bad.append(judged)
                yield judged
        except (OSError, EOFError) as error:
            fail(f"the file is broken: {error}; {self.published} events are published")

    def _progress(self) -> Progress:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        return Progress(*columns, console=err, disable=self.as_json or not err.is_terminal)


def _check_topic(settings: Settings, brand: str) -> None:
    """Raise ``BadSettings`` unless the brand's topic is there: a client would wait for it without a word."""
    if not topics.is_slug(brand):
        fail(f"{brand}: not a brand; huiliu brands list shows which there are")
    with TopicLog(settings, topics.events(brand)):
        pass


@contextmanager
def _opened(file: Path, *, spool: bool) -> Iterator[Opened]:
    """Open *file*; standard input can be read once only, so it is put aside first if it must be read twice."""
    if file == STDIN:
        if not spool:
            yield cast(io.BufferedReader, sys.stdin.buffer)
            return
        with TemporaryFile() as aside:
            aside.write(sys.stdin.buffer.read())
            aside.seek(0)
            yield aside
        return
    try:
        opened = file.open("rb")
    except OSError as error:
        fail(f"{file}: {error.strerror}")
    with opened:
        yield opened
