"""What customers do with their coupons: of three that a CRM is told of, two are redeemed."""

import zlib
from collections.abc import Collection
from typing import Any

import msgspec

from deploy.demo.generator import ENRICHED, Piece, written
from schemas import crm


class Wallets:
    """By whom a brand's own events know its members, and which coupons they had.  *campaigns*: whose coupons are redeemed; None = all."""

    def __init__(self, campaigns: Collection[str] | None = None) -> None:
        self._campaigns = campaigns
        self._who: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self._had: set[str] = set()

    def hear(self, brand: str, kind: str, value: dict[str, Any], now_ms: int) -> Piece | None:
        """Take what the CRM of *brand* is told; gives the event by which its till redeems a coupon at *now_ms*, if it does."""
        if kind == crm.ENRICHED:
            data = value["event"].get("data")
            if isinstance(data, dict):  # not one that came in base64
                self._who[brand, value["member"]["id"]] = data["identities"]
        elif kind == crm.REWARD_GRANTED and value["kind"] == "coupon" and self._redeems(value):
            identities = self._who.get((brand, value["member"]))
            return _redemption(brand, value, identities, now_ms) if identities else None
        return None

    def _redeems(self, granted: dict[str, Any]) -> bool:
        reward = granted["reward_id"]
        if reward in self._had or (self._campaigns is not None and granted["campaign"] not in self._campaigns):
            return False
        self._had.add(reward)
        return zlib.crc32(reward.encode()) % 3 > 0


def _redemption(brand: str, granted: dict[str, Any], identities: list[dict[str, Any]], now_ms: int) -> Piece:
    reward = granted["reward_id"]
    event = {
        "specversion": "1.0",
        "id": f"redeemed-{reward}",
        "source": f"/brand/{brand}/till",
        "type": "cn.huiliu.coupon.v1",
        "time": written(now_ms),
        "data": {"identities": identities, "reward_id": reward, "coupon_code": granted["coupon_code"], "status": "redeemed"},
    }
    return Piece(brand, identities[0]["id"].encode(), msgspec.json.encode(event), (), ENRICHED)
