"""A toy stage: it counts and sums what each key was sent, and says so to an output topic."""

import json
import struct
from collections.abc import Collection, Mapping

from schemas.effects import Effect
from schemas.fold import Folded, Home, Record, stamp

STATE = struct.Struct(">QQQ")
SEQUENCE = b"\0sequence"


class ToyFold:
    """Per key: how many records, their sum, a chain over their offsets.  Every effect carries the partition's sequence."""

    culprit: bytes | None = None

    def __init__(self, output: str, output_partitions: int = 1) -> None:
        self.output, self.output_partitions = output, output_partitions

    def restore(self, home: Home, states: Mapping[bytes, bytes], clock_ms: int) -> None:
        self.home, self.states, self.clock_ms = home, states, clock_ms
        packed = states.get(SEQUENCE)
        self.sequence = STATE.unpack(packed[8:])[0] if packed else 0

    def begin(self, skip: Collection[tuple[int, bytes]] = ()) -> None:
        self.skip = skip
        self.before = self.sequence
        self.touched: dict[bytes, tuple[int, int, int, int]] = {}
        self.effects: list[Effect] = []
        self.last = -1

    def fold(self, record: Record) -> None:
        key, value = record.key, record.value
        assert key is not None
        assert value is not None
        if value == b"boom":
            raise RuntimeError("boom")
        state = self.touched.get(key)
        if state is None:
            packed = self.states.get(key)
            state = (0, *STATE.unpack(packed[8:])) if packed else (0, 0, 0, 0)
        amount = int(value.partition(b" ")[0])
        count, total, chain = state[1] + 1, state[2] + amount, (state[3] * 31 + record.offset + 1) % 2**64
        self.touched[key] = (record.offset, count, total, chain)
        self._emit(record, {"key": key.decode(), "count": count, "total": total, "chain": chain})

    def _emit(self, record: Record, value: dict[str, object]) -> None:
        self.sequence += 1
        self.last = record.offset
        headers = (("ce_id", b"%d-%d" % (record.partition, record.offset)), ("sequence", b"%d" % self.sequence))
        self.effects.append(Effect(self.output, record.partition % self.output_partitions, record.key, json.dumps(value).encode(), headers))

    def refuse(self, record: Record, bug: BaseException) -> None:
        self._emit(record, {"crashed": repr(bug)})

    def commit(self) -> Folded:
        states: dict[bytes, bytes | None] = {
            key: stamp(offset, STATE.pack(count, total, chain)) for key, (offset, count, total, chain) in self.touched.items()
        }
        if self.last >= 0:
            states[SEQUENCE] = stamp(self.last, STATE.pack(self.sequence, 0, 0))
        return Folded(self.effects, states, self.clock_ms)

    def abort(self) -> None:
        self.sequence = self.before
