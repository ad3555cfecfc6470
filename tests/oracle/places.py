"""Where each record must end: enriched, dead letter or duplicate (CONTRACT 2, *Duplicates*).

Records come in the log's order; two records of one member are taken to be of
one brand partition, or nobody could say which of them came first.
"""

import json
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, Final, NamedTuple, TypeVar

from tests.oracle.identity import Identity
from tests.oracle.validity import Said, judge, minor
from tests.oracle.wire import Published, Refusal

ENRICHED: Final = "enriched"
DEAD_LETTER: Final = "dead-letter"
DUPLICATE: Final = "duplicate"
REMEMBERED: Final = 64
TRACE: Final = ("traceparent", "tracestate")
K = TypeVar("K")
V = TypeVar("V")


class Verdict(NamedTuple):
    """One record's place; *position* is its place in the order given, *said* is there unless intake refuses it."""

    record: Published
    position: int
    place: str
    reason: str | None
    said: Said | None


class _Memory:
    """What one (brand, member) has accepted, as far as duplicates are concerned."""

    def __init__(self) -> None:
        self.ids: OrderedDict[tuple[str, str], str] = OrderedDict()
        self.orders: dict[tuple[str, ...], tuple[str, int]] = {}
        self.recent: dict[str, OrderedDict[tuple[str, ...], None]] = {"chat": OrderedDict(), "coupon": OrderedDict()}


def places(records: Iterable[Published]) -> list[Verdict]:
    """Judge *records* in their order."""
    memories: dict[tuple[str, Identity], _Memory] = {}
    verdicts = []
    for position, record in enumerate(records):
        try:
            said = judge(record)
        except Refusal as refusal:
            verdicts.append(Verdict(record, position, DEAD_LETTER, refusal.reason, None))
            continue
        memory = memories.setdefault((record.brand, said.who), _Memory())
        place = _admit(memory, said)
        verdicts.append(Verdict(record, position, place, "invalid_data" if place == DEAD_LETTER else None, said))
    return verdicts


def _admit(memory: _Memory, said: Said) -> str:
    """Say whether *said* is new, and if so remember it."""
    key = (said.event["source"], said.event["id"])
    body = json.dumps({name: value for name, value in said.event.items() if name not in TRACE}, sort_keys=True, default=bytes.hex)
    if key in memory.ids:
        return DUPLICATE if memory.ids[key] == body else DEAD_LETTER
    place = _admit_order(memory, said.data) if said.kind == "order" else _admit_natural(memory, said)
    if place == ENRICHED:
        _keep(memory.ids, key, body)
    return place


def _admit_order(memory: _Memory, data: dict[str, Any]) -> str:
    refunded = data["status"] == "refunded"
    key = ("refund", data["order_id"], data["refund_id"]) if refunded else ("status", data["order_id"], str(data["status_version"]))
    currency = data["currency"]
    amount = (currency, minor(data["refund"]["amount"] if refunded else data["total"], currency))
    if key in memory.orders:
        return DUPLICATE if memory.orders[key] == amount else DEAD_LETTER
    memory.orders[key] = amount
    return ENRICHED


def _admit_natural(memory: _Memory, said: Said) -> str:
    data = said.data
    if said.kind == "chat":
        key: tuple[str, ...] = (data["conversation_id"], data["message_id"])
    elif said.kind == "coupon" and data.get("reward_id"):
        key = (data["reward_id"], data["status"])
    else:
        return ENRICHED
    if key in memory.recent[said.kind]:
        return DUPLICATE
    _keep(memory.recent[said.kind], key, None)
    return ENRICHED


def _keep(kept: "OrderedDict[K, V]", key: K, value: V) -> None:
    kept[key] = value
    if len(kept) > REMEMBERED:
        kept.popitem(last=False)
