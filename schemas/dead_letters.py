"""A refused record, kept whole.

Source: CONTRACT 2.
"""

from typing import Final, NamedTuple

from schemas.effects import Headers
from schemas.envelope import Event, Origin
from schemas.refusals import Refused
from schemas.scalars import Instant

REASON: Final = "huiliu-reason"
DETAIL: Final = "huiliu-detail"
TOPIC: Final = "huiliu-topic"
TOPIC_ID: Final = "huiliu-topic-id"
PARTITION: Final = "huiliu-partition"
OFFSET: Final = "huiliu-offset"
AT: Final = "huiliu-at"
HEADERS: Final = frozenset({REASON, DETAIL, TOPIC, TOPIC_ID, PARTITION, OFFSET, AT})


class DeadLetter(NamedTuple):
    """A brand's record as it came, from *origin* in the brand's events topic, and why it was *refused*."""

    brand: str
    origin: Origin
    append_ms: Instant
    key: bytes | None
    value: bytes | None
    headers: Headers
    refused: Refused


def dead_letter_of(event: Event, refused: Refused) -> DeadLetter:
    """Put the record of a trusted *event* aside, from a stage after intake."""
    return DeadLetter(event.brand, event.origin, event.append_ms, event.key, event.value, event.headers, refused)
