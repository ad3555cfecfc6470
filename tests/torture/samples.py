"""How far everything is, looked at again and again while a run goes on; judged when its topics are read back.

What a sample says first was true first: a commit that stands in it must be
covered by what the logs held when they were asked, later.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from threading import Event, Thread
from typing import Final

import kafka
from confluent_kafka import Consumer, KafkaException, TopicPartition
from kafka import KafkaConsumer
from kafka.errors import KafkaError

from agents.clients import kafka_python, librdkafka
from agents.settings import Settings
from schemas import topics

EVERY_S: Final = 0.25
ANSWER_S: Final = 3.0
INTAKE: Final = "huiliu-intake"
MEMBERS: Final = "huiliu-members"
SHARES: Final = "huiliu-shares"
BUDGETS: Final = "huiliu-budgets"
CONTROL: Final = "huiliu-control"
RULES: Final = (topics.RULES, 0)
CHANGELOG: Final = topics.changelog(MEMBERS, "states")

Place = tuple[str, int]
Offsets = Mapping[Place, int]


@dataclass(frozen=True)
class Sample:
    """What the groups had committed, then how far the changelog was, then the internal log, then all that brands receive.

    *intake* and *events* include what control had committed of the rules;
    *others* is what shares and budgets had committed of what they were *told*.
    """

    at_s: float
    intake: Offsets
    members: Offsets
    others: Offsets
    changelog: Offsets
    events: Offsets
    internal: Offsets
    told: Offsets
    received: Offsets

    @property
    def left(self) -> dict[Place, int]:
        """Count what was left to do: what a stage has committed, it has told the others, and they had committed that."""
        pairs = (self.intake, self.events), (self.members, self.internal), (self.others, self.told)
        return {place: lag for commits, ends in pairs for place, lag in behind(commits, ends).items()}


def behind(commits: Offsets, ends: Offsets) -> dict[Place, int]:
    """Count the records between *commits* and *ends*, where there are any."""
    lags = {place: end - commits.get(place, 0) for place, end in ends.items()}
    return {place: lag for place, lag in lags.items() if lag > 0}


class Sampler:
    """Takes samples in a thread of its own; one that a fault kept from being answered is left out."""

    def __init__(self, settings: Settings, brands: Mapping[str, tuple[int, int]]) -> None:
        """Look at *brands*, each with how many partitions its events and its CRM topic have."""
        self._settings = settings
        inside = range(settings.partitions)
        self._internal = [(topics.MEMBERS, partition) for partition in inside]
        self._shares = [(topics.SHARES, partition) for partition in inside]
        self._budgets = [(topics.BUDGETS, partition) for partition in inside]
        self._changelog = [(CHANGELOG, partition) for partition in inside]
        self._events = [(topics.events(brand), partition) for brand, (events, _) in brands.items() for partition in range(events)]
        self._received = [(topics.crm(brand), partition) for brand, (_, crm) in brands.items() for partition in range(crm)]
        self._received += [(topics.dead_letters(brand), partition) for brand, (events, _) in brands.items() for partition in range(events)]
        self.samples: list[Sample] = []
        self.made_again: dict[str, str] = {}
        """Ids (hex) of topics made again: a commit that does not say such an id is the former topic's."""
        self._failed: BaseException | None = None
        self._ended = Event()
        self._thread = Thread(target=self._run, name="samples")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._ended.set()
        self._thread.join()

    def wait_until_drained(self, seconds: float, meanwhile: Callable[[], None]) -> bool:
        """Wait until intake and control have handed on all that is published by now, and members have folded that; False if not in time."""
        began = time.monotonic()
        handed_on: Sample | None = None
        while time.monotonic() < began + seconds:
            meanwhile()
            if self._failed is not None:
                raise self._failed
            latest = self.samples[-1] if self.samples else None
            if latest is not None and latest.at_s > began:
                if handed_on is None and not behind(latest.intake, latest.events):
                    handed_on = latest
                if handed_on is not None and not behind(latest.members, handed_on.internal):
                    return True
            self._ended.wait(EVERY_S / 2)
        return False

    def wait_until_at_rest(self, seconds: float, meanwhile: Callable[[], None]) -> bool:
        """Wait until nothing is left to do in any stage, which takes that nobody publishes or ticks; False if it was not in time."""
        began = time.monotonic()
        while time.monotonic() < began + seconds:
            meanwhile()
            if self._failed is not None:
                raise self._failed
            latest = self.samples[-1] if self.samples else None
            if latest is not None and latest.at_s > began and not latest.left:
                return True
            self._ended.wait(EVERY_S / 2)
        return False

    def _run(self) -> None:
        try:
            while not self._ended.wait(EVERY_S):
                self._look()
        except Exception as bug:  # noqa: BLE001 - told in the main thread
            self._failed = bug

    def _look(self) -> None:
        """Take samples until the end, or until something is not answered: a client that saw its broker go is not asked again."""
        with ExitStack() as stack:
            try:
                eyes = Eyes(self._settings)
                stack.callback(eyes.close)
                while not self._ended.wait(EVERY_S):
                    self.samples.append(self._sample(eyes))
            except (KafkaException, KafkaError):
                return

    def _sample(self, eyes: "Eyes") -> Sample:
        at_s = time.monotonic()
        intake = {**eyes.commits(INTAKE, self._events, self.made_again), **eyes.commits(CONTROL, [RULES], {})}
        members = eyes.commits(MEMBERS, self._internal, {})
        others = {**eyes.commits(SHARES, self._shares, {}), **eyes.commits(BUDGETS, self._budgets, {})}
        changelog, events, internal = eyes.ends(self._changelog), eyes.ends([*self._events, RULES]), eyes.ends(self._internal)
        told = eyes.ends([*self._shares, *self._budgets])
        return Sample(at_s, intake, members, others, changelog, events, internal, told, eyes.ends(self._received))


