"""The job: per member a count, a sum and the last item; each event's enriched copy goes out.

Events are MessagePack maps of 290 bytes.
"""

from random import Random
from typing import NamedTuple

import msgspec

MEMBERS = 10_000
EVENT_BYTES = 290


class Job(NamedTuple):
    """What a contender is told: *total* events of the topic *source*, which has no more, to *output*; what it is called in Kafka.

    Of the events so many *warm* it up, where it needs that; the figure is of the others.
    """

    servers: str
    source: str
    app_id: str
    output: str
    partitions: int
    total: int
    warm: int = 0

    @property
    def changelog(self) -> str:
        """Name the topic for states, as the engine does."""
        return f"{self.app_id}-bench-changelog"


class Event(msgspec.Struct):
    """What happened."""

    id: str
    member: str
    amount: int
    item: str
    note: str


class Counted(msgspec.Struct, array_like=True):
    """What is remembered of a member."""

    count: int = 0
    total: int = 0
    last: str = ""
    note: str = ""


class Enriched(msgspec.Struct, array_like=True):
    """What is told of an event."""

    id: str
    member: str
    count: int
    total: int


_events = msgspec.msgpack.Decoder(Event)
_states = msgspec.msgpack.Decoder(Counted)
_outputs = msgspec.msgpack.Decoder(Enriched)
_json_outputs = msgspec.json.Decoder(Enriched)
_encoder = msgspec.msgpack.Encoder()
decode_event, decode_state, encode = _events.decode, _states.decode, _encoder.encode


def advance(state: Counted, event: Event) -> bytes:
    """Fold *event* into *state* and word what goes out."""
    state.count += 1
    state.total += event.amount
    state.last = event.item
    state.note = event.note[:100]
    return encode(Enriched(event.id, event.member, state.count, state.total))


def decode_output(value: bytes) -> Enriched:
    """Read an output, packed or JSON."""
    return _json_outputs.decode(value) if value[:1] == b"[" else _outputs.decode(value)


def outputs(count: int) -> dict[str, list[Enriched]]:
    """Say what has to come out for ``events(count)``, for each member in order; by arithmetic of its own."""
    sums: dict[str, list[int]] = {}
    told: dict[str, list[Enriched]] = {}
    for _, value in events(count):
        event = decode_event(value)
        amounts = sums.setdefault(event.member, [])
        amounts.append(event.amount)
        told.setdefault(event.member, []).append(Enriched(event.id, event.member, len(amounts), sum(amounts)))
    return told


def events(count: int) -> list[tuple[bytes, bytes]]:
    """Make *count* events of as many bytes as the figures say, by member."""
    random = Random(7)
    made = []
    for number in range(count):
        member = f"member-{random.randrange(MEMBERS):06d}"
        event = Event(f"event-{number:09d}", member, random.randrange(10_000), f"item-{random.randrange(5_000):06d}", "")
        event.note = random.randbytes(128).hex()[: EVENT_BYTES - len(encode(event)) - 2]
        made.append((member.encode(), encode(event)))
    return made
