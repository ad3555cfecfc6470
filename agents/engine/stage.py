"""What a stage tells the engine of itself: names, its fold, and what it wants to hear."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from schemas.effects import Effect
from schemas.fold import PartitionFold, StatelessFold


class Durable(NamedTuple):
    """What one transaction made durable in *partition*; *states* is None where a state was forgotten."""

    partition: int
    epoch: int
    position: int
    clock_ms: int
    states: Mapping[bytes, bytes | None]


@dataclass(frozen=True)
class KeyedStage:
    """A stage with a table: one input topic, one changelog that the table is rebuilt from, one fold for each partition.

    *farewell* makes a record for a partition of the stage's own input, written
    at a graceful stop and folded if there is time.  *on_durable* is called
    after each transaction, in the worker's loop: it must not block.
    """

    app_id: str
    topic: str
    changelog: str
    fold: Callable[[], PartitionFold]
    farewell: Callable[[int], Effect] | None = None
    on_durable: Callable[[Durable], None] | None = None


class TopicSource(Protocol):
    """Which topics a stateless stage reads; the answer may grow and shrink while it runs."""

    async def current(self) -> frozenset[str]:
        """Name the topics to read now."""


@dataclass(frozen=True)
class StatelessStage:
    """A stage without a table: many untrusted topics, position in the group's commits.

    *routing* is the version of all that decides where a record goes; another
    one starts from a clean stop only.  *anchor* is a topic that is always there
    and never read, so that there is a group without any source.  *opened* is told the id of a topic
    before its first record is folded, and again when it was made again.
    """

    app_id: str
    anchor: str
    sources: TopicSource
    fold: StatelessFold
    routing: str
    opened: Callable[[str, bytes], None]


Stage = KeyedStage | StatelessStage
