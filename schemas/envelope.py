"""The trusted records of ``huiliu.internal.members``.

Each is a msgpack array whose first element says which kind it is, so that one
decode gives a typed record.  Times are integer milliseconds since 1970 UTC,
money integer minor units of its currency.

Source: DESIGN 3, CONTRACT 2.
"""

from typing import Final

import msgspec
from msgspec import Struct

from schemas.effects import Headers

JSON: Final = 0
MSGPACK: Final = 1


class Origin(Struct, array_like=True, frozen=True):
    """Where a record came from.  *topic_id* is Kafka's 16-byte id, so that a topic made again is another origin."""

    topic_id: bytes
    partition: int
    offset: int


class Terms(Struct, array_like=True, frozen=True):
    """What a brand's registration says that the members fold needs; it travels with each event, so that it is in the log."""

    crm_partitions: int = 4
    format: int = JSON
    tags: bool = True
    rewards: bool = True


class Line(Struct, array_like=True, frozen=True, omit_defaults=True):
    """One line of an order; *amount_minor* may be negative (tills send returns and discounts as lines)."""

    line_id: str
    sku: str
    quantity: int | float
    amount_minor: int
    category: str | None = None


class RefundLine(Struct, array_like=True, frozen=True):
    """Part of a refund that takes back some of one line."""

    line_id: str
    quantity: int | float
    amount_minor: int


class Click(Struct, array_like=True, frozen=True, omit_defaults=True, tag=1):
    """A visit of an item or a page."""

    sku: str | None = None
    category: str | None = None
    share_id: str | None = None
    click_id: str | None = None
    first_visit: bool = False


class Share(Struct, array_like=True, frozen=True, omit_defaults=True, tag=2):
    """A member passed something on."""

    share_id: str
    via: str
    sku: str | None = None
    category: str | None = None
    content_id: str | None = None
    parent_share_id: str | None = None
    owner_brand: str | None = None
    room_id: str | None = None


class Order(Struct, array_like=True, frozen=True, omit_defaults=True, tag=3):
    """One status of an order.  *refund_id* and *refund_minor* are there when *status* is ``refunded``, and only then."""

    order_id: str
    status: str
    version: int
    currency: str
    total_minor: int
    lines: tuple[Line, ...] = ()
    refund_id: str | None = None
    refund_minor: int = 0
    refund_lines: tuple[RefundLine, ...] = ()
    share_id: str | None = None
    click_id: str | None = None
    coupons: tuple[str, ...] = ()


class Chat(Struct, array_like=True, frozen=True, omit_defaults=True, tag=4):
    """One message.  *recalls* is there when *msgtype* is ``recall``."""

    conversation_id: str
    message_id: str
    direction: str
    msgtype: str
    text: str | None = None
    recalls: str | None = None


class Coupon(Struct, array_like=True, frozen=True, omit_defaults=True, tag=5):
    """A coupon was claimed, redeemed or expired."""

    status: str
    reward_id: str | None = None
    coupon_code: str | None = None
    order_id: str | None = None


class ConsentGiven(Struct, array_like=True, frozen=True, tag=6):
    """An event that says nothing but its consent."""


class Consent(Struct, array_like=True, frozen=True):
    """What a member allows; None = this statement does not say.  The highest (version, at_ms) stands."""

    tags: bool | None
    rewards: bool | None
    alliance: bool | None
    recipients: tuple[str, ...]
    version: int
    at_ms: int


Facts = Click | Share | Order | Chat | Coupon | ConsentGiven


class Event(Struct, array_like=True, frozen=True, tag=1):
    """A brand's event that intake trusts.  The record's key is the member key (16 bytes).

    *time_ms* is the effective event time, never above *append_ms* (the brand
    topic's append time).  *id_hash* (6 bytes) and *body_hash* (4 bytes) are
    keyed hashes of (brand, source, id) and of the decoded event without its
    trace context.  *event* is the complete event as one map in the brand's
    CRM format; None when *value* is just that.  *key*, *value*, *headers* are
    the brand's record as it came, for a dead letter from any later stage.
    *device* is a keyed hash of the device identity that it names, of events
    that a share may be told of.  *channel* is its ``context.channel``.
    """

    brand: str
    terms: Terms
    origin: Origin
    append_ms: int
    time_ms: int
    id: str
    id_hash: bytes
    body_hash: bytes
    facts: Facts
    consent: Consent | None
    event: bytes | None
    key: bytes | None
    value: bytes
    headers: Headers
    device: bytes | None = None
    channel: str | None = None


class Tick(Struct, array_like=True, frozen=True, tag=2):
    """Time went on.  The ticker's time; it counts up to the record's own append time."""

    time_ms: int


class RulesSet(Struct, array_like=True, frozen=True, tag=3):
    """A published rule set.  *version* is its offset in ``huiliu.internal.rules``; *document* the rules as JSON, None = withdrawn."""

    owner: str
    version: int
    document: bytes | None


class ManifestRequest(Struct, array_like=True, frozen=True, tag=4):
    """State what each brand has been sent: a worker asks for it when it stops."""


class Answer(Struct, array_like=True, frozen=True, tag=5):
    """What budgets decided on a reward that was asked for; *refused* says why not, None = granted.

    *index* counts what the record at *origin* told to anybody (DESIGN 2, law 4).
    *asked_ms* is the clock at which it was asked for; 0 = not known.
    """

    origin: Origin
    index: int
    brand: str
    campaign: str
    reward_id: bytes
    refused: str | None = None
    asked_ms: int = 0


class Happened(Struct, array_like=True, frozen=True):
    """A visit or an order, as far as whoever brought it about may know: when, and by which event *id*; of an order what it came to."""

    time_ms: int
    append_ms: int
    id: str
    currency: str = ""
    total_minor: int = 0
    refunded_minor: int = 0


class ShareTold(Struct, array_like=True, frozen=True, tag=6):
    """A share tells its sharer of a visit (*order_id* is empty) or an order: it was *was* and is *now*, None = not, or not any more.

    *index* counts what the record at *origin* told to anybody.  *brand* is
    where it counts for the sharer; *cause* names the deed, the same each time;
    *depth* is 1 for the sharer of the very share.  *revocable* says that it
    may be taken back.
    """

    origin: Origin
    index: int
    brand: str
    share_id: str
    order_id: str
    cause: bytes
    depth: int
    revocable: bool
    sku: str | None
    category: str | None
    was: Happened | None
    now: Happened | None


Envelope = Event | Tick | RulesSet | ManifestRequest | Answer | ShareTold

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Envelope] = msgspec.msgpack.Decoder(Envelope)


def encode(envelope: Envelope) -> bytes:
    """Pack *envelope* as a value of ``huiliu.internal.members``."""
    return _encoder.encode(envelope)


decode: Final = _decoder.decode
"""Unpacks a value of ``huiliu.internal.members``; raises ``msgspec.DecodeError`` on anything else."""
