"""The records of ``huiliu.internal.budgets``, and what is remembered of a campaign's money.

Members ask and report; the key of a record is the campaign's id.  Times are
integer milliseconds since 1970 UTC, money integer minor units of the
campaign's currency.

Source: DESIGN 3, RULES 5.
"""

from typing import Final

import msgspec
from msgspec import Struct, field

from schemas.envelope import Origin, RulesSet, Tick
from schemas.fold import STAMP, stamp

DAYS: Final = 420
"""Days of which a campaign remembers what they cost; older ones are in its total alone."""


class Limits(Struct, array_like=True, frozen=True):
    """What a campaign may cost in each *period* (``none``, ``day``, ``week``, ``month`` of *timezone*); None = no bound."""

    money_minor: int | None = None
    grants: int | None = None
    period: str = "none"
    timezone: str = "UTC"


class RewardAsk(Struct, array_like=True, frozen=True, tag=1):
    """Ask whether *member* may have this reward of *amount_minor*, earned at *at_ms* (the trigger's event time) under *version*.

    *limits* are those of *version*, so that nothing waits for a rule record.
    *lasting*: it stays reserved until it is redeemed or returned; else it is spent when granted.
    *asked_ms* is the clock of the trigger: the answer brings it back.
    """

    version: int
    reward_id: bytes
    brand: str
    member: bytes
    amount_minor: int
    at_ms: int
    lasting: bool
    limits: Limits
    asked_ms: int = 0


class Redeemed(Struct, array_like=True, frozen=True, tag=2):
    """What was reserved for this reward is spent."""

    reward_id: bytes


class Returned(Struct, array_like=True, frozen=True, tag=3):
    """*amount_minor* of what was granted goes back; *whole*: the grant is not counted any more."""

    reward_id: bytes
    amount_minor: int
    whole: bool


Word = RewardAsk | Redeemed | Returned


class Ask(Struct, array_like=True, frozen=True, tag=10):
    """What members tell a campaign; *index* counts what the record at *origin* told to anybody (DESIGN 2, law 4)."""

    origin: Origin
    index: int
    campaign: str
    word: Word


Told = Ask | Tick | RulesSet


class Cost(Struct, array_like=True):
    """What was granted, in minor units: *reserved* is open, *spent* is gone; and how many *grants* stand."""

    reserved_minor: int = 0
    spent_minor: int = 0
    grants: int = 0


class Budget(Struct, array_like=True):
    """A campaign: its *limits* as of *version*, and what it cost in all and by day of the rules' time zone.

    By day, so that a publish may change the period and nothing is forgotten.
    *closed* says why nothing is granted: it is paused, ended or gone.
    *marks*: (offset, index) last had of each partition of members, by number.
    """

    version: int = -1
    limits: Limits = field(default_factory=Limits)
    closed: str | None = None
    total: Cost = field(default_factory=Cost)
    days: dict[int, Cost] = field(default_factory=dict)
    marks: dict[int, tuple[int, int]] = field(default_factory=dict)


class Grant(Struct, array_like=True):
    """A reward that was granted, for good: what of it still stands, on which day it was earned, whether it is spent, and counted."""

    amount_minor: int
    day: int
    spent: bool
    counted: bool = True


_encode = msgspec.msgpack.Encoder().encode
_told: msgspec.msgpack.Decoder[Told] = msgspec.msgpack.Decoder(Told)
_budgets = msgspec.msgpack.Decoder(Budget)
_grants = msgspec.msgpack.Decoder(Grant)


def encode(told: Told) -> bytes:
    """Pack *told* as a value of ``huiliu.internal.budgets``."""
    return _encode(told)


def decode(value: bytes) -> Told:
    """Unpack a value of ``huiliu.internal.budgets``; raises ``msgspec.DecodeError`` on anything else."""
    return _told.decode(value)


def pack(offset: int, state: Budget | Grant) -> bytes:
    """Pack *state* behind the offset folded last."""
    return stamp(offset, _encode(state))


def unpack_budget(packed: bytes) -> Budget:
    """Decode a packed budget."""
    return _budgets.decode(memoryview(packed)[STAMP:])


def unpack_grant(packed: bytes) -> Grant:
    """Decode a packed grant."""
    return _grants.decode(memoryview(packed)[STAMP:])
