"""Attribution: what a member tells the shares that they came by, and to which share an order is credited.

A click that names a share is a visit of it; so is passing on what one was
sent, but that alone rewards nobody.  An order is credited to the share that it
names itself, else to the last that the member came by within the rules' window
before it (by its ``click_id`` if that click is known).  What a share is told
of an order is what stands: whenever a record changes that (a payment, a
refund, a click that comes late), the share is told what it was and what it is
now.  So the end does not depend on the order of arrival.

Only events that have to do with a share come here (``concerns``): the others
cost a look at their type.

Source: RULES 4 and 5 (sharing), CONTRACT 2.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from schemas import topics
from schemas.envelope import Happened, Share
from schemas.envelope import Order as Stated
from schemas.member_state import BrandState
from schemas.rules import SharingRules
from schemas.shares import Deed, Moved, Shared, Sharer, Word, key_of
from schemas.state import TOUCHES, Attribution, Order, Touch, order_last_ms
from streams import consent, orders
from streams.arrival import Arrival

BOUGHT: Final = ("placed", "paid", "completed")
"""When somebody bought: by the first of these that is known."""


class Asked(NamedTuple):
    """The share with this key is to hear *word*."""

    key: bytes
    word: Word


def concerns(state: BrandState, event: Arrival) -> bool:
    """Tell whether a share is to hear of *event*, which *state* has counted."""
    if event.click is not None:
        return event.click.share_id is not None
    if event.order is not None:
        return state.has_sharing() or event.order.share_id is not None or event.order.click_id is not None
    return event.share is not None


def asks(member: bytes, state: BrandState, event: Arrival, rules: SharingRules) -> list[Asked]:
    """Say what shares are to hear of *event*, which ``concerns`` them, and remember it."""
    if event.click is not None and event.click.share_id is not None:
        return _opened(member, state, event, rules, event.click.share_id, event.click.click_id)
    if event.order is not None:
        return _ordered(member, state, event, rules, event.order)
    share = event.share
    if share is None:
        return []
    asked = _shared(member, state, event, share)
    if share.parent_share_id is not None and share.parent_share_id != share.share_id:
        touch = Touch(event.time_ms, share.parent_share_id, None, event.device, False)
        asked += _touch(member, state, event, rules, touch)
    return asked


def _shared(member: bytes, state: BrandState, event: Arrival, share: Share) -> list[Asked]:
    """Make the share known.  One of another brand's is kept there, where its visits are, if the member lets it cross (CONTRACT 5)."""
    owner = share.owner_brand
    foreign = owner is not None and owner != event.brand
    crosses = owner is not None and foreign and topics.is_slug(owner) and consent.crosses(state, event.brand, owner)
    sharer = Sharer(member, event.brand, event.device, crosses or not foreign)
    word = Shared(sharer, share.parent_share_id, share.sku, share.category)
    own = key_of(event.brand, share.share_id)
    if owner is None or not crosses:
        return [Asked(own, word)]
    return [Asked(own, Moved(owner)), Asked(key_of(owner, share.share_id), word)]


def _opened(member: bytes, state: BrandState, event: Arrival, rules: SharingRules, share_id: str, click_id: str | None) -> list[Asked]:
    """Tell a share of its visit, unless this member came by it lately and it knows."""
    asked, known = list[Asked](), False
    for touch in state.read_sharing().touches:
        known |= touch.opened and touch.share_id == share_id
    if not known:
        now = Happened(event.time_ms, event.append_ms, event.id)
        visit = Deed(member, event.brand, _some(event.device), rules.depth, "", None, now)
        asked.append(Asked(key_of(event.brand, share_id), visit))
    return asked + _touch(member, state, event, rules, Touch(event.time_ms, share_id, click_id, event.device, True))


def _touch(member: bytes, state: BrandState, event: Arrival, rules: SharingRules, touch: Touch) -> list[Asked]:
    """Remember that the member came by a share; orders that were known before, but happened after, may be its."""
    touches = state.edit_sharing().touches
    touches.append(touch)
    if len(touches) > 1 and touch.time_ms <= touches[-2].time_ms:
        touches.sort(key=_by_time)
    del touches[:-TOUCHES]
    if state.order_ms < touch.time_ms:
        return []
    asked = list[Asked]()
    for order_id, packed in sorted(state.read_orders().items()):
        if order_last_ms(packed) >= touch.time_ms:
            order = state.order(order_id)
            if order is not None and (changed := _restate(member, event, order_id, order, touches, rules)):
                state.put_order(order_id, order)
                asked += changed
    return asked


