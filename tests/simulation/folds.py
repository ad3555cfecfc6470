"""The folds that the simulated workers run.

Small, but built of what the product's are: ``streams.partition`` for clock,
deadlines, origins and sequences, ``streams.dedupe`` for marks.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

import msgspec
from msgspec import Struct, field

from schemas.effects import Effect
from schemas.envelope import Origin
from schemas.fold import STAMP, Folded, Home, Record, stamp
from schemas.member_state import BODY, DUE, NEVER, due_of
from streams.dedupe import passed
from streams.partition import Partition
from tests.simulation.messages import (
    BUDGETS,
    CAMPAIGNS,
    EVENTS,
    LIMIT,
    MEMBERS,
    SLEEPY_MS,
    Answer,
    Ask,
    Event,
    From,
    Tick,
    decode,
    encode,
    read_stated,
)

INDEX_BITS = 16


@dataclass(frozen=True)
class Marks:
    """How a receiver tells what it had; a mutant replaces these."""

    number: Callable[[From], int] = lambda origin: origin.offset << INDEX_BITS | origin.index
    origin: Callable[[From], Origin] = lambda origin: Origin(origin.topic_id, origin.partition, origin.offset)
    passed: Callable[[dict[int, int], int, int], bool] = passed
    kept: bool = True
    for_repeats: bool = True


class Intake:
    """A brand's record to its member's partition.  *routing* shifts which that is."""

    def __init__(self, partitions: int, routing: int) -> None:
        self.partitions, self.routing = partitions, routing
        self.topic_ids: dict[str, bytes] = {}

    def __call__(self, record: Record) -> list[Effect]:
        brand = next(brand for brand, topic in EVENTS.items() if topic == record.topic)
        stated = read_stated(record.value or b"")
        origin = From(self.topic_ids[record.topic], record.partition, record.offset)
        event = Event(brand, origin, stated.number, stated.at_ms, stated.boom)
        key = record.key or b""
        return [Effect(MEMBERS, (key[7] + self.routing) % self.partitions, key, encode(event))]

    def refuse(self, record: Record, bug: BaseException) -> list[Effect]:  # noqa: ARG002 - the protocol's
        raise bug


class Known(Struct, array_like=True):
    """What is known of a member."""

    marks: dict[int, int] = field(default_factory=dict)
    numbers: list[tuple[str, int]] = field(default_factory=list)
    count: int = 0
    chain: int = 0
    granted: int = 0
    refused: int = 0


_pack = msgspec.msgpack.Encoder().encode
_known = msgspec.msgpack.Decoder(Known).decode


def known_of(packed: bytes) -> Known:
    return _known(packed[BODY:])


class Live:
    __slots__ = ("due_ms", "known", "offset")

    def __init__(self, known: Known, due_ms: int) -> None:
        self.known, self.due_ms, self.offset = known, due_ms, -1


class Members:
    """Counts by member, asks budgets, takes answers in, tells the brands in numbered records."""

    culprit: bytes | None = None
    partition_of = Partition
    in_order = True

    def __init__(self, campaign_partitions: int, marks: Marks) -> None:
        self.campaign_partitions, self.marks = campaign_partitions, marks
        self.partition = self.partition_of()

    def restore(self, home: Home, states: Mapping[bytes, bytes], clock_ms: int) -> None:
        self.home, self.states = home, states
        self.partition.restore(states, clock_ms)

    def begin(self, skip: Collection[tuple[int, bytes]] = ()) -> None:
        self.skip = skip
        self.live: dict[bytes, Live] = {}
        self.effects: list[Effect] = []
        self.culprit = None
        self.partition.begin()

    def fold(self, record: Record) -> None:
        self.offset = self.partition.offset = record.offset
        self.index = 0
        match decode(record.value or b""):
            case Event() as event:
                self._event(record.key or b"", event)
            case Tick(at_ms=at_ms):
                self._advance(at_ms)
            case Answer() as answer:
                self._answer(record.key or b"", answer)
            case other:
                raise AssertionError(other)

    def _event(self, key: bytes, event: Event) -> None:
        live = self._load(key)
        before = dict(live.known.marks)
        if self._had(live, event.origin):
            return
        if (event.brand, event.number) in live.known.numbers:
            self.partition.book(event.brand).duplicates += 1
            if not self.marks.for_repeats:
                live.known.marks = before
            return
        self._advance(event.at_ms)
        known = live.known
        known.numbers.append((event.brand, event.number))
        known.count += 1
        known.chain = (known.chain * 31 + event.origin.offset + 1) % 9973
        live.due_ms = self.partition.clock_ms + SLEEPY_MS
        self.partition.deadlines.put(live.due_ms, key)
        self._tell(event.brand, f"{key!r} enriched {known.count} {known.chain} at {self.partition.clock_ms}")
        if event.boom:
            raise RuntimeError("boom")
        if known.count % 2 == 0:
            for campaign in CAMPAIGNS[: known.count % 3 + 1]:
                self._ask(event.brand, key, campaign)

    def _advance(self, at_ms: int) -> None:
        if at_ms <= self.partition.clock_ms:
            return
        self.partition.clock_ms = at_ms
        due = self.partition.due(at_ms)
        for due_ms, key in due if self.in_order else reversed(due):
            if self._due_of(key) != due_ms:
                continue
            live = self._load(key)
            live.due_ms = NEVER
            if (self.offset, key) in self.skip:
                continue
            self.culprit = key
            self._tell("x", f"{key!r} sleeps {live.known.count} at {at_ms}")
            if live.known.count % 5 == 4:
                raise RuntimeError("nightmare")
            self._ask("x", key, CAMPAIGNS[0])
            self.culprit = None

    def _answer(self, key: bytes, answer: Answer) -> None:
        live = self._load(key)
        if self._had(live, answer.origin):
            return
        live.known.granted += answer.granted
        live.known.refused += not answer.granted
        self._tell(answer.brand, f"{key!r} {answer.campaign!r} {'granted' if answer.granted else 'refused'} {answer.spent}")

    def refuse(self, record: Record, bug: BaseException) -> None:
        self.offset = self.partition.offset = record.offset
        event = decode(record.value or b"")
        if not isinstance(event, Event):
            raise bug
        live = self._load(record.key or b"")
        if not self._had(live, event.origin):
            self.partition.book(event.brand).crashed += 1
            self._tell(event.brand, f"crashed {event.origin.partition}:{event.origin.offset}")

    def commit(self) -> Folded:
        states: dict[bytes, bytes | None] = {
            key: stamp(live.offset, live.due_ms.to_bytes(DUE, "big") + _pack(live.known)) for key, live in self.live.items()
        }
        states.update(self.partition.commit())
        return Folded(self.effects, states, self.partition.clock_ms)

    def abort(self) -> None:
        self.partition.abort()
        self.live, self.effects = {}, []

    def _had(self, live: Live, origin: From) -> bool:
        marks = live.known.marks if self.marks.kept else {}
        return self.marks.passed(marks, self.partition.origin(self.marks.origin(origin)), self.marks.number(origin))

    def _due_of(self, key: bytes) -> int:
        live = self.live.get(key)
        return live.due_ms if live is not None else due_of(self.states[key]) if key in self.states else NEVER

    def _load(self, key: bytes) -> Live:
        live = self.live.get(key)
        if live is None:
            packed = self.states.get(key)
            live = self.live[key] = Live(Known(), NEVER) if packed is None else Live(known_of(packed), due_of(packed))
        live.offset = self.offset
        return live

    def _tell(self, brand: str, said: str) -> None:
        book = self.partition.book(brand)
        book.sequence += 1
        self.effects.append(Effect(f"crm-{brand}", self.home.partition, b"%d" % book.sequence, said.encode()))

    def _ask(self, brand: str, key: bytes, campaign: bytes) -> None:
        origin = From(self.home.topic_id, self.home.partition, self.offset, self.index)
        self.index += 1
        ask = Ask(origin, brand, key, self.home.partition)
        self.effects.append(Effect(BUDGETS, campaign[-1] % self.campaign_partitions, campaign, encode(ask)))


class Budget(Struct, array_like=True):
    """What is spent of a campaign's."""

    marks: dict[int, int] = field(default_factory=dict)
    spent: int = 0
    refused: int = 0


