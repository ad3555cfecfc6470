"""A fold that counts by key and numbers what it sends by brand; and what must come of it, folded without batches."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from schemas.effects import Effect
from schemas.fold import STAMP, Folded, Home, Record, stamp

BRANDS = 2
BOOM = b"boom"


class Input(NamedTuple):
    """One record of the fake input."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


def brand_of(key: bytes) -> int:
    return key[-1] % BRANDS


def effect(partition: int, offset: int, index: int, brand: int, sequence: int, said: str) -> Effect:
    body = f"{partition}:{offset}:{index} #{sequence} {said}".encode()
    return Effect(f"out-{brand}", partition, b"%d:%d" % (offset, index), body)


class Expected:
    """States after each prefix of one partition's input, and all effects in order."""

    def __init__(self, records: list[Input]) -> None:
        counts: dict[bytes, tuple[int, int, int]] = {}
        sequences = [0] * BRANDS
        last = [-1] * BRANDS
        self.states: list[dict[bytes, bytes]] = [{}]
        self.effects: list[Effect] = []
        self.effects_before = [0]
        for record in records:
            assert record.key is not None
            brand = brand_of(record.key)
            if record.value == BOOM:
                said = ["crashed"]
            else:
                _, count, chain = counts.get(record.key, (0, 0, 0))
                counts[record.key] = (record.offset, count + 1, (chain * 31 + record.offset + 1) % 9973)
                said = [f"{record.key!r} {counts[record.key][1:]}"] + ["often"] * (counts[record.key][1] % 3 == 0)
            for index, words in enumerate(said):
                sequences[brand] += 1
                last[brand] = record.offset
                self.effects.append(effect(record.partition, record.offset, index, brand, sequences[brand], words))
            self.effects_before.append(len(self.effects))
            self.states.append(_packed(counts, sequences, last))


def _packed(counts: dict[bytes, tuple[int, int, int]], sequences: list[int], last: list[int]) -> dict[bytes, bytes]:
    states = {key: (offset + 1).to_bytes(STAMP, "big") + b"%d %d" % (count, chain) for key, (offset, count, chain) in counts.items()}
    for brand, sequence in enumerate(sequences):
        if sequence:
            states[b"\0brand:%d" % brand] = (last[brand] + 1).to_bytes(STAMP, "big") + b"%d" % sequence
    return states


class CountingFold:
    culprit: bytes | None = None

    def restore(self, home: Home, states: Mapping[bytes, bytes], clock_ms: int) -> None:  # noqa: ARG002 - the protocol's
        self.states, self.clock_ms = states, clock_ms
        self.sequences = [self._number(b"\0brand:%d" % brand) for brand in range(BRANDS)]

    def _number(self, key: bytes) -> int:
        packed = self.states.get(key)
        return int(packed[STAMP:]) if packed else 0

    def begin(self, skip: Collection[tuple[int, bytes]] = ()) -> None:  # noqa: ARG002 - the protocol's
        self.before = list(self.sequences)
        self.effects: list[Effect] = []
        self.touched: dict[bytes, bytes | None] = {}

    def fold(self, record: Record) -> None:
        assert record.key is not None
        if record.value == BOOM:
            raise RuntimeError("boom")
        packed = self.touched.get(record.key) or self.states.get(record.key)
        count, chain = (int(part) for part in packed[STAMP:].split()) if packed else (0, 0)
        count, chain = count + 1, (chain * 31 + record.offset + 1) % 9973
        self.touched[record.key] = stamp(record.offset, b"%d %d" % (count, chain))
        self._send(record, record.key, [f"{record.key!r} {(count, chain)}"] + ["often"] * (count % 3 == 0))

    def _send(self, record: Record, key: bytes, said: list[str]) -> None:
        brand = brand_of(key)
        for index, words in enumerate(said):
            self.sequences[brand] += 1
            self.effects.append(effect(record.partition, record.offset, index, brand, self.sequences[brand], words))
        self.touched[b"\0brand:%d" % brand] = stamp(record.offset, b"%d" % self.sequences[brand])

    def refuse(self, record: Record, bug: BaseException) -> None:  # noqa: ARG002 - the protocol's
        assert record.key is not None
        self._send(record, record.key, ["crashed"])

    def commit(self) -> Folded:
        return Folded(self.effects, self.touched, self.clock_ms)

    def abort(self) -> None:
        self.sequences = self.before
