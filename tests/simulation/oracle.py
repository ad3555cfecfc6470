"""What must come of the logs: each folded record by record, without batches, crashes, marks or an engine.

What a receiver had before is told here by everything that it ever had, so a
mark that drops too little or too much shows as another state.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from schemas.effects import Effect
from schemas.fold import STAMP, stamped_offset
from schemas.member_state import NEVER, due_of
from schemas.state import Book
from tests.simulation.folds import budget_of, known_of
from tests.simulation.messages import (
    BUDGETS,
    CAMPAIGNS,
    KEYS,
    LIMIT,
    MEMBERS,
    SLEEPY_MS,
    Answer,
    Ask,
    Event,
    From,
    Input,
    Tick,
    decode,
    encode,
)

_book = msgspec.msgpack.Decoder(Book).decode
BOOK = b"\0book:"

State = tuple[object, ...]


class Was(NamedTuple):
    """A member, as it must be: offset folded last, when due, and what is counted."""

    offset: int
    due_ms: int
    counted: int
    chain: int
    granted: int
    refused: int


class Partition:
    """What must come of one partition's log: states after each record, and the effects in order."""

    def __init__(self, log: Sequence[Input]) -> None:
        self.log = log
        self.states: list[tuple[int, dict[bytes, State]]] = [(0, {})]
        self.effects: list[Effect] = []
        self.effects_before = [0]
        self.had: dict[tuple[bytes, From], int] = {}
        self.clock_ms = 0

    def at(self, position: int) -> tuple[int, dict[bytes, State]]:
        """Give clock and states after the first *position* records."""
        while len(self.states) <= position:
            record = self.log[len(self.states) - 1]
            self.fold(record)
            self.states.append((self.clock_ms, self.now()))
            self.effects_before.append(len(self.effects))
        return self.states[position]

    def before(self, position: int) -> list[Effect]:
        """Give the effects of the first *position* records."""
        self.at(position)
        return self.effects[: self.effects_before[position]]

    def fold(self, record: Input) -> None:
        raise NotImplementedError

    def now(self) -> dict[bytes, State]:
        raise NotImplementedError

    def read(self, states: dict[bytes, bytes]) -> dict[bytes, State]:
        raise NotImplementedError

    def _is_new(self, key: bytes, origin: From, offset: int) -> bool:
        return self.had.setdefault((key, origin), offset) == offset


