"""From what a brand stated to the facts that the folds need: identifiers, amounts in minor units, consent.

Everything but money is checked before money is, because ``invalid_data``
comes before ``bad_money``.

Source: CONTRACT 2 and 5.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

from schemas import envelope, events
from schemas.currencies import DIGITS
from schemas.envelope import Facts
from schemas.refusals import Reason
from schemas.scalars import Minor, parse_instant, parse_minor
from streams.flaws import Flaw, quoted


def facts_of(deed: events.AnyDeed) -> Facts | Flaw:
    """Turn a decoded *deed* into facts, or say what is wrong with it.

    Source: CONTRACT 2, ``invalid_data`` and ``bad_money``.
    """
    return _BUILDERS[type(deed)](deed)


def consent_of(stated: events.Consent | None) -> envelope.Consent | Flaw | None:
    """Turn a statement of consent into the envelope's; a time without zone makes it invalid.

    Source: CONTRACT 5.
    """
    if stated is None:
        return None
    at_ms = parse_instant(stated.at)
    if at_ms is None:
        return _invalid("data.consent.at", quoted(stated.at), "RFC 3339 with a zone")
    allowed = stated.purposes
    recipients = tuple(stated.recipients or ())
    return envelope.Consent(allowed.tags, allowed.rewards, allowed.alliance, recipients, stated.version, at_ms)


def _click(click: events.Click) -> Facts | Flaw:
    item = click.item
    if item is None and not click.page:
        return _missing("data.item", "an item or a page")
    sku, category = _item(item)
    return envelope.Click(sku, category, click.share_id or None, click.click_id or None, bool(click.first_visit))


def _share(share: events.Share) -> Facts:
    sku, category = _item(share.item)
    return envelope.Share(
        share.share_id,
        share.via,
        sku,
        category,
        share.content_id or None,
        share.parent_share_id or None,
        share.owner_brand or None,
        share.room_id or None,
    )


def _item(item: events.Item | None) -> tuple[str | None, str | None]:
    return (None, None) if item is None else (item.sku, item.category or None)


def _chat(chat: events.Chat) -> Facts | Flaw:
    recalls = chat.recalls or None
    if chat.msgtype != "recall":
        recalls = None
    elif recalls is None:
        return _missing("data.recalls", "the id of the message that is recalled")
    return envelope.Chat(chat.conversation_id, chat.message_id, chat.direction, chat.msgtype, chat.text, recalls)


def _coupon(coupon: events.Coupon) -> Facts | Flaw:
    if not (coupon.reward_id or coupon.coupon_code):
        return _missing("data.reward_id", "a reward_id or a coupon_code")
    return envelope.Coupon(coupon.status, coupon.reward_id or None, coupon.coupon_code or None, coupon.order_id or None)


def _consent(_: events.ConsentGiven) -> Facts:
    return envelope.ConsentGiven()


def _order(order: events.Order) -> Facts | Flaw:
    """Take an order.  Only ``refunded`` takes its refund, but the money of one is checked wherever it is."""
    refunded = order.status == "refunded"
    if refunded and (order.refund is None or not order.refund_id):
        return _missing("data.refund_id" if order.refund else "data.refund", "both in a refund")
    purse = _Purse(order.currency)
    refund = order.refund
    refund_minor = 0 if refund is None else purse.positive(refund.amount)
    refund_lines = _refund_lines(refund, purse)
    if order.discount is not None:
        purse.positive(order.discount)
    facts = envelope.Order(
        order.order_id,
        order.status,
        order.status_version,
        order.currency,
        purse.positive(order.total),
        _lines(order, purse),
        order.refund_id if refunded else None,
        refund_minor if refunded else 0,
        refund_lines if refunded else (),
        order.share_id or None,
        order.click_id or None,
        tuple(order.coupons or ()),
    )
    return _flaw_of_money(order) if purse.flawed else facts


class _Purse:
    """Reads the amounts of one currency and remembers whether all were fit."""

    __slots__ = ("digits", "flawed")

    def __init__(self, currency: str) -> None:
        self.digits = DIGITS.get(currency, 0)
        self.flawed = currency not in DIGITS

    def any(self, amount: object) -> Minor:
        """Read an amount that may be negative; 0 for one that is unfit."""
        minor = parse_minor(amount, self.digits)
        if minor is None:
            self.flawed = True
            return 0
        return minor

    def positive(self, amount: object) -> Minor:
        """Read an amount that may not be negative."""
        minor = self.any(amount)
        if minor < 0:
            self.flawed = True
        return minor


def _lines(order: events.Order, purse: _Purse) -> tuple[envelope.Line, ...]:
    if not order.lines:
        return ()
    return tuple(
        [envelope.Line(line.line_id, line.sku, line.quantity, purse.any(line.amount), line.category or None) for line in order.lines]
    )


def _refund_lines(refund: events.Refund | None, purse: _Purse) -> tuple[envelope.RefundLine, ...]:
    if refund is None or not refund.lines:
        return ()
    return tuple([envelope.RefundLine(line.line_id, line.quantity, purse.any(line.amount)) for line in refund.lines])


def _flaw_of_money(order: events.Order) -> Flaw:
    """Say which amount of an order is unfit: one that is null is missing, and that comes first."""
    amounts = list(_amounts(order))
    for where, amount, _ in amounts:
        if amount is None:
            return _missing(where, "a decimal string")
    digits = DIGITS.get(order.currency)
    if digits is None:
        return Flaw(Reason.BAD_MONEY, "data.currency", quoted(order.currency), "a currency of ISO 4217")
    for where, amount, signed in amounts:
        minor = parse_minor(amount, digits)
        if minor is None or (minor < 0 and not signed):
            sign = "" if signed else ", not negative"
            return Flaw(Reason.BAD_MONEY, where, quoted(amount), f"a decimal string with at most {digits} decimals{sign}")
    raise AssertionError(f"an order of {order.currency} was refused for its money and has no flaw")


def _amounts(order: events.Order) -> Iterator[tuple[str, object, bool]]:
    """List the amounts of an order: where, what, and whether it may be negative."""
    yield "data.total", order.total, False
    if order.discount is not None:
        yield "data.discount", order.discount, False
    for index, line in enumerate(order.lines or ()):
        yield f"data.lines[{index}].amount", line.amount, True
    if order.refund is not None:
        yield "data.refund.amount", order.refund.amount, False
        for index, taken in enumerate(order.refund.lines or ()):
            yield f"data.refund.lines[{index}].amount", taken.amount, True


def _missing(where: str, expected: str) -> Flaw:
    return Flaw(Reason.INVALID_DATA, where, "nothing", expected)


def _invalid(where: str, came: str, expected: str) -> Flaw:
    return Flaw(Reason.INVALID_DATA, where, came, expected)


_BUILDERS: Final[dict[type[Any], Callable[[Any], Facts | Flaw]]] = {
    events.Click: _click,
    events.Share: _share,
    events.Order: _order,
    events.Chat: _chat,
    events.Coupon: _coupon,
    events.ConsentGiven: _consent,
}
