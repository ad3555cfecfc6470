"""A topic that is deleted and made again while a worker takes it over."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import cast

from agents.engine.cluster import Cluster, Ends, Topic
from agents.engine.group import Position
from agents.engine.observer import Quiet
from agents.engine.pipeline import Place
from agents.engine.stage import StatelessStage
from agents.engine.standing import parse
from agents.engine.stateless import StatelessBackend

FORMER, NEW = bytes(16), bytes([1] * 16)
PLACE = Place("brand", 0)


class Remade:
    """A cluster whose topic is made again after it was looked at once, and the group whose commits go with the former one."""

    def __init__(self) -> None:
        self.looks = 0
        self.said: dict[Place, Position] = {}

    async def topics(self, names: Iterable[str]) -> dict[str, Topic]:
        self.looks += 1
        return {name: Topic(FORMER if self.looks == 1 else NEW, 1) for name in names}

    async def ends(self, places: Iterable[Place]) -> dict[Place, Ends]:
        return {place: Ends(0, 7) for place in places}

    async def positions(self, places: list[Place]) -> dict[Place, Position]:
        assert places == [PLACE]
        return {}

    async def report(self, positions: Mapping[Place, Position]) -> bool:
        self.said |= positions
        return True


def test_a_topic_made_again_meanwhile_is_read_under_its_own_id() -> None:
    remade, opened = Remade(), dict[str, bytes]()
    stage = StatelessStage("app", "anchor", cast("object", None), cast("object", None), "r1", opened.__setitem__)  # type: ignore[arg-type]
    backend = StatelessBackend(stage, cast(Cluster, remade), lambda: remade, Quiet())
    starts = asyncio.run(backend.take_over([PLACE], lambda: True))
    standing = parse(remade.said[PLACE].metadata)
    assert (starts[PLACE].position, opened) == (0, {"brand": NEW})
    assert standing is not None
    assert standing.topic_id == NEW.hex()