class Members(Partition):
    """A partition of members."""

    def __init__(self, partition: int, campaign_partitions: int, log: Sequence[Input]) -> None:
        super().__init__(log)
        self.partition, self.campaign_partitions = partition, campaign_partitions
        self.known: dict[bytes, Was] = {}
        self.numbers: set[tuple[bytes, str, int]] = set()
        self.books: dict[str, tuple[int, int, int, int]] = {}
        self.crm: dict[str, list[bytes]] = defaultdict(list)

    def fold(self, record: Input) -> None:
        key, message = record.key or b"", decode(record.value or b"")
        self.offset, self.index = record.offset, 0
        if isinstance(message, Tick):
            self._move(message.at_ms)
        elif isinstance(message, Answer):
            self._touch(key)
            if self._is_new(key, message.origin, record.offset):
                self._grant(key, message)
        elif isinstance(message, Event):
            self._touch(key)
            if self._is_new(key, message.origin, record.offset):
                self._count(key, message)

    def _grant(self, key: bytes, answer: Answer) -> None:
        was, yes = self.known[key], int(answer.granted)
        self.known[key] = was._replace(granted=was.granted + yes, refused=was.refused + 1 - yes)
        self._say(answer.brand, f"{key!r} {answer.campaign!r} {'granted' if yes else 'refused'} {answer.spent}")

    def _count(self, key: bytes, event: Event) -> None:
        if (key, event.brand, event.number) in self.numbers:
            self._note(event.brand, duplicates=1)
            return
        if event.boom:
            self._note(event.brand, crashed=1)
            self._say(event.brand, f"crashed {event.origin.partition}:{event.origin.offset}")
            return
        self.numbers.add((key, event.brand, event.number))
        self._move(event.at_ms)
        was = self.known[key]
        count, chain = was.counted + 1, (was.chain * 31 + event.origin.offset + 1) % 9973
        self.known[key] = was._replace(due_ms=self.clock_ms + SLEEPY_MS, counted=count, chain=chain)
        self._say(event.brand, f"{key!r} enriched {count} {chain} at {self.clock_ms}")
        if count % 2 == 0:
            for campaign in CAMPAIGNS[: count % 3 + 1]:
                self._wish(event.brand, key, campaign)

    def _move(self, at_ms: int) -> None:
        if at_ms <= self.clock_ms:
            return
        self.clock_ms = at_ms
        for key in KEYS:
            was = self.known.get(key)
            if was is not None and was.due_ms <= at_ms:
                self.known[key] = was._replace(due_ms=NEVER, offset=self.offset)
                if was.counted % 5 != 4:
                    self._say("x", f"{key!r} sleeps {was.counted} at {at_ms}")
                    self._wish("x", key, CAMPAIGNS[0])

    def _touch(self, key: bytes) -> None:
        was = self.known.get(key)
        self.known[key] = Was(self.offset, NEVER, 0, 0, 0, 0) if was is None else was._replace(offset=self.offset)

    def _note(self, brand: str, said: int = 0, duplicates: int = 0, crashed: int = 0) -> None:
        _, *before = self.books.get(brand, (0, 0, 0, 0))
        self.books[brand] = (self.offset, before[0] + said, before[1] + duplicates, before[2] + crashed)

    def _say(self, brand: str, said: str) -> None:
        self._note(brand, said=1)
        number = self.books[brand][1]
        self.crm[brand].append(said.encode())
        self.effects.append(Effect(f"crm-{brand}", self.partition, b"%d" % number, said.encode()))

    def _wish(self, brand: str, key: bytes, campaign: bytes) -> None:
        ask = Ask(From(b"members.........", self.partition, self.offset, self.index), brand, key, self.partition)
        self.index += 1
        self.effects.append(Effect(BUDGETS, campaign[-1] % self.campaign_partitions, campaign, encode(ask)))

    def now(self) -> dict[bytes, State]:
        books: dict[bytes, State] = {BOOK + brand.encode(): book for brand, book in self.books.items()}
        return books | self.known

    def read(self, states: dict[bytes, bytes]) -> dict[bytes, State]:
        """Unpack what is to be compared: marks and origins are not, they show in what they let through."""
        found: dict[bytes, State] = {}
        for key, packed in states.items():
            if key in KEYS:
                known = known_of(packed)
                found[key] = Was(stamped_offset(packed), due_of(packed), known.count, known.chain, known.granted, known.refused)
            elif key.startswith(BOOK):
                book = _book(packed[STAMP:])
                found[key.rstrip(b"\0")] = (stamped_offset(packed), book.sequence, book.duplicates, book.crashed)
        return found


class Budgets(Partition):
    """A partition of budgets."""

    def __init__(self, partition: int, log: Sequence[Input]) -> None:
        super().__init__(log)
        self.partition = partition
        self.spent: dict[bytes, tuple[int, int, int]] = {}

    def fold(self, record: Input) -> None:
        campaign, ask = record.key or b"", decode(record.value or b"")
        assert isinstance(ask, Ask)
        _, spent, refused = self.spent.get(campaign, (0, 0, 0))
        self.spent[campaign] = (record.offset, spent, refused)
        if self._is_new(campaign, ask.origin, record.offset):
            granted = spent < LIMIT
            spent, refused = (spent + 1, refused) if granted else (spent, refused + 1)
            self.spent[campaign] = (record.offset, spent, refused)
            answer = Answer(From(b"budgets.........", self.partition, record.offset), ask.brand, campaign, granted, spent)
            self.effects.append(Effect(MEMBERS, ask.home, ask.member, encode(answer)))

    def now(self) -> dict[bytes, State]:
        return dict(self.spent)

    def read(self, states: dict[bytes, bytes]) -> dict[bytes, State]:
        found: dict[bytes, State] = {}
        for key, packed in states.items():
            if key in CAMPAIGNS:
                budget = budget_of(packed)
                found[key] = (stamped_offset(packed), budget.spent, budget.refused)
        return found


__all__ = ["Budgets", "Members", "Partition"]
