"""Effects on their way to Kafka: idempotent, acknowledged by all, in the order of the fold.

confluent-kafka's producer: with nine headers a record and 3 topics it costs
5.6 µs of CPU a record, aiokafka's batches 5.4, but it does its sending outside
the worker's loop, keeps the order over retries and can be purged.  A gap after
a failed record is refused (``enable.gapless.guarantee``): a receiver that has
a later record would drop the earlier one when it is sent again.  So what is
delivered last of a parcel to a partition stands for all of it: a callback a
record would cost 1 µs each.

A topic that somebody deleted holds up nobody else: what is meant for it waits
here, in the order of the fold, and is sent once it is there again.

Source: DESIGN 4 (writer, fence).
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import Any, NamedTuple, Protocol

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from agents.engine.fence import Fenced, HeartbeatFence, boot_s
from agents.engine.linger import Linger
from schemas.effects import Effect

QUEUED_MESSAGES = 500_000
CLIENT: Mapping[str, Any] = {
    "logger": logging.getLogger("librdkafka"),
    "log_level": 2,  # only what is fatal; the rest comes as errors
    "reconnect.backoff.max.ms": 1_000,  # 10 s else: so long nobody would see that the broker is back
    "enable.sparse.connections": False,  # to each broker at once, not one in 50 ms: of a take-over that was the larger part
}
"""What every librdkafka client of the engine is told."""
POLL_S = 0.005
PARCEL = 1_000
REFRESH_MS = 1_000
GONE = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001 - librdkafka's own, as those below
        KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001
        KafkaError._DESTROY,  # noqa: SLF001
    }
)
"""What librdkafka says of a record whose topic is not there.

``_DESTROY`` is what it says of those that it takes just when it lets go of the
partition (``rd_kafka_toppar_destroy_final``), all of them; of a producer that
ends, too, but nobody polls ours then.
"""

Report = Callable[[Any, Message], None]
"""librdkafka's word on a record: an error, or none, and where it is."""
Place = tuple[str, int]


class Awaited(Protocol):
    """What waits for its effects to be delivered: a batch.  *waiting* counts the records that are not."""

    waiting: int


class Parcel(NamedTuple):
    """What librdkafka is handed in one go, so fast that no topic can go and come again meanwhile; *number* follows the fold."""

    number: int
    effects: Sequence[Effect]
    batch: Awaited


class Missing:
    """A topic that does not exist, *since* when, and what waits for it."""

    def __init__(self) -> None:
        self.since = monotonic()
        self.parcels: list[Parcel] = []

    def put(self, parcel: Parcel) -> None:
        """Keep *parcel*; those of one topic come back in no order."""
        self.parcels.append(parcel)
        if len(self.parcels) > 1 and self.parcels[-2].number > parcel.number:
            self.parcels.sort(key=lambda one: one.number)


