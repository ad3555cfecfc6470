"""A checked rule set, as it is published in ``huiliu.internal.rules``.

The file that a marketer writes is checked and normalised first
(``streams.rules_check``): durations are integer milliseconds, money integer
minor units of its currency, event names sorted tuples without repeats.  What
is published is the JSON of these types, so a stage never meets YAML, a
spelling mistake or a unit.

Source: RULES 2 and 3.
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


Clause = Count | Sum | Top | Distinct | Keywords | Silent | Engaged | All | AnyOf | Not | TagRef
TagRule = Clause


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
