"""What is remembered beside and within a member (``schemas/member_state``): orders, messages, books, rule sets.

Everything is a msgpack array.  Times are integer milliseconds since 1970 UTC,
money is in minor units.

Source: DESIGN 3 and 4, RULES 2 to 4, CONTRACT 2 and 5.
"""

from typing import Any, Final

import msgspec
from msgspec import Struct, field

from schemas.envelope import Happened, Line, RefundLine, Terms
from schemas.fold import stamp

MARKS: Final = 8
RING: Final = 64
EVIDENCE: Final = 5
VALUES: Final = 64
ORDERS: Final = 1_000
TOUCHES: Final = 16
CREDITS: Final = 1_000
KEPT_MS: Final = 400 * 86_400_000
ID_HASH: Final = 6
BODY_HASH: Final = 4


class StatusRecord(Struct, array_like=True, frozen=True):
    """The highest version of one status of an order: what it added, and under which weights, so that it can be taken out."""

    version: int
    time_ms: int
    offset: int
    total_minor: int
    currency: str
    weight: float
    alliance_weight: float
    id: str
    lines: tuple[Line, ...]


class RefundRecord(Struct, array_like=True, frozen=True):
    """One refund of an order."""

    amount_minor: int
    currency: str
    time_ms: int
    lines: tuple[RefundLine, ...]


class Attribution(Struct, array_like=True):
    """Which share an order is credited to.

    *share_id*, *click_id* and *device* are those that the lowest *version*
    named that names any; *to* is the share that stands, by a visit at
    *touched_ms* (0: the order itself names it), and *told* what it was told of
    the order, with the same *devices* and *depth* each time.
    """

    version: int = -1
    share_id: str | None = None
    click_id: str | None = None
    device: bytes | None = None
    to: str | None = None
    touched_ms: int = 0
    told: Happened | None = None
    devices: tuple[bytes, ...] = ()
    depth: int = 1


class Order(Struct, array_like=True):
    """An order, whatever came of it so far.

    *statuses* by name; *versions* holds (status, total, currency) of every
    accepted version, to tell a copy from a contradiction; *refunds* by id;
    *last_ms* is its latest event time.  *attribution* is there once a share or
    a click was named.
    """

    statuses: dict[str, StatusRecord]
    versions: dict[int, tuple[str, int, str]]
    refunds: dict[str, RefundRecord]
    last_ms: int
    attribution: Attribution | None = None


Orders = dict[str, bytes]
"""Orders by id, each packed by ``pack_order``, so that only the touched one is decoded."""


class Message(Struct, array_like=True):
    """One of the last messages: what it added, so that a recall can take it out.  *keywords*: the counters that it matched."""

    key: bytes
    name: str
    time_ms: int
    offset: int
    weight: float
    alliance_weight: float
    id: str
    keywords: tuple[int, ...]


class Talk(Struct, array_like=True):
    """A member's last messages at a brand, latest last, and the recalls whose message has not come yet.

    Each message is packed by ``pack_message``: one that is added leaves the others as they are.
    """

    messages: list[bytes] = field(default_factory=list)
    recalled: list[bytes] = field(default_factory=list)


class Touch(Struct, array_like=True, frozen=True):
    """A share that a member came by: *opened* by a click, or passed on."""

    time_ms: int
    share_id: str
    click_id: str | None
    device: bytes | None
    opened: bool


class Credit(Struct, array_like=True, frozen=True):
    """A visit or an order at a member's share, as it counted: so that it can be taken out."""

    name: str
    time_ms: int
    offset: int
    id: str
    weight: float
    alliance_weight: float


class Sharing(Struct, array_like=True):
    """The shares a member came by lately, earliest first, and by cause what their own shares brought them, first told first."""

    touches: list[Touch] = field(default_factory=list)
    credits: dict[bytes, Credit] = field(default_factory=dict)


class Book(Struct, array_like=True):
    """What a brand has been sent from a partition: its sequence, and what the next manifest will state.

    *first* is the sequence that the manifest will begin with, *chain* the
    SHA-256 chain over the ids since then.
    """

    terms: Terms = field(default_factory=Terms)
    sequence: int = 0
    first: int = 1
    chain: bytes = bytes(32)
    duplicates: int = 0
    crashed: int = 0


class CounterEntry(Struct, array_like=True, frozen=True):
    """A counter of a rule set: its id, and where and when it began to count."""

    id: int
    since_offset: int
    since_ms: int


class Rules(Struct, array_like=True):
    """A rule set as it stands in a partition.

    *counters* by hash of their definition; *half_lives* as (clock from which
    it holds, half-life in ms), oldest first; the score counts what was folded
    after *scored_since* (an offset).
    """

    version: int
    document: bytes | None
    counters: dict[bytes, CounterEntry]
    half_lives: list[tuple[int, int]]
    next_id: int = 0
    scored_since: int = -1


_encode = msgspec.msgpack.Encoder().encode
_talks = msgspec.msgpack.Decoder(Talk)
_sharings = msgspec.msgpack.Decoder(Sharing)
_messages = msgspec.msgpack.Decoder(Message)
_all_orders = msgspec.msgpack.Decoder(Orders)
_orders = msgspec.msgpack.Decoder(Order)


def pack_order(order: Order) -> bytes:
    """Pack *order* behind its latest event time."""
    return order.last_ms.to_bytes(8, "big") + _encode(order)


def unpack_order(packed: bytes) -> Order:
    """Decode what ``pack_order`` wrote."""
    return _orders.decode(memoryview(packed)[8:])


def order_last_ms(packed: bytes) -> int:
    """Read the latest event time of a packed order."""
    return int.from_bytes(packed[:8], "big")


def pack_orders(orders: Orders) -> bytes:
    """Pack all orders of a member at a brand."""
    return _encode(orders)


def unpack_orders(packed: bytes) -> Orders:
    """Decode what ``pack_orders`` wrote; nothing where there was never an order."""
    return _all_orders.decode(packed) if packed else {}


def pack_message(message: Message) -> bytes:
    """Pack one message; its key is in the packed bytes as it is."""
    return _encode(message)


def unpack_message(packed: bytes) -> Message:
    """Decode what ``pack_message`` wrote."""
    return _messages.decode(packed)


def pack_talk(talk: Talk) -> bytes:
    """Pack a member's last messages."""
    return _encode(talk)


def unpack_talk(packed: bytes) -> Talk:
    """Decode what ``pack_talk`` wrote; nothing where nobody ever spoke."""
    return _talks.decode(packed) if packed else Talk()


def pack_sharing(sharing: Sharing) -> bytes:
    """Pack what a member has to do with shares; never empty."""
    return _encode(sharing)


def unpack_sharing(packed: bytes) -> Sharing:
    """Decode what ``pack_sharing`` wrote; nothing where nothing was ever shared."""
    return _sharings.decode(packed) if packed else Sharing()


def pack(offset: int, state: Struct | list[Any]) -> bytes:
    """Pack a partition-level state (books, rules, origins)."""
    return stamp(offset, _encode(state))
