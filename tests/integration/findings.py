"""What a run came to, and what is wrong with it."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, NamedTuple

from agents.topic_log import Entry
from tests.oracle.places import Verdict
from tests.oracle.recount import Member
from tests.oracle.rules import Rules
from tests.oracle.validity import instant
from tests.oracle.wire import Published

Origin = tuple[str, int, int]
FORMER: Final = -(10**9)
"""Added to the offsets of a topic that was deleted and made again, so that both topics' records have names of their own."""


class Kind(StrEnum):
    """What a finding is."""

    LOST = "lost"
    WRONG = "wrong"
    TWICE = "twice"
    INVERSION = "inversion"
    GAP = "gap"


class Former(NamedTuple):
    """A brand's events topic that was deleted and made again: its id, its records, and where the CRM's partitions ended then."""

    topic_id: str
    records: list[Published]
    crm_ends: dict[int, int]


@dataclass(frozen=True)
class Terms:
    """What is to be known of a run beside its rules.

    *since*: where the internal log's partitions began with it, *began_ms*: no
    clock was later then.  *crashing*
    tells the records whose fold raises.  *later* are the sets that took the
    place of their owners' first ones meanwhile.  *former* by brand; *cut* are
    brands whose CRM topic was deleted, and what it held with it.  *most*: of
    how many records of a member and brand the member is recounted.  *vouched*:
    manifests were asked for after all of it.
    """

    since: Mapping[int, int] = field(default_factory=dict)
    began_ms: int = 0
    crashing: Callable[[Published], bool] = lambda _: False
    later: Sequence[Rules] = ()
    former: Mapping[str, Former] = field(default_factory=dict)
    cut: frozenset[str] = frozenset()
    most: int = 1_000_000
    vouched: bool = False


PLAIN: Final = Terms()


@dataclass(frozen=True)
class Told:
    """A CRM record, decoded."""

    brand: str
    type: str
    id: str
    sequence: tuple[int, int, int]
    origin: Origin | None
    value: dict[str, Any]
    place: tuple[int, int]
    appended_ms: int

    @property
    def member(self) -> str:
        who = self.value["member"]
        return str(who["id"] if isinstance(who, dict) else who)


class Ending(NamedTuple):
    """What must be known of a member at the end.  *key* is the member's; a score's deadline leaves the last second open."""

    key: bytes
    now: Member
    second_before: Member


@dataclass
class Account:
    """All that can be wrong with a run, as lists of findings; each must be empty."""

    verdicts: list[Verdict] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    copies: int = 0
    findings: list[str] = field(default_factory=list)
    kinds: Counter[Kind] = field(default_factory=Counter)
    terms: Terms = PLAIN
    ends: dict[str, Counter[str]] = field(default_factory=dict)
    enriched: dict[Origin, Told] = field(default_factory=dict)
    letters: dict[Origin, Entry] = field(default_factory=dict)
    clocks: dict[int, int] = field(default_factory=dict)
    inside: dict[Origin, tuple[int, int]] = field(default_factory=dict)
    keys: dict[Origin, bytes] = field(default_factory=dict)
    latest_ms: dict[Origin, int] = field(default_factory=dict)
    final: dict[tuple[str, str], Ending] = field(default_factory=dict)
    changes: dict[str, dict[int, tuple[int, int]]] = field(default_factory=dict)

    def find(self, kind: Kind, what: str, *details: object) -> None:
        self.kinds[kind] += 1
        self.findings.append(f"{what}: {' '.join(str(detail) for detail in details)}"[:600])


def origin_of(record: Published) -> Origin:
    """Name a brand's record."""
    return record.brand, record.partition, record.offset


def ms_of(text: str) -> int:
    """Read a time that Huiliu wrote."""
    at_ms = instant(text)
    assert at_ms is not None, text
    return at_ms
