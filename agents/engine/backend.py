"""What differs between stages with and without a table: how a place is taken over, folded and made durable."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from agents.engine.cluster import Topic
from agents.engine.group import Position
from agents.engine.pipeline import Pipeline, Place, States, Transaction
from schemas.effects import Effect
from schemas.fold import Record


class Start(NamedTuple):
    """Where a place that was taken over goes on."""

    position: int
    clock_ms: int


class Done(NamedTuple):
    """What a batch came to."""

    effects: list[Effect]
    states: States
    clock_ms: int


class Lost(Exception):
    """The group has moved on while a commit was under way: the place is no longer ours, and nothing is broken."""


class Overtaken(Exception):
    """Another worker has taken the place over meanwhile."""


class Group(Protocol):
    """The group's commits, as its member may read and make them."""

    async def positions(self, places: list[Place]) -> dict[Place, Position]:
        """Read what is committed."""

    async def report(self, positions: Mapping[Place, Position]) -> bool:
        """Commit; False when the group has moved on."""


class Backend(Protocol):
    """How one kind of stage keeps its position.  *heard_at* is when a take-over last went on, by the monotonic clock."""

    heard_at: float

    async def take_over(self, places: Sequence[Place], goes_on: Callable[[], bool]) -> dict[Place, Start]:
        """Take *places* over, as long as it *goes_on*; one that must not be read is left out.

        Raises ``CannotStart``; ``Overtaken`` or ``Lost`` where another has it by now.
        """

    async def kept(self, durable: dict[Place, int]) -> None:
        """Go on with places that a rebalance left here.  Raises ``Lost``."""

    async def settled(self, durable: dict[Place, int]) -> None:
        """Reading has stopped, and all that was folded is durable at these positions.  Raises ``Lost``."""

    def stale(self, found: Mapping[str, Topic]) -> list[Place]:
        """Find the places whose topic is another by now, *found* being those that are there; ``CannotStart`` where that ends the worker."""

    def fold(self, place: Place, records: Sequence[Record]) -> Done:
        """Fold *records*; raises only for a bug that no record can be blamed for."""

    def commits(self, due: Sequence[tuple[Pipeline, Transaction]]) -> list[list[tuple[Pipeline, Transaction]]]:
        """Share what is due among commits that go side by side."""

    async def commit(self, due: Sequence[tuple[Pipeline, Transaction]]) -> None:
        """Make these durable.  Raises ``Lost``, ``Overtaken`` or any error, which ends the worker."""

    def lose(self, place: Place) -> None:
        """Forget what is held of *place*."""

    def positions(self, durable: dict[Place, int]) -> dict[Place, int]:
        """Choose what lag monitors are told of *durable* positions; nothing where the commit itself was told to the group."""
