"""How often a broker is asked for records, and for how long it may keep a question.

Source: DESIGN 4 (reader).
"""

import asyncio
from time import monotonic
from typing import Any

from aiokafka.consumer import consumer, fetcher

PACE_MS = 5
IDLE_WAIT_MS = 100  # also what a rebalance may wait for: the next fetch is answered after the one under way
BUSY_WAIT_MS = 20
PAUSE_S = 0.25
"""Without a question for so long, a broker could not say that a topic was not there for a while."""


class Fetcher(fetcher.Fetcher):  # type: ignore[misc]
    """Has one fetch a broker under way, and asks each broker once in ``PACE_MS`` at most.

    Reader, fold, writer and broker do almost as much for one record as for
    the five that have come by the next turn.  Only a fetch of every partition
    may wait at the broker for long: one that still has records to take is left
    out, and would wait for the idle ones.  After a pause topics are looked up
    anew: one may have been made again.
    """

    def __init__(self, *parts: Any, **options: Any) -> None:
        self._next_at: dict[int, float] = {}
        super().__init__(*parts, **options)

    def _get_actions_per_node(self, assignment: Any) -> Any:
        self._fetch_max_wait_ms = BUSY_WAIT_MS if self._records else IDLE_WAIT_MS
        return super()._get_actions_per_node(assignment)

    async def _proc_fetch_request(self, assignment: Any, node_id: int, request: Any) -> Any:
        try:
            await asyncio.sleep(max(0.0, self._next_at.get(node_id, 0.0) - monotonic()))
            now = monotonic()
            if now > self._next_at.get(node_id, now) + PAUSE_S:
                self._client.force_metadata_update()
            self._next_at[node_id] = now + PACE_MS / 1000
            return await super()._proc_fetch_request(assignment, node_id, request)
        except asyncio.CancelledError:  # nobody wants the answer; aiokafka lets it through after an error, and its close ends there
            return False


def install() -> None:
    """Let every aiokafka consumer of this process fetch like this."""
    consumer.Fetcher = Fetcher
