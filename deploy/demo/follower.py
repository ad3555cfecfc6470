"""The brands' CRMs: they read what comes back, drop what they have had, and keep count."""

import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any, Final

import msgspec
from confluent_kafka import Consumer, Message, TopicPartition

from agents.clients import librdkafka
from agents.settings import Settings
from deploy.demo.generator import Piece
from deploy.demo.money import Money
from deploy.demo.till import Wallets
from schemas import crm, topics
from schemas.dead_letters import OFFSET, PARTITION, REASON

WAIT_S: Final = 0.2
BATCH: Final = 2_000


@dataclass
class Received:
    """What one brand has received.  *enriched*: append time in the CRM topic, by partition and offset of the brand's record."""

    enriched: dict[tuple[int, int], int] = field(default_factory=dict)
    letters: dict[tuple[int, int], str] = field(default_factory=dict)
    entered: int = 0
    exited: int = 0
    holders: Counter[str] = field(default_factory=Counter)
    money: Money = field(default_factory=Money)
    last: dict[tuple[str, str], int] = field(default_factory=dict)

    def accounted(self) -> int:
        """Count the brand's records that ended where they can be seen."""
        return len(self.enriched) + len(self.letters)


class Follower:
    """Reads the CRM and dead-letter topics of *brands* in its own thread; coupons that customers redeem go to the *tills*."""

    def __init__(self, settings: Settings, brands: Sequence[str], tills: "SimpleQueue[Piece]") -> None:
        self._tills, self._wallets = tills, Wallets()
        self.received: dict[str, Received] = defaultdict(Received)
        self.stop = False
        self._crm = {topics.crm(brand): brand for brand in brands}
        self._letters = {topics.dead_letters(brand): brand for brand in brands}
        self._consumer = Consumer(librdkafka(settings) | {"group.id": "huiliu-demo", "enable.auto.commit": False})
        known = self._consumer.list_topics(timeout=10).topics
        self._consumer.assign([TopicPartition(name, each, 0) for name in (*self._crm, *self._letters) for each in known[name].partitions])

    def run(self) -> None:
        """Read until told to stop, and then until nothing more comes."""
        try:
            while (messages := self._consumer.consume(BATCH, WAIT_S)) or not self.stop:
                for message in messages:
                    if message.error() is None:
                        self._take(message)
        finally:
            self._consumer.close()

    def _take(self, message: Message) -> None:
        headers = headers_of(message)
        topic = message.topic() or ""
        if topic in self._letters:
            self.received[self._letters[topic]].letters[int(headers[PARTITION]), int(headers[OFFSET])] = headers[REASON]
            return
        received = self.received[self._crm[topic]]
        stream, number = (headers["ce_huiliupartition"], headers["ce_huiliuepoch"]), int(headers["ce_huiliusequence"])
        if number > received.last.get(stream, 0):
            received.last[stream] = number
            value = value_of(message, headers)
            _note(received, message, headers, value)
            piece = self._wallets.hear(self._crm[topic], headers["ce_type"], value, int(time.time() * 1000))
            if piece is not None:
                self._tills.put(piece)


def _note(received: Received, message: Message, headers: dict[str, str], value: dict[str, Any]) -> None:
    kind = headers["ce_type"]
    if kind == crm.ENRICHED:
        partition, _, offset = headers["ce_huiliuorigin"].partition(":")
        received.enriched[int(partition), int(offset)] = message.timestamp()[1]
    elif kind in (crm.TAG_ENTERED, crm.TAG_EXITED):
        entered = kind == crm.TAG_ENTERED
        received.entered += entered
        received.exited += not entered
        received.holders[value["tag"]] += 1 if entered else -1
    elif kind in REWARDS:
        received.money.note(kind, value)


REWARDS: Final = (crm.REWARD_GRANTED, crm.REWARD_REVERSED, crm.REWARD_REFUSED)


def headers_of(message: Message) -> dict[str, str]:
    """Read the headers as text."""
    return {str(name): _text(value) for name, value in list(message.headers() or ())}


def value_of(message: Message, headers: dict[str, str]) -> Any:
    """Decode a CRM record's value, as its *headers* say."""
    value = message.value() or b""
    return msgspec.msgpack.decode(value) if headers["content-type"] == "application/msgpack" else msgspec.json.decode(value)


def _text(value: str | bytes | None) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value or ""
