"""A batch is a transaction in memory: a record that raises is refused, and the others count as if it had not been there."""

from collections.abc import Sequence

import pytest

from agents.engine.folding import fold_batch, fold_stateless
from schemas.effects import Effect
from schemas.fold import Home, Record
from tests.shell.counting import BOOM, CountingFold, Expected, Input


def records(values: Sequence[bytes]) -> list[Input]:
    return [Input("in", 0, offset, 0, b"key-%d" % (offset % 3), value) for offset, value in enumerate(values)]


def restored(fold: CountingFold) -> CountingFold:
    fold.restore(Home("in", b"", 0, 1, 1), {}, 0)
    return fold


@pytest.mark.parametrize("values", [[b"1"] * 5, [b"1", BOOM, b"1", BOOM, b"1"], [BOOM] * 4, [BOOM]])
def test_a_batch_comes_to_what_its_records_come_to_one_by_one(values: list[bytes]) -> None:
    crashed: list[int] = []
    folded = fold_batch(restored(CountingFold()), records(values), lambda record, _: crashed.append(record.offset))
    expected = Expected(records(values))
    assert folded.effects == expected.effects
    assert folded.states == expected.states[-1]
    assert crashed == [offset for offset, value in enumerate(values) if value == BOOM]


def test_a_refusal_that_raises_ends_the_worker() -> None:
    class Broken(CountingFold):
        def refuse(self, record: Record, bug: BaseException) -> None:  # noqa: ARG002
            raise ValueError("refuse raised")

    with pytest.raises(ValueError, match="refuse raised"):
        fold_batch(restored(Broken()), records([b"1", BOOM]), lambda _record, _bug: None)


def test_a_stateless_record_that_raises_is_refused_and_the_next_goes_on() -> None:
    class Echo:
        def __call__(self, record: Record) -> list[Effect]:
            if record.value == BOOM:
                raise RuntimeError("boom")
            return [Effect("out", 0, None, record.value)]

        def refuse(self, record: Record, bug: BaseException) -> list[Effect]:
            return [Effect("dead", 0, None, record.value, (("bug", repr(bug).encode()),))]

    effects = fold_stateless(Echo(), records([b"a", BOOM, b"b"]), lambda _record, _bug: None)
    assert [(effect.topic, effect.value) for effect in effects] == [("out", b"a"), ("dead", BOOM), ("out", b"b")]
