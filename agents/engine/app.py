"""One stage as a Faust app: wiring, and nothing that runs at import."""

from collections.abc import Awaitable, Callable
from typing import Any, cast

import faust
import mode
from faust.channels import Channel
from mode.utils.queues import FlowControlEvent, ThrowableQueue

from agents.engine import group
from agents.engine.backend import Backend
from agents.engine.cluster import Cluster
from agents.engine.engine import Engine, Work
from agents.engine.fence import HeartbeatFence
from agents.engine.keyed import KeyedBackend
from agents.engine.observer import Observer
from agents.engine.options import Options
from agents.engine.pipeline import Place
from agents.engine.stage import KeyedStage, Stage

QUEUED_BATCHES = 8
NEVER_S = 1e9  # Faust's consumer is never polled: without this it would leave the group as idle


class EngineApp(faust.App):
    """A Faust app with the engine beside it."""

    fence: HeartbeatFence
    engine: Engine

    async def on_start(self) -> None:
        """Start the engine with the app."""
        await super().on_start()
        await self.add_runtime_dependency(self.engine)

    def _crash(self, reason: BaseException) -> None:
        """Let whatever crashes in Faust end the engine too."""
        self.engine.fail(reason)
        super()._crash(reason)


class BatchChannel(Channel[Work]):
    """A channel of batches outside Faust's flow control, which clears its queues on every rebalance."""

    @property
    def queue(self) -> ThrowableQueue[Work]:
        """The queue between reader and agent."""
        if self._queue is None:
            self._queue = ThrowableQueue(maxsize=QUEUED_BATCHES, flow_control=FlowControlEvent(initially_suspended=False))
        return self._queue


def create_app(stage: Stage, options: Options, observer: Observer) -> EngineApp:
    """Make the app of *stage*: call it inside the loop that runs it."""
    group.register()
    app = EngineApp(
        stage.app_id,
        broker=f"{group.SCHEME}://{options.servers}",
        store="memory://",
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        agent_supervisor=mode.CrashingSupervisor,
        consumer_auto_offset_reset="earliest",
        datadir=options.data_dir,
        stream_recovery_delay=0,
        stream_wait_empty=False,
        broker_session_timeout=options.session_timeout_s,
        broker_heartbeat_interval=options.session_timeout_s / 5,
        broker_rebalance_timeout=2 * options.session_timeout_s,
        broker_max_poll_interval=NEVER_S,
    )
    app.fence = HeartbeatFence(options.session_timeout_s)
    cluster = Cluster(options.servers)
    backend = create_backend(stage, options, cluster, observer)
    channel = BatchChannel(app)
    engine = app.engine = Engine(app, backend, cast(Callable[[Work], Awaitable[None]], channel.put), options, observer)
    assert isinstance(stage, KeyedStage)
    app.topics.add(app.topic(stage.topic, key_serializer="raw", value_serializer="raw"))
    wire(app, engine, channel)
    return app


def create_backend(stage: Stage, options: Options, cluster: Cluster, observer: Observer) -> Backend:
    """Choose how *stage* keeps its position."""
    assert isinstance(stage, KeyedStage)
    return KeyedBackend(stage, options.servers, cluster, observer)


def wire(app: EngineApp, engine: Engine, channel: BatchChannel) -> None:
    """Let Faust run the agent and tell the engine who owns what."""

    @app.agent(channel, name="fold")
    async def fold(batches):  # type: ignore[no-untyped-def]
        async for work in batches:
            await engine.fold(work)

    @app.on_partitions_revoked.connect
    async def revoked(*_: Any, **__: Any) -> None:
        await engine.revoked()

    @app.on_rebalance_complete.connect
    async def assigned(*_: Any, **__: Any) -> None:
        await engine.assigned(Place(*tp) for tp in app.consumer.assignment())
