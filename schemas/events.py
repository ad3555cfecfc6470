"""What a brand publishes: one type per event type, as CloudEvents 1.0 with its own ``data``.

Unknown fields are tolerated and None counts as absent.  A field of money is
typed ``object``, because money has a reason of its own: everything else is
checked first (``streams/facts.py``).

Source: CONTRACT 2, 4 and 5.
"""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

_AMOUNT: Final = "^-?[0-9]+(\\.[0-9]+)?$"

Id = Annotated[str, Meta(min_length=1, max_length=256)]
MaybeId = Annotated[str, Meta(max_length=256)] | None
Amount = Annotated[
    object,
    Meta(description="A decimal string in the major unit.", extra_json_schema={"type": "string", "pattern": _AMOUNT}),
]
MaybeAmount = Annotated[
    object,
    Meta(description="A decimal string in the major unit.", extra_json_schema={"type": ["string", "null"], "pattern": _AMOUNT}),
]
Version = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Open = str | dict[str, object] | None
"""A field that we pass on and never read: a name, or whatever the brand makes of it."""

Via = Literal[
    "wechat_friend",
    "wechat_moments",
    "wechat_group",
    "wecom",
    "weibo",
    "xiaohongshu",
    "douyin",
    "qr",
    "link",
    "other",
]
OrderStatus = Literal["placed", "paid", "shipped", "completed", "cancelled", "refunded"]
Direction = Literal["in", "out"]
MessageType = Literal["text", "image", "voice", "video", "link", "event", "recall"]
CouponStatus = Literal["claimed", "redeemed", "expired"]


class Identity(Struct, frozen=True):
    """Who did it, in one of the brand's words for people.  A type that we do not know identifies nobody."""

    type: str
    id: str
    verified: bool | None = None


class Campaign(Struct, frozen=True):
    """Where the visit came from."""

    source: str | None = None
    medium: str | None = None
    name: str | None = None
    content: str | None = None
    term: str | None = None


class Context(Struct, frozen=True):
    """Where it happened."""

    channel: str | None = None
    campaign: Campaign | None = None
    page: Open = None
    referrer: str | None = None
    device: Open = None
    app: Open = None


class Purposes(Struct, frozen=True):
    """What a member allows; None = not said."""

    tags: bool | None = None
    rewards: bool | None = None
    alliance: bool | None = None


class Consent(Struct, frozen=True):
    """A statement of consent.  *at* is RFC 3339 with zone; the highest (version, at) stands."""

    purposes: Purposes
    version: Version
    at: str
    recipients: Annotated[list[Annotated[str, Meta(max_length=32)]], Meta(max_length=1000)] | None = None


class Item(Struct, frozen=True):
    """What was looked at or shared."""

    sku: Id
    category: MaybeId = None
    brand: MaybeId = None


class Line(Struct, frozen=True):
    """One line of an order."""

    line_id: Id
    sku: Id
    quantity: int | float
    amount: Amount
    category: MaybeId = None


class RefundLine(Struct, frozen=True):
    """What a refund takes back of one line."""

    line_id: Id
    quantity: int | float
    amount: Amount


class Refund(Struct, frozen=True):
    """The money given back, and for which lines."""

    amount: Amount
    lines: list[RefundLine] | None = None


class Deed(Struct, frozen=True, kw_only=True):
    """What every event says: who, and optionally where and with which consent."""

    identities: list[Identity]
    context: Context | None = None
    consent: Consent | None = None


class Click(Deed, frozen=True, kw_only=True):
    """A visit of an item or of a page: one of the two is required."""

    item: Item | None = None
    page: Open = None
    click_id: MaybeId = None
    share_id: MaybeId = None
    first_visit: bool | None = None


class Share(Deed, frozen=True, kw_only=True):
    """A member passed something on."""

    share_id: Id
    via: Via
    item: Item | None = None
    content_id: MaybeId = None
    parent_share_id: MaybeId = None
    owner_brand: MaybeId = None
    room_id: MaybeId = None


