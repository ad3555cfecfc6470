"""A cap on decompression, before it runs.

aiokafka unpacks a batch of whatever size it comes to: 1 MB of gzip is 1 GB
before any code of ours sees a record.  Here a compressed batch is unpacked
into a bounded buffer; one that does not fit stays as it is and is handed on as
one record, whose value is an ``OversizedBatch``.  So is one with a record
larger than its topic would take unpacked: no topic that it goes on to would
take it either, and a write that can never be delivered would end every worker.

The CRC is checked on the batch as it came, so the reader must not check it.

Source: DESIGN 4 (limits).
"""

import struct
import zlib
from collections.abc import Iterator
from typing import Any

import cramjam
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.util import decode_varint

from schemas.fold import OversizedBatch

GZIP, SNAPPY, LZ4, ZSTD = 1, 2, 3, 4
CODEC_MASK = 0x07
APPEND_TIME_MASK = 0x08
TRANSACTIONAL_MASK = 0x10
HEADER = struct.Struct(">qiibIhiqqqhii")  # base offset … number of records; what follows is compressed
LENGTH_AT, ATTRIBUTES_AT, PREFIX = 8, 21, 12
VARINT = 5  # bytes of a record's length, at most
XERIAL = b"\x82SNAPPY\x00"
XERIAL_HEADER = 16


class TooLarge(Exception):
    """The batch would unpack to more than the cap, or its first record is larger than its topic would take."""


class OversizedRecord:
    """The one record that an oversized batch is handed on as."""

    key = None
    headers: tuple[tuple[str, bytes], ...] = ()
    checksum = None

    def __init__(self, batch: bytes, first: int, last: int, timestamp: int, timestamp_type: int) -> None:
        self.value = OversizedBatch(batch)
        self.value.first, self.value.last = first, last
        self.offset, self.timestamp, self.timestamp_type = last, timestamp, timestamp_type


class OversizedRecordBatch:
    """What aiokafka asks of a batch, for one that stays packed."""

    is_control_batch = False

    def __init__(self, batch: bytes) -> None:
        head = HEADER.unpack_from(batch)
        attributes, last_delta, latest, producer = head[5], head[6], head[8], head[9]
        self.base_offset = head[0]
        self.next_offset = self.base_offset + last_delta + 1
        self.producer_id = producer
        self.is_transactional = bool(attributes & TRANSACTIONAL_MASK)
        self._record = OversizedRecord(batch, self.base_offset, self.next_offset - 1, latest, int(bool(attributes & APPEND_TIME_MASK)))

    def __iter__(self) -> Iterator[OversizedRecord]:
        return iter((self._record,))


class CappedRecords:
    """aiokafka's ``MemoryRecords``, with the cap.  One is made for each partition of a fetch."""

    cap = 16 * 1024 * 1024
    largest = 1024 * 1024

    def __init__(self, fetched: bytes) -> None:
        self._fetched = fetched
        self.last = memoryview(b"")  # the batch given last, unpacked
        self._at = 0
        self._end = 0
        self._find_next()

    def _find_next(self) -> None:
        self._at = self._end
        if len(self._fetched) - self._at < HEADER.size:
            self._end = 0
            return
        end = self._at + PREFIX + int(struct.unpack_from(">i", self._fetched, self._at + LENGTH_AT)[0])
        self._end = end if end <= len(self._fetched) else 0  # a fetch may end in part of a batch

    def size_in_bytes(self) -> int:
        return len(self._fetched)

    def has_next(self) -> bool:
        return self._end > self._at

    def next_batch(self) -> Any:
        """Give the next batch, unpacked, or as one oversized record."""
        batch = memoryview(self._fetched)[self._at : self._end]
        self._find_next()
        if not DefaultRecordBatch(batch).validate_crc():
            raise CorruptRecordException(f"batch at offset {HEADER.unpack_from(batch)[0]}: its CRC does not match")
        self.last = batch
        codec = batch[ATTRIBUTES_AT + 1] & CODEC_MASK
        if codec:
            try:
                self.last = unpacked(batch, codec, self.cap, self.largest)
            except TooLarge:
                return OversizedRecordBatch(bytes(batch))
            if len(self.last) > self.largest and has_larger(self.last, self.largest):
                return OversizedRecordBatch(bytes(batch))
        return DefaultRecordBatch(self.last)


