"""What members do: one visit at a time, with all that follows from it later (a payment, a parcel, a refund, a recall)."""

from collections.abc import Callable
from datetime import UTC, datetime
from random import Random
from typing import Any, Final, NamedTuple

from deploy.demo.people import Person
from deploy.demo.shops import Product, Shop

MINUTE: Final = 60_000
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
VIAS: Final = ("wechat_friend", "wechat_moments", "wechat_group", "wecom", "weibo", "xiaohongshu", "douyin", "qr", "link", "other")
VIA_WEIGHTS: Final = (30, 20, 15, 10, 4, 8, 6, 3, 3, 1)
CHANNELS: Final = ("miniprogram", "h5", "app", "store")
RATES: Final = {"CNY": (1, 2), "USD": (0.14, 2), "JPY": (20, 0), "KWD": (0.043, 3)}
Data = dict[str, Any]


class Happening(NamedTuple):
    """Something that a member does *after_ms* after what led to it."""

    after_ms: int
    kind: str
    data: Data


class Visit:
    """One occasion at *shop*; *serial* gives ids that no other visit has.

    *shared* are the shop's shares, the latest last; whoever *opens* some comes by them now and then.
    """

    def __init__(self, random: Random, shop: Shop, person: Person, serial: int, now_ms: int, shared: list[str], *, opens: bool) -> None:
        self.random = random
        self.shop = shop
        self.person = person
        self.serial = serial
        self.now_ms = now_ms
        self.shared = shared
        self.opens = opens

    def happenings(self) -> list[Happening]:
        """Say what happens at once (the first) and what follows."""
        ways: tuple[Callable[[], list[Happening]], ...] = (self._click, self._chat, self._share, self._order, self._coupon, self._consent)
        happened = self.random.choices(ways, weights=(58, 16, 11, 11, 3, 1))[0]()
        for one in happened:
            one.data["identities"] = self.person.identities
        if self.random.random() < 0.2:
            happened[0].data["context"] = self._context()
        return happened

    def _context(self) -> Data:
        channel = self.random.choice(CHANNELS)
        campaign = {"source": "wechat", "medium": "menu", "name": "双十二预热"}
        return {"channel": channel, "campaign": campaign, "device": {"os": "HarmonyOS"}, "旧系统编号": self.serial}

    def product(self) -> Product:
        """Choose something; the first on the shelf go best, and a member has a taste."""
        taste = len(self.person.key) * 7 + self.person.key[-1]
        shelf = self.shop.products
        return shelf[(taste + int(self.random.expovariate(0.4))) % len(shelf)]

    def _item(self) -> Data:
        product = self.product()
        return {"sku": product.sku, "category": product.category, "brand": self.shop.name}

    def _click(self) -> list[Happening]:
        data: Data = {"click_id": f"k{self.serial}"}
        if self.random.random() < 0.9:
            data["item"] = self._item()
        else:
            data["page"] = f"pages/{self.random.choice(('home', 'story', 'sale'))}/index"
        if self.opens and self.random.random() < 0.1:
            data |= {"share_id": self._opened(), "first_visit": self.random.random() < 0.5}
        return [Happening(0, "click", data)]

    def _opened(self) -> str:
        """Choose whose share one comes by: a late one mostly, now and then one that nobody here has told of."""
        if not self.shared or self.random.random() < 0.05:
            return f"x{self.serial}"
        return self.shared[-min(len(self.shared), 1 + int(self.random.expovariate(0.1)))]

    def _share(self) -> list[Happening]:
        share_id = f"s{self.serial}"
        data = {"share_id": share_id, "via": self.random.choices(VIAS, weights=VIA_WEIGHTS)[0], "item": self._item()}
        if data["via"] == "wechat_group":
            data["room_id"] = f"room{self.random.randrange(30)}"
        if self.opens and self.random.random() < 0.2:
            data["parent_share_id"] = self._opened()
        self.shared.append(share_id)
        return [Happening(0, "share", data)]

    def _chat(self) -> list[Happening]:
        complaint = self.random.random() < 0.12
        text = self.random.choice(self.shop.complaints if complaint else self.shop.talk)
        said = [Happening(0, "chat", self._message("q", "in", text))]
        if self.random.random() < 0.5:
            answer = "非常抱歉，马上为您处理" if complaint else "好的，这就帮您看看～"
            said.append(Happening(self.random.randrange(5_000, 5 * MINUTE), "chat", self._message("a", "out", answer)))
        if self.random.random() < 0.06:
            recall = self._message("r", "in", None) | {"msgtype": "recall", "recalls": said[0].data["message_id"]}
            said.append(Happening(self.random.randrange(2_000, 2 * MINUTE), "chat", recall))
        return said

    def _message(self, suffix: str, direction: str, text: str | None) -> Data:
        message = {"conversation_id": f"c{self.person.key.decode()}", "message_id": f"m{self.serial}{suffix}", "direction": direction}
        if text is None:
            return message
        kind = "text" if self.random.random() < 0.95 else "image"
        return {**message, "msgtype": kind, "text": text, "agent_id": f"agent{self.serial % 9}"}

    def _coupon(self) -> list[Happening]:
        coupon = {"reward_id": f"rw{self.serial}", "coupon_code": f"{self.serial:08X}"}
        claimed = Happening(0, "coupon", {**coupon, "status": "claimed"})
        ending = self.random.choice(("redeemed", "expired"))
        return [claimed, Happening(self.random.randrange(MINUTE, 12 * HOUR), "coupon", {**coupon, "status": ending})]

    def _consent(self) -> list[Happening]:
        willing = self.random.random() < 0.6
        purposes = {"tags": willing, "rewards": willing, "alliance": willing and self.random.random() < 0.5}
        at = datetime.fromtimestamp(self.now_ms / 1000, UTC).isoformat(timespec="milliseconds")
        return [Happening(0, "consent", {"consent": {"purposes": purposes, "recipients": [], "version": self.serial, "at": at}})]

    def _order(self) -> list[Happening]:
        return Order(self).happenings()


