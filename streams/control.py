"""The control stage's fold: which rules stand, and who is told.

Source: DESIGN 3 (control), RULES first paragraph.
"""

from collections.abc import Collection, Mapping

from schemas import envelope, rules, topics
from schemas.effects import Effect
from schemas.envelope import RulesSet, Tick
from schemas.fold import Folded, Home, Record, stamp
from schemas.rules import ALLIANCE


class NoRuleSet(ValueError):
    """A record of the rules topic that no publisher of ours wrote; it is counted and passed over."""


class ControlFold:
    """The one partition of ``huiliu.internal.rules``: each set that is published goes into every partition of budgets, then of members.

    A set's version is its offset.  A record that is no rule set raises, so
    that it is told and changes nothing downstream, where it would be told once
    for every partition.
    """

    culprit: bytes | None = None

    def __init__(self, partitions: int) -> None:
        """Take the number of partitions of members."""
        self._partitions = partitions
        self._clock_ms = 0
        self.begin()

    def restore(self, home: Home, states: Mapping[bytes, bytes], clock_ms: int) -> None:  # noqa: ARG002 - the protocol's
        """Begin from what was committed; nothing of it is looked at again, it says which rules stand."""
        self._clock_ms = clock_ms
        self.begin()

    def begin(self, skip: Collection[tuple[int, bytes]] = ()) -> None:  # noqa: ARG002 - no record has a culprit's key
        """Open a batch."""
        self._effects: list[Effect] = []
        self._states: dict[bytes, bytes | None] = {}
        self._now_ms = self._clock_ms

    def fold(self, record: Record) -> None:
        """Pass a set on, or the withdrawal of one; raises ``NoRuleSet`` for anything else."""
        published = _published(record)
        self._now_ms = max(self._now_ms, record.timestamp)
        key = published.owner.encode()
        self._states[key] = stamp(record.offset, published.document) if published.document is not None else None
        self._effects += told(envelope.encode(published), self._partitions)

    def refuse(self, record: Record, bug: BaseException) -> None:
        """Pass over what is no rule set: no brand wrote it, so there is nobody to return it to."""

    def commit(self) -> Folded:
        """Close the batch."""
        self._clock_ms = self._now_ms
        folded = Folded(self._effects, self._states, self._clock_ms)
        self.begin()
        return folded

    def abort(self) -> None:
        """Forget the batch."""
        self.begin()


def tick(now_ms: int, partitions: int) -> list[Effect]:
    """Tell every partition of budgets and members that time went on."""
    return told(envelope.encode(Tick(now_ms)), partitions)


def told(value: bytes, partitions: int) -> list[Effect]:
    """Address *value* to every partition of budgets, then of members: who asks must not know more than who answers."""
    return [Effect(topic, partition, None, value) for topic in (topics.BUDGETS, topics.MEMBERS) for partition in range(partitions)]


def _published(record: Record) -> RulesSet:
    """Read what was published; the key must be the set's owner."""
    owner = (record.key or b"").decode("utf-8", "replace")
    if owner != ALLIANCE and not topics.is_slug(owner):
        raise NoRuleSet(f"offset {record.offset}: its key is no owner; expected a brand's name or {ALLIANCE}")
    if record.value is None:
        return RulesSet(owner, record.offset, None)
    try:
        stated = rules.decode(record.value).owner
    except ValueError as error:
        raise NoRuleSet(f"offset {record.offset}: {owner}: {error}; publish with `huiliu rules publish`") from error
    if stated != owner:
        raise NoRuleSet(f"offset {record.offset}: its key is {owner}, its rules are those of {stated}")
    return RulesSet(owner, record.offset, record.value)
