"""What one share costs that everybody opens, without Kafka: CPU microseconds a visit, while each visitor is known and beyond.

Every visit is another member's, from 16 partitions of members, folded in
batches of 2,000 as the engine does.

Run: ``python -m benchmarks.bench_shares [--visits N] [--passes N]``, after ``make setup``.
"""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import typer

from agents import compiled

PARTITIONS = 16
BATCH = 2_000
VISITS = 100_000
NOON = 1_790_000_000_000


@dataclass(frozen=True, slots=True)
class Asked:
    """A record of the shares' log."""

    offset: int
    key: bytes
    value: bytes
    topic: str = "huiliu.internal.shares"
    partition: int = 0
    timestamp: int = NOON
    headers: Sequence[tuple[str, bytes | None]] = ()


def asked(visits: int) -> list[Asked]:
    """Make the log: one shares, then everybody comes, now and then somebody again."""
    from schemas import shares
    from schemas.envelope import Happened, Origin
    from schemas.shares import Ask, Deed, Shared, Sharer

    key = shares.key_of("tea", "s1")
    words: list[shares.Word] = [Shared(Sharer(bytes(16), "tea"), None, "sku-1", "oolong")]
    for number in range(visits):
        visitor = hashlib.blake2b(str(number if number % 10 else number // 2).encode(), digest_size=16).digest()
        words.append(Deed(visitor, "tea", (), 1, "", None, Happened(NOON, NOON, f"0f8fad5b-d9cb-469f-a165-{number:012d}")))
    origins = [Origin(b"members".ljust(16, b"."), partition, 0) for partition in range(PARTITIONS)]
    return [
        Asked(number, key, shares.encode(Ask(Origin(origins[number % PARTITIONS].topic_id, number % PARTITIONS, number), 0, word)))
        for number, word in enumerate(words)
    ]


def _visitors(visits: int) -> int:
    return len({number if number % 10 else number // 2 for number in range(visits)})


def folded(log: Sequence[Asked]) -> tuple[float, float, int, int, int]:
    """Fold *log*; gives CPU seconds of the first and of all later batches, words told, bytes of state, and visitors as counted."""
    from schemas.fold import Home
    from schemas.shares import unpack
    from streams.share_memory import visitors
    from streams.shares_fold import SharesFold

    fold, states, told, spent = SharesFold({}), dict[bytes, bytes](), 0, list[float]()
    fold.restore(Home("huiliu.internal.shares", bytes(16), 0, PARTITIONS, 1), states, 0)
    for at in range(0, len(log), BATCH):
        begun = time.process_time()
        fold.begin()
        for record in log[at : at + BATCH]:
            fold.fold(record)
        done = fold.commit()
        spent.append(time.process_time() - begun)
        states.update({key: value for key, value in done.states.items() if value is not None})
        told += len(done.effects)
    packed = states[log[0].key]
    return spent[0], sum(spent[1:]), told, len(packed), visitors(unpack(packed))


def main(
    visits: Annotated[int, typer.Option(min=2 * BATCH, help="Visits of the one share.")] = VISITS,
    passes: Annotated[int, typer.Option(help="How often; the best pass counts.")] = 5,
) -> None:
    """Print what a visit costs."""
    print("streams:", "compiled" if compiled.activate() else "as Python (python -m agents.compiled compiles them)")
    log = asked(visits)
    found = [folded(log) for _ in range(passes)]
    first, later = min(one[0] for one in found), min(one[1] for one in found)
    _, _, told, size, counted = found[0]
    print(f"first batch (visitors known) {first / BATCH * 1e6:6.2f} µs a visit")
    print(f"every later batch            {later / (len(log) - BATCH) * 1e6:6.2f} µs a visit")
    print(f"{told:,} visits told to the sharer; {counted:,} visitors counted of {_visitors(visits):,}; {size:,} bytes of state")


if __name__ == "__main__":
    typer.run(main)
