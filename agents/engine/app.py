"""One stage as a Faust app: wiring, and nothing that runs at import."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

import faust
import mode
from faust.channels import Channel
from faust.tables.manager import TableManager
from kafka.errors import KafkaError
from mode.utils.queues import FlowControlEvent, ThrowableQueue

from agents.engine import group
from agents.engine.backend import Backend
from agents.engine.cluster import Cluster
from agents.engine.departed import let_depart
from agents.engine.engine import Engine, Work
from agents.engine.fence import HeartbeatFence
from agents.engine.keyed import KeyedBackend
from agents.engine.observer import Observer
from agents.engine.options import Options
from agents.engine.pipeline import Place
from agents.engine.process import client_id
from agents.engine.stage import KeyedStage, Stage, StatelessStage
from agents.engine.stateless import StatelessBackend
from agents.engine.subscription import Subscription
from agents.engine.watch import Watch

QUEUED_FETCHES = 4
NEVER_S = 1e9  # Faust's consumer is never polled: without this it would leave the group as idle
FAREWELL_SHARE = 0.4  # of the time for a stop


class EngineApp(faust.App):
    """A Faust app with the engine beside it.  *health* tells how it is, from before Kafka is there."""

    fence: HeartbeatFence
    engine: Engine
    stage: Stage
    watch: Watch
    health: mode.Service | None = None
    subscription: Subscription | None = None

    async def on_start(self) -> None:
        """Start the engine with the app."""
        if self.health is not None:
            await self.add_runtime_dependency(self.health)
        await self.engine.meet_kafka()
        await self._let_dead_depart()
        if self.subscription is not None:
            await self.subscription.update()
        await super().on_start()
        await self.add_runtime_dependency(self.engine)
        await self.add_runtime_dependency(self.watch)
        if self.subscription is not None:
            await self.add_runtime_dependency(self.subscription)

    async def _let_dead_depart(self) -> None:
        """Wait for none of the group who died on this machine; where that can't be told, they are waited for."""
        try:
            for member in await asyncio.to_thread(let_depart, self.engine.options.servers, self.conf.id):
                self.log.info("%s had died, and is out of the group", member)
        except KafkaError as refused:
            self.log.warning("who of the group has died can't be told: %r", refused)

    def _crash(self, reason: BaseException) -> None:
        """Let whatever crashes in Faust end the engine too."""
        self.engine.fail(reason)
        super()._crash(reason)

    async def finish(self, timeout_s: float) -> bool:
        """Stop in order: farewell if there is time, then all durable; False if that was not in time."""
        stage = self.stage
        if isinstance(stage, KeyedStage) and stage.farewell is not None and self.engine.problem is None:
            made = [(place, stage.farewell(place.partition)) for place in sorted(self.engine.ledger.pipelines)]
            await self.engine.say_farewell(made, timeout_s * FAREWELL_SHARE)
            timeout_s *= 1 - FAREWELL_SHARE
        return await self.engine.finish(timeout_s)


class NoTables(TableManager):
    """Faust's tables, of which there are none: states are the engine's."""

    async def on_start(self) -> None:
        """Join the group at once; Faust waits a second first, for tables to be declared."""
        await self._update_channels()
        await self.recovery.start()


class BatchChannel(Channel[Sequence[Work]]):
    """A channel of batches, those of one fetch as one item, outside Faust's flow control, which clears its queues on every rebalance."""

    @property
    def queue(self) -> ThrowableQueue[Sequence[Work]]:
        """The queue between reader and agent."""
        if self._queue is None:
            self._queue = ThrowableQueue(maxsize=QUEUED_FETCHES, flow_control=FlowControlEvent(initially_suspended=False))
        return self._queue


def create_app(stage: Stage, options: Options, observer: Observer) -> EngineApp:
    """Make the app of *stage*: call it inside the loop that runs it."""
    group.register()
    app = EngineApp(
        stage.app_id,
        broker_client_id=client_id(),
        broker=f"{group.SCHEME}://{options.servers}",
        store="memory://",
        TableManager=NoTables,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        agent_supervisor=mode.CrashingSupervisor,
        consumer_auto_offset_reset="earliest",
        datadir=options.data_dir,
        stream_recovery_delay=0,
        stream_wait_empty=False,
        broker_session_timeout=options.session_timeout_s,
        broker_heartbeat_interval=options.session_timeout_s / 10,  # by it the others hear of a rebalance
        broker_rebalance_timeout=2 * options.session_timeout_s,
        broker_max_poll_interval=NEVER_S,
        # What a group's leader reads of a broker that is just back may lack a topic: nobody has its partitions until it looks again.
        consumer_metadata_max_age_ms=int(1000 * options.refresh_s),
    )
    app.stage = stage
    app.fence = HeartbeatFence(options.session_timeout_s)
    cluster = Cluster(options.servers)
    topic = app.topic(_anchor(stage), key_serializer="raw", value_serializer="raw")
    app.topics.add(topic)
    channel = BatchChannel(app)
    app.engine = Engine(
        app,
        _backend(app, cluster, options, observer),
        cluster,
        cast(Callable[[Sequence[Work]], Awaitable[None]], channel.put),
        options,
        observer,
    )
    app.watch = Watch(app.engine)
    if isinstance(stage, StatelessStage):
        app.subscription = Subscription(app, topic, stage, cluster, options.refresh_s)
    _wire(app, channel)
    return app


def _anchor(stage: Stage) -> str:
    """Name the topic that is always subscribed to."""
    return stage.topic if isinstance(stage, KeyedStage) else stage.anchor


def _backend(app: EngineApp, cluster: Cluster, options: Options, observer: Observer) -> Backend:
    """Choose how the stage keeps its position."""

    def member() -> group.Consumer:
        return cast(group.Consumer, app.consumer)

    if isinstance(app.stage, KeyedStage):
        return KeyedBackend(app.stage, options.servers, cluster, member, observer)
    return StatelessBackend(app.stage, cluster, member, observer)


def _wire(app: EngineApp, channel: BatchChannel) -> None:
    """Let Faust run the agent and tell the engine who owns what."""
    engine, stage = app.engine, app.stage
    idle = None if isinstance(stage, KeyedStage) else stage.anchor

    @app.agent(channel, name="fold")
    async def fold(fetches):  # type: ignore[no-untyped-def]
        async for works in fetches:
            for work in works:
                await engine.fold(work)

    @app.on_partitions_revoked.connect
    async def revoked(*_: Any, **__: Any) -> None:
        await engine.revoked()

    # Not on_rebalance_complete: a rebalance that overtakes another's recovery is not told of.
    @app.on_partitions_assigned.connect
    async def assigned(*told: Any, **_: Any) -> None:
        _, tps = told
        engine.assigned(Place(*tp) for tp in tps if tp.topic != idle)
