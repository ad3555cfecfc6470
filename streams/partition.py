"""What a partition of members remembers beside its members: clock, rules, books, origins, deadlines.

All of it follows the batch: what a batch that was given up had changed is as
it was.  The heap of deadlines is rebuilt at restore from the packed members,
each of which carries the clock at which it is due.

Source: DESIGN 4, RULES 1.
"""

import heapq
from collections.abc import Mapping
from copy import copy
from typing import Final

import msgspec

from schemas.envelope import Origin, Terms
from schemas.fold import STAMP
from schemas.member_state import NEVER, due_of
from schemas.rules import ALLIANCE
from schemas.state import Book, CounterEntry, Rules, pack
from streams import ruleset
from streams.ruleset import NOTHING, Plan

MEMBER_KEY: Final = 16
_SHORTEST: Final = MEMBER_KEY + 1


def special(name: str) -> bytes:
    """Give the key of a partition-level state: never as long as a member's."""
    return (b"\0" + name.encode()).ljust(_SHORTEST, b"\0")


ORIGINS: Final = special("origins")
_RULES: Final = b"\0rules:"
_BOOK: Final = b"\0book:"

_rules = msgspec.msgpack.Decoder(Rules)
_book = msgspec.msgpack.Decoder(Book)
_origins = msgspec.msgpack.Decoder(list[tuple[bytes, int]])


class Deadlines:
    """Who is due when.  An entry holds only if the member still says so: what is stale is passed over, not searched for."""

    def __init__(self) -> None:
        self._times: list[int] = []
        self._keys: dict[int, list[bytes]] = {}

    def put(self, due_ms: int, key: bytes) -> None:
        """Note that *key* is due at *due_ms*."""
        keys = self._keys.get(due_ms)
        if keys is None:
            self._keys[due_ms] = [key]
            heapq.heappush(self._times, due_ms)
        else:
            keys.append(key)

    def any_by(self, now_ms: int) -> bool:
        """Tell whether somebody is due at *now_ms*, or was."""
        return bool(self._times) and self._times[0] <= now_ms

    def pop(self, now_ms: int) -> list[tuple[int, bytes]]:
        """Take out what is due at *now_ms*: (due, key), in no order, perhaps twice."""
        popped: list[tuple[int, bytes]] = []
        while self._times and self._times[0] <= now_ms:
            due_ms = heapq.heappop(self._times)
            popped += [(due_ms, key) for key in self._keys.pop(due_ms)]
        return popped


