"""A brand that publishes by hand: records for the oracle's own tests, one line each."""

import json
import textwrap
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from tests.oracle.identity import Identity
from tests.oracle.places import Verdict, places
from tests.oracle.recount import Member, Probe, recount
from tests.oracle.rules import Rules, read
from tests.oracle.wire import Published

NOON: Final = int(datetime(2026, 11, 24, 4, 0, tzinfo=UTC).timestamp()) * 1000
MINUTE: Final = 60_000
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
LIN: Final = Identity("brand_member", "tea", "lin")


def zulu(at_ms: int) -> str:
    """Write a time as a brand would."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass
class Brand:
    """The tea brand's topic, written to by one member, Lin, unless *data* says otherwise.  Noon is noon in Shanghai."""

    records: list[Published] = field(default_factory=list)

    def publish(self, kind: str, at_ms: int, data: dict[str, Any], *, append_ms: int = NOON, **attributes: Any) -> "Brand":
        """Append an event of *kind* that happened at *at_ms*."""
        event = {
            "specversion": "1.0",
            "id": f"e{len(self.records)}",
            "source": "/brand/tea/shop",
            "type": f"cn.huiliu.{kind}.v1",
            "time": zulu(at_ms),
            **attributes,
            "data": {"identities": [{"type": "brand_member", "id": "lin"}], **data},
        }
        return self.raw(json.dumps(event, ensure_ascii=False).encode(), append_ms=append_ms)

    def raw(self, value: bytes | None, *headers: tuple[str, bytes], append_ms: int = NOON) -> "Brand":
        """Append a record as it is."""
        self.records.append(Published("tea", 0, len(self.records), append_ms, value, headers))
        return self

    def click(self, at_ms: int, sku: str = "s1", category: str | None = "green") -> "Brand":
        return self.publish("click", at_ms, {"item": {"sku": sku, "category": category}})

    def chat(self, at_ms: int, message: str, text: str = "", **more: Any) -> "Brand":
        said = {"conversation_id": "c1", "message_id": message, "direction": "in", "msgtype": "text", "text": text}
        return self.publish("chat", at_ms, {**said, **more})

    def order(self, at_ms: int, status: str, version: int, total: str = "100.00", order: str = "o1", **more: Any) -> "Brand":
        stated = {"order_id": order, "status": status, "status_version": version, "currency": "CNY", "total": total}
        return self.publish("order", at_ms, {**stated, **more})

    def refund(self, at_ms: int, refund: str, amount: str, lines: list[dict[str, Any]] | None = None, order: str = "o1") -> "Brand":
        taken = {"amount": amount, "lines": lines or []}
        return self.order(at_ms, "refunded", 90, "100.00", order, refund_id=refund, refund=taken)

    def verdicts(self) -> list[Verdict]:
        return places(self.records)

    def ends(self) -> list[str]:
        """Name each record's place, a dead letter by its reason."""
        return [verdict.reason or verdict.place for verdict in self.verdicts()]

    def lin(self, tags: str = "", clock_ms: int = NOON, engagement: str = "", who: Identity = LIN) -> Member:
        """Tell what is known of Lin at *clock_ms* under *tags*, the lines below ``tags:``."""
        lines = ["brand: tea", "timezone: Asia/Shanghai", f"engagement: {engagement}" if engagement else "", "tags:"]
        rules = [read("\n".join([*lines, *(f"  {line}" for line in textwrap.dedent(tags).split("\n"))]))] if tags else [Rules("tea")]
        probe = Probe("tea", who, len(self.records), clock_ms)
        return recount(self.verdicts(), rules, [probe])[probe]
