"""A brand's event as the members fold works on it.

Read once from its envelope: an event's parts are asked for a hundred times,
and a field of a compiled class costs a fortieth of one of msgspec's.

Source: DESIGN 3, CONTRACT 2.
"""

from schemas.envelope import Chat, Click, Coupon, Event, Order, Share


class Arrival:
    """An event that members folds; see ``schemas.envelope.Event`` for what its parts are.

    Of *click*, *share*, *order*, *chat* and *coupon* one is there, or none (a
    statement of consent alone).  *name* is what rules call it: ``click``,
    ``order.paid``.
    """

    __slots__ = (
        "append_ms", "body_hash", "brand", "channel", "chat", "click", "consent", "coupon", "device", "event", "id", "id_hash", "name",
        "order", "origin", "share", "terms", "time_ms",
    )  # fmt: skip

    def __init__(self, event: Event) -> None:
        self.event = event
        self.brand = event.brand
        self.terms = event.terms
        self.origin = event.origin
        self.append_ms = event.append_ms
        self.time_ms = event.time_ms
        self.id = event.id
        self.id_hash = event.id_hash
        self.body_hash = event.body_hash
        self.consent = event.consent
        self.device = event.device
        self.channel = event.channel
        self.click: Click | None = None
        self.share: Share | None = None
        self.order: Order | None = None
        self.chat: Chat | None = None
        self.coupon: Coupon | None = None
        self.name = "consent"
        match event.facts:
            case Click() as click:
                self.name, self.click = "click", click
            case Order() as order:
                self.name, self.order = f"order.{order.status}", order
            case Chat() as chat:
                self.name, self.chat = f"chat.{chat.direction}", chat
            case Share() as share:
                self.name, self.share = "share", share
            case Coupon() as coupon:
                self.name, self.coupon = f"coupon.{coupon.status}", coupon
