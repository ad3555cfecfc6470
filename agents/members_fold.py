"""The members fold as the engine runs it: what it decides becomes records through the sinks, and is counted."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from schemas.crm import CrmRecord
from schemas.dead_letters import DeadLetter
from schemas.decisions import Decision
from schemas.fold import Folded, Home, Record
from sinks import crm, dead_letters
from streams.keys import Keys
from streams.member import MembersFold


class Audience(Protocol):
    """Whoever counts what is decided; ``sinks.telemetry`` does."""

    def decided(self, decisions: Sequence[Decision]) -> None:
        """A batch came to *decisions*, in order."""


class RenderedFold:
    """A ``PartitionFold``: ``streams.member.MembersFold`` with its decisions worded for Kafka."""

    def __init__(self, keys: Keys, audience: Audience) -> None:
        self._fold = MembersFold(keys)
        self._audience = audience

    @property
    def culprit(self) -> bytes | None:
        """Name the member whose deadline raised; None where the record itself did."""
        return self._fold.culprit

    def restore(self, home: Home, states: Mapping[bytes, bytes], clock_ms: int) -> None:
        """Begin from what was committed."""
        self._fold.restore(home, states, clock_ms)

    def begin(self, skip: Collection[tuple[int, bytes]] = ()) -> None:
        """Open a batch."""
        self._fold.begin(skip)

    def fold(self, record: Record) -> None:
        """Fold one record."""
        self._fold.fold(record)

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
        self._audience.decided(decisions)
        return Folded(effects, states, clock_ms)

    def abort(self) -> None:
        """Forget the batch."""
        self._fold.abort()
