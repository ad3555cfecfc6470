"""A file of events, one JSON a line, as records for a brand's topic.

Each line is judged by intake's own rules before anything is published, so a
brand hears of a mistake from its terminal and not from its dead letters.
"""

import gzip
import io
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import msgspec

from schemas import topics
from schemas.dead_letters import DeadLetter
from schemas.envelope import Terms
from schemas.events import Identity
from schemas.refusals import Reason, Refused
from schemas.scalars import instant_text, parse_instant
from streams.identity import identify
from streams.intake import Intake
from streams.keys import Secrets

CONTENT_TYPE: Final = ("content-type", b"application/cloudevents+json")
_GZIP: Final = b"\x1f\x8b"
# Intake is asked for its opinion alone; what it would make of a member stays here.
_NO_SECRETS: Final = Secrets(bytes(32), bytes(32), bytes(32))


class Line(NamedTuple):
    """A line that is not blank; *number* counts from 1 over all lines."""

    number: int
    value: bytes


class Publishable(NamedTuple):
    """A line that intake would take: *key* keeps a member's events in one partition, in order."""

    number: int
    key: bytes
    value: bytes


class Bad(NamedTuple):
    """A line that intake would refuse."""

    number: int
    refused: Refused

    def told(self) -> str:
        """Say it in a line."""
        return f"line {self.number}: {self.refused.reason}: {self.refused.detail}"


class _Asked(NamedTuple):
    """A line as intake would read it."""

    topic: str
    value: bytes
    timestamp: int
    partition: int = 0
    offset: int = 0
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = (CONTENT_TYPE,)


class _Identified(msgspec.Struct):
    identities: list[Identity]


class _Sent(msgspec.Struct):
    data: _Identified


class _Timed(msgspec.Struct):
    time: str


class Judge:
    """Tells publishable lines of *brand* from bad ones, at *now_ms* and with event times moved by *shift_ms*."""

    def __init__(self, brand: str, now_ms: int, shift_ms: int = 0) -> None:
        """Take the brand up."""
        self._brand, self._now_ms, self._shift_ms = brand, now_ms, shift_ms
        self._topic = topics.events(brand)
        self._intake = Intake(_NO_SECRETS, 1)
        self._intake.enlist(brand, Terms(), bytes(16))
        self._identities = msgspec.json.Decoder(_Sent)

    def judge(self, line: Line) -> Publishable | Bad:
        """Judge one line."""
        value = shifted(line.value, self._shift_ms) if self._shift_ms else line.value
        decided = self._intake(_Asked(self._topic, value, self._now_ms))
        if isinstance(decided, DeadLetter):
            return Bad(line.number, decided.refused)
        found = identify(self._identities.decode(value).data.identities, self._brand)
        if found is None:
            return Bad(line.number, Refused(Reason.NO_IDENTITY, "data.identities: none came; expected one"))
        return Publishable(line.number, f"{found.kind}:{found.identity}".encode(), value)


def lines(opened: io.BufferedReader | io.BufferedRandom) -> Iterator[Line]:
    """Read lines, unpacked if they are gzip; raises ``OSError`` or ``EOFError`` for a broken archive."""
    plain: Iterable[bytes] = gzip.GzipFile(fileobj=opened) if opened.peek(2)[:2] == _GZIP else opened
    for number, text in enumerate(plain, 1):
        if value := text.strip():
            yield Line(number, value)


def latest_ms(found: Iterator[Line]) -> int | None:
    """Give the latest event time that any line states; None if none does."""
    return max((time_ms for line in found if (time_ms := _time_ms(line.value)) is not None), default=None)


def shifted(value: bytes, shift_ms: int) -> bytes:
    """Move an event's time; what is no event or has none comes back as it is, to be judged."""
    time_ms = _time_ms(value)
    if time_ms is None:
        return value
    event = msgspec.json.decode(value)
    event["time"] = instant_text(time_ms + shift_ms)
    return msgspec.json.encode(event)


def _time_ms(value: bytes) -> int | None:
    try:
        return parse_instant(msgspec.json.decode(value, type=_Timed).time)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
