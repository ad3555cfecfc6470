"""Who brought whom: what a share makes of what it is told.

``hear`` takes one word.  While a share is unknown, visits and orders are kept;
once somebody shared it they are judged: a visit of one's own, from the
sharer's device, or by somebody who stands above in the chain of shares earns
nothing.  A share that was passed on asks its parent who stands above, and
judges when it is answered; if the answer changes later (the parent's own share
event may come last), what is now known to be a cycle is taken back.  So the
end does not depend on the order in which partitions tell what they know.

Pure; *share* is edited in place, it belongs to the batch's working set.

Source: RULES 5 (sharing), DESIGN 3.
"""

from collections.abc import Sequence
from typing import NamedTuple

from schemas.envelope import Happened
from schemas.shares import (
    DEEPEST,
    KEPT,
    LINEAGE,
    Deed,
    Descends,
    Last,
    Lineage,
    Moved,
    Refusal,
    Share,
    Shared,
    Sharer,
    Word,
    key_of,
    named,
)
from streams.crowd import Crowd
from streams.share_memory import admit, keep, keep_unknown, visited


class Told(NamedTuple):
    """*sharer* is to hear of *deed*, done at their share or *depth* - 1 shares below: it was *was* and is *now*."""

    sharer: Sharer
    depth: int
    deed: Deed
    was: Happened | None
    now: Happened | None


class Passed(NamedTuple):
    """The share with this key is to hear *word*."""

    key: bytes
    word: Word


Saying = Told | Passed
Paid = list[tuple[int, Sharer]]
"""Depth and sharer, each member once."""


def hear(share: Share, key: bytes, word: Word, crowd: Crowd) -> list[Saying]:
    """Let *share*, whose key is *key*, hear *word*; *crowd* counts its visitors beyond ``EXACT``."""
    match word:
        case Deed():
            return _deed(share, key, word, crowd)
        case Shared():
            return _shared(share, key, word, crowd)
        case Descends():
            return _descends(share, key, word)
        case Lineage():
            return _lineage(share, word)
        case Moved(brand=brand):
            return _moved(share, key, brand)


def _shared(share: Share, key: bytes, word: Shared, crowd: Crowd) -> list[Saying]:
    """Make the first who shares the sharer.  What was kept is judged; children hear who stands above them now."""
    if share.sharer is not None or share.home:
        return []
    brand, share_id = named(key)
    share.sharer, share.sku, share.category = word.sharer, word.sku, word.category
    parent = word.parent if word.parent != share_id else None
    share.parent = parent
    share.final, share.above = parent is None, () if parent is None else None
    kept, share.deeds, share.visitors = share.deeds, [], b""
    said = [one for deed in kept for one in _deed(share, key, deed, crowd)]
    if parent is not None:
        said.append(Passed(key_of(brand, parent), Descends(key)))
    return said + _tell_children(share)


def _moved(share: Share, key: bytes, home: str) -> list[Saying]:
    """Let all that came here go to the owner's own share of this id."""
    if share.sharer is not None or share.home:
        return []
    share.home = home
    there = key_of(home, named(key)[1])
    deeds, children = share.deeds, share.children
    share.deeds, share.children, share.visitors = [], [], b""
    words: list[Word] = [*(_on(deed) for deed in deeds), *(Descends(child, True) for child in children)]
    return [Passed(there, word) for word in words]


def _deed(share: Share, key: bytes, deed: Deed, crowd: Crowd) -> list[Saying]:
    """Judge a visit or an order, or keep it until it can be judged.

    A member's first visit decides, whatever becomes of it.  What was moved
    here and finds the share moved in turn stays: two brands that name each
    other as owner would send it on for ever.
    """
    if share.home and not deed.moved:
        return [Passed(key_of(share.home, named(key)[1]), _on(deed))]
    visit = not deed.order_id
    if visit and visited(share, deed.member):
        return []
    if share.sharer is None:
        if not keep_unknown(share, deed):
            _refuse(share, Refusal.UNKNOWN, deed)
        return []
    refusal = _refusal(share, deed, share.above or ())
    if visit and deed.member != share.sharer.member and not admit(share, deed.member, crowd):
        refusal = Refusal.FULL
    if refusal is not None:
        _refuse(share, refusal, deed)
        return []
    if not share.final:
        keep(share, deed)
    if share.above is None:
        return []
    share.orders += _step(deed)
    return [Told(who, depth, deed, deed.was, deed.now) for depth, who in _paid(share, deed, share.above)]