def _ordered(member: bytes, state: BrandState, event: Arrival, rules: SharingRules, came: Stated) -> list[Asked]:
    """Tell a share of what an order has come to, if one stands or did."""
    order = state.order(came.order_id)
    if order is None:  # too old to be kept
        return []
    named = order.attribution or Attribution()
    if (came.share_id is not None or came.click_id is not None) and (named.version < 0 or came.version < named.version):
        named.version, named.share_id, named.click_id, named.device = came.version, came.share_id, came.click_id, event.device
        order.attribution = named
    asked = _restate(member, event, came.order_id, order, state.read_sharing().touches, rules)
    if order.attribution is not None:
        state.put_order(came.order_id, order)
        if not state.has_sharing():
            state.edit_sharing()
    return asked


def _restate(member: bytes, event: Arrival, order_id: str, order: Order, touches: Sequence[Touch], rules: SharingRules) -> list[Asked]:
    """Compare what shares were told of *order* with what stands; *event* is what may have changed it."""
    note = order.attribution or Attribution()
    to, touch = _credited(order, note, touches, rules.window_ms)
    now = _standing(order, note, event) if to is not None else None
    if now is None:
        to = None
    if to == note.to and now == note.told:
        return []
    asked = []
    if note.to is not None and note.to != to:
        asked.append(_told(member, event.brand, order_id, note, note.to, None))
        note.told = None
    if to is not None:
        if note.to != to:
            note.touched_ms = touch.time_ms if touch is not None else 0
            note.devices = tuple(sorted({*_some(event.device), *_some(note.device), *_some(touch.device if touch is not None else None)}))
            note.depth = rules.depth
        asked.append(_told(member, event.brand, order_id, note, to, now))
    note.to, note.told = to, now
    order.attribution = note
    return asked


def _told(member: bytes, brand: str, order_id: str, note: Attribution, share_id: str, now: Happened | None) -> Asked:
    return Asked(key_of(brand, share_id), Deed(member, brand, note.devices, note.depth, order_id, note.told, now))


def _credited(order: Order, note: Attribution, touches: Iterable[Touch], window_ms: int) -> tuple[str | None, Touch | None]:
    """Choose the share of *order*, and the visit that led to it (None: the order names it itself).

    What it was credited to before stays in the choice, though that visit be
    forgotten or the window another by now.
    """
    if note.share_id is not None:
        return note.share_id, None
    bought_ms = next((order.statuses[status].time_ms for status in BOUGHT if status in order.statuses), None)
    if bought_ms is None:
        return None, None
    near = [touch for touch in touches if bought_ms - window_ms <= touch.time_ms <= bought_ms]
    by_click = [touch for touch in near if note.click_id is not None and touch.click_id == note.click_id]
    if not by_click and note.to is not None and 0 < note.touched_ms <= bought_ms:
        near.append(Touch(note.touched_ms, note.to, None, None, False))
    last = max(by_click or near, key=_by_time, default=None)
    return (last.share_id, last) if last is not None else (None, None)


def _standing(order: Order, note: Attribution, event: Arrival) -> Happened | None:
    """Say what *order* is to its share: paid or completed, neither cancelled nor refunded in full (RULES 4); None if it is nothing."""
    if not orders.counts(order)[0]:
        return None
    paid = order.statuses.get("paid") or order.statuses["completed"]
    before = note.told if note.told is not None and note.told.time_ms == paid.time_ms else None
    return Happened(
        paid.time_ms,
        before.append_ms if before is not None else event.append_ms,
        before.id if before is not None else paid.id,
        paid.currency,
        paid.total_minor,
        orders.refunded_minor(order, paid.currency),
    )


def _by_time(touch: Touch) -> tuple[int, str, str]:
    return touch.time_ms, touch.share_id, touch.click_id or ""


def _some(device: bytes | None) -> tuple[bytes, ...]:
    return (device,) if device is not None else ()
