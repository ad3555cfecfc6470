"""What a CRM receives: the value of each record, and the record as the fold decides it.

The values are encoded as they stand here, in JSON or MessagePack; an enriched
record embeds the brand's own event untouched.

Source: CONTRACT 3.
"""

from typing import Final, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from schemas.envelope import Terms
from schemas.rewards import Refusal, Reversal

ENRICHED: Final = "cn.huiliu.enriched.v1"
TAG_ENTERED: Final = "cn.huiliu.tag.entered.v1"
TAG_EXITED: Final = "cn.huiliu.tag.exited.v1"
MANIFEST: Final = "cn.huiliu.manifest.v1"
REWARD_PROGRESS: Final = "cn.huiliu.reward.progress.v1"
REWARD_GRANTED: Final = "cn.huiliu.reward.granted.v1"
REWARD_REFUSED: Final = "cn.huiliu.reward.refused.v1"
REWARD_REVERSED: Final = "cn.huiliu.reward.reversed.v1"
SOURCE: Final = "/huiliu"


class Engagement(Struct, frozen=True):
    """Scores rounded to 6 decimals.  *alliance* crosses brands, with the member's consent alone."""

    brand: float | UnsetType = UNSET
    alliance: float | UnsetType = UNSET


class Last(Struct, frozen=True):
    """Latest event times, RFC 3339 in UTC; what never happened is left out."""

    click: str | UnsetType = UNSET
    share: str | UnsetType = UNSET
    order: str | UnsetType = UNSET
    chat: str | UnsetType = UNSET


class MemberView(Struct, frozen=True):
    """A member as one brand sees them at the clock *as_of*.  *spend*: decimal strings by currency, none at 0."""

    id: str
    as_of: str
    first_seen: str
    tags: list[str]
    engagement: Engagement
    orders: int
    spend: dict[str, str]
    last: Last


class Enriched(Struct, frozen=True):
    """The brand's own event, complete, and its member as of after it."""

    event: msgspec.Raw
    member: MemberView


class Evidence(Struct, frozen=True):
    """Why a tag was entered or exited: what was found, the ids of the last 5 events that count, the rules' version."""

    value: int | float | str | bool
    events: tuple[str, ...]
    rules: int


class TagChanged(Struct, frozen=True):
    """A tag was entered or exited (the record's ``ce_type`` says which) at the clock *at*."""

    member: str
    tag: str
    at: str
    evidence: Evidence


class RewardProgress(Struct, frozen=True):
    """A member has *have* of the *need* events that earn a reward of *campaign* (``<owner>/<name>``)."""

    member: str
    campaign: str
    have: int
    need: int
    at: str


class RewardGranted(Struct, frozen=True):
    """A reward was granted.  *value* is a decimal string: money in *currency*, else points.

    *trigger* is the id of the brand's event that earned it, or the tag's name.
    *coupon_code* is there for a coupon, *valid_until* where it does not last for ever.
    """

    reward_id: str
    member: str
    campaign: str
    version: int
    kind: Literal["coupon", "points"]
    value: str
    trigger: str
    at: str
    currency: str | UnsetType = UNSET
    coupon_code: str | UnsetType = UNSET
    valid_until: str | UnsetType = UNSET


class RewardRefused(Struct, frozen=True):
    """A trigger earned nothing, or a coupon could not be redeemed (``coupon_…``; *campaign* and *version* where they are known)."""

    reward_id: str
    member: str
    reason: Refusal
    detail: str
    at: str
    campaign: str | UnsetType = UNSET
    version: int | UnsetType = UNSET


class RewardReversed(Struct, frozen=True):
    """*amount* (as in ``granted``) of a reward was taken back; negative: it had been redeemed, and is owed.

    *cause* is the id of the brand's event that took it back; empty where a clock or a rule set did.
    """

    reward_id: str
    member: str
    campaign: str
    amount: str
    reason: Reversal
    cause: str
    at: str


class Manifest(Struct, frozen=True):
    """What the brand was sent from a partition since the last manifest.

    Sequences *first* to *last*, *count* records; *sha256* (hex) is a chain over
    their ids: 32 zero bytes, then SHA-256 of what was so far and the id.
    *duplicates* and *crashed* count the brand's records that ended so.
    """

    partition: int
    epoch: int
    first: int
    last: int
    count: int
    sha256: str
    duplicates: int
    crashed: int
    at: str


Reward = RewardProgress | RewardGranted | RewardRefused | RewardReversed
Value = Enriched | TagChanged | Manifest | Reward


class CrmRecord(Struct, frozen=True, gc=False):
    """One record for a brand's CRM, decided.

    *partition* is the member partition that *sequence* counts in; *member* the
    pairwise id, None for a manifest; *at* the clock, RFC 3339; *origin*
    ``<partition>:<offset>`` of the brand's own record, for an enriched one.
    """

    brand: str
    terms: Terms
    type: str
    id: str
    at: str
    partition: int
    epoch: int
    sequence: int
    member: str | None
    value: Value
    origin: str | None = None
