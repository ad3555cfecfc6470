"""The members fold as the engine runs it: what it decides becomes records through the sinks, and is counted."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

from schemas.crm import CrmRecord
from schemas.dead_letters import DeadLetter
from schemas.decisions import Decision
from schemas.effects import Effect
from schemas.fold import Folded, Home, Record
from sinks import crm, dead_letters
from streams.keys import Keys
from streams.member import MembersFold
from streams.partition import Partition


class Audience(Protocol):
    """Whoever counts what is decided; ``sinks.telemetry`` does."""

    def decided(self, decisions: Sequence[Decision]) -> None:
        """A batch came to *decisions*, in order."""


class RenderedFold:
    """A ``PartitionFold``: ``streams.member.MembersFold`` with its decisions worded for Kafka.

    *on_restored* is told, in whatever thread restores, that it has begun.
    *states* is the engine's table, live.
    """

    states: Mapping[bytes, bytes]

    def __init__(self, keys: Keys, audience: Audience, on_restored: "Callable[[Home, RenderedFold], None] | None" = None) -> None:
        self._fold = MembersFold(keys)
        self.fold = self._fold.fold
        """Folds one record."""
        self._audience = audience
        self._on_restored = on_restored

    @property
    def partition(self) -> Partition:
        """Give the rules and terms that hold here, as of the last record folded."""
        return self._fold.partition

    @property
    def clock_ms(self) -> int:
        """Tell the partition's clock."""
        return self._fold.partition.clock_ms

    @property
    def culprit(self) -> bytes | None:
        """Name the member whose deadline raised; None where the record itself did."""
        return self._fold.culprit

    def restore(self, home: Home, states: Mapping[bytes, bytes], clock_ms: int) -> None:
        """Begin from what was committed."""
        self._fold.restore(home, states, clock_ms)
        self.states = states
        if self._on_restored is not None:
            self._on_restored(home, self)

    def begin(self, skip: Collection[tuple[int, bytes]] = ()) -> None:
        """Open a batch."""
        self._fold.begin(skip)

    def refuse(self, record: Record, bug: BaseException) -> None:
        """Put a record aside whose fold raised."""
        self._fold.refuse(record, bug)

    def commit(self) -> Folded:
        """Close the batch, and word what it came to in the order in which it was decided."""
        decisions, states, clock_ms = self._fold.commit()
        effects = []
        for decision in decisions:
            if isinstance(decision, CrmRecord):
                effects.append(crm.render(decision))
            elif isinstance(decision, DeadLetter):
                effects.append(dead_letters.record(decision))
            elif isinstance(decision, Effect):
                effects.append(decision)
        self._audience.decided(decisions)
        return Folded(effects, states, clock_ms)

    def abort(self) -> None:
        """Forget the batch."""
        self._fold.abort()
