"""A checked rule set, as it is published in ``huiliu.internal.rules``.

The file that a marketer writes is checked and normalised first
(``streams.rules_check``): durations are integer milliseconds, money integer
minor units of its currency, event names sorted tuples without repeats.  What
is published is the JSON of these types, so a stage never meets YAML, a
spelling mistake or a unit.

Source: RULES 2, 3 and 5.
"""

from typing import Final, Literal

import msgspec
from msgspec import Struct

ALLIANCE: Final = "alliance"

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS
SHORTEST_MS: Final = MINUTE_MS
LONGEST_MS: Final = 400 * DAY_MS

ORDERED: Final = "share.ordered"
VISITED: Final = "share.visited"
SHARES_EVENTS: Final = (ORDERED, VISITED)
SUMMED_EVENTS: Final = ("order.completed", "order.paid", "order.placed", "order.shipped")
EVENT_NAMES: Final = (
    "chat.in",
    "chat.out",
    "click",
    "coupon.claimed",
    "coupon.expired",
    "coupon.redeemed",
    "order.cancelled",
    "order.completed",
    "order.paid",
    "order.placed",
    "order.refunded",
    "order.shipped",
    "share",
    *SHARES_EVENTS,
)
"""What a rule may count."""

Dimension = Literal["category", "sku"]


class Count(Struct, frozen=True, tag_field="kind", tag="count"):
    """At least *at_least* of *events* in the window."""

    events: tuple[str, ...]
    within_ms: int
    at_least: int


class Sum(Struct, frozen=True, tag_field="kind", tag="sum"):
    """Net amounts of the order event *of*, in one currency; *of* is one of ``SUMMED_EVENTS``."""

    of: str
    within_ms: int
    at_least_minor: int
    currency: str


class Top(Struct, frozen=True, tag_field="kind", tag="top"):
    """The value of *of* with the highest count; never nested, since it gives a tag of its own (``<tag>:<value>``)."""

    of: Dimension
    events: tuple[str, ...]
    within_ms: int
    at_least: int


class Distinct(Struct, frozen=True, tag_field="kind", tag="distinct"):
    """At least *at_least* different values of *of* in the window."""

    of: Dimension
    events: tuple[str, ...]
    within_ms: int
    at_least: int


class Keywords(Struct, frozen=True, tag_field="kind", tag="keywords"):
    """A ``chat.in`` message in the window contains one of *any_of*: kept as written, the fold folds case and width."""

    any_of: tuple[str, ...]
    within_ms: int


class Silent(Struct, frozen=True, tag_field="kind", tag="silent"):
    """The member acted here once, and not for *for_ms*."""

    for_ms: int


class Engaged(Struct, frozen=True, tag_field="kind", tag="engagement"):
    """Engagement is at least *at_least*."""

    at_least: float


class All(Struct, frozen=True, tag_field="kind", tag="all"):
    """Every clause of *of* holds."""

    of: tuple["Clause", ...]


class AnyOf(Struct, frozen=True, tag_field="kind", tag="any"):
    """One clause of *of* holds."""

    of: tuple["Clause", ...]


class Not(Struct, frozen=True, tag_field="kind", tag="not"):
    """*of* does not hold."""

    of: "Clause"


class TagRef(Struct, frozen=True, tag_field="kind", tag="tag"):
    """The tag *tag* of the same set holds; for a ``top`` tag: with whatever value."""

    tag: str


class Amount(Struct, frozen=True, tag_field="kind", tag="amount"):
    """In a campaign's condition: the order that triggered has a net amount of at least *at_least_minor*."""

    at_least_minor: int
    currency: str


class FirstOrder(Struct, frozen=True, tag_field="kind", tag="first_order"):
    """In a campaign's condition: the order that triggered is the member's only one that counts here."""


class AtBrand(Struct, frozen=True, tag_field="kind", tag="brand"):
    """In a condition of the alliance's: it happened at one of *brands*."""

    brands: tuple[str, ...]


class ByChannel(Struct, frozen=True, tag_field="kind", tag="channel"):
    """The trigger came by one of *channels*, as its event's ``context.channel`` says."""

    channels: tuple[str, ...]


Clause = Count | Sum | Top | Distinct | Keywords | Silent | Engaged | All | AnyOf | Not | TagRef | Amount | FirstOrder | AtBrand | ByChannel
TagRule = Clause

