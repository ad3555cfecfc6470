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
    digits = DIGITS.get(order.currency, 0)
    total = parse_minor(order.total, digits)
    lines = _lines(order.lines, digits) if order.lines else ()
    refund = _NO_REFUND if order.refund is None else _refund(order.refund, digits)
    if total is None or total < 0 or lines is None or refund is None or order.currency not in DIGITS or _discount_unfit(order, digits):
        return _flaw_of_money(order)
    refund_minor, refund_lines = refund if refunded else _NO_REFUND
    return envelope.Order(
        order.order_id,
        order.status,
        order.status_version,
        order.currency,
        total,
        lines,
        order.refund_id if refunded else None,
        refund_minor,
        refund_lines,
        order.share_id or None,
        order.click_id or None,
        tuple(order.coupons) if order.coupons else (),
    )


_Refund = tuple[Minor, tuple[envelope.RefundLine, ...]]
_NO_REFUND: Final[_Refund] = (0, ())


def _lines(stated: list[events.Line], digits: int) -> tuple[envelope.Line, ...] | None:
    """Read the lines of an order; None when an amount is unfit."""
    lines = []
    for line in stated:
        amount = parse_minor(line.amount, digits)
        if amount is None:
            return None
        lines.append(envelope.Line(line.line_id, line.sku, line.quantity, amount, line.category or None))
    return tuple(lines)


def _refund(stated: events.Refund, digits: int) -> _Refund | None:
    """Read a refund; None when an amount is unfit."""
    amounts = [parse_minor(line.amount, digits) for line in stated.lines or ()]
    refund = parse_minor(stated.amount, digits)
    if refund is None or refund < 0:
        return None
    lines = tuple(
        envelope.RefundLine(line.line_id, line.quantity, amount)
        for line, amount in zip(stated.lines or (), amounts, strict=True)
        if amount is not None
    )
    return (refund, lines) if len(lines) == len(amounts) else None


def _discount_unfit(order: events.Order, digits: int) -> bool:
    if order.discount is None:
        return False
    discount = parse_minor(order.discount, digits)
    return discount is None or discount < 0


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