class Writer:
    """Sends effects; counts each batch down to its last delivery; tells *failed* of the first that will not be.

    *missing* are the topics that do not exist; whoever sees one of them again
    calls ``go_on``.
    """

    def __init__(self, servers: str, fence: HeartbeatFence, linger: Linger, failed: Callable[[BaseException], None]) -> None:
        self._servers, self._fence, self._linger, self._failed = servers, fence, linger, failed
        self._producer = self._new_producer(linger.ms)
        self._sending = asyncio.Event()
        self._closed = False
        self._flying: Counter[str] = Counter()
        self._parcels = 0
        self.missing: dict[str, Missing] = {}
        self.outstanding = 0
        self.progress_at = monotonic()
        self.last_topic = ""

    def _new_producer(self, linger_ms: int) -> Producer:
        return Producer(
            {
                "bootstrap.servers": self._servers,
                **CLIENT,
                "acks": "all",
                "enable.idempotence": True,
                "enable.gapless.guarantee": True,
                "compression.type": "lz4",
                "linger.ms": linger_ms,
                "batch.size": 512 * 1024,
                "message.max.bytes": 4 * 1024 * 1024,
                "message.timeout.ms": 0,
                "topic.metadata.refresh.interval.ms": REFRESH_MS,
                "topic.metadata.propagation.max.ms": REFRESH_MS,
                "queue.buffering.max.messages": QUEUED_MESSAGES,
                "queue.buffering.max.kbytes": 256 * 1024,
                "error_cb": self._on_error,
            }
        )

    async def send(self, effects: Sequence[Effect], batch: Awaited) -> None:
        """Hand *effects* over; raises ``Fenced`` when Kafka may have given the partitions to another.

        Raises ``KafkaException`` where librdkafka knows already that a record
        before was refused and nothing may follow.
        """
        self._check_fence()
        if effects and self._linger.note(effects):
            await self._change_linger()
        for begin in range(0, len(effects), PARCEL):
            self._parcels += 1
            parcel = Parcel(self._parcels, effects[begin : begin + PARCEL] if len(effects) > PARCEL else effects, batch)
            self._producer.poll(0)  # or what failed long ago would be heard of after what is sent now
            if self.missing:
                parcel = self._without_missing(parcel)
            if parcel.effects:
                await self._hand_over(parcel)

    async def send_and_wait(self, effects: Sequence[Effect]) -> list[int]:
        """Hand *effects* over one by one and give their offsets once all are in the log."""
        loop = asyncio.get_running_loop()
        landed: list[asyncio.Future[int]] = [loop.create_future() for _ in effects]
        for effect, future in zip(effects, landed, strict=True):
            await self._room_for(1, effect.topic)
            told = self._lander(future)
            self._producer.produce(effect.topic, effect.value, effect.key, effect.partition, told, headers=list(effect.headers))
        return list(await asyncio.gather(*landed))

    async def _room_for(self, records: int, topic: str) -> None:
        """Wait until librdkafka has room for so many *records*, and count them as under way."""
        self._check_fence()
        while self.outstanding + records > QUEUED_MESSAGES:
            await asyncio.sleep(POLL_S)
            self._check_fence()
            self._producer.poll(0)
        if not self.outstanding:
            self.progress_at = monotonic()
        self.outstanding += records
        self.last_topic = topic
        self._sending.set()

    async def _hand_over(self, parcel: Parcel) -> None:
        """Give *parcel* to librdkafka, but for what is meant for topics that turn out to be missing."""
        effects = parcel.effects
        await self._room_for(len(effects), effects[-1].topic)
        places = [(effect.topic, effect.partition) for effect in effects]
        last = {place: number for number, place in enumerate(places)}
        reports = self._reporters(parcel, places, last)
        gone: set[str] = set()
        produce = self._producer.produce
        for number, effect in enumerate(effects):
            topic, headers = effect.topic, effect.headers
            while topic not in gone:
                try:
                    if headers:
                        produce(topic, effect.value, effect.key, effect.partition, reports.get(number), headers=list(headers))
                    else:
                        produce(topic, effect.value, effect.key, effect.partition, reports.get(number))
                    break
                except BufferError:
                    await asyncio.sleep(POLL_S)
                    self._check_fence()
                    self._producer.poll(0)
                except KafkaException as refused:
                    if refused.args[0].code() not in GONE:
                        raise
                    gone.add(topic)
                    for place in [place for place, at in last.items() if place[0] == topic and at >= number]:
                        self._put_aside(parcel, place)

    def _check_fence(self) -> None:
        if self._closed or not self._fence.is_open(boot_s()):
            raise Fenced("no heartbeat was answered for a session timeout: nothing is sent, the partitions may be another's")

    def _reporters(self, parcel: Parcel, places: Sequence[Place], last: Mapping[Place, int]) -> dict[int, Report]:
        """Make the callbacks of *parcel*, by the index of the *last* record to each of its *places*."""
        records = Counter(places) if len(last) > 1 else dict.fromkeys(last, len(places))
        return {number: self._reporter(parcel, place, records[place]) for place, number in last.items()}

    def _reporter(self, parcel: Parcel, place: Place, records: int) -> Report:
        """Make the callback of the last of so many *records* to *place*."""
        batch, topic = parcel.batch, place[0]
        self._flying[topic] += 1

        def report(error: Any, message: Message) -> None:
            if error is None:
                self.outstanding -= records
                self._flying[topic] -= 1
                batch.waiting -= records
            elif error.code() in GONE:
                self._put_aside(parcel, place)
            else:
                self.outstanding -= records
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

    # Topics that are missing

    def _put_aside(self, parcel: Parcel, place: Place) -> None:
        """Let what *parcel* has for *place*, which librdkafka had taken as under way, wait for the topic.

        Some of it may have arrived before the topic went: it is sent again, and
        receivers know it by its number.
        """
        effects = [effect for effect in parcel.effects if (effect.topic, effect.partition) == place]
        self.outstanding -= len(effects)
        self._flying[place[0]] -= 1
        self._wait_for(place[0], parcel._replace(effects=effects))

    def _wait_for(self, topic: str, parcel: Parcel) -> None:
        missing = self.missing.get(topic)
        if missing is None:
            missing = self.missing[topic] = Missing()
        missing.put(parcel)

    def _without_missing(self, parcel: Parcel) -> Parcel:
        """Let what *parcel* has for missing topics wait for them; gives the rest."""
        for topic in self.missing.keys() & {effect.topic for effect in parcel.effects}:
            self._wait_for(topic, parcel._replace(effects=[effect for effect in parcel.effects if effect.topic == topic]))
        return parcel._replace(effects=[effect for effect in parcel.effects if effect.topic not in self.missing])

    async def go_on(self, topic: str, partitions: int) -> None:
        """Send what waits for *topic*, which exists, with so many *partitions*; new records wait behind it until all of it is sent.

        Not before everything is back that librdkafka still had for the topic:
        it might come back behind what is sent now.
        """
        missing = self.missing.get(topic)
        if (
            missing is None
            or self._flying[topic]
            or any(effect.partition >= partitions for one in missing.parcels for effect in one.effects)
        ):
            return
        while missing.parcels:
            known = len(missing.parcels)
            await self._hand_over(missing.parcels.pop(0))
            if len(missing.parcels) >= known:  # the client does not know yet that the topic is there
                return
        del self.missing[topic]

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