CampaignState = Literal["draft", "shadow", "live", "paused", "ended"]
Period = Literal["none", "day", "week", "month"]
OncePer = Literal["member", "day", "order", "share"]
UndoMode = Literal["full", "pro_rata", "none"]
CHAT_RECALLED: Final = "chat.recalled"
UNDOING: Final = ("order.cancelled", "order.refunded", CHAT_RECALLED)
"""What may take back what it had earned."""
WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class OnEvent(Struct, frozen=True, tag_field="kind", tag="event"):
    """Each *event* triggers."""

    event: str


class OnStreak(Struct, frozen=True, tag_field="kind", tag="streak"):
    """The event that makes *count* of *events* within a window triggers; those are used up, the next begins a new streak."""

    events: tuple[str, ...]
    count: int
    within_ms: int


class OnTag(Struct, frozen=True, tag_field="kind", tag="tag_entered"):
    """Entering *tag* triggers; of a ``top`` tag: with whatever value."""

    tag: str


Trigger = OnEvent | OnStreak | OnTag


class CouponReward(Struct, frozen=True, tag_field="kind", tag="coupon"):
    """A coupon over *value_minor*, good for *valid_for_ms* from the trigger's event time."""

    value_minor: int
    currency: str
    valid_for_ms: int


class PointsReward(Struct, frozen=True, tag_field="kind", tag="points"):
    """Points of the brand's, good for *valid_for_ms* from the trigger's event time; None = for ever."""

    points: int
    valid_for_ms: int | None = None


class Schedule(Struct, frozen=True):
    """When a trigger counts, by its event time.

    *from_ms* on and before *until_ms*; on *weekdays* (0 = Monday; empty = all)
    and between *hours* (minutes of the day; the first on, before the second;
    past midnight where the first is the greater) of the rules' time zone.
    """

    from_ms: int | None = None
    until_ms: int | None = None
    weekdays: tuple[int, ...] = ()
    hours: tuple[int, int] | None = None


class Cap(Struct, frozen=True):
    """At most *rewards* a member: in any window of *within_ms*, or in each calendar *per* of the rules' time zone."""

    rewards: int
    within_ms: int | None = None
    per: Literal["day", "week", "month"] | None = None


class BudgetRule(Struct, frozen=True):
    """At most *money_minor* and *grants* in each *period* of the trigger's event time; None = no bound."""

    money_minor: int | None = None
    grants: int | None = None
    period: Period = "none"


class Undo(Struct, frozen=True):
    """What takes a reward back, and how much of it."""

    on: tuple[str, ...] = UNDOING
    mode: UndoMode = "full"


class Campaign(Struct, frozen=True):
    """A timed offer.  *holdout_ppm*: so many members of a million are decided, but not granted."""

    state: CampaignState
    trigger: Trigger
    reward: CouponReward | PointsReward
    schedule: Schedule | None = None
    condition: Clause | None = None
    beneficiary: Literal["actor", "sharer"] = "actor"
    depth: int = 1
    once_per: OncePer = "member"
    cooldown_ms: int = 0
    cap: tuple[Cap, ...] = ()
    budget: BudgetRule = BudgetRule()
    holdout_ppm: int = 0
    freshness_ms: int | None = None
    undo: Undo = Undo()
    priority: int = 0
    exclusive_group: str | None = None


class EngagementRules(Struct, frozen=True):
    """How the score is made: what each event adds, and how fast it fades."""

    half_life_ms: int
    weights: dict[str, float]


class SharingRules(Struct, frozen=True):
    """How long after a visit an order is still its share's, and how many sharers up a chain are rewarded: 1, or 2 where that is said."""

    window_ms: int = 7 * DAY_MS
    depth: int = 1


class RuleSet(Struct, frozen=True):
    """All rules of one owner: a brand's slug or ``alliance``.  Days are those of *timezone* (an IANA name)."""

    owner: str
    timezone: str = "UTC"
    engagement: EngagementRules | None = None
    tags: dict[str, TagRule] = {}
    sharing: SharingRules | None = None
    campaigns: dict[str, Campaign] = {}


_encoder = msgspec.json.Encoder(order="deterministic")
_decoder = msgspec.json.Decoder(RuleSet)


def granularity_ms(within_ms: int) -> int:
    """Tell how finely a window is counted: by the minute to 2 h, by the hour to 3 d, else by the day (RULES 2)."""
    if within_ms <= 2 * HOUR_MS:
        return MINUTE_MS
    return HOUR_MS if within_ms <= 3 * DAY_MS else DAY_MS


def encode(rules: RuleSet) -> bytes:
    """Write *rules* as the published document: equal sets give equal bytes."""
    return _encoder.encode(rules)


def decode(document: bytes) -> RuleSet:
    """Read a published document; raises ``msgspec.DecodeError`` on anything else."""
    return _decoder.decode(document)
