"""The records of ``huiliu.internal.shares``, and what is remembered of a share.

A share is known by (brand, share id).  Members tell of the share event, of
visits and of orders; shares tell each other who stands above whom.  Each is a
msgpack array whose first element says which kind it is; times are integer
milliseconds since 1970 UTC, money integer minor units.

Source: DESIGN 3, CONTRACT 1, RULES 5 (sharing).
"""

from enum import StrEnum
from typing import Final

import msgspec
from msgspec import Struct, field

from schemas.envelope import Happened, Origin
from schemas.fold import STAMP, stamp

EXACT: Final = 1_000
"""Visitors who are known one by one; rewarding visits stops with the last of them."""
KEPT: Final = 64
"""Visits and orders of an unknown share that wait for it."""
LINEAGE: Final = 10
"""Shares above one that are known: what is further up is cut."""
DEEPEST: Final = 2
"""Whom a visit or an order may reward at most: 1 = the sharer, 2 = also whose share they passed on (RULES 5)."""
ASKERS: Final = 64
"""Origin partitions that a share remembers: those of members and of shares, 2 P of them with up to 32 partitions."""
MEMBER: Final = 16


class Refusal(StrEnum):
    """Why a visit or an order earns its sharer nothing."""

    SELF_SHARE = "self_share"
    CONSENT = "consent"
    UNKNOWN = "unknown_share"
    FULL = "full"


class Sharer(Struct, array_like=True, frozen=True):
    """Who shared, and where it counts for them.

    *device* is a hash of the device identity that the share event named, if
    any; *allowed* is False where the share is another brand's and the member
    does not let it cross (CONTRACT 5).
    """

    member: bytes
    brand: str
    device: bytes | None = None
    allowed: bool = True


class Shared(Struct, array_like=True, frozen=True, tag=1):
    """A member passed something on; the first one who did under this share id is its sharer.

    *parent*: the share id that they had it from.
    """

    sharer: Sharer
    parent: str | None = None
    sku: str | None = None
    category: str | None = None


class Moved(Struct, array_like=True, frozen=True, tag=2):
    """The share is kept under its owner, *brand*: whatever comes here goes there."""

    brand: str


class Deed(Struct, array_like=True, frozen=True, tag=3):
    """What a member did with a share: opened it (*order_id* is empty), or bought.

    *was* is what the share was told of the same deed before, *now* what holds:
    None = it never was, or was taken back.  *depth* is what the rules of the
    *brand* where it was done allow; *moved* says that it has been passed on.
    """

    member: bytes
    brand: str
    devices: tuple[bytes, ...]
    depth: int
    order_id: str
    was: Happened | None
    now: Happened | None
    moved: bool = False


class Descends(Struct, array_like=True, frozen=True, tag=4):
    """The share with the key *child* was passed on from this one, and wants to know who stands above."""

    child: bytes
    moved: bool = False


class Lineage(Struct, array_like=True, frozen=True, tag=5):
    """Who stands above a share, nearest first; *final* when that can't change any more."""

    above: tuple[Sharer, ...]
    final: bool


Word = Shared | Moved | Deed | Descends | Lineage


class Ask(Struct, array_like=True, frozen=True):
    """What is told to a share; *index* counts what the record at *origin* told to anybody (DESIGN 2, law 4)."""

    origin: Origin
    index: int
    word: Word


class Last(Struct, array_like=True, frozen=True):
    """The latest deed that earned nothing for a reason: when it happened, and by which event of *brand*."""

    time_ms: int
    brand: str
    event: str


class Share(Struct, array_like=True):
    """What is remembered of a share.

    *marks*: (offset, index) last had of each origin, by number, least recent
    first.  *sharer* is None while nobody is known to have shared.  *above* is
    None until the parent answered; *final* says that it can't change.
    *visitors* are 16 bytes each, at most ``EXACT``; then *crowd*, a packed
    sketch, counts all.  *orders* count that stand.  *refused* counts what
    earned nothing, by reason, *last* is the latest of each.  *deeds* may still be
    judged anew: those of a share that is unknown, or whose lineage is not
    final.  *children* want to hear of a change above them.
    """

    marks: dict[int, tuple[int, int]] = field(default_factory=dict)
    sharer: Sharer | None = None
    parent: str | None = None
    sku: str | None = None
    category: str | None = None
    home: str = ""
    above: tuple[Sharer, ...] | None = None
    final: bool = False
    visitors: bytes = b""
    crowd: bytes = b""
    orders: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    deeds: list[Deed] = field(default_factory=list)
    children: list[bytes] = field(default_factory=list)
    last: dict[str, Last] = field(default_factory=dict)

    @property
    def depth(self) -> int:
        """Tell how far down a chain of shares it stands, 1 = nobody known above; at most ``LINEAGE`` + 1."""
        return len(self.above or ()) + 1


_encode = msgspec.msgpack.Encoder().encode
_asks = msgspec.msgpack.Decoder(Ask)
_shares = msgspec.msgpack.Decoder(Share)


def key_of(brand: str, share_id: str) -> bytes:
    """Key the share *share_id* of *brand*; a brand's name holds no NUL."""
    return f"{brand}\0{share_id}".encode()


def named(key: bytes) -> tuple[str, str]:
    """Read brand and share id from what ``key_of`` made; raises ValueError for anything else."""
    brand, share_id = key.decode().split("\0", 1)
    return brand, share_id


def encode(ask: Ask) -> bytes:
    """Pack *ask* as a value of ``huiliu.internal.shares``."""
    return _encode(ask)


def packed(word: Word, origin: Origin, index: int) -> bytes:
    """Pack what the record at *origin* tells a share as its effect number *index*."""
    return _encode(Ask(origin, index, word))


def decode(value: bytes) -> Ask:
    """Unpack a value of ``huiliu.internal.shares``; raises ``msgspec.DecodeError`` on anything else."""
    return _asks.decode(value)


def pack(offset: int, share: Share) -> bytes:
    """Pack *share* behind the offset folded last."""
    return stamp(offset, _encode(share))


def unpack(packed: bytes) -> Share:
    """Decode what ``pack`` wrote."""
    return _shares.decode(memoryview(packed)[STAMP:])
