"""The brands' tills: coupons of a run are redeemed as soon as the CRM has told of them."""

import time
from collections.abc import Collection, Sequence
from threading import Event, Thread
from typing import Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition

from agents.clients import librdkafka
from agents.settings import Settings
from agents.topic_log import Writer
from deploy.demo.follower import headers_of, value_of
from deploy.demo.till import Wallets
from schemas import topics

WAIT_S: Final = 0.1


class Till(Thread):
    """Reads what the CRMs of *brands* are told and redeems coupons of *campaigns*, until it is closed."""

    def __init__(self, settings: Settings, brands: Sequence[str], crm_partitions: int, campaigns: Collection[str]) -> None:
        super().__init__(name="tills")
        self._settings, self._wallets = settings, Wallets(campaigns)
        self._brands = {topics.crm(brand): brand for brand in brands}
        self._places = [TopicPartition(topic, number, OFFSET_BEGINNING) for topic in self._brands for number in range(crm_partitions)]
        self._closed = Event()
        self.published = 0
        self.failed: BaseException | None = None

    def close(self) -> int:
        """Stop, and tell how many redemptions were published."""
        self._closed.set()
        self.join()
        if self.failed is not None:
            raise self.failed
        return self.published

    def run(self) -> None:
        try:
            self._run()
        except Exception as bug:  # noqa: BLE001 - told in the main thread
            self.failed = bug

    def _run(self) -> None:
        consumer = Consumer(librdkafka(self._settings) | {"group.id": "huiliu-tills", "enable.auto.commit": False})
        consumer.assign(self._places)
        try:
            with Writer(self._settings) as writer:
                while not self._closed.is_set():
                    for message in consumer.consume(500, WAIT_S):
                        if message.error() is None:  # a topic may be away for a while
                            self._take(writer, message)
        finally:
            consumer.close()

    def _take(self, writer: Writer, message: Message) -> None:
        headers = headers_of(message)
        brand, value = self._brands[message.topic() or ""], value_of(message, headers)
        piece = self._wallets.hear(brand, headers["ce_type"], value, int(time.time() * 1000))
        if piece is not None:
            writer.send(topics.events(piece.brand), piece.value, piece.key, piece.headers)
            self.published += 1
