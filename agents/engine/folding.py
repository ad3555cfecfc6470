"""A batch as a transaction in memory: all of it, or none.

If a record raises (a bug), the working set is dropped and the batch folded
again from its beginning without it.  This holds one of the program's broad
excepts: a record whose fold raised must become a dead letter, not be lost.

Source: DESIGN 4 (agent).
"""

from collections.abc import Callable, Sequence

from schemas.effects import Effect
from schemas.fold import Folded, PartitionFold, Record, StatelessFold

OnCrash = Callable[[Record, BaseException], None]


def fold_batch(fold: PartitionFold, records: Sequence[Record], on_crash: OnCrash) -> Folded:
    """Fold *records*; each that raises is told to *on_crash* and refused, or passed over for the one key that it raised for."""
    refused: dict[int, BaseException] = {}
    skip: set[tuple[int, bytes]] = set()
    while True:
        fold.begin(skip)
        raised = _run(fold, records, refused)
        if raised is None:
            return fold.commit()
        record, bug = raised
        on_crash(record, bug)
        culprit = fold.culprit
        fold.abort()
        if record.offset in refused or (culprit is not None and (record.offset, culprit) in skip):
            raise bug
        if culprit is None:
            refused[record.offset] = bug
        else:
            skip.add((record.offset, culprit))


def _run(fold: PartitionFold, records: Sequence[Record], refused: dict[int, BaseException]) -> tuple[Record, BaseException] | None:
    """Fold until one raises; the loop that every record of a keyed stage goes through."""
    one = fold.fold
    try:
        if refused:
            for record in records:
                if record.offset in refused:
                    fold.refuse(record, refused[record.offset])
                else:
                    one(record)
        else:
            for record in records:
                one(record)
    except Exception as bug:  # noqa: BLE001 - a bug in a fold becomes a dead letter
        return record, bug
    return None


def fold_stateless(fold: StatelessFold, records: Sequence[Record], on_crash: OnCrash) -> list[Effect]:
    """Turn *records* into effects, one by one; one that raises is told to *on_crash* and refused."""
    effects: list[Effect] = []
    extend = effects.extend
    for record in records:
        try:
            extend(fold(record))
        except Exception as bug:  # noqa: BLE001 - a bug in a fold becomes a dead letter
            on_crash(record, bug)
            extend(fold.refuse(record, bug))
    return effects
