"""Intake as the engine calls it: what ``streams/intake.py`` decides, worded for Kafka by the sinks."""

from schemas.dead_letters import DeadLetter
from schemas.effects import Effect
from schemas.envelope import Terms
from schemas.fold import Record
from schemas.refusals import Reason, Refused
from sinks import dead_letters
from streams.intake import Intake
from streams.keys import Secrets


class IntakeFold:
    """A ``StatelessFold``: one record of a brand's topic in, one record for the members or the dead letters out."""

    def __init__(self, secrets: Secrets, partitions: int) -> None:
        """Route to *partitions* partitions by keys under *secrets*."""
        self._intake = Intake(secrets, partitions)
        self.admitted = self._intake.admitted
        self.refused: dict[tuple[str, str], int] = {}

    def enlist(self, brand: str, terms: Terms, topic_id: bytes) -> None:
        """Take *brand* up before its first record, and again when its *terms* or its topic's id change."""
        self._intake.enlist(brand, terms, topic_id)

    def __call__(self, record: Record) -> list[Effect]:
        """Decide on one record; KeyError when its topic's brand was never enlisted."""
        decided = self._intake(record)
        return [decided if isinstance(decided, Effect) else self._worded(decided)]

    def refuse(self, record: Record, bug: BaseException) -> list[Effect]:
        """Put a record aside whose decision raised.  The bug's type alone is told: its message may quote the record."""
        why = Refused(Reason.CRASHED, f"intake: {type(bug).__name__} came; expected a decision")
        return [self._worded(self._intake.dead_letter(record, why))]

    def _worded(self, letter: DeadLetter) -> Effect:
        kind = (letter.brand, letter.refused.reason)
        self.refused[kind] = self.refused.get(kind, 0) + 1
        return dead_letters.record(letter)