class Order(Deed, frozen=True, kw_only=True):
    """One status of an order; *refund_id* and *refund* are required for ``refunded``."""

    order_id: Id
    status: OrderStatus
    status_version: Version
    currency: str
    total: Amount
    lines: list[Line] | None = None
    discount: MaybeAmount = None
    coupons: list[Id] | None = None
    share_id: MaybeId = None
    click_id: MaybeId = None
    refund_id: MaybeId = None
    refund: Refund | None = None


class Chat(Deed, frozen=True, kw_only=True):
    """One message; *recalls* is required for ``recall``."""

    conversation_id: Id
    message_id: Id
    direction: Direction
    msgtype: MessageType
    text: str | None = None
    agent_id: MaybeId = None
    room_id: MaybeId = None
    recalls: MaybeId = None


class Coupon(Deed, frozen=True, kw_only=True):
    """A coupon was claimed, redeemed or expired; one of *reward_id* and *coupon_code* is required."""

    status: CouponStatus
    reward_id: MaybeId = None
    coupon_code: MaybeId = None
    order_id: MaybeId = None


class ConsentGiven(Struct, frozen=True, kw_only=True):
    """A statement of consent by itself."""

    identities: list[Identity]
    consent: Consent
    context: Context | None = None


class CloudEvent(Struct, frozen=True, kw_only=True):
    """The attributes of CloudEvents 1.0.  Other extensions are carried through."""

    specversion: Literal["1.0"]
    id: Id
    source: Annotated[str, Meta(pattern="^/brand/[a-z][a-z0-9-]{1,31}/[^/\\s]+$")]
    time: Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
    subject: str | None = None
    datacontenttype: str | None = None
    traceparent: str | None = None
    tracestate: str | None = None


class ClickEvent(CloudEvent, frozen=True, kw_only=True):
    """``cn.huiliu.click.v1``."""

    type: Literal["cn.huiliu.click.v1"]
    data: Click


class ShareEvent(CloudEvent, frozen=True, kw_only=True):
    """``cn.huiliu.share.v1``."""

    type: Literal["cn.huiliu.share.v1"]
    data: Share


class OrderEvent(CloudEvent, frozen=True, kw_only=True):
    """``cn.huiliu.order.v1``."""

    type: Literal["cn.huiliu.order.v1"]
    data: Order


class ChatEvent(CloudEvent, frozen=True, kw_only=True):
    """``cn.huiliu.chat.v1``."""

    type: Literal["cn.huiliu.chat.v1"]
    data: Chat


class CouponEvent(CloudEvent, frozen=True, kw_only=True):
    """``cn.huiliu.coupon.v1``."""

    type: Literal["cn.huiliu.coupon.v1"]
    data: Coupon


class ConsentEvent(CloudEvent, frozen=True, kw_only=True):
    """``cn.huiliu.consent.v1``."""

    type: Literal["cn.huiliu.consent.v1"]
    data: ConsentGiven


AnyDeed = Click | Share | Order | Chat | Coupon | ConsentGiven

EVENTS: Final[dict[str, type[CloudEvent]]] = {
    "cn.huiliu.click.v1": ClickEvent,
    "cn.huiliu.share.v1": ShareEvent,
    "cn.huiliu.order.v1": OrderEvent,
    "cn.huiliu.chat.v1": ChatEvent,
    "cn.huiliu.coupon.v1": CouponEvent,
    "cn.huiliu.consent.v1": ConsentEvent,
}
DEEDS: Final[dict[str, type[AnyDeed]]] = {
    "cn.huiliu.click.v1": Click,
    "cn.huiliu.share.v1": Share,
    "cn.huiliu.order.v1": Order,
    "cn.huiliu.chat.v1": Chat,
    "cn.huiliu.coupon.v1": Coupon,
    "cn.huiliu.consent.v1": ConsentGiven,
}
