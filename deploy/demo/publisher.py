"""The shops' systems: they publish the street's records at an even pace and know where each one went."""

import time
from collections import Counter
from collections.abc import Iterable
from functools import partial
from queue import SimpleQueue
from threading import Event
from typing import Final

from confluent_kafka import KafkaError, Message, Producer

from agents.clients import librdkafka
from agents.settings import Settings
from deploy.demo.generator import Piece
from schemas import topics

BREATH_S: Final = 0.01
FLUSH_S: Final = 30.0
Origin = tuple[str, int, int]


class Publisher:
    """Publishes *pieces* in its own thread, and what comes up at the *tills* until they *closed*.

    *appended*: Kafka's append time of each record by brand, partition and offset; *over*: the pieces were published.
    """

    def __init__(self, settings: Settings, pieces: Iterable[Piece], rate: int, tills: "SimpleQueue[Piece]") -> None:
        self.appended: dict[Origin, int] = {}
        self.expected: dict[str, Counter[str]] = {}
        self.failed: list[str] = []
        self.over = False
        self.closed = Event()
        self._pieces, self._rate, self._tills = pieces, rate, tills
        self._producer = Producer(librdkafka(settings) | {"enable.idempotence": True, "linger.ms": 5, "compression.type": "lz4"})

    def run(self) -> None:
        """Publish everything at the rate, go on with the tills, and wait until Kafka has it."""
        began = time.monotonic()
        for number, piece in enumerate(self._pieces):
            if self.closed.is_set():
                break
            while time.monotonic() < began + number / self._rate:
                self._producer.poll(BREATH_S)
            self._publish(piece)
            self._ring_up()
        self.over = True
        while not self.closed.is_set():
            self._producer.poll(BREATH_S)
            self._ring_up()
        left = self._producer.flush(FLUSH_S)
        if left:
            self.failed.append(f"{left} records were not delivered within {FLUSH_S:.0f} s")
        del self._producer  # or it complains of a Kafka that has ended

    def count(self, brand: str) -> int:
        """Tell how many records of *brand* Kafka was given."""
        return self.expected.get(brand, Counter()).total()

    def _ring_up(self) -> None:
        while not self._tills.empty():
            self._publish(self._tills.get())

    def _publish(self, piece: Piece) -> None:
        place = piece.reason or piece.place
        self.expected.setdefault(piece.brand, Counter())[place] += 1
        delivered = partial(self._delivered, piece.brand)
        self._producer.produce(topics.events(piece.brand), piece.value, piece.key, headers=list(piece.headers), on_delivery=delivered)

    def _delivered(self, brand: str, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self.failed.append(f"{brand}: {error.str()}")
            return
        partition, offset = message.partition(), message.offset()
        if partition is not None and offset is not None:
            self.appended[brand, partition, offset] = message.timestamp()[1]
