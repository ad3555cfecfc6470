"""What intake costs an event: CPU microseconds from a record's bytes to an envelope's, best of several passes.

Run: ``python -m benchmarks.bench_intake``, after ``make setup`` with compiled folds, as production runs them.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgpack

from agents import compiled
from schemas.effects import Effect
from schemas.envelope import MSGPACK, Terms
from schemas.fold import Record

EVENTS = 20_000
BATCH = 2_000
PASSES = 7
AT_MS = 1_790_000_000_000
HEADERS = (("content-type", b"application/cloudevents+json"),)


@dataclass(frozen=True, slots=True)
class Published:
    """A record of a brand's topic."""

    value: bytes
    offset: int
    headers: Sequence[tuple[str, bytes | None]] = ()
    topic: str = "huiliu.acme.events"
    partition: int = 0
    timestamp: int = AT_MS
    key: bytes | None = field(default=None)


def order(number: int) -> dict[str, object]:
    """Make an order of two lines: about 600 bytes as JSON."""
    return {
        "specversion": "1.0",
        "id": f"0f8fad5b-d9cb-469f-a165-{number:012d}",
        "source": "/brand/acme/shop",
        "type": "cn.huiliu.order.v1",
        "time": "2026-09-21T14:13:20.123Z",
        "data": {
            "identities": [{"type": "wx_unionid", "id": f"oABCDEF{number:09d}"}, {"type": "cookie", "id": f"c-{number}"}],
            "context": {"channel": "mini_program", "device": "iPhone"},
            "order_id": f"O-20260921-{number}",
            "status": "paid",
            "status_version": 2,
            "currency": "CNY",
            "total": "129.90",
            "lines": [
                {"line_id": "1", "sku": "SKU-1", "category": "茶", "quantity": 1, "amount": "79.90"},
                {"line_id": "2", "sku": "SKU-2", "category": "杯", "quantity": 2, "amount": "50.00"},
            ],
        },
    }


def click(number: int) -> dict[str, object]:
    """Make a click of about 300 bytes."""
    data = {"identities": [{"type": "wx_openid", "id": f"o{number:09d}"}], "item": {"sku": "SKU-1", "category": "tea"}}
    return order(number) | {"type": "cn.huiliu.click.v1", "data": data}


Decide = Callable[[Record], object]


def new_intake(terms: Terms) -> Decide:
    """Make an intake of one brand, imported only now: ``compiled.activate`` comes before."""
    from streams.intake import Intake
    from streams.keys import Secrets

    intake = Intake(Secrets(b"m" * 32, b"p" * 32, b"d" * 32), 16)
    intake.enlist("acme", terms, bytes(16))
    return intake


def count_refused(intake: Decide, batch: Sequence[Published]) -> int:
    """Decide on a batch, as large as the engine's."""
    decided = [intake(record) for record in batch]
    return sum(not isinstance(effect, Effect) for effect in decided)


def measure(encode: Callable[[dict[str, object]], bytes], make: Callable[[int], dict[str, object]], terms: Terms) -> tuple[int, float]:
    """Give the size of a value and the CPU microseconds that one record costs."""
    intake = new_intake(terms)
    records = [Published(encode(make(number)), number, HEADERS if encode is to_json else ()) for number in range(EVENTS)]
    best = float("inf")
    for _ in range(PASSES):
        begun = time.process_time()
        refused = sum(count_refused(intake, records[at : at + BATCH]) for at in range(0, EVENTS, BATCH))
        best = min(best, time.process_time() - begun)
        if refused:
            raise SystemExit(f"{refused} of {EVENTS} events were refused")
    return len(records[0].value), best / EVENTS * 1e6


def to_json(event: dict[str, object]) -> bytes:
    """Encode as a brand's web shop does."""
    return json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode()


def to_msgpack(event: dict[str, object]) -> bytes:
    """Encode as Python's ``msgpack`` does."""
    packed: bytes = msgpack.packb(event)
    return packed


def main() -> None:
    """Print one line a case."""
    print("streams:", "compiled" if compiled.activate() else "as Python (python -m agents.compiled compiles them)")
    cases = (
        ("order, JSON", to_json, order, Terms()),
        ("order, JSON with blanks and escapes", lambda event: json.dumps(event).encode(), order, Terms()),
        ("order, MessagePack", to_msgpack, order, Terms(format=MSGPACK)),
        ("order, MessagePack to a JSON CRM", to_msgpack, order, Terms()),
        ("click, JSON", to_json, click, Terms()),
    )
    for name, encode, make, terms in cases:
        size, cost = measure(encode, make, terms)
        print(f"{name:40} {size:5} bytes {cost:6.2f} µs")


if __name__ == "__main__":
    main()
