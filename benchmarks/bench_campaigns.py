"""What campaigns cost the members' fold, without Kafka: CPU microseconds an event, without any, with 20, and with 1,000.

The street of ``benchmarks.bench_folds``.  Twenty campaigns are triggered by
what happens on it; the others wait for what seldom does, as offers out of
season do: they are found by brand and event, so they should cost nothing.

Run: ``python -m benchmarks.bench_campaigns [--events N] [--passes N]``, after ``make setup``.
"""

import gc
from typing import Annotated, Any

import msgspec
import typer

from agents import compiled
from benchmarks import bench_folds
from benchmarks.bench_folds import Published

AT_WORK = 20
COUNTS = (0, AT_WORK, 1_000)
TRIGGERS = (
    {"kind": "event", "event": "order.paid"},
    {"kind": "event", "event": "order.completed"},
    {"kind": "streak", "events": ("share",), "count": 3, "within_ms": 86_400_000},
    {"kind": "event", "event": "coupon.claimed"},
    {"kind": "event", "event": "order.placed"},
)
SELDOM = {"kind": "event", "event": "share.ordered"}


def with_campaigns(logs: dict[int, list[Published]], count: int) -> dict[int, list[Published]]:
    """Give the logs' rule sets *count* campaigns between them."""
    from schemas import envelope, rules
    from schemas.envelope import RulesSet

    found = {}
    for partition, log in logs.items():
        found[partition] = list(log)
        sets = [record for record in log if isinstance(envelope.decode(record.value or b""), RulesSet)]
        for number, record in enumerate(sets):
            published = envelope.decode(record.value or b"")
            assert isinstance(published, RulesSet)
            standing = rules.decode(published.document or b"")
            chosen = {f"c{one}": _campaign(one) for one in range(number, count, len(sets))}
            changed = rules.encode(msgspec.structs.replace(standing, campaigns=chosen))
            found[partition][record.offset] = record._replace(value=envelope.encode(RulesSet(published.owner, published.version, changed)))
    return found


def _campaign(number: int) -> Any:
    from schemas import rules

    seldom = number >= AT_WORK
    written = {
        "state": "live",
        "trigger": SELDOM if seldom else TRIGGERS[number % len(TRIGGERS)],
        "reward": {"kind": "coupon", "value_minor": 500, "currency": "CNY", "valid_for_ms": 604_800_000},
        "once_per": "day",
        "cap": [{"rewards": 3, "within_ms": 604_800_000}],
        "beneficiary": "sharer" if seldom else "actor",
    }
    return msgspec.convert(written, rules.Campaign)


def main(
    events: Annotated[int, typer.Option(help="Events of all brands.")] = 30_000,
    passes: Annotated[int, typer.Option(help="How often; the best pass counts.")] = 3,
) -> None:
    """Print what an event costs with each number of campaigns."""
    print("streams:", "compiled" if compiled.activate() else "as Python (python -m agents.compiled compiles them)")
    _, logs = bench_folds.taken_in(bench_folds.records(events, 20_000))
    runs = {count: with_campaigns(logs, count) for count in COUNTS}
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 20, 1_000)  # as a worker has it
    best = dict.fromkeys(COUNTS, float("inf"))
    out = dict.fromkeys(COUNTS, 0)
    for _ in range(passes):
        for count in COUNTS:
            spent, out[count], _ = bench_folds.folded(runs[count])
            best[count] = min(best[count], spent)
    for count in COUNTS:
        print(f"{count:5,} campaigns {best[count] / events * 1e6:7.2f} µs an event; {out[count]:,} records out")
    print(f"1,000 beside 20: {best[1_000] / best[AT_WORK]:.2f}")


if __name__ == "__main__":
    typer.run(main)