class Order:
    """An order from its placing to its end: completed, cancelled, or given back in part or whole."""

    def __init__(self, visit: Visit) -> None:
        self.random = visit.random
        self.id = f"o{visit.serial}"
        abroad = visit.shop.slug == "shanye-outdoor" and self.random.random() < 0.2
        self.currency = self.random.choice(("JPY", "USD", "KWD")) if abroad else "CNY"
        self.lines = [self._line(number, visit.product()) for number in range(self.random.choice((1, 1, 1, 2, 2, 3)))]
        self.total = sum(line["amount"] for line in self.lines)
        self.after_ms = 0
        self.version = 0
        self.lived: list[Happening] = []

    def happenings(self) -> list[Happening]:
        self._reaches("placed", 0, 0)
        fate = self.random.random()
        if fate < 0.06:
            self._reaches("cancelled", MINUTE, HOUR)
            return self.lived
        self._reaches("paid", 20_000, 20 * MINUTE)
        if fate < 0.10:
            self._reaches("cancelled", 10 * MINUTE, 3 * HOUR)
        elif fate < 0.14:
            self.total -= min(self.total, 100 if self.currency != "JPY" else 1)  # the till corrects the payment
            self._reaches("paid", MINUTE, HOUR)
        elif fate < 0.60:
            self._reaches("shipped", HOUR, 8 * HOUR)
            self._reaches("completed", 3 * HOUR, 20 * HOUR)
        if 0.50 < fate < 0.66:
            self._refunds(fate)
        return self.lived

    def _refunds(self, fate: float) -> None:
        """Give back one line, all at once, or all in two parts."""
        line = self.lines[0]
        if fate < 0.58 and len(self.lines) > 1:
            self._refunded(line["amount"], [line])
        elif fate < 0.62:
            self._refunded(self.total, self.lines)
        else:
            self._refunded(self.total // 2, [])
            self._refunded(self.total - self.total // 2, self.lines)

    def _refunded(self, amount: int, lines: list[Data]) -> None:
        self._reaches("refunded", 10 * MINUTE, 10 * HOUR)
        given_back = [{name: line[name] for name in ("line_id", "quantity", "amount")} for line in lines]
        refund = {"amount": self._money(amount), "lines": [{**line, "amount": self._money(line["amount"])} for line in given_back]}
        self.lived[-1].data.update(refund_id=f"{self.id}-r{self.version}", refund=refund)

    def _reaches(self, status: str, soonest: int, latest: int) -> None:
        self.after_ms += self.random.randint(soonest, latest)
        self.version += 1
        lines = [{**line, "amount": self._money(line["amount"])} for line in self.lines]
        data = {"order_id": self.id, "status": status, "status_version": self.version, "currency": self.currency}
        self.lived.append(Happening(self.after_ms, "order", {**data, "total": self._money(self.total), "lines": lines}))

    def _line(self, number: int, product: Product) -> Data:
        quantity = self.random.choice((1, 1, 1, 2, 3))
        rate, places = RATES[self.currency]
        each = round(product.price_minor / 100 * rate * 10**places)
        line = {"line_id": f"{number + 1}", "sku": product.sku, "category": product.category}
        return {**line, "quantity": quantity, "amount": each * quantity}

    def _money(self, minor: int) -> str:
        places = RATES[self.currency][1]
        return f"{minor // 10**places}.{minor % 10**places:0{places}}" if places else str(minor)
