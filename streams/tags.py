"""Tags: which hold at a clock, until when at the earliest, and by what evidence.

A rule is a tree of tests.  Each test answers three questions about a brand's
state of a member: does it hold now, at which clock may that change though
nothing happens, and which events speak for it.

Source: RULES 3.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from schemas.member_state import NEVER, BrandState
from schemas.scalars import instant_text
from schemas.state import EVIDENCE
from streams import counters, engagement
from streams.counters import Counter
from streams.engagement import Decay
from streams.evidence import Entry, entries
from streams.windows import Window

Evidence = int | float | str | bool
"""A count, an amount in minor units, a score, an instant's RFC 3339 text, or whether a composed rule holds."""


Found = tuple[bool, int]
"""Whether a test holds, and the clock (ms) from which that may change by itself."""

NO: Final[Found] = (False, NEVER)


class Test:
    """One clause of a rule."""

    def check(self, state: BrandState, now_ms: int) -> Found:
        """Tell whether the clause holds for *state* at the clock *now_ms*, and until when at the earliest."""
        raise NotImplementedError

    def value(self, state: BrandState, now_ms: int) -> Evidence:
        """Give what was found, in the rule's own unit."""
        raise NotImplementedError

    def recent(self, state: BrandState, now_ms: int) -> list[Entry]:
        """List the latest events that count, in any order; there may be more than five."""
        raise NotImplementedError

    def holds(self, state: BrandState, now_ms: int) -> bool:
        """Tell whether the clause holds, and no more."""
        return self.check(state, now_ms)[0]


class AtLeast(Test):
    """``count``, ``sum`` and ``keywords``: a total reaches *least*."""

    def __init__(self, counter: Counter, least: int) -> None:
        self.counter = counter
        self.least = least

    def holds(self, state: BrandState, now_ms: int) -> bool:
        return counters.total(self.counter, state, now_ms) >= self.least

    def check(self, state: BrandState, now_ms: int) -> Found:
        if counters.total(self.counter, state, now_ms) < self.least:
            return NO
        return (True, counters.falls_below(self.counter, state, now_ms, self.least))

    def value(self, state: BrandState, now_ms: int) -> Evidence:
        return counters.total(self.counter, state, now_ms)

    def recent(self, state: BrandState, now_ms: int) -> list[Entry]:
        counter = self.counter
        keys: Sequence[str | int] = counter.events if counter.kind == "count" else (counter.id,)
        oldest = counter.window.oldest(now_ms)
        bucket = counter.window.clock.bucket
        found = [entry for key in keys for entry in entries(state.recent.get(key, b""))]
        return [entry for entry in found if entry[2] > counter.since_offset and bucket(entry[0]) >= oldest]


class AnyValues(Test):
    """``distinct``: so many different values."""

    def __init__(self, counter: Counter, least: int) -> None:
        self.counter = counter
        self.least = least

    def holds(self, state: BrandState, now_ms: int) -> bool:
        kept = state.values.get(self.counter.id)
        if kept is None or len(kept) < self.least:
            return False
        return len(counters.latest_buckets(self.counter, state, now_ms)) >= self.least

    def check(self, state: BrandState, now_ms: int) -> Found:
        latest = counters.latest_buckets(self.counter, state, now_ms)
        if len(latest) < self.least:
            return NO
        return (True, self.counter.window.leaves(latest[self.least - 1]))

    def value(self, state: BrandState, now_ms: int) -> Evidence:
        return len(counters.latest_buckets(self.counter, state, now_ms))

    def recent(self, state: BrandState, now_ms: int) -> list[Entry]:
        window = self.counter.window
        oldest = window.oldest(now_ms)
        kept = state.value_events.get(self.counter.id, {})
        return [e for recent in kept.values() for e in entries(recent) if window.clock.bucket(e[0]) >= oldest]


class Leader(Test):
    """``top``: the value that is counted most, if often enough.  The tag is named after it."""

    def __init__(self, counter: Counter, least: int) -> None:
        self.counter = counter
        self.least = least

    def check(self, state: BrandState, now_ms: int) -> Found:
        found = counters.leader(self.counter, state, now_ms)
        return NO if found is None or found[0] < self.least else (True, self.ends(found[1], state, now_ms))

    def ends(self, text: str, state: BrandState, now_ms: int) -> int:
        """Tell the clock (ms) at which the value that leads loses its oldest bucket."""
        oldest = self.counter.window.oldest(now_ms)
        buckets = state.values[self.counter.id][text]
        return self.counter.window.leaves(min([bucket for bucket in buckets if bucket >= oldest]))

    def value(self, state: BrandState, now_ms: int) -> Evidence:
        found = counters.leader(self.counter, state, now_ms)
        return found[0] if found is not None else 0

    def recent(self, state: BrandState, now_ms: int) -> list[Entry]:
        found = counters.leader(self.counter, state, now_ms)
        return entries(state.value_events[self.counter.id][found[1]]) if found is not None else []


