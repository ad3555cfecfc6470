"""How a bug is planted: entered under its name, with what may bring it to light.

The product has no such switches: its code is replaced, in plain Python
(``tests.torture.PLAIN``), for what mypyc compiled can't be changed.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

ENV: Final = "TORTURE_PLANT"


class Plant(NamedTuple):
    """A bug; *faults* is what may bring it to light, *odd* what must be odd about the input."""

    plant: Callable[[], None]
    faults: tuple[str, ...] = ()
    odd: tuple[str, ...] = ()


PLANTS: Final[dict[str, Plant]] = {}


def bug(name: str, *faults: str, odd: tuple[str, ...] = ()) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Enter a bug under its *name*."""

    def enter(plant: Callable[[], None]) -> Callable[[], None]:
        PLANTS[name] = Plant(plant, faults, odd)
        return plant

    return enter


def put(owner: Any, name: str, other: Any) -> None:
    """Replace a part of the product, which must be there."""
    assert hasattr(owner, name), f"{owner} has no {name} any more"
    setattr(owner, name, other)


def listed() -> Iterator[str]:
    """Name every bug with what brings it to light."""
    for name, plant in PLANTS.items():
        yield f"{name}: {', '.join((*plant.faults, *plant.odd)) or 'nothing else'}"
