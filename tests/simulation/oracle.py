"""What must come of an input: folded record by record, without batches, crashes or an engine."""

from typing import NamedTuple

from schemas.effects import Effect
from schemas.fold import STAMP

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
    states = {key: offset.to_bytes(STAMP, "big") + b"%d %d" % (count, chain) for key, (offset, count, chain) in counts.items()}
    for brand, sequence in enumerate(sequences):
        if sequence:
            states[b"\0brand:%d" % brand] = last[brand].to_bytes(STAMP, "big") + b"%d" % sequence
    return states
