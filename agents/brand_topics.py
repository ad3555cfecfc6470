"""Topics in which brands receive, made again when somebody deletes them.

Until a topic is there again the worker keeps what is meant for it, and no
state that rests on it becomes durable; so it is not left to an operator.  What
the deleted topic held is gone: the next manifest tells the brand's CRM.

Source: CONTRACT 1, DESIGN 4 (writer).
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from time import monotonic
from typing import Final, Protocol

from kafka.errors import KafkaError
from mode import Service

from agents import admin
from agents.engine.writer import Missing
from agents.settings import BadSettings, Settings

EVERY_S: Final = 0.5
PATIENCE_S: Final = 1.5
"""Whoever makes a topic again himself is let to."""


class Audience(Protocol):
    """Whoever tells operators; ``sinks.telemetry`` does."""

    def topic_made_again(self, topic: str) -> None: ...
    def topic_not_made(self, topic: str, problem: str) -> None: ...


class BrandTopics(Service):
    """Makes those of the *missing* topics again that a registered brand receives in."""

    def __init__(self, settings: Settings, missing: Callable[[], Mapping[str, Missing]], audience: Audience) -> None:
        self._settings, self._missing, self._audience = settings, missing, audience
        super().__init__()

    @Service.task
    async def _look(self) -> None:
        while not self.should_stop:
            await self.sleep(EVERY_S)
            now = monotonic()
            names = {topic for topic, missing in self._missing().items() if now - missing.since > PATIENCE_S}
            if names:
                await self._make(names)

    async def _make(self, names: Collection[str]) -> None:
        try:
            made = await asyncio.to_thread(self.make, names)
        except (BadSettings, KafkaError) as problem:
            for topic in sorted(names):
                self._audience.topic_not_made(topic, str(problem))
        else:
            for topic in made:
                self._audience.topic_made_again(topic)

    def make(self, names: Collection[str]) -> list[str]:
        """Make those of *names* that registered brands receive in; returns which were made here."""
        wanted = [topic for brand in admin.list_brands(self._settings) for topic in admin.brand_topics(brand) if topic.name in names]
        return admin.ensure(self._settings, wanted) if wanted else []