_budget = msgspec.msgpack.Decoder(Budget).decode


def budget_of(packed: bytes) -> Budget:
    return _budget(packed[STAMP:])


class Budgets:
    """The single writer of each campaign: what it grants is never more than its limit."""

    culprit: bytes | None = None
    partition_of = Partition

    def __init__(self, marks: Marks) -> None:
        self.marks = marks
        self.partition = self.partition_of()

    def restore(self, home: Home, states: Mapping[bytes, bytes], clock_ms: int) -> None:
        self.home, self.states = home, states
        self.partition.restore(states, clock_ms)

    def begin(self, skip: Collection[tuple[int, bytes]] = ()) -> None:  # noqa: ARG002 - the protocol's
        self.live: dict[bytes, tuple[int, Budget]] = {}
        self.effects: list[Effect] = []
        self.partition.begin()

    def fold(self, record: Record) -> None:
        ask = decode(record.value or b"")
        assert isinstance(ask, Ask)
        for campaign, budget in self._asked(record, ask):
            granted = budget.spent < LIMIT
            budget.spent += granted
            budget.refused += not granted
            origin = From(self.home.topic_id, self.home.partition, record.offset)
            answer = Answer(origin, ask.brand, campaign, granted, budget.spent)
            self.effects.append(Effect(MEMBERS, ask.home, ask.member, encode(answer)))

    def _asked(self, record: Record, ask: Ask) -> Iterator[tuple[bytes, Budget]]:
        """Give the campaign that is asked, unless it had this."""
        key = record.key or b""
        self.partition.offset = record.offset
        packed = self.states.get(key)
        budget = self.live[key][1] if key in self.live else Budget() if packed is None else budget_of(packed)
        self.live[key] = record.offset, budget
        marks = budget.marks if self.marks.kept else {}
        if not self.marks.passed(marks, self.partition.origin(self.marks.origin(ask.origin)), self.marks.number(ask.origin)):
            yield key, budget

    def refuse(self, record: Record, bug: BaseException) -> None:  # noqa: ARG002 - the protocol's
        raise bug

    def commit(self) -> Folded:
        states: dict[bytes, bytes | None] = {key: stamp(offset, _pack(budget)) for key, (offset, budget) in self.live.items()}
        states.update(self.partition.commit())
        return Folded(self.effects, states, 0)

    def abort(self) -> None:
        self.partition.abort()


__all__ = ["Budget", "Budgets", "Effect", "Intake", "Known", "Marks", "Members", "budget_of", "known_of"]
