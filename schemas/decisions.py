"""What the members fold decides, as data; the agents hand it to the sinks.

Source: DESIGN 2 (law 5), CONTRACT 2 and 3.
"""

from typing import NamedTuple

from schemas.crm import CrmRecord
from schemas.dead_letters import DeadLetter
from schemas.effects import Effect


class Noted(NamedTuple):
    """Something that an operator should be able to count: *what* of the closed list below, *times*, at *brand*."""

    what: str
    brand: str
    times: int


class Rewarded(NamedTuple):
    """What became of a trigger, or of a reward, of *campaign*: an operator counts it."""

    campaign: str
    outcome: str


class Answered(NamedTuple):
    """Budgets answered what *brand*'s member asked for when the clock was *asked_ms*."""

    brand: str
    asked_ms: int


REPLAYED = "replayed"
DUPLICATE = "duplicate"
REFUND_WITHOUT_ORDER = "refund_without_order"
VALUES_FORGOTTEN = "values_forgotten"
SHARE_VISITED = "share_visited"
SHARE_ORDERED = "share_ordered"
SHARE_TAKEN_BACK = "share_taken_back"
NOTES = (REPLAYED, DUPLICATE, REFUND_WITHOUT_ORDER, VALUES_FORGOTTEN, SHARE_VISITED, SHARE_ORDERED, SHARE_TAKEN_BACK)

Decision = CrmRecord | DeadLetter | Noted | Rewarded | Answered | Effect
"""An ``Effect`` is a word to another stage of ours: it is sent as it is."""


class Decided(NamedTuple):
    """What a batch of a partition came to: decisions in order, packed states that changed, the clock."""

    decisions: list[Decision]
    states: dict[bytes, bytes | None]
    clock_ms: int