class Partition:
    """The partition-level part of the fold; edited through its methods only, between ``begin`` and ``commit`` or ``abort``.

    *offset* is that of the record being folded.
    """

    def __init__(self) -> None:
        self.clock_ms = 0
        self.offset = 0
        self.deadlines = Deadlines()
        self._rules: dict[str, Rules] = {}
        self._books: dict[str, Book] = {}
        self._origins: dict[tuple[bytes, int], int] = {}
        self._plans: dict[str, Plan] = {}
        self.begin()

    def restore(self, states: Mapping[bytes, bytes], clock_ms: int) -> None:
        """Begin from the committed *states*, members and others."""
        self.clock_ms = clock_ms
        for key, packed in states.items():
            if len(key) == MEMBER_KEY:
                due_ms = due_of(packed)
                if due_ms < NEVER:
                    self.deadlines.put(due_ms, key)
            elif key.startswith(_RULES):
                self._rules[_name(key, _RULES)] = _rules.decode(packed[STAMP:])
            elif key.startswith(_BOOK):
                self._books[_name(key, _BOOK)] = _book.decode(packed[STAMP:])
            elif key == ORIGINS:
                self._origins = {origin: number for number, origin in enumerate(_origins.decode(packed[STAMP:]))}
        self.begin()

    def begin(self) -> None:
        """Open a batch."""
        self._clock_before = self.clock_ms
        self._origins_before = len(self._origins)
        self._new_books: dict[str, Book] = {}
        self._new_rules: dict[str, Rules] = {}
        self._popped: list[tuple[int, bytes]] = []
        self._changed_at: dict[str, int] = {}

    def abort(self) -> None:
        """Undo the batch.  Deadlines that it noted stay: they are stale, and passed over."""
        self.clock_ms = self._clock_before
        for origin in list(self._origins)[self._origins_before :]:
            del self._origins[origin]
        for due_ms, key in self._popped:
            self.deadlines.put(due_ms, key)
        if self._new_rules:
            self._plans.clear()
        self.begin()

    def commit(self) -> dict[bytes, bytes]:
        """Close the batch; returns what changed, packed behind the offset that changed it last."""
        at = self._changed_at
        changed = {special(f"book:{brand}"): pack(at[brand], book) for brand, book in self._new_books.items()}
        changed |= {special(f"rules:{owner}"): pack(at[f"rules:{owner}"], rules) for owner, rules in self._new_rules.items()}
        if len(self._origins) > self._origins_before:
            changed[ORIGINS] = pack(at[""], [list(origin) for origin in self._origins])
        self._books |= self._new_books
        self._rules |= self._new_rules
        self.begin()
        return changed

    def due(self, now_ms: int) -> list[tuple[int, bytes]]:
        """Take out who was said to be due at *now_ms*: (due, key), by key."""
        if not self.deadlines.any_by(now_ms):
            return []
        popped = self.deadlines.pop(now_ms)
        self._popped += popped
        return sorted(set(popped), key=lambda entry: (entry[1], entry[0]))

    def origin(self, origin: Origin) -> int:
        """Give the number of an origin partition, a new one if it was never met."""
        key = (origin.topic_id, origin.partition)
        number = self._origins.get(key)
        if number is None:
            number = self._origins[key] = len(self._origins)
            self._changed_at[""] = self.offset
        return number

    def book(self, brand: str, terms: Terms | None = None) -> Book:
        """Give the book of *brand* to write in; *terms* are those that hold from now on."""
        self._changed_at[brand] = self.offset
        book = self._new_books.get(brand)
        if book is None:
            standing = self._books.get(brand)
            book = self._new_books[brand] = copy(standing) if standing is not None else Book()
        if terms is not None and terms != book.terms:
            book.terms = terms
        return book

    def terms(self, brand: str) -> Terms:
        """Read what *brand*'s registration says, as far as this partition has heard."""
        book = self._new_books.get(brand) or self._books.get(brand)
        return book.terms if book is not None else Terms()

    def brands(self) -> list[str]:
        """List the brands that this partition has a book of, in order."""
        return sorted(self._books.keys() | self._new_books.keys())

    def rules(self, owner: str) -> Rules | None:
        """Read the rule set of *owner* that stands."""
        return self._new_rules.get(owner) or self._rules.get(owner)

    def publish(self, owner: str, rules: Rules) -> None:
        """Let *rules* stand for *owner*."""
        self._new_rules[owner] = rules
        self._changed_at[f"rules:{owner}"] = self.offset
        self._plans.clear()

    def plan(self, brand: str) -> Plan:
        """Give the rules that hold for the members of *brand*, made ready."""
        plan = self._plans.get(brand)
        if plan is None:
            of_brand, shared = self.rules(brand), self.rules(ALLIANCE)
            plan = ruleset.plan(of_brand, shared) if of_brand or shared else NOTHING
            self._plans[brand] = plan
        return plan


def carried(key: bytes, packed: bytes, position: int, other: bool) -> bytes | None:
    """Say what of a state goes over when the partition is folded anew from *position*, maybe of an *other* log: rule sets, nothing else.

    A log that is whole holds them itself, where they belong.  Where its
    beginning is gone they may be gone with it, and a log that was made again
    never had them: then they stand from there on, and every counter begins
    anew.
    """
    if not (position or other) or not key.startswith(_RULES):
        return None
    rules = _rules.decode(packed[STAMP:])
    before = position - 1
    rules.counters = {known: CounterEntry(entry.id, before, 0) for known, entry in rules.counters.items()}
    rules.half_lives = [(0, half_life) for _, half_life in rules.half_lives[-1:]]
    rules.scored_since = before
    return pack(before, rules)


def _name(key: bytes, prefix: bytes) -> str:
    return key[len(prefix) :].rstrip(b"\0").decode()
