"""What the simulated stages say to each other: the shape of the internal log, and nothing that decides."""

from typing import NamedTuple

import msgspec
from msgspec import Struct

BRANDS = ("x", "y")
EVENTS = {brand: f"huiliu.{brand}.events" for brand in BRANDS}
MEMBERS, BUDGETS = "members", "budgets"
MEMBERS_ID, BUDGETS_ID = b"members".ljust(16, b"."), b"budgets".ljust(16, b".")
CAMPAIGNS = (b"campaign-0", b"campaign-1")
KEYS = tuple(b"member-%d" % number + b"." * 8 for number in range(4))
LIMIT = 4
SLEEPY_MS = 50


class Input(NamedTuple):
    """A record of a fake log (``schemas.fold.Record``)."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


class From(Struct, array_like=True, frozen=True):
    """Where an emitted record came from, and which of that record's effects it is (law 4)."""

    topic_id: bytes
    partition: int
    offset: int
    index: int = 0


class Event(Struct, array_like=True, frozen=True, tag=0):
    """A brand's event.  *number* is its publisher's id of it; one that is a *boom* makes the fold raise."""

    brand: str
    origin: From
    number: int
    at_ms: int
    boom: bool


class Tick(Struct, array_like=True, frozen=True, tag=1):
    """The time, from control."""

    at_ms: int


class Ask(Struct, array_like=True, frozen=True, tag=2):
    """A member's wish to budgets; the answer goes *home*, the member's partition."""

    origin: From
    brand: str
    member: bytes
    home: int


class Answer(Struct, array_like=True, frozen=True, tag=3):
    """What budgets decided; *spent* is the campaign's after it."""

    origin: From
    brand: str
    campaign: bytes
    granted: bool
    spent: int


class Stated(Struct, array_like=True, frozen=True):
    """What a brand publishes."""

    number: int
    at_ms: int
    boom: bool


Message = Event | Tick | Ask | Answer
encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Message).decode
read_stated = msgspec.msgpack.Decoder(Stated).decode
