"""Intake and members as plain functions: what goes in at the brands' topics, what comes out at the CRMs'.

No Kafka: the log of ``huiliu.internal.members`` is a list for each partition,
folded in batches of any size over a table of packed states.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from schemas import envelope, rules
from schemas.crm import CrmRecord
from schemas.dead_letters import DeadLetter
from schemas.decisions import Decision
from schemas.effects import Effect, Headers
from schemas.envelope import RulesSet, Terms, Tick
from schemas.fold import Home
from schemas.rules import RuleSet
from streams.intake import Intake
from streams.keys import Keys, Secrets
from streams.member import MembersFold
from tests.oracle.wire import Published

SECRETS = Secrets(b"m" * 32, b"p" * 32, b"d" * 32)
KEYS = Keys(SECRETS)
PARTITIONS = 4
INTERNAL_ID = b"internal-members"


class Written(NamedTuple):
    """A record of the log (``schemas.fold.Record``)."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


@dataclass
class Stage:
    """One partition of members: its log, its table, and all that was decided, in order."""

    partition: int
    log: list[Written] = field(default_factory=list)
    table: dict[bytes, bytes] = field(default_factory=dict)
    decisions: list[Decision] = field(default_factory=list)
    clock_ms: int = 0
    folded: int = 0

    def append(self, key: bytes | None, value: bytes, at_ms: int) -> None:
        self.log.append(Written("huiliu.internal.members", self.partition, len(self.log), at_ms, key, value))

    def fold(self, sizes: Iterable[int] | None = None) -> None:
        """Fold what is new in the log, in batches of *sizes* (None: all at once), by a fold that was just restored."""
        fold = self.restored()
        for size in sizes if sizes is not None else [len(self.log)]:
            batch = self.log[self.folded : self.folded + size]
            fold.begin()
            for record in batch:
                fold.fold(record)
            decided = fold.commit()
            self.folded += len(batch)
            self.decisions += decided.decisions
            self.clock_ms = decided.clock_ms
            for key, packed in decided.states.items():
                if packed is None:
                    self.table.pop(key, None)
                else:
                    self.table[key] = packed

    def restored(self) -> MembersFold:
        fold = MembersFold(KEYS)
        fold.restore(Home("huiliu.internal.members", INTERNAL_ID, self.partition, PARTITIONS, 1), self.table, self.clock_ms)
        return fold


@dataclass
class Pipeline:
    """The brands' topics to the CRMs; *letters* are intake's dead letters."""

    terms: dict[str, Terms] = field(default_factory=dict)
    letters: list[DeadLetter] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.stages = [Stage(partition) for partition in range(PARTITIONS)]
        self.intake = Intake(SECRETS, PARTITIONS)

    def publish_rules(self, sets: Sequence[RuleSet], at_ms: int, first_version: int = 0) -> None:
        for version, one in enumerate(sets, first_version):
            document = rules.encode(one)
            for stage in self.stages:
                stage.append(None, envelope.encode(RulesSet(one.owner, version, document)), at_ms)

    def publish(self, records: Iterable[Published]) -> None:
        for record in records:
            topic = f"huiliu.{record.brand}.events"
            self.intake.enlist(record.brand, self.terms.get(record.brand, Terms()), record.brand.encode().ljust(16, b"."))
            written = Written(topic, record.partition, record.offset, record.append_ms, record.key, record.value, record.headers)
            decided = self.intake(written)
            if isinstance(decided, Effect):
                self.stages[decided.partition].append(decided.key, decided.value or b"", record.append_ms)
            else:
                self.letters.append(decided)

    def tick(self, at_ms: int) -> None:
        for stage in self.stages:
            stage.append(None, envelope.encode(Tick(at_ms)), at_ms)

    def fold(self) -> None:
        for stage in self.stages:
            stage.fold()

    def told(self) -> list[CrmRecord]:
        return [decision for stage in self.stages for decision in stage.decisions if isinstance(decision, CrmRecord)]

    def refused(self) -> list[DeadLetter]:
        late = [decision for stage in self.stages for decision in stage.decisions if isinstance(decision, DeadLetter)]
        return self.letters + late
