"""A fake Kafka: logs, transactions that are atomic and fenced by epoch, and laws that it checks on every write."""

from collections import deque

from agents.engine.takeover import MARKER, Log, Marker, Restored, highest_applied, unpack
from schemas.effects import Effect
from tests.simulation.oracle import Expected, Input

TOPIC = "in"
TOPIC_ID = b"t" * 16


class Violation(AssertionError):
    """The engine broke a law."""


class Refused(Exception):
    """Kafka did not do it, or did and the answer was lost."""


class FencedOff(Refused):
    """Another has the transactional id."""


class Kafka:
    """Inputs, changelogs and outputs of one schedule.  Whatever is written is judged at once."""

    def __init__(self, inputs: list[list[Input]]) -> None:
        self.inputs = inputs
        self.expected = [Expected(records) for records in inputs]
        self.visible = [0] * len(inputs)
        self.changelog: list[dict[bytes, bytes]] = [{} for _ in inputs]
        self.epochs = [0] * len(inputs)
        self.outputs: dict[tuple[str, int], list[Effect]] = {}
        self.arrived: set[Effect] = set()
        self.group: dict[int, int] = {}
        self.late: list[deque[Effect]] = []
        self.fenced = 0
        self.repeated = 0

    def fence(self, partition: int) -> int:
        self.epochs[partition] += 1
        return self.epochs[partition]

    def restore(self, partition: int) -> Restored:
        states = dict(self.changelog[partition])
        packed = states.pop(MARKER, None)
        marker = unpack(packed) if packed is not None else None
        self.judge_states(partition, states, marker)
        return Restored(states, marker, highest_applied(states))

    def judge_states(self, partition: int, states: dict[bytes, bytes], marker: Marker | None) -> None:
        """After any crash or take-over the restored state equals the fold."""
        position = marker.position if marker else 0
        if states != self.expected[partition].states[position]:
            raise Violation(f"partition {partition}: restored states are not the fold of the first {position} records")

    def inspect(self, partition: int) -> Log:
        return Log(TOPIC_ID, len(self.inputs), 0, self.visible[partition], self.group.get(partition))

    def commit(self, partition: int, epoch: int | None, records: dict[bytes, bytes | None]) -> None:
        """All of a transaction, or nothing; only from whoever fenced last.  Without an epoch: a plain write, which nothing stops."""
        if epoch is not None and epoch != self.epochs[partition]:
            self.fenced += 1
            raise FencedOff("fenced")
        log = self.changelog[partition]
        for key, value in records.items():
            if value is None:
                log.pop(key, None)
            else:
                log[key] = value
        if MARKER in records:
            self._judge_order(partition, unpack(log[MARKER]).position)

    def _judge_order(self, partition: int, position: int) -> None:
        """Law 3: effects are in the log before the position that stands for them."""
        expected = self.expected[partition]
        for effect in expected.effects[: expected.effects_before[position]]:
            if effect not in self.arrived:
                raise Violation(f"partition {partition}: {position} was committed before {effect.value!r} was delivered")

    def deliver(self, effect: Effect) -> None:
        self.outputs.setdefault((effect.topic, effect.partition), []).append(effect)
        self.repeated += effect in self.arrived
        self.arrived.add(effect)

    def report(self, partition: int, position: int) -> None:
        """Lag monitors are told what is durable, never more."""
        packed = self.changelog[partition].get(MARKER)
        if packed is None or position > unpack(packed).position:
            raise Violation(f"partition {partition}: {position} was reported before it was durable")
        self.group[partition] = position

    def judge_end(self) -> None:
        """Everything is folded and durable; receivers with marks have each effect once, in order, in identical bytes."""
        for partition, expected in enumerate(self.expected):
            restored = self.restore(partition)
            if restored.marker is None or restored.marker.position != len(self.inputs[partition]):
                raise Violation(f"partition {partition}: not all of the input was folded")
            for brand in range(2):
                wanted = [effect for effect in expected.effects if effect.topic == f"out-{brand}"]
                self._judge_receiver(wanted, self.outputs.get((f"out-{brand}", partition), []))

    def _judge_receiver(self, wanted: list[Effect], came: list[Effect]) -> None:
        if not set(came) <= set(wanted):
            raise Violation(f"not the same bytes: {(set(came) - set(wanted)).pop().value!r}")
        mark, had = (-1, -1), []
        for effect in came:
            assert effect.key is not None
            offset, index = (int(part) for part in effect.key.split(b":"))
            if (offset, index) > mark:
                mark = (offset, index)
                had.append(effect)
        if had != wanted:
            missing = [effect.value for effect in wanted if effect not in had]
            raise Violation(f"a receiver with marks has {len(had)} of {len(wanted)}: without {missing[:3]}")
