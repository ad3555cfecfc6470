"""What is remembered of a member: the working form, and how it is packed.

Everything is packed as one msgpack array, so that a member is a few hundred
bytes.  Times are integer milliseconds since 1970 UTC, buckets are numbers of
minutes, hours or local days (``streams/windows``), money is in minor units.

The fold rewrites these in the batch's working set only; what is committed is
the packed form.  Plain classes, not msgspec's: mypyc makes fields of these
that are read by their address, and an event reads some three hundred (a third
of the members' CPU, by instructions).

Source: DESIGN 3 and 4, RULES 2 to 4, CONTRACT 2 and 5.
"""

from typing import Any, Final

import msgspec

from schemas.envelope import Consent
from schemas.fold import STAMP, stamp
from schemas.rewards import Earned, pack_earned, unpack_earned
from schemas.state import (
    Order,
    Orders,
    Sharing,
    Talk,
    pack_order,
    pack_orders,
    pack_sharing,
    pack_talk,
    unpack_order,
    unpack_orders,
    unpack_sharing,
    unpack_talk,
)

Buckets = dict[int, int]
Recent = bytes
"""Up to five (event time, event id, offset), latest first, packed by ``streams/evidence``: most are never looked at."""


class Score:
    """Engagement as one number: its *value* at the landmark *at_ms*, from which it decays; *events* that it holds."""

    __slots__ = ("at_ms", "events", "value")

    def __init__(self, value: float = 0.0, at_ms: int = 0, events: int = 0) -> None:
        self.value = value
        self.at_ms = at_ms
        self.events = events


class Opened:
    """What of a brand's state was unpacked in this batch, and which of it has changed since.

    *orders* are all, each packed, of *orders_bytes* together; *at_hand* those that were looked into.
    """

    __slots__ = (
        "at_hand", "earned", "earned_changed", "orders", "orders_bytes", "orders_changed", "sharing", "sharing_changed", "talk",
        "talk_changed",
    )  # fmt: skip

    def __init__(self) -> None:
        self.orders: Orders | None = None
        self.at_hand: dict[str, Order] = {}
        self.orders_bytes = 0
        self.orders_changed = False
        self.talk: Talk | None = None
        self.talk_changed = False
        self.sharing: Sharing | None = None
        self.sharing_changed = False
        self.earned: Earned | None = None
        self.earned_changed = False


