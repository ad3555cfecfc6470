"""The control stage: every partition of budgets, then of members, is told of every rule set."""

from collections.abc import Sequence
from typing import NamedTuple

import pytest

from schemas import envelope, rules, topics
from schemas.envelope import RulesSet, Tick
from schemas.fold import STAMP, Home, stamped_offset
from schemas.rules import DAY_MS, RuleSet, Silent
from streams.control import ControlFold, NoRuleSet, tick

PARTITIONS = 3
DOCUMENT = rules.encode(RuleSet("acme", tags={"away": Silent(for_ms=DAY_MS)}))


class Written(NamedTuple):
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: int = 1_000
    topic: str = topics.RULES
    partition: int = 0
    headers: Sequence[tuple[str, bytes]] = ()


def control() -> ControlFold:
    fold = ControlFold(PARTITIONS)
    fold.restore(Home(topics.RULES, bytes(16), 0, 1, 1), {}, 0)
    return fold


def test_a_set_goes_into_every_partition_with_its_offset_as_version() -> None:
    fold = control()
    fold.fold(Written(7, b"acme", DOCUMENT))
    folded = fold.commit()
    assert [(effect.topic, effect.partition, effect.key) for effect in folded.effects] == [
        (topic, partition, None) for topic in (topics.BUDGETS, topics.MEMBERS) for partition in range(PARTITIONS)
    ]
    assert {envelope.decode(effect.value or b"") for effect in folded.effects} == {RulesSet("acme", 7, DOCUMENT)}


def test_what_stands_is_kept_by_owner_behind_its_offset() -> None:
    fold = control()
    fold.fold(Written(7, b"acme", DOCUMENT))
    kept = fold.commit().states[b"acme"]
    assert kept is not None
    assert stamped_offset(kept) == 7
    assert kept[STAMP:] == DOCUMENT


def test_a_withdrawn_set_is_told_and_forgotten() -> None:
    fold = control()
    fold.fold(Written(8, b"acme", None))
    folded = fold.commit()
    assert folded.states == {b"acme": None}
    assert envelope.decode(folded.effects[0].value or b"") == RulesSet("acme", 8, None)


def test_of_two_sets_in_a_batch_both_are_told_and_the_later_is_kept() -> None:
    fold = control()
    later = rules.encode(RuleSet("acme"))
    fold.fold(Written(7, b"acme", DOCUMENT))
    fold.fold(Written(8, b"acme", later))
    folded = fold.commit()
    assert len(folded.effects) == 2 * 2 * PARTITIONS
    assert (folded.states[b"acme"] or b"")[STAMP:] == later


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (None, DOCUMENT),
        (b"", DOCUMENT),
        (b"Acme", DOCUMENT),
        (b"\xff", DOCUMENT),
        (b"acme", b"{}"),
        (b"acme", b"brand: acme"),
        (b"bolt", DOCUMENT),
    ],
)
def test_what_is_no_rule_set_raises_and_changes_nothing(key: bytes | None, value: bytes) -> None:
    fold = control()
    written = Written(7, key, value)
    with pytest.raises(NoRuleSet):
        fold.fold(written)
    fold.abort()
    fold.begin()
    fold.refuse(written, NoRuleSet())
    folded = fold.commit()
    assert (folded.effects, folded.states) == ([], {})


def test_the_clock_is_the_latest_append_time_and_survives_a_batch_given_up() -> None:
    fold = control()
    fold.fold(Written(7, b"acme", DOCUMENT, timestamp=5_000))
    assert fold.commit().clock_ms == 5_000
    fold.fold(Written(8, b"acme", DOCUMENT, timestamp=9_000))
    fold.abort()
    fold.begin()
    assert fold.commit().clock_ms == 5_000


def test_a_tick_goes_into_every_partition() -> None:
    effects = tick(1_234, PARTITIONS)
    assert [effect.partition for effect in effects] == 2 * list(range(PARTITIONS))
    assert {envelope.decode(effect.value or b"") for effect in effects} == {Tick(1_234)}