class Silence(Test):
    """``silent``: acted here once, and not for so many buckets."""

    def __init__(self, window: Window, events: tuple[str, ...]) -> None:
        self.window = window
        self.events = events

    def check(self, state: BrandState, now_ms: int) -> Found:
        if not state.active_ms:
            return NO
        bucket = self.window.clock.bucket(state.active_ms)
        if bucket < self.window.oldest(now_ms):
            return (True, NEVER)
        return (False, self.window.leaves(bucket))

    def value(self, state: BrandState, now_ms: int) -> Evidence:
        """Give the latest act."""
        return instant_text(state.active_ms)

    def recent(self, state: BrandState, now_ms: int) -> list[Entry]:
        return [entry for name in self.events for entry in entries(state.recent.get(name, b""))]


class Engaged(Test):
    """``engagement``: the score is at least *least*."""

    def __init__(self, decay: Decay, since_offset: int, shared: bool, least: float, events: tuple[str, ...]) -> None:
        self.decay = decay
        self.since_offset = since_offset
        self.shared = shared
        self.least = least
        self.events = events

    def check(self, state: BrandState, now_ms: int) -> Found:
        score = state.alliance if self.shared else state.score
        value = engagement.raw(score, now_ms, self.decay)
        if engagement.rounded(value) < self.least:
            return NO
        return (True, self.decay.lasts(value, self.least, now_ms) if value > 0 else NEVER)

    def value(self, state: BrandState, now_ms: int) -> Evidence:
        return engagement.at(state.alliance if self.shared else state.score, now_ms, self.decay)

    def recent(self, state: BrandState, now_ms: int) -> list[Entry]:
        found = [entry for name in self.events for entry in entries(state.recent.get(name, b""))]
        return [entry for entry in found if entry[2] > self.since_offset]


class Refers(Test):
    """Another tag holds; for a ``top`` tag (*any_value*), with whatever value.  That tag was judged before."""

    def __init__(self, name: str, any_value: bool) -> None:
        self.name = name
        self.any_value = any_value

    def check(self, state: BrandState, now_ms: int) -> Found:
        if self.any_value:
            return (any(name.startswith(self.name + ":") for name in state.tags), NEVER)
        return (self.name in state.tags, NEVER)

    def value(self, state: BrandState, now_ms: int) -> Evidence:
        return self.holds(state, now_ms)

    def recent(self, state: BrandState, now_ms: int) -> list[Entry]:
        return []


class Combined(Test):
    """Several clauses as one; whatever speaks for one of them speaks for it."""

    def __init__(self, clauses: tuple[Test, ...]) -> None:
        self.clauses = clauses

    def value(self, state: BrandState, now_ms: int) -> Evidence:
        return self.holds(state, now_ms)

    def recent(self, state: BrandState, now_ms: int) -> list[Entry]:
        return [entry for clause in self.clauses for entry in clause.recent(state, now_ms)]


class Every(Combined):
    """``all``."""

    def check(self, state: BrandState, now_ms: int) -> Found:
        every, due = True, NEVER
        for clause in self.clauses:
            holds, until = clause.check(state, now_ms)
            every = every and holds
            due = min(due, until)
        return (every, due)


class Some(Combined):
    """``any``."""

    def check(self, state: BrandState, now_ms: int) -> Found:
        some, due = False, NEVER
        for clause in self.clauses:
            holds, until = clause.check(state, now_ms)
            some = some or holds
            due = min(due, until)
        return (some, due)


class Negated(Test):
    """``not``: what speaks for its clause does not speak for it."""

    def __init__(self, clause: Test) -> None:
        self.clause = clause

    def check(self, state: BrandState, now_ms: int) -> Found:
        found = self.clause.check(state, now_ms)
        return (not found[0], found[1])

    def value(self, state: BrandState, now_ms: int) -> Evidence:
        return self.holds(state, now_ms)

    def recent(self, state: BrandState, now_ms: int) -> list[Entry]:
        return []