class BrandState:
    """What one brand has seen of a member.

    *tags* are those that hold, by name, with the clock at which each was
    entered; *withheld* says that the CRM has been told of none.  *counts* and
    *values* are by counter id (``streams/ruleset``): how often in each bucket,
    and that for each value; *value_events* are the latest events of each value.
    *recent* is by event name or counter id.  *ids* is a ring of id and body
    hashes, *coupons* of natural keys.  *order_count* and *spend* (by currency)
    add up *orders*, a packed ``Orders``; *pruned_day* (UTC) is the day of the
    last look for old ones.  *talk* is a packed ``Talk``, *sharing* a packed
    ``Sharing``, *rewards* a packed ``schemas.rewards.Earned``: empty where nothing was
    ever shared or earned; *expires_ms* is the clock at which the first open reward
    expires.  Times: 0 = never.

    *orders*, *talk*, *sharing* and *rewards* are asked for and changed by the
    methods: each is unpacked once a batch, by the first event that asks, and
    ``close`` packs what changed.
    """

    __slots__ = (
        "active_ms", "alliance", "chat_ms", "click_ms", "consent", "counts", "coupons", "expires_ms", "first_ms", "ids", "opened",
        "order_count", "order_ms", "orders", "pruned_day", "recent", "rewards", "score", "share_ms", "sharing", "spend", "tags", "talk",
        "value_events", "values", "withheld",
    )  # fmt: skip

    def __init__(self) -> None:
        self.first_ms = 0
        self.click_ms = 0
        self.share_ms = 0
        self.order_ms = 0
        self.chat_ms = 0
        self.active_ms = 0
        self.withheld = False
        self.tags: dict[str, int] = {}
        self.counts: dict[int, Buckets] = {}
        self.values: dict[int, dict[str, Buckets]] = {}
        self.value_events: dict[int, dict[str, Recent]] = {}
        self.recent: dict[str | int, Recent] = {}
        self.score: Score | None = None
        self.alliance: Score | None = None
        self.ids = b""
        self.coupons = b""
        self.order_count = 0
        self.spend: dict[str, int] = {}
        self.orders = b""
        self.pruned_day = 0
        self.talk = b""
        self.consent: Consent | None = None
        self.sharing = b""
        self.rewards = b""
        self.expires_ms = 0
        self.opened: Opened | None = None

    def _open(self) -> Opened:
        if self.opened is None:
            self.opened = Opened()
        return self.opened

    def read_orders(self) -> Orders:
        """Give all orders that are kept, each packed; to change them is for ``put_order`` and ``drop_order``."""
        opened = self._open()
        if opened.orders is None:
            opened.orders = unpack_orders(self.orders)
            opened.orders_bytes = len(self.orders) - (1 if len(opened.orders) < 16 else 3) if self.orders else 0
        return opened.orders

    def order(self, order_id: str) -> Order | None:
        """Give an order, to look at; or to change, if ``put_order`` follows.  None for one that is not kept."""
        opened = self._open()
        order = opened.at_hand.get(order_id)
        if order is None:
            packed = self.read_orders().get(order_id)
            if packed is None:
                return None
            order = opened.at_hand[order_id] = unpack_order(packed)
        return order

    def put_order(self, order_id: str, order: Order) -> None:
        """Keep an order, new or changed."""
        kept, opened = self.read_orders(), self._open()
        packed, before = pack_order(order), kept.get(order_id)
        opened.orders_bytes += _entry_bytes(order_id, packed) - (0 if before is None else _entry_bytes(order_id, before))
        kept[order_id], opened.at_hand[order_id] = packed, order
        opened.orders_changed = True

    def drop_order(self, order_id: str) -> None:
        """Forget an order."""
        kept, opened = self.read_orders(), self._open()
        opened.orders_bytes -= _entry_bytes(order_id, kept.pop(order_id))
        opened.at_hand.pop(order_id, None)
        opened.orders_changed = True

    def orders_bytes(self) -> int:
        """Tell how many bytes all orders take, packed, but for the head of them all: the same however batches fall."""
        self.read_orders()
        return self._open().orders_bytes

    def read_talk(self) -> Talk:
        """Give the last messages, to look at."""
        opened = self._open()
        if opened.talk is None:
            opened.talk = unpack_talk(self.talk)
        return opened.talk

    def edit_talk(self) -> Talk:
        """Give the last messages, to change."""
        self._open().talk_changed = True
        return self.read_talk()

    def may_have(self, message: bytes) -> bool:
        """Tell whether the key of *message* may be among the last ones: without unpacking them, where that can be told so."""
        opened = self.opened
        if opened is None or opened.talk is None or not opened.talk_changed:
            return message in self.talk
        return any(message in packed for packed in opened.talk.messages)

    def has_sharing(self) -> bool:
        """Tell whether the member ever had to do with a share."""
        return self.sharing != b"" or (self.opened is not None and self.opened.sharing_changed)

    def read_sharing(self) -> Sharing:
        """Give what the member has to do with shares, to look at."""
        opened = self._open()
        if opened.sharing is None:
            opened.sharing = unpack_sharing(self.sharing)
        return opened.sharing

    def edit_sharing(self) -> Sharing:
        """Give what the member has to do with shares, to change."""
        self._open().sharing_changed = True
        return self.read_sharing()

    def has_earned(self) -> bool:
        """Tell whether anything is remembered of rewards."""
        return self.rewards != b"" or (self.opened is not None and self.opened.earned_changed)

    def read_earned(self) -> Earned:
        """Give what the member earned, to look at; or to change, if ``keep_earned`` follows."""
        opened = self._open()
        if opened.earned is None:
            opened.earned = unpack_earned(self.rewards)
        return opened.earned

    def keep_earned(self, empty: bool) -> None:
        """Let what ``read_earned`` gave stand as it was changed; *empty*: there is nothing in it."""
        opened = self._open()
        opened.earned_changed = not empty
        if empty:
            self.rewards, opened.earned = b"", None

    def close(self) -> None:
        """Pack what changed."""
        opened, self.opened = self.opened, None
        if opened is None:
            return
        if opened.orders_changed and opened.orders is not None:
            self.orders = pack_orders(opened.orders)
        if opened.talk_changed and opened.talk is not None:
            self.talk = pack_talk(opened.talk)
        if opened.sharing_changed and opened.sharing is not None:
            self.sharing = pack_sharing(opened.sharing)
        if opened.earned_changed and opened.earned is not None:
            self.rewards = pack_earned(opened.earned)


