"""Effects on their way to Kafka: idempotent, acknowledged by all, in the order of the fold.

confluent-kafka's producer: with nine headers a record and 3 topics it costs
5.6 µs of CPU a record, aiokafka's batches 5.4, but it does its sending outside
the worker's loop, keeps the order over retries and can be purged.  A gap after
a failed record is refused (``enable.gapless.guarantee``): a receiver that has
a later record would drop the earlier one when it is sent again.  So what is
delivered last of a batch to a partition stands for all of it: a callback a
record would cost 1 µs each.

Source: DESIGN 4 (writer, fence).
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import Any, Protocol

from confluent_kafka import KafkaException, Message, Producer

from agents.engine.fence import Fenced, HeartbeatFence, boot_s
from agents.engine.linger import Linger
from schemas.effects import Effect

QUEUED_MESSAGES = 500_000
LOG_LEVEL = 2  # librdkafka writes to stderr by itself: only what is fatal; the rest comes as errors
POLL_S = 0.005
POLL_EVERY = 1_000

Report = Callable[[Any, Message], None]
"""librdkafka's word on a record: an error, or none, and where it is."""


class Awaited(Protocol):
    """What waits for its effects to be delivered: a batch.  *waiting* counts the records that are not."""

    waiting: int


class Writer:
    """Sends effects; counts each batch down to its last delivery; tells *failed* of the first that will not be."""

    def __init__(self, servers: str, fence: HeartbeatFence, linger: Linger, failed: Callable[[BaseException], None]) -> None:
        self._servers, self._fence, self._linger, self._failed = servers, fence, linger, failed
        self._producer = self._new_producer(linger.ms)
        self._sending = asyncio.Event()
        self._closed = False
        self.outstanding = 0
        self.progress_at = monotonic()
        self.last_topic = ""

    def _new_producer(self, linger_ms: int) -> Producer:
        return Producer(
            {
                "bootstrap.servers": self._servers,
                "log_level": LOG_LEVEL,
                "acks": "all",
                "enable.idempotence": True,
                "enable.gapless.guarantee": True,
                "compression.type": "lz4",
                "linger.ms": linger_ms,
                "batch.size": 512 * 1024,
                "message.max.bytes": 4 * 1024 * 1024,
                "message.timeout.ms": 0,
                "queue.buffering.max.messages": QUEUED_MESSAGES,
                "queue.buffering.max.kbytes": 256 * 1024,
                "error_cb": self._on_error,
            }
        )

    async def send(self, effects: Sequence[Effect], batch: Awaited) -> None:
        """Hand *effects* over; raises ``Fenced`` when Kafka may have given the partitions to another."""
        if effects:
            await self._send(effects, self._reporters(effects, batch))

    async def send_and_wait(self, effects: Sequence[Effect]) -> list[int]:
        """Hand *effects* over one by one and give their offsets once all are in the log."""
        loop = asyncio.get_running_loop()
        landed: list[asyncio.Future[int]] = [loop.create_future() for _ in effects]
        for effect, future in zip(effects, landed, strict=True):
            await self._send([effect], {0: self._lander(future)})
        return list(await asyncio.gather(*landed))

    async def _send(self, effects: Sequence[Effect], reports: Mapping[int, Report]) -> None:
        """Hand *effects* over; *reports* are called back for those of these indexes."""
        self._check_fence()
        if self._linger.note(effects):
            await self._change_linger()
        produce = self._producer.produce
        if not self.outstanding:
            self.progress_at = monotonic()
        self.outstanding += len(effects)
        for begin in range(0, len(effects), POLL_EVERY):
            for number, (topic, partition, key, value, headers) in enumerate(effects[begin : begin + POLL_EVERY], begin):
                while True:
                    try:
                        if headers:
                            produce(topic, value, key, partition, reports.get(number), headers=list(headers))
                        else:
                            produce(topic, value, key, partition, reports.get(number))
                        break
                    except BufferError:
                        await asyncio.sleep(POLL_S)
                        self._check_fence()
                        self._producer.poll(0)
            if len(effects) > POLL_EVERY:
                self._producer.poll(0)
        self.last_topic = effects[-1].topic
        self._sending.set()

    def _check_fence(self) -> None:
        if self._closed or not self._fence.is_open(boot_s()):
            raise Fenced("no heartbeat was answered for a session timeout: nothing is sent, the partitions may be another's")

    def _reporters(self, effects: Sequence[Effect], batch: Awaited) -> dict[int, Report]:
        """Make the callbacks of a batch, by the index of the last record to each partition."""
        last: dict[tuple[str, int], int] = {}
        for number, effect in enumerate(effects):
            last[effect[:2]] = number
        if len(last) == 1:
            return {len(effects) - 1: self._reporter(batch, len(effects))}
        records = Counter([effect[:2] for effect in effects])
        return {number: self._reporter(batch, records[to]) for to, number in last.items()}

    def _reporter(self, batch: Awaited, records: int) -> Report:
        """Make the callback of the last of so many *records* to a partition."""

        def report(error: Any, message: Message) -> None:
            self.outstanding -= records
            if error is None:
                batch.waiting -= records
            else:
                self._refused(error, message)

        return report

    def _lander(self, future: "asyncio.Future[int]") -> Report:
        """Make the callback of one record that is waited for."""

        def report(error: Any, message: Message) -> None:
            self.outstanding -= 1
            if error is not None:
                self._refused(error, message)
            if future.done():
                return
            if error is None:
                future.set_result(message.offset() or 0)
            else:
                future.set_exception(KafkaException(error))

        return report

    def _refused(self, error: Any, message: Message) -> None:
        self._failed(KafkaException(error, f"{message.topic()} [{message.partition()}]"))

    def _on_error(self, error: Any) -> None:
        if error.fatal():
            self._failed(KafkaException(error))

    async def serve(self) -> None:
        """Collect deliveries, and fail at once when the fence closes over records on their way."""
        while not self._closed:
            if not self.outstanding:
                self._sending.clear()
                await self._sending.wait()
            before = self.outstanding
            try:
                self._producer.poll(0)
            except KafkaException as fatal:
                self._failed(fatal)
                return
            if self.outstanding < before:
                self.progress_at = monotonic()
            if self.outstanding and not self._fence.is_open(boot_s()):
                self._failed(Fenced("no heartbeat was answered for a session timeout: what was not delivered is given up"))
                return
            await asyncio.sleep(POLL_S)

    async def _change_linger(self) -> None:
        """Go on with another linger once everything is delivered: the order of records holds within one producer."""
        while self.outstanding and not self._closed:  # noqa: ASYNC110 - librdkafka has no event to wait for
            await asyncio.sleep(POLL_S)
        if not self._closed:
            self._producer = self._new_producer(self._linger.ms)

    @property
    def stuck_s(self) -> float:
        """Tell for how long nothing was delivered although something is on its way."""
        return monotonic() - self.progress_at if self.outstanding else 0.0

    def give_up(self) -> None:
        """Send nothing more; what is queued is dropped."""
        self._closed = True
        self._sending.set()
        self._producer.purge(in_queue=True, in_flight=False, blocking=False)

    def close(self) -> None:
        """End after everything was delivered."""
        self._closed = True
        self._sending.set()
