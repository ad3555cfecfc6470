"""The shares fold: one partition of ``huiliu.internal.shares``.

What members ask is heard by the share that it is for (``streams/shares``);
what that share says goes to its sharer's partition of members, or to another
share.

Source: DESIGN 2 and 3, RULES 5 (sharing).
"""

from collections.abc import Collection, Mapping, Sequence
from hashlib import blake2b
from typing import Final

import msgspec

from schemas import envelope, shares, topics
from schemas.effects import Effect
from schemas.envelope import Happened, Origin, ShareTold
from schemas.fold import STAMP, Folded, Home, Record, stamp
from schemas.shares import ASKERS, Ask, Deed, Share, Word
from streams import dedupe
from streams.crowd import Crowd
from streams.shares import Passed, Told, hear

ORIGINS: Final = b"\0origins"
CAUSE: Final = 8

_origins = msgspec.msgpack.Decoder(list[tuple[bytes, int]])
_encode = msgspec.msgpack.Encoder().encode


class Live:
    """A share in the batch's working set."""

    __slots__ = ("crowd", "offset", "share")

    def __init__(self, share: Share) -> None:
        self.share, self.offset = share, -1
        self.crowd = Crowd(share.crowd)


class SharesFold:
    """See ``schemas.fold.PartitionFold`` for how it is called.

    *refused* counts, by (brand, reason), what earned nothing, for all
    partitions of a worker: whoever tells it takes it out.
    """

    def __init__(self, refused: dict[tuple[str, str], int]) -> None:
        self.culprit: bytes | None = None
        self._tally = refused
        self._states: Mapping[bytes, bytes] = {}
        self._origins: dict[tuple[bytes, int], int] = {}
        self._clock_ms = 0
        self.begin()

    def restore(self, home: Home, states: Mapping[bytes, bytes], clock_ms: int) -> None:
        """Begin from what was committed."""
        self._home, self._states, self._clock_ms = home, states, clock_ms
        packed = states.get(ORIGINS)
        self._origins = {origin: number for number, origin in enumerate(_origins.decode(packed[STAMP:]))} if packed else {}
        self.begin()

    def begin(self, skip: Collection[tuple[int, bytes]] = ()) -> None:  # noqa: ARG002 - no record has a culprit's key
        """Open a batch."""
        self._live: dict[bytes, Live] = {}
        self._effects: list[Effect] = []
        self._now_ms = self._clock_ms
        self._origins_before = len(self._origins)
        self._origins_at = -1
        self._refused: dict[tuple[str, str], int] = {}

    def fold(self, record: Record) -> None:
        """Let the share hear one record.  Raises for a bug only, or for a record that no stage of ours wrote."""
        ask, key = shares.decode(record.value or b""), record.key or b""
        self._now_ms = max(self._now_ms, record.timestamp)
        live = self._load(key, record.offset)
        if self._had(live.share, ask, record.offset):
            return
        before = dict(live.share.refused)
        said = hear(live.share, key, ask.word, live.crowd)
        self._count(live.share, ask.word, before)
        here = Origin(self._home.topic_id, self._home.partition, record.offset)
        for index, one in enumerate(said):
            self._effects.append(self._told(live.share, key, one, here, index) if isinstance(one, Told) else self._passed(one, here, index))

    def refuse(self, record: Record, bug: BaseException) -> None:
        """Pass over an ask that raised: the event itself is with its brand's CRM, only its share does not hear of it."""

    def commit(self) -> Folded:
        """Close the batch."""
        states: dict[bytes, bytes | None] = {}
        for key, live in self._live.items():
            live.share.crowd = live.crowd.packed()
            states[key] = shares.pack(live.offset, live.share)
        if len(self._origins) > self._origins_before:
            states[ORIGINS] = stamp(self._origins_at, _encode(list(self._origins)))
        for what, times in self._refused.items():
            self._tally[what] = self._tally.get(what, 0) + times
        self._clock_ms = self._now_ms
        folded = Folded(self._effects, states, self._clock_ms)
        self.begin()
        return folded

    @property
    def effects(self) -> Sequence[Effect]:
        """Give what the open batch tells others so far."""
        return self._effects

    def abort(self) -> None:
        """Forget the batch."""
        for origin in list(self._origins)[self._origins_before :]:
            del self._origins[origin]
        self.begin()

    def _load(self, key: bytes, offset: int) -> Live:
        live = self._live.get(key)
        if live is None:
            shares.named(key)
            packed = self._states.get(key)
            live = self._live[key] = Live(Share() if packed is None else shares.unpack(packed))
        live.offset = offset
        return live

    def _had(self, share: Share, ask: Ask, offset: int) -> bool:
        """Tell whether *share* heard *ask* before (DESIGN 2, law 4)."""
        origin = (ask.origin.topic_id, ask.origin.partition)
        number = self._origins.get(origin)
        if number is None:
            number = self._origins[origin] = len(self._origins)
            self._origins_at = offset
        return dedupe.heard(share.marks, number, ask.origin.offset, ask.index, ASKERS)

    def _count(self, share: Share, word: Word, before: Mapping[str, int]) -> None:
        """Count what was refused just now, at the sharer's brand: an owner that a share names may be no brand at all."""
        brand = share.sharer.brand if share.sharer is not None else word.brand if isinstance(word, Deed) else topics.INTERNAL
        for reason, times in share.refused.items():
            if more := times - before.get(reason, 0):
                self._refused[brand, reason] = self._refused.get((brand, reason), 0) + more

    def _told(self, share: Share, key: bytes, told: Told, here: Origin, index: int) -> Effect:
        """Tell the sharer.  Another brand's event ids are not theirs to see: the share's own id stands for them."""
        deed, member, brand = told.deed, told.sharer.member, told.sharer.brand
        share_id = shares.named(key)[1]
        own = deed.brand == brand
        word = ShareTold(
            here,
            index,
            brand,
            share_id,
            deed.order_id,
            blake2b(b"%b\0%b\0%b" % (key, deed.member, deed.order_id.encode()), digest_size=CAUSE).digest(),
            told.depth,
            bool(deed.order_id) or not share.final,
            share.sku,
            share.category,
            told.was if own else _without_id(told.was, share_id),
            told.now if own else _without_id(told.now, share_id),
        )
        partition = topics.member_partition(member, self._home.partitions)
        return Effect(topics.MEMBERS, partition, member, envelope.encode(word))

    def _passed(self, passed: Passed, here: Origin, index: int) -> Effect:
        partition = topics.keyed_partition(passed.key, self._home.partitions)
        return Effect(topics.SHARES, partition, passed.key, shares.encode(Ask(here, index, passed.word)))


def _without_id(one: Happened | None, share_id: str) -> Happened | None:
    if one is None:
        return None
    return Happened(one.time_ms, one.append_ms, share_id, one.currency, one.total_minor, one.refunded_minor)