class Eyes:
    """Clients that look.

    Ends are asked for with kafka-python: librdkafka 2.16's ``ListOffsets``
    hangs or aborts the process when it is asked while a broker goes.
    """

    def __init__(self, settings: Settings) -> None:
        exact = {"log_level": 0, "enable.auto.commit": False}
        self._groups = {
            group: Consumer(librdkafka(settings) | exact | {"group.id": group}) for group in (INTAKE, MEMBERS, SHARES, BUDGETS, CONTROL)
        }
        self._plain = kafka_python(settings)
        self._reader = KafkaConsumer(**self._plain, group_id=None, enable_auto_commit=False)

    def commits(self, group: str, places: Sequence[Place], ids: Mapping[str, str]) -> Offsets:
        """Ask what *group* has committed, in topics of *ids* under that id."""
        found = self._groups[group].committed([TopicPartition(*place) for place in places], timeout=ANSWER_S)
        return {(at.topic, at.partition): at.offset for at in found if at.offset >= 0 and self._is_of(group, at, ids)}

    def _is_of(self, group: str, at: TopicPartition, ids: Mapping[str, str]) -> bool:
        """Tell whether a commit is the present topic's, by what intake says beside it; confluent-kafka garbles that."""
        if at.topic not in ids:
            return True
        with closing(KafkaConsumer(**self._plain, group_id=group, enable_auto_commit=False)) as consumer:
            said = consumer.committed(kafka.TopicPartition(at.topic, at.partition), metadata=True, timeout_ms=int(ANSWER_S * 1000))
        return said is not None and ids[at.topic] in said.metadata

    def ends(self, places: Sequence[Place]) -> Offsets:
        """Ask where the logs end, open transactions included."""
        try:
            found = self._reader.end_offsets([kafka.TopicPartition(*place) for place in places], timeout_ms=int(ANSWER_S * 1000))
        except KeyError as missing:
            raise KafkaError(f"no end of {missing} was told") from None
        return {(at.topic, at.partition): end for at, end in found.items()}

    def close(self) -> None:
        """Leave Kafka."""
        for consumer in self._groups.values():
            consumer.close()
        self._reader.close()
