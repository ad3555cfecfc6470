"""Orders: what each record of an order adds to tags and engagement, and takes back.

What an order contributes is a pure function of everything known of it
(``contributions``).  A record changes what is known; the fold takes out what
no longer counts and adds what now does.  So the result never depends on the
order of arrival: refund before paid, paid before placed.

Source: RULES 4.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from schemas.envelope import Line
from schemas.envelope import Order as Facts
from schemas.scalars import minor_text
from schemas.state import Order, RefundRecord, StatusRecord
from streams.evidence import packed

CANCELLED: Final = "cancelled"
REFUNDED: Final = "refunded"
KEEPS: Final = frozenset({CANCELLED})
"""Statuses that a cancel or a full refund does not take out."""


class Contribution:
    """What one record of an order counts for: as the event *name* at *time_ms*, folded at *offset*.

    *net_minor* of *currency* is what a ``sum`` takes; *skus* and *categories*
    (sorted, each once) what ``top`` and ``distinct`` take.
    """

    __slots__ = ("_evidence", "alliance_weight", "categories", "currency", "id", "name", "net_minor", "offset", "skus", "time_ms", "weight")

    def __init__(
        self,
        name: str,
        time_ms: int,
        offset: int,
        event: str,
        weight: float,
        alliance_weight: float,
        net_minor: int = 0,
        currency: str = "",
        skus: Sequence[str] = (),
        categories: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.time_ms = time_ms
        self.offset = offset
        self.id = event
        self.weight = weight
        self.alliance_weight = alliance_weight
        self.net_minor = net_minor
        self.currency = currency
        self.skus = skus
        self.categories = categories
        self._evidence = b""

    def evidence(self) -> bytes:
        """Give the entry that speaks for whatever it counts for, packed once."""
        if not self._evidence:
            self._evidence = packed(self.time_ms, self.id, self.offset)
        return self._evidence

    def same(self, other: "Contribution") -> bool:
        """Tell whether *other*, of the same order and status, counts for the same."""
        return (
            self.offset == other.offset
            and self.net_minor == other.net_minor
            and self.skus == other.skus
            and self.categories == other.categories
        )


class Contradiction(NamedTuple):
    """A copy of a known record says another amount; *came* and *known* in words."""

    came: str
    known: str


def new(time_ms: int) -> Order:
    """Begin an order of which nothing is known."""
    return Order({}, {}, {}, time_ms)


def known(order: Order, facts: Facts) -> bool | Contradiction:
    """Tell whether *order* has the record *facts* already, or has it with another amount.

    A refund is known by its id, any other status by its version.
    """
    if facts.status == REFUNDED:
        refund = order.refunds.get(facts.refund_id or "")
        if refund is None:
            return False
        return _compare(facts.refund_minor, facts.currency, refund.amount_minor, refund.currency)
    version = order.versions.get(facts.version)
    if version is None:
        return False
    return _compare(facts.total_minor, facts.currency, version[1], version[2])


def _compare(came: int, came_currency: str, had: int, had_currency: str) -> bool | Contradiction:
    if (came, came_currency) == (had, had_currency):
        return True
    return Contradiction(
        f"{minor_text(came, came_currency)} {came_currency}",
        f"{minor_text(had, had_currency)} {had_currency}",
    )


def take(order: Order, facts: Facts, record: StatusRecord) -> None:
    """Put a record that was not known into *order*.  A lower version of its status changes nothing but what is known."""
    order.last_ms = max(order.last_ms, record.time_ms)
    if facts.status == REFUNDED:
        order.refunds[facts.refund_id or ""] = RefundRecord(facts.refund_minor, facts.currency, record.time_ms, facts.refund_lines)
        return
    order.versions[facts.version] = (facts.status, facts.total_minor, facts.currency)
    standing = order.statuses.get(facts.status)
    if standing is None or standing.version < facts.version:
        order.statuses[facts.status] = record


def refunded_minor(order: Order, currency: str) -> int:
    """Add up the refunds of *order* in *currency*, in minor units."""
    return sum(refund.amount_minor for refund in order.refunds.values() if refund.currency == currency)


def void(order: Order) -> bool:
    """Tell whether *order* was cancelled, or refunded in full."""
    if not order.versions:
        return False
    status, total, currency = order.versions[max(order.versions)]
    if status == CANCELLED or not order.refunds:
        return status == CANCELLED
    same = [refund for refund in order.refunds.values() if refund.currency == currency]
    return bool(same) and refunded_minor(order, currency) >= total


def counts(order: Order) -> tuple[bool, str, int]:
    """Tell whether *order* counts as one of the member's orders, and what was spent on it: (counts, currency, net)."""
    paid = order.statuses.get("paid") or order.statuses.get("completed")
    if paid is None or void(order):
        return False, "", 0
    return True, paid.currency, max(0, paid.total_minor - refunded_minor(order, paid.currency))


def independent(order: Order, facts: Facts) -> bool:
    """Tell whether *facts* can change what their own status counts for and no other: nothing was cancelled or refunded, nor is now."""
    return not order.refunds and CANCELLED not in order.statuses and facts.status != CANCELLED and facts.status != REFUNDED


def contribution_of(order: Order, status: str) -> dict[str, Contribution]:
    """As ``contributions``, for one status of an order from which nothing is taken (``independent``)."""
    record = order.statuses.get(status)
    return {} if record is None else {status: contribution(f"order.{status}", record, max(0, record.total_minor), record.lines)}


def contributions(order: Order) -> dict[str, Contribution]:
    """List what *order* counts for, by status.  Refunds count for themselves, when they come (``contribution``)."""
    gone = void(order)
    returned = _returned(order)
    found: dict[str, Contribution] = {}
    for status, record in order.statuses.items():
        if gone and status not in KEEPS:
            continue
        lines = record.lines
        if returned and status not in KEEPS:
            lines = tuple(line for line in lines if line.line_id not in returned or returned[line.line_id] < line.quantity)
        net = max(0, record.total_minor - refunded_minor(order, record.currency))
        found[status] = contribution(f"order.{status}", record, net, lines)
    return found


def contribution(name: str, record: StatusRecord, net_minor: int, lines: tuple[Line, ...]) -> Contribution:
    """Say what *record* counts for, with those of its lines that count."""
    return Contribution(
        name,
        record.time_ms,
        record.offset,
        record.id,
        record.weight,
        record.alliance_weight,
        net_minor,
        record.currency,
        _each_once([line.sku for line in lines if line.sku]),
        _each_once([line.category for line in lines if line.category]),
    )


def _each_once(values: list[str]) -> list[str]:
    return values if len(values) < 2 else sorted(set(values))


def shrink(order: Order) -> None:
    """Keep of an order keys, versions and amounts alone: its lines count no longer for ``top`` and ``distinct``."""
    for status, record in order.statuses.items():
        order.statuses[status] = StatusRecord(
            record.version,
            record.time_ms,
            record.offset,
            record.total_minor,
            record.currency,
            record.weight,
            record.alliance_weight,
            "",
            (),
        )
    for key, refund in order.refunds.items():
        order.refunds[key] = RefundRecord(refund.amount_minor, refund.currency, refund.time_ms, ())


def _returned(order: Order) -> dict[str, int | float]:
    returned: dict[str, int | float] = {}
    for refund in order.refunds.values():
        for line in refund.lines:
            returned[line.line_id] = returned.get(line.line_id, 0) + line.quantity
    return returned
