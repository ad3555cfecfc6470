"""The brands' tills: whoever has a coupon redeems it, two of three, as soon as the CRM has told of it."""

import json
import time
import zlib
from collections.abc import Sequence
from threading import Event, Thread
from typing import Any, Final

import msgpack
from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition

from agents.clients import librdkafka
from agents.settings import Settings
from agents.topic_log import Writer
from deploy.demo.generator import written
from schemas import topics

WAIT_S: Final = 0.1


class Till(Thread):
    """Reads what the CRMs of *brands* are told and redeems coupons of the campaign *name*, until it is closed.

    Who a coupon is for it knows as a brand does: by its own event that earned it.
    """

    def __init__(self, settings: Settings, brands: Sequence[str], crm_partitions: int, name: str) -> None:
        super().__init__(name="tills")
        self._settings, self._name = settings, name
        self._brands = {topics.crm(brand): brand for brand in brands}
        self._places = [TopicPartition(topic, number, OFFSET_BEGINNING) for topic in self._brands for number in range(crm_partitions)]
        self._closed = Event()
        self._who: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self._had: set[str] = set()
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
        brand = self._brands[message.topic() or ""]
        headers = {str(name): text.decode() if isinstance(text, bytes) else text for name, text in list(message.headers() or ())}
        value = (msgpack.unpackb if headers["content-type"] == "application/msgpack" else json.loads)(message.value() or b"")
        kind = headers["ce_type"]
        if kind == "cn.huiliu.enriched.v1" and isinstance(value["event"].get("data"), dict):
            self._who[brand, value["event"]["id"]] = value["event"]["data"]["identities"]
        elif kind == "cn.huiliu.reward.granted.v1" and value["campaign"] == f"{brand}/{self._name}":
            self._redeem(writer, brand, value)

    def _redeem(self, writer: Writer, brand: str, granted: dict[str, Any]) -> None:
        reward, identities = granted["reward_id"], self._who.get((brand, granted["trigger"]))
        if identities is None or reward in self._had or zlib.crc32(reward.encode()) % 3 == 0:
            return
        self._had.add(reward)
        event = {
            "specversion": "1.0",
            "id": f"redeemed-{reward}",
            "source": f"/brand/{brand}/till",
            "type": "cn.huiliu.coupon.v1",
            "time": written(int(time.time() * 1000)),
            "data": {"identities": identities, "reward_id": reward, "coupon_code": granted["coupon_code"], "status": "redeemed"},
        }
        writer.send(topics.events(brand), json.dumps(event).encode(), identities[0]["id"].encode(), ())
        self.published += 1
