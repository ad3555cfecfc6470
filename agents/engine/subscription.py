"""Topics that come and go while a stage runs: only membership goes through Faust, so adding one disturbs no record.

Faust drops a change that is flagged during a rebalance, so the wish is
repeated until the subscription is what it should be.
"""

from typing import Any, cast

import faust

from agents.engine.cluster import Cluster
from agents.engine.stage import StatelessStage

QUICK_S = 0.5


class Subscription(faust.Service):
    """Keeps *topic*'s names at what *stage* wants and the cluster has, beside its anchor."""

    def __init__(self, app: faust.App, topic: Any, stage: StatelessStage, cluster: Cluster, refresh_s: float) -> None:
        self._app, self._topic, self._stage, self._cluster, self._refresh_s = app, topic, stage, cluster, refresh_s
        super().__init__()

    async def update(self) -> None:
        """Look once."""
        wanted = await self._stage.sources.current()
        there = await self._cluster.topics(wanted)
        self._topic.topics = sorted({self._stage.anchor, *there})

    @faust.Service.task
    async def _follow(self) -> None:
        conductor = cast(Any, self._app.topics)
        conductor._resubscribe_sleep_lock_seconds = QUICK_S  # noqa: SLF001 - 45 s otherwise
        while not self.should_stop:
            await self.sleep(self._refresh_s)
            try:
                await self.update()
            except Exception as unanswered:  # noqa: BLE001 - the topics that are known go on
                self.log.warning("topics could not be looked up: %r", unanswered)
                continue
            subscribed = set(conductor._topic_name_index)  # noqa: SLF001
            if subscribed and subscribed != set(self._topic.topics) and not self._app.rebalancing:
                conductor._flag_changes()  # noqa: SLF001
