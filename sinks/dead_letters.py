"""A brand's dead letters: its own record, untouched, with headers that say why.

Source: CONTRACT 2.
"""

from base64 import urlsafe_b64encode

from schemas import dead_letters as names
from schemas import topics
from schemas.dead_letters import DeadLetter
from schemas.effects import Effect, Headers
from schemas.scalars import instant_text


def record(letter: DeadLetter) -> Effect:
    """Word *letter* for the brand's dead-letter topic, in the partition that it had among the events."""
    return Effect(topics.dead_letters(letter.brand), letter.origin.partition, letter.key, letter.value, _headers(letter))


def _headers(letter: DeadLetter) -> Headers:
    """Keep the record's own headers and add ours; one that came back from here gets new ones.

    The topic's id is spelt as Kafka's own tools do.
    """
    own = tuple(header for header in letter.headers if header[0] not in names.HEADERS)
    reason, detail = letter.refused
    return (
        *own,
        (names.REASON, reason.encode()),
        (names.DETAIL, detail.encode("utf-8", "replace")),
        (names.TOPIC, topics.events(letter.brand).encode()),
        (names.TOPIC_ID, urlsafe_b64encode(letter.origin.topic_id).rstrip(b"=")),
        (names.PARTITION, b"%d" % letter.origin.partition),
        (names.OFFSET, b"%d" % letter.origin.offset),
        (names.AT, instant_text(letter.append_ms).encode()),
    )
