"""What the two folds cost an event, without Kafka: CPU microseconds from a brand's record to the CRM's, best of several passes.

The pipeline's own input (``benchmarks.pipeline``): three brands with 20 tags
each.  Under ``valgrind --tool=callgrind`` a single pass counts instructions,
which no other work on the machine disturbs.

Run: ``python -m benchmarks.bench_folds [--events N] [--passes N] [--members N]``, after ``make setup``.
"""

import gc
import hashlib
import time
from collections.abc import Iterator, Sequence
from typing import Annotated, NamedTuple

import typer

from agents import compiled

PARTITIONS = 16
BATCH = 2_000
ROUND = 60_000


class Published(NamedTuple):
    """A record as the engine reads it."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()


class Nobody:
    """Counts nothing."""

    def decided(self, decisions: Sequence[object]) -> None:
        """Hear what a batch came to."""


def records(events: int, members: int) -> list[Published]:
    """Make what three brands publish, as JSON."""
    from benchmarks.workload import SEED, in_json
    from deploy.demo.generator import street
    from schemas import topics

    now_ms = 1_790_000_000_000
    made = []
    for number, piece in enumerate(street(SEED, events, now_ms, members=members)):
        value, headers = in_json(piece)
        made.append(Published(topics.events(piece.brand), 0, number, now_ms, piece.key, value, tuple(headers)))
    return made


def taken_in(published: Sequence[Published]) -> tuple[float, dict[int, list[Published]]]:
    """Run intake over *published*; gives CPU seconds and each partition's log of members, rules first."""
    from agents.intake_fold import IntakeFold
    from benchmarks.workload import rule_sets, told_rules
    from deploy.demo.shops import SHOPS
    from schemas import topics
    from schemas.envelope import Terms
    from streams.keys import Secrets

    fold = IntakeFold(Secrets(b"m" * 32, b"p" * 32, b"d" * 32), PARTITIONS)
    for shop in SHOPS:
        fold.enlist(shop.slug, Terms(), hashlib.blake2b(shop.slug.encode(), digest_size=16).digest())
    begun = time.process_time()
    effects = [effect for record in published for effect in fold(record)]
    spent = time.process_time() - begun
    logs: dict[int, list[Published]] = {partition: [] for partition in range(PARTITIONS)}
    at = published[0].timestamp
    for effect in [*told_rules(rule_sets(), PARTITIONS), *effects]:
        if effect.topic == topics.MEMBERS:
            log = logs[effect.partition]
            log.append(Published(effect.topic, effect.partition, len(log), at, effect.key, effect.value, ()))
    return spent, logs


def folded(logs: dict[int, list[Published]]) -> tuple[float, int, int]:
    """Run the members' fold over *logs*; gives CPU seconds, records out and bytes of state."""
    from agents.members_fold import RenderedFold
    from schemas.fold import Home
    from streams.keys import Keys, Secrets

    spent, out, size = 0.0, 0, 0
    keys = Keys(Secrets(b"m" * 32, b"p" * 32, b"d" * 32))
    for partition, log in logs.items():
        fold = RenderedFold(keys, Nobody())
        states: dict[bytes, bytes] = {}
        fold.restore(Home("huiliu.internal.members", bytes(16), partition, PARTITIONS, 1), states, 0)
        for batch in _batches(log):
            begun = time.process_time()
            fold.begin()
            for record in batch:
                fold.fold(record)
            done = fold.commit()
            spent += time.process_time() - begun
            states.update({key: value for key, value in done.states.items() if value is not None})
            out += len(done.effects)
        size += sum(map(len, states.values()))
    return spent, out, size


def _batches(log: list[Published]) -> Iterator[list[Published]]:
    for at in range(0, len(log), BATCH):
        yield log[at : at + BATCH]


def main(
    events: Annotated[int, typer.Option(help="Events of all brands.")] = ROUND,
    passes: Annotated[int, typer.Option(help="How often; the best pass counts.")] = 3,
    members: Annotated[int, typer.Option(help="Members on the street.")] = 20_000,
) -> None:
    """Print what intake and members cost an event."""
    print("streams:", "compiled" if compiled.activate() else "as Python (python -m agents.compiled compiles them)")
    published = records(events, members)
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 20, 1_000)  # as a worker has it
    best: tuple[float, float] = (float("inf"), float("inf"))
    for _ in range(passes):
        intake, logs = taken_in(published)
        spent, out, size = folded(logs)
        best = min(best[0], intake), min(best[1], spent)
    print(f"intake  {best[0] / events * 1e6:7.2f} µs an event")
    print(f"members {best[1] / events * 1e6:7.2f} µs an event; {out:,} records out, {size:,} bytes of state")


if __name__ == "__main__":
    typer.run(main)
