"""What is fetched is unpacked up to a cap, and what is over it is one record that says so."""

import gzip

import cramjam
import pytest
from aiokafka.codec import lz4_encode, snappy_encode, zstd_encode
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder

from agents.engine.capped import CappedRecords, TooLarge, decompress
from agents.engine.fetched import lenient
from schemas.fold import OversizedBatch

CODECS = {"gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
PACK = {"gzip": gzip.compress, "snappy": snappy_encode, "lz4": lz4_encode, "zstd": zstd_encode}
CAP = 1024 * 1024
LARGEST = 256 * 1024


def batch(values: list[bytes], codec: int, headers: list[tuple[str, bytes]] | None = None) -> bytes:
    builder = DefaultRecordBatchBuilder(2, codec, 0, -1, -1, -1, 64 * CAP)
    for offset, value in enumerate(values):
        builder.append(offset, 1_000 + offset, b"key", value, headers or [])
    return bytes(builder.build())


@pytest.fixture(autouse=True)
def small_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CappedRecords, "cap", CAP)
    monkeypatch.setattr(CappedRecords, "largest", LARGEST)


@pytest.mark.parametrize("codec", [0, *CODECS.values()])
def test_every_codec_is_read(codec: int) -> None:
    values = [b"value-%d" % number * 10 for number in range(100)]
    found = list(CappedRecords(batch(values, codec)).next_batch())
    assert [(record.offset, record.timestamp, record.key, record.value) for record in found] == [
        (offset, 1_000 + offset, b"key", value) for offset, value in enumerate(values)
    ]


@pytest.mark.parametrize("codec", CODECS.values())
def test_a_batch_over_the_cap_is_one_record_with_its_offsets_and_its_bytes(codec: int) -> None:
    came = batch([b"\0" * CAP, b"\0" * CAP, b"end"], codec)
    assert len(came) < CAP
    oversized = CappedRecords(came).next_batch()
    (record,) = oversized
    assert isinstance(record.value, OversizedBatch)
    assert (record.value.first, record.value.last, record.offset) == (0, 2, 2)
    assert bytes(record.value) == came
    assert oversized.next_offset == 3


def test_batches_after_an_oversized_one_are_read() -> None:
    records = CappedRecords(batch([b"\0" * 2 * CAP], 1) + batch([b"next"], 1))
    assert isinstance(next(iter(records.next_batch())).value, OversizedBatch)
    assert [record.value for record in records.next_batch()] == [b"next"]
    assert not records.has_next()


@pytest.mark.parametrize("name", CODECS)
def test_the_cap_is_exact(name: str) -> None:
    assert len(decompress(memoryview(bytes(PACK[name](b"\0" * CAP))), CODECS[name], CAP, LARGEST)) == CAP + 61
    with pytest.raises(TooLarge):
        decompress(memoryview(bytes(PACK[name](b"\0" * (CAP + 1)))), CODECS[name], CAP, LARGEST)


def test_raw_snappy_and_several_gzip_streams_are_read() -> None:
    assert bytes(decompress(memoryview(bytes(cramjam.snappy.compress_raw(b"raw" * 50))), 2, CAP, LARGEST)[61:]) == b"raw" * 50
    assert bytes(decompress(memoryview(gzip.compress(b"a") + gzip.compress(b"b")), 1, CAP, LARGEST)[61:]) == b"ab"


def test_a_damaged_batch_is_never_given_out() -> None:
    came = bytearray(batch([b"value"], 0))
    came[-3] ^= 1
    with pytest.raises(CorruptRecordException, match="CRC"):
        CappedRecords(bytes(came)).next_batch()


def test_part_of_a_batch_at_the_end_of_a_fetch_waits_for_the_next_fetch() -> None:
    whole = batch([b"value"], 0)
    assert not CappedRecords(whole[:-1]).has_next()
    assert not CappedRecords(b"").has_next()


def test_a_headers_name_that_is_not_utf8_does_not_stop_the_partition() -> None:
    came = batch([b"first", b"second"], 0, [("name", b"header")]).replace(b"name", b"n\xffme")
    with pytest.raises(UnicodeDecodeError):
        list(DefaultRecordBatch(came))
    found = list(lenient(memoryview(came)))
    assert [(record.offset, record.timestamp, record.key, record.value) for record in found] == [
        (0, 1_000, b"key", b"first"),
        (1, 1_001, b"key", b"second"),
    ]
    assert found[0].headers == [("n\N{REPLACEMENT CHARACTER}me", b"header")]


@pytest.mark.parametrize("codec", CODECS.values())
@pytest.mark.parametrize("part", ["value", "header"])
def test_a_record_that_no_topic_would_take_unpacked_stays_packed_with_its_batch(codec: int, part: str) -> None:
    large = b"\0" * (LARGEST + 1)
    came = batch([b"first", large], codec) if part == "value" else batch([b"first", b"second"], codec, [("x", large)])
    (record,) = CappedRecords(came).next_batch()
    assert isinstance(record.value, OversizedBatch)
    assert (record.value.first, record.value.last, bytes(record.value)) == (0, 1, came)


@pytest.mark.parametrize("codec", CODECS.values())
def test_a_first_record_that_is_too_large_is_found_before_the_rest_is_unpacked(codec: int) -> None:
    packed = memoryview(batch([b"\0" * CAP, b"end"], codec))[61:]
    with pytest.raises(TooLarge):
        decompress(packed, codec, 2 * CAP, LARGEST)  # within the cap
    assert len(decompress(packed, codec, 2 * CAP, 2 * CAP)) > CAP


def test_many_records_within_both_bounds_are_read_one_by_one() -> None:
    values = [b"%d" % number * 1000 for number in range(100, 200)]
    assert [record.value for record in CappedRecords(batch(values, 4)).next_batch()] == values