@dataclass(frozen=True)
class Tag:
    """A tag as it is judged; *events* (names) can change it.  *version* is its rule set's; *currency* that of a ``sum``."""

    name: str
    test: Test
    version: int
    events: frozenset[str]
    currency: str | None = None

    @property
    def lasting(self) -> bool:
        """Tell whether more events can't end it: then one that holds need not be looked at when there are more."""
        return isinstance(self.test, AtLeast | AnyValues | Engaged)

    @property
    def referring(self) -> bool:
        """Tell whether it depends on other tags alone: then it need not be looked at unless one of them changed."""
        return _refers(self.test)


def _refers(test: Test) -> bool:
    match test:
        case Combined(clauses=clauses):
            return all(_refers(clause) for clause in clauses)
        case Negated(clause=clause):
            return _refers(clause)
        case _:
            return isinstance(test, Refers)


class Step:
    """A tag in the order of judging, with what ``judge_more`` may pass over."""

    __slots__ = ("lasting", "name", "referring", "silence", "tag", "test")

    def __init__(self, tag: Tag) -> None:
        self.tag = tag
        self.name = tag.name
        self.test = tag.test
        self.lasting = tag.lasting
        self.referring = tag.referring
        self.silence = isinstance(tag.test, Silence)


class Change(NamedTuple):
    """A tag was entered or exited; *value* and *events* (latest last) are the evidence."""

    tag: str
    entered: bool
    value: Evidence
    currency: str | None
    events: tuple[str, ...]
    version: int


def judge(steps: Sequence[Step], state: BrandState, now_ms: int) -> tuple[list[Change], int]:
    """Bring ``state.tags`` up to the clock *now_ms* for the tags of *steps*, which come in the order of their references.

    Returns what changed, and the clock at which one of the tags may change by
    itself.
    """
    changes: list[Change] = []
    due = NEVER
    for one in steps:
        due = min(due, _judge_one(one.tag, state, now_ms, changes))
    return changes, due


def judge_more(steps: Sequence[Step], state: BrandState, now_ms: int) -> tuple[list[Change], int]:
    """As ``judge``, where all that happened since the last one is that more was counted, and the member had acted before.

    What can't have changed is passed over: a reached total that only grows
    (its deadline can only be later than the one noted), a silence that was
    none, a combination of tags that are as they were.
    """
    changes: list[Change] = []
    due = NEVER
    held = state.tags
    for one in steps:
        if one.lasting:
            if one.name in held or not one.test.holds(state, now_ms):
                continue
        elif (one.referring and not changes) or (one.silence and one.name not in held):
            continue
        due = min(due, _judge_one(one.tag, state, now_ms, changes))
    return changes, due


def _judge_one(tag: Tag, state: BrandState, now_ms: int, changes: list[Change]) -> int:
    test = tag.test
    if isinstance(test, Leader):
        return _judge_leader(tag, test, state, now_ms, changes)
    holds, due = test.check(state, now_ms)
    held = state.tags
    if holds != (tag.name in held):
        changes.append(describe(tag, tag.name, holds, state, now_ms))
        if holds:
            held[tag.name] = now_ms
        else:
            del held[tag.name]
    return due


def _judge_leader(tag: Tag, test: Leader, state: BrandState, now_ms: int, changes: list[Change]) -> int:
    found = counters.leader(test.counter, state, now_ms)
    name = f"{tag.name}:{found[1]}" if found is not None and found[0] >= test.least else None
    if name is None or name not in state.tags:
        prefix = tag.name + ":"
        for before in [old for old in state.tags if old.startswith(prefix)]:
            changes.append(describe(tag, before, False, state, now_ms))
            del state.tags[before]
        if name is not None:
            changes.append(describe(tag, name, True, state, now_ms))
            state.tags[name] = now_ms
    return test.ends(found[1], state, now_ms) if name is not None and found is not None else NEVER


def describe(tag: Tag, name: str, entered: bool, state: BrandState, now_ms: int) -> Change:
    """Say that *tag*, as *name*, was entered or exited, with what speaks for it now."""
    latest = sorted(set(tag.test.recent(state, now_ms)))[-EVIDENCE:]
    return Change(
        name,
        entered,
        tag.test.value(state, now_ms),
        tag.currency,
        tuple(entry[1] for entry in latest),
        tag.version,
    )
