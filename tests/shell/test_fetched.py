"""Fetched batches become records in order, whatever the cuts; the position follows on what was taken."""

import gc
import weakref

import pytest
from aiokafka import TopicPartition
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c

from agents.engine.capped import CappedRecords
from agents.engine.fetched import PartitionRecords

READ_COMMITTED = 1


def batch(base: int, values: int, gap: int = 0) -> bytes:
    """Make a batch from offset *base* on; the last *gap* offsets that it covers were taken by compaction."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1_000_000)
    for delta in range(values):
        builder.append(delta, 1_000, b"key", b"%d" % (base + delta), [("name", b"header")])
    made = bytearray(builder.build())
    made[0:8] = base.to_bytes(8, "big")
    made[23:27] = (values + gap - 1).to_bytes(4, "big")
    made[17:21] = calc_crc32c(bytes(made[21:])).to_bytes(4, "big")
    return bytes(made)


def records(fetched: bytes, offset: int) -> PartitionRecords:
    return PartitionRecords(TopicPartition("in", 3), CappedRecords(fetched), [], offset, None, None, False, READ_COMMITTED)


@pytest.mark.parametrize("most", [1, 2, 3, 4, 5, 7, 100, None])
def test_whatever_is_taken_at_a_time_all_comes_once_and_in_order(most: int | None) -> None:
    found = records(batch(10, 3) + batch(13, 4) + batch(17, 1), 10)
    came: list[int] = []
    while taken := found.take(most):
        assert most is None or len(taken) <= most
        came += [record.offset for record in taken]
        assert found.next_fetch_offset == came[-1] + 1
    assert came == list(range(10, 18))


def test_a_fetch_from_the_middle_of_a_batch_gives_nothing_twice() -> None:
    found = records(batch(10, 5) + batch(15, 2), 13)
    assert [record.offset for record in found.take(1)] == [13]
    assert [record.offset for record in found.take(None)] == [14, 15, 16]


def test_the_position_passes_what_compaction_took_once_all_before_it_is_taken() -> None:
    found = records(batch(10, 2, gap=3), 10)
    assert [record.offset for record in found.take(1)] == [10]
    assert found.next_fetch_offset == 11
    assert [record.offset for record in found.take(1)] == [11]
    assert found.next_fetch_offset == 15
    assert found.take(1) == []


def test_a_record_is_as_it_was_written() -> None:
    (record,) = records(batch(10, 1), 10).take(None)
    assert (record.topic, record.partition, record.offset, record.timestamp) == ("in", 3, 10, 1_000)
    assert (record.key, record.value, record.headers) == (b"key", b"10", (("name", b"header"),))


def test_what_was_fetched_goes_without_the_collector() -> None:
    gc.disable()
    try:
        found = records(batch(10, 1), 10)
        gone = weakref.ref(found)
        del found
        assert gone() is None
    finally:
        gc.enable()
