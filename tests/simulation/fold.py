"""The fold that the simulated workers run: it counts by key, and numbers what it sends by brand."""

from collections.abc import Collection, Mapping

from schemas.effects import Effect
from schemas.fold import STAMP, Folded, Home, Record, stamp
from tests.simulation.oracle import BOOM, BRANDS, brand_of, effect


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
