"""What a partition remembers beside its members, and that a batch that was given up leaves nothing of it."""

import pytest

from schemas.envelope import Origin, Terms
from schemas.fold import stamped_offset
from schemas.member_state import Member, pack_member
from schemas.state import Book, CounterEntry, Rules, pack
from streams.partition import MEMBER_KEY, ORIGINS, Deadlines, Partition, carried, special
from tests.unit.one_partition import LIN, NOON, WEI

TOPIC = b"t" * 16


def partition(states: dict[bytes, bytes] | None = None) -> Partition:
    found = Partition()
    found.restore(states or {}, NOON)
    found.begin()
    return found


def test_who_is_due_comes_out_once_and_nobody_else() -> None:
    deadlines = Deadlines()
    for due_ms, key in ((5, LIN), (5, WEI), (3, LIN), (6, LIN)):
        deadlines.put(due_ms, key)
    assert sorted(deadlines.pop(5)) == [(3, LIN), (5, LIN), (5, WEI)]
    assert deadlines.pop(5) == []
    assert deadlines.pop(6) == [(6, LIN)]


def test_who_is_due_is_read_by_key_and_once_though_noted_twice() -> None:
    found = partition()
    for due_ms, key in ((5, WEI), (4, LIN), (4, LIN)):
        found.deadlines.put(due_ms, key)
    assert list(found.due(9)) == [(4, LIN), (5, WEI)]


def test_deadlines_come_back_with_the_members_at_a_restore() -> None:
    found = partition({LIN: pack_member(0, 7, Member()), special("book:tea"): pack(0, Book())})
    assert list(found.due(7)) == [(7, LIN)]
    assert found.brands() == ["tea"]


def test_deadlines_come_back_when_a_batch_is_given_up() -> None:
    found = partition()
    found.deadlines.put(5, LIN)
    assert list(found.due(9)) == [(5, LIN)]
    found.abort()
    assert list(found.due(9)) == [(5, LIN)]


@pytest.mark.parametrize("name", ["book:a", "book:0123456789", "origins", "rules:a-brand-with-a-rather-long-slug"])
def test_a_partitions_own_key_is_never_as_long_as_a_members(name: str) -> None:
    assert len(special(name)) > MEMBER_KEY
    assert special(name).startswith(b"\0" + name.encode())


def test_origins_are_numbered_as_they_are_met_and_keep_their_numbers() -> None:
    found = partition()
    numbers = [found.origin(Origin(TOPIC, one, 0)) for one in (3, 1, 3, 2)]
    assert numbers == [0, 1, 0, 2]
    restored = partition(found.commit())
    assert [restored.origin(Origin(TOPIC, one, 0)) for one in (2, 4, 3)] == [2, 3, 0]


def test_an_origin_met_in_a_batch_that_was_given_up_is_met_anew() -> None:
    found = partition()
    found.origin(Origin(TOPIC, 1, 0))
    found.abort()
    assert found.origin(Origin(TOPIC, 2, 0)) == 0


def test_what_did_not_change_is_not_written() -> None:
    found = partition()
    found.origin(Origin(TOPIC, 1, 0))
    assert list(found.commit()) == [ORIGINS]
    found.begin()
    found.origin(Origin(TOPIC, 1, 0))
    found.terms("tea")
    assert found.commit() == {}


def test_a_state_is_stamped_with_the_record_that_changed_it_last() -> None:
    found = partition()
    found.offset = 5
    found.book("tea").sequence += 1
    found.offset = 6
    found.book("silk").sequence += 1
    found.offset = 7
    found.book("tea").sequence += 1
    packed = found.commit()
    assert {key: stamped_offset(value) for key, value in packed.items()} == {special("book:tea"): 7, special("book:silk"): 6}


def test_a_book_goes_on_after_a_restore_and_is_as_it_was_after_a_batch_that_was_given_up() -> None:
    found = partition()
    found.book("tea", Terms(crm_partitions=9)).sequence = 41
    restored = partition(found.commit())
    restored.book("tea").sequence += 1
    restored.abort()
    assert (restored.book("tea").sequence, restored.terms("tea").crm_partitions) == (41, 9)


def test_of_a_brand_never_heard_of_the_terms_are_the_usual_ones() -> None:
    found = partition()
    assert found.terms("tea") == Terms()
    assert found.brands() == []


def test_rules_stand_from_their_publish_on_unless_the_batch_is_given_up() -> None:
    found = partition()
    found.publish("tea", Rules(5, b'{"owner":"tea"}', {}, []))
    assert (found.plan("tea").brand is not None, found.plan("silk").brand) == (True, None)
    found.abort()
    assert (found.rules("tea"), found.plan("tea").brand) == (None, None)


def test_rules_come_back_at_a_restore() -> None:
    found = partition()
    found.publish("tea", Rules(5, b'{"owner":"tea"}', {b"k": CounterEntry(1, 2, 3)}, [(4, 5)], 2))
    assert partition(found.commit()).rules("tea") == found.rules("tea")


@pytest.mark.parametrize(("position", "other"), [(0, True), (40, False), (40, True)])
def test_of_a_partition_that_begins_anew_rules_stand_and_count_from_there_on(position: int, other: bool) -> None:
    found = partition()
    found.publish("tea", Rules(5, b'{"owner":"tea"}', {b"k": CounterEntry(1, 2, 3)}, [(4, 5)], 2))
    found.book("tea")
    kept = {key: carried(key, packed, position, other) for key, packed in found.commit().items()}
    assert kept.pop(special("book:tea")) is None
    rules = partition({key: packed for key, packed in kept.items() if packed is not None}).rules("tea")
    assert rules is not None
    assert (rules.version, rules.counters, rules.scored_since) == (5, {b"k": CounterEntry(1, position - 1, 0)}, position - 1)
    assert {stamped_offset(packed) for packed in kept.values() if packed is not None} == {position - 1}


def test_a_whole_log_that_is_folded_anew_holds_its_rules_itself() -> None:
    found = partition()
    found.publish("tea", Rules(5, b'{"owner":"tea"}', {}, []))
    assert [carried(key, packed, 0, False) for key, packed in found.commit().items()] == [None]