def unpacked(batch: memoryview, codec: int, cap: int, largest: int) -> memoryview:
    """Rewrite *batch* as one without compression; raises ``TooLarge`` over *cap* bytes, or if the first record has more than *largest*."""
    try:
        whole = decompress(batch[HEADER.size :], codec, cap, largest)
    except (cramjam.DecompressionError, zlib.error, ValueError) as bad:
        raise CorruptRecordException(f"batch at offset {HEADER.unpack_from(batch)[0]}: codec {codec}: {bad}") from bad
    whole[: HEADER.size] = batch[: HEADER.size]
    struct.pack_into(">i", whole, LENGTH_AT, len(whole) - PREFIX)
    whole[ATTRIBUTES_AT + 1] &= ~CODEC_MASK
    return whole


def has_larger(unpacked_batch: memoryview, largest: int) -> bool:
    """Tell whether a record of *unpacked_batch* has more than *largest* bytes: key, value and headers."""
    at = HEADER.size
    for _ in range(HEADER.unpack_from(unpacked_batch)[-1]):
        length, at = decode_varint(unpacked_batch, at)
        if length > largest:
            return True
        at += length
    return False


def decompress(packed: memoryview, codec: int, cap: int, largest: int) -> memoryview:
    """Unpack *packed* behind room for a header, never holding more than *cap* bytes of it.

    If the first record has more than *largest* bytes, that is found before the
    rest is unpacked: a batch that nobody will read should cost nothing.
    """
    if codec in {GZIP, SNAPPY}:
        unpack = _gunzip if codec == GZIP else _unsnap
        return memoryview(bytearray(HEADER.size) + unpack(bytes(packed), cap, largest))
    into = {LZ4: cramjam.lz4.decompress_into, ZSTD: cramjam.zstd.decompress_into}.get(codec)
    if into is None:
        raise ValueError("unknown codec")
    size = min(cap, max(4096, 8 * len(packed)))
    while True:
        room = memoryview(bytearray(HEADER.size + size))
        try:
            return room[: HEADER.size + into(packed, room[HEADER.size :])]
        except cramjam.DecompressionError as failure:
            if "failed to write whole buffer" not in str(failure):
                raise
        _check_first(room[HEADER.size :], largest)
        if size == cap:
            raise TooLarge
        size = min(cap, 8 * size)


def _check_first(records: bytes | memoryview, largest: int) -> None:
    """Raise ``TooLarge`` if the first of *records*, of which only the beginning need be there, has more than *largest* bytes."""
    if len(records) >= VARINT and decode_varint(records)[0] > largest:
        raise TooLarge


def _gunzip(packed: bytes, cap: int, largest: int) -> bytes:
    """Unpack gzip, which may be several streams one after the other."""
    parts: list[bytes] = []
    left = cap
    while packed:
        stream = zlib.decompressobj(31)
        if not parts:
            parts.append(stream.decompress(packed, VARINT))
            left -= len(parts[0])
            _check_first(parts[0], largest)
            packed = stream.unconsumed_tail
        part = stream.decompress(packed, left + 1)
        left -= len(part)
        if left < 0:
            raise TooLarge
        if not stream.eof:
            raise ValueError("the gzip stream ends early")
        parts.append(part)
        packed = stream.unused_data
    return b"".join(parts)


def _unsnap(packed: bytes, cap: int, largest: int) -> bytes:
    """Unpack snappy: raw, or in the blocks of Java's client."""
    if not packed.startswith(XERIAL):
        return _unsnap_block(packed, cap)
    parts: list[bytes] = []
    at, left = XERIAL_HEADER, cap
    while at < len(packed):
        (size,) = struct.unpack_from(">i", packed, at)
        part = _unsnap_block(packed[at + 4 : at + 4 + size], left)
        if not parts:
            _check_first(part, largest)
        left -= len(part)
        parts.append(part)
        at += 4 + size
    return b"".join(parts)


def _unsnap_block(block: bytes, cap: int) -> bytes:
    if cramjam.snappy.decompress_raw_len(block) > cap:
        raise TooLarge
    return bytes(cramjam.snappy.decompress_raw(block))
