"""What a member earned at a brand, as it is remembered, and the words for what becomes of a reward.

Times are integer milliseconds since 1970 UTC; a value is in minor units of its
currency, or in points where the currency is empty.

Source: RULES 5, CONTRACT 3.
"""

from enum import StrEnum
from typing import Final

import msgspec
from msgspec import Struct, field

MOST_REWARDS: Final = 256
MOST_REFUSALS: Final = 32
MOST_ENTRIES: Final = 64


class Refusal(StrEnum):
    """Why a trigger earned nothing, in the order of the contract; then why a coupon could not be redeemed."""

    NOT_SCHEDULED = "not_scheduled"
    CONDITION = "condition"
    COOLDOWN = "cooldown"
    CAP = "cap"
    ONCE = "once"
    BUDGET = "budget"
    HOLDOUT = "holdout"
    STALE = "stale"
    CONSENT = "consent"
    EXCLUDED = "excluded"
    SELF_SHARE = "self_share"
    PAUSED = "paused"
    COUPON_UNKNOWN = "coupon_unknown"
    COUPON_EXPIRED = "coupon_expired"
    COUPON_REVERSED = "coupon_reversed"
    COUPON_REDEEMED = "coupon_redeemed"


TOLD: Final = frozenset({Refusal.BUDGET, Refusal.CAP, Refusal.COOLDOWN, Refusal.HOLDOUT, Refusal.STALE})
"""What the CRM is told of; the others are counted, and shown to who asks."""


WOULD_EARN: Final = "shadow"
"""What is counted where a shadow would have granted something."""
WOULD_REFUSE: Final = {refusal: f"shadow_{refusal.value}" for refusal in Refusal}
"""What is counted where it would have refused, by the reason."""


class Reversal(StrEnum):
    """Why a reward was taken back; ``taken_back``: what a share had brought is cancelled, or another's by now."""

    CANCELLED = "cancelled"
    REFUNDED = "refunded"
    RECALLED = "recalled"
    TAKEN_BACK = "taken_back"
    EXPIRED = "expired"
    ENDED = "ended"


ASKED: Final = 0
GRANTED: Final = 1
REDEEMED: Final = 2
EXPIRED: Final = 3
REVERSED: Final = 4
HELD: Final = 5
SHADOW: Final = 6
STATUSES: Final = ("asked", "granted", "redeemed", "expired", "reversed", "held out", "shadow")

ON_CANCEL: Final = 1
ON_REFUND: Final = 2
ON_RECALL: Final = 4
BY_LINES: Final = 8
"""What takes a reward back, as bits: a grant keeps the terms that it was made under."""


class Pending(Struct, array_like=True, frozen=True):
    """What is to be taken back once budgets have answered."""

    target: int
    reason: str
    cause: str


class Reward(Struct, array_like=True):
    """A reward of *campaign* (``<owner>/<name>``) under *version*, triggered at *time_ms* by the event or tag *trigger*.

    *valid_until_ms*: 0 = for ever.  *causes* are short keyed hashes of what it
    rests on: an order, a message, an event, a tag.  *undo* are bits.  *taken*
    of *value* was taken back; *owed* of that had been redeemed already.
    """

    campaign: str
    version: int
    status: int
    time_ms: int
    value: int
    currency: str
    valid_until_ms: int
    trigger: str
    causes: list[bytes]
    undo: int
    taken: int = 0
    owed: int = 0
    pending: Pending | None = None


class Link(Struct, array_like=True):
    """One event of a streak: when it happened, its cause, and the reward that it went into, if any."""

    time_ms: int
    cause: bytes
    used_by: bytes = b""


class LastRefusal(Struct, array_like=True, frozen=True):
    """Why the latest trigger of a campaign earned nothing, at which clock."""

    reason: str
    detail: str
    trigger: str
    at_ms: int


class Entry(Struct, array_like=True, frozen=True):
    """A line of the points ledger: what happened (``earn``, ``burn``, ``expire``, ``reverse``), to which reward, at which clock."""

    what: str
    points: int
    reward_id: bytes
    at_ms: int


class Earned(Struct, array_like=True):
    """Rewards by id, streaks and latest refusals by campaign, points and the ledger's last lines (*points* is the sum of all)."""

    rewards: dict[bytes, Reward] = field(default_factory=dict)
    streaks: dict[str, list[Link]] = field(default_factory=dict)
    refused: dict[str, LastRefusal] = field(default_factory=dict)
    points: int = 0
    ledger: list[Entry] = field(default_factory=list)


_encode = msgspec.msgpack.Encoder().encode
_earned = msgspec.msgpack.Decoder(Earned)


def pack_earned(earned: Earned) -> bytes:
    """Pack what a member earned at a brand."""
    return _encode(earned)


def unpack_earned(packed: bytes) -> Earned:
    """Decode what ``pack_earned`` wrote; nothing where nothing was ever earned."""
    return _earned.decode(packed) if packed else Earned()