def _entry_bytes(order_id: str, packed: bytes) -> int:
    """Count what an order takes among the others, in msgpack: its id as text, itself as bytes, and the head of each."""
    named, size = len(order_id.encode()), len(packed)
    return named + size + (1 if named < 32 else 2 if named < 256 else 3) + (2 if size < 256 else 3 if size < 65_536 else 5)


class Member:
    """A member: marks by origin number (least recent first), and what each brand has seen.

    *heard* are the marks, (offset, index), of what other stages of ours told them.
    """

    __slots__ = ("brands", "heard", "marks")

    def __init__(self) -> None:
        self.marks: dict[int, int] = {}
        self.brands: dict[str, BrandState] = {}
        self.heard: dict[int, tuple[int, int]] = {}


DUE: Final = 8
BODY: Final = STAMP + DUE
NEVER: Final = (1 << 62) - 1
"""No clock comes to it, and compiled code compares it in place."""

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder().decode


def pack_member(offset: int, due_ms: int, member: Member) -> bytes:
    """Pack *member* behind the offset folded last and the clock at which it is due (``NEVER`` = at none)."""
    for state in member.brands.values():
        state.close()
    packed: bytes = _encode([member.marks, {brand: _as_list(state) for brand, state in member.brands.items()}, member.heard])
    return stamp(offset, due_ms.to_bytes(DUE, "big") + packed)


def due_of(packed: bytes) -> int:
    """Read when a packed member is due, without decoding it."""
    return int.from_bytes(packed[STAMP:BODY], "big")


def unpack_member(packed: bytes) -> Member:
    """Decode a packed member; raises ``msgspec.DecodeError`` for bytes that ``pack_member`` did not write."""
    member = Member()
    raw: list[Any] = _decode(packed[BODY:])
    member.marks = raw[0]
    brands: dict[str, list[Any]] = raw[1]
    for brand, fields in brands.items():
        member.brands[brand] = _from_list(fields)
    heard: dict[int, list[int]] = raw[2]
    for origin, mark in heard.items():
        member.heard[origin] = (mark[0], mark[1])
    return member


def _as_list(state: BrandState) -> list[Any]:
    return [
        state.first_ms,
        state.click_ms,
        state.share_ms,
        state.order_ms,
        state.chat_ms,
        state.active_ms,
        state.withheld,
        state.tags,
        state.counts,
        state.values,
        state.value_events,
        state.recent,
        _score_as_list(state.score),
        _score_as_list(state.alliance),
        state.ids,
        state.coupons,
        state.order_count,
        state.spend,
        state.orders,
        state.pruned_day,
        state.talk,
        state.consent,
        state.sharing,
        state.rewards,
        state.expires_ms,
    ]


def _from_list(raw: list[Any]) -> BrandState:
    state = BrandState()
    state.first_ms = raw[0]
    state.click_ms = raw[1]
    state.share_ms = raw[2]
    state.order_ms = raw[3]
    state.chat_ms = raw[4]
    state.active_ms = raw[5]
    state.withheld = raw[6]
    state.tags = raw[7]
    state.counts = raw[8]
    state.values = raw[9]
    state.value_events = raw[10]
    state.recent = raw[11]
    state.score = _score_from_list(raw[12])
    state.alliance = _score_from_list(raw[13])
    state.ids = raw[14]
    state.coupons = raw[15]
    state.order_count = raw[16]
    state.spend = raw[17]
    state.orders = raw[18]
    state.pruned_day = raw[19]
    state.talk = raw[20]
    state.consent = None if raw[21] is None else msgspec.convert(raw[21], Consent)
    state.sharing = raw[22]
    state.rewards = raw[23]
    state.expires_ms = raw[24]
    return state


def _score_as_list(score: Score | None) -> list[Any] | None:
    return None if score is None else [score.value, score.at_ms, score.events]


def _score_from_list(raw: list[Any] | None) -> Score | None:
    return None if raw is None else Score(raw[0], raw[1], raw[2])
