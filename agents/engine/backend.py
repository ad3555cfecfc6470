"""What differs between stages with and without a table: how a place is taken over, folded and made durable."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

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


class Backend(Protocol):
    """How one kind of stage keeps its position."""

    async def take_over(self, places: Sequence[Place]) -> dict[Place, Start]:
        """Take *places* over; one that must not be read is left out.  Raises ``CannotStart``."""

    async def kept(self, durable: dict[Place, int]) -> None:
        """Go on with places that a rebalance left here.  Raises ``Lost``."""

    async def settled(self, durable: dict[Place, int]) -> None:
        """Reading has stopped, and all that was folded is durable at these positions.  Raises ``Lost``."""

    def stale(self, found: Mapping[str, bytes]) -> list[Place]:
        """Find the places whose topic is another by now; raises ``CannotStart`` where that ends the worker."""

    def fold(self, place: Place, records: Sequence[Record]) -> Done:
        """Fold *records*; raises only for a bug that no record can be blamed for."""

    async def commit(self, due: Sequence[tuple[Pipeline, Transaction]]) -> None:
        """Make these durable, all or the worker ends.  Raises ``Lost`` or any error."""

    def lose(self, place: Place) -> None:
        """Forget what is held of *place*."""

    def positions(self, durable: dict[Place, int]) -> dict[Place, int]:
        """Choose what lag monitors are told of *durable* positions; nothing where the commit itself was told to the group."""