def _descends(share: Share, key: bytes, word: Descends) -> list[Saying]:
    """Answer a child at once with what is known; it hears again if that changes."""
    if share.home and not word.moved:
        return [Passed(key_of(share.home, named(key)[1]), Descends(word.child, True))]
    if not share.final and word.child not in share.children and len(share.children) < KEPT:
        share.children.append(word.child)
    return [Passed(word.child, _line(share))]


def _lineage(share: Share, word: Lineage) -> list[Saying]:
    """Take what the parent says of those above, and judge anew what that changes."""
    if share.sharer is None or share.final:
        return []
    before, share.above = share.above, word.above[:LINEAGE]
    share.final = word.final or len(word.above) >= LINEAGE
    if before == share.above and not share.final:
        return []
    said = [one for deed in share.deeds for one in _rejudge(share, deed, before)]
    if share.final:
        share.deeds = []
    return said + _tell_children(share)


def _rejudge(share: Share, deed: Deed, before: tuple[Sharer, ...] | None) -> list[Saying]:
    """Say what changes for *deed* when those above were *before* (None: nobody was told of anything)."""
    above = share.above or ()
    was = _paid(share, deed, before) if before is not None else []
    now = _paid(share, deed, above)
    if not now and (was or before is None):
        refusal = _refusal(share, deed, above)
        if refusal is not None:
            _refuse(share, refusal, deed)
    if deed.order_id:
        share.orders += bool(now) - bool(was)
    gone: list[Saying] = [Told(who, depth, deed, deed.now, None) for depth, who in was if (depth, who) not in now]
    return gone + [Told(who, depth, deed, None, deed.now) for depth, who in now if (depth, who) not in was]


def _tell_children(share: Share) -> list[Saying]:
    said: list[Saying] = [Passed(child, _line(share)) for child in share.children]
    if share.final:
        share.children = []
    return said


def _line(share: Share) -> Lineage:
    """Say who stands above a child of *share*: its sharer, and those above."""
    if share.sharer is None:
        return Lineage((), False)
    above = (share.sharer, *(share.above or ()))[:LINEAGE]
    return Lineage(above, share.final or len(above) == LINEAGE)


def _refusal(share: Share, deed: Deed, above: Sequence[Sharer]) -> Refusal | None:
    """Say why *deed* earns nobody anything, those above being *above*; None if it earns."""
    assert share.sharer is not None
    for one in (share.sharer, *above):
        if one.member == deed.member or one.device in deed.devices:
            return Refusal.SELF_SHARE
    return None if share.sharer.allowed else Refusal.CONSENT


def _paid(share: Share, deed: Deed, above: Sequence[Sharer]) -> Paid:
    """List whom *deed* rewards: its sharer; the next above only where the rules allow depth 2, and never the same member twice."""
    if _refusal(share, deed, above) is not None:
        return []
    assert share.sharer is not None
    paid: Paid = [(1, share.sharer)]
    for depth, one in enumerate(above[: min(deed.depth, DEEPEST) - 1], 2):
        if one.allowed and one.member != share.sharer.member:
            paid.append((depth, one))
    return paid


def _on(deed: Deed) -> Deed:
    return Deed(deed.member, deed.brand, deed.devices, deed.depth, deed.order_id, deed.was, deed.now, True)


def _step(deed: Deed) -> int:
    return bool(deed.order_id) * (bool(deed.now is not None) - bool(deed.was is not None))


def _refuse(share: Share, refusal: Refusal, deed: Deed) -> None:
    share.refused[refusal] = share.refused.get(refusal, 0) + 1
    happened = deed.now or deed.was
    if happened is not None:
        share.last[refusal] = Last(happened.time_ms, deed.brand, happened.id)
