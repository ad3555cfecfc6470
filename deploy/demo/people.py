"""Who comes by: members, each with identities that always say the same of them, and with a habit of coming back."""

from itertools import accumulate
from random import Random
from typing import Any, Final, NamedTuple

from deploy.demo.shops import Shop

KINDS: Final = ("wx_unionid", "mobile", "wecom_external_userid", "brand_member", "wx_openid", "device", "cookie")
SHARES: Final = (30, 18, 10, 20, 12, 5, 5)
JUNK: Final = ("", "0000", "-1", "NULL", "undefined", "anonymous")


class Person(NamedTuple):
    """A member at one brand.  *key* is the Kafka key that the brand uses: one a member, so that its order is kept."""

    key: bytes
    identities: tuple[dict[str, Any], ...]


class Crowd:
    """The *members* of *shop*, by their numbers, drawn by Zipf's law: the n-th most frequent comes 1/n as often."""

    def __init__(self, random: Random, shop: Shop, members: range) -> None:
        self.people = [_person(random, shop, number) for number in members]
        self.weights = list(accumulate(1 / (rank + 3) for rank in range(len(members))))

    def draw(self, random: Random) -> Person:
        """Let somebody come by."""
        return random.choices(self.people, cum_weights=self.weights)[0]


def _person(random: Random, shop: Shop, number: int) -> Person:
    """Make member *number*; those with a unionid or a mobile are the same people in every shop."""
    strongest = random.choices(KINDS, weights=SHARES)[0]
    identities = [_identity(strongest, shop, number, sure=True)]
    weaker = (kind for kind in KINDS[KINDS.index(strongest) + 1 :] if random.random() < 0.25)
    identities.extend(_identity(kind, shop, number, sure=False) for kind in weaker)
    if random.random() < 0.05:
        identities.insert(0, {"type": strongest, "id": random.choice(JUNK)})
    if random.random() < 0.05:
        identities.append({"type": "alipay_uid", "id": f"2088{number:012}"})
    if strongest in ("device", "cookie") and random.random() < 0.3:
        identities.append({"type": "mobile", "id": f"139{number:08}"})  # typed into a form: reaches nobody
    random.shuffle(identities)
    return Person(f"{strongest}:{number}".encode(), tuple(identities))


def _identity(kind: str, shop: Shop, number: int, *, sure: bool) -> dict[str, Any]:
    match kind:
        case "mobile":
            written = f"138{number:08}"
            shapes = (written, f"+86 {written[:3]}-{written[3:7]}-{written[7:]}", f"0086{written}")
            return {"type": kind, "id": shapes[number % 3], "verified": sure}
        case "wx_unionid":
            return {"type": kind, "id": f"oU{number:026x}"}
        case "device" | "cookie":
            return {"type": kind, "id": f"{shop.slug[:2]}-{kind}-{number:x}"} | ({"verified": True} if number % 7 == 0 and sure else {})
    return {"type": kind, "id": f"{shop.slug[:2]}{number:08}"}
