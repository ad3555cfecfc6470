"""A campaign's condition: which clause a trigger does not meet.

Clauses about the member ask the same tests as tags do, as of the clock; the
others ask the trigger itself.

Source: RULES 5.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from schemas import rules as written
from schemas.member_state import BrandState
from schemas.rules import Clause
from schemas.scalars import minor_text
from streams.rules_words import said
from streams.tags import Test


class Trigger:
    """What may earn a reward: the event *name*, or a tag that was entered, with what rests on it.

    *id* is the brand's event id or the tag's name; *cause* a short keyed hash
    of what would take the reward back.  *amount_minor* is the net amount of
    the order, *others* how many other orders of the member count here, *channel*
    how it came.
    """

    __slots__ = (
        "amount_minor", "append_ms", "brand", "cause", "channel", "currency", "depth", "id", "name", "order_id", "others", "share_id",
        "time_ms",
    )  # fmt: skip

    def __init__(self, name: str, identifier: str, brand: str, time_ms: int, append_ms: int, cause: bytes) -> None:
        self.name, self.id, self.brand = name, identifier, brand
        self.time_ms, self.append_ms, self.cause = time_ms, append_ms, cause
        self.order_id = ""
        self.share_id = ""
        self.channel = ""
        self.amount_minor = 0
        self.currency = ""
        self.others = 0
        self.depth = 1


class Met(NamedTuple):
    """A clause, what was found, and whether it holds."""

    wanted: str
    found: str
    holds: bool


class Condition:
    """One clause."""

    def unmet(self, state: BrandState, trigger: Trigger, now_ms: int) -> str | None:
        """Say the first clause that does not hold; None where all is met."""
        raise NotImplementedError

    def clauses(self, state: BrandState, trigger: Trigger | None, now_ms: int) -> Iterator[Met]:
        """List each clause with what was found; without a *trigger* those about it are open."""
        raise NotImplementedError


class OfMember(Condition):
    """A clause about the member."""

    def __init__(self, words: str, test: Test) -> None:
        self.words, self.test = words, test

    def unmet(self, state: BrandState, trigger: Trigger, now_ms: int) -> str | None:
        return None if self.test.holds(state, now_ms) else self.words

    def clauses(self, state: BrandState, trigger: Trigger | None, now_ms: int) -> Iterator[Met]:
        yield Met(self.words, str(self.test.value(state, now_ms)), self.test.holds(state, now_ms))


class OfTrigger(Condition):
    """A clause about what triggered: an order's amount, the first order, the brand, the channel."""

    def __init__(self, words: str, clause: written.Amount | written.FirstOrder | written.AtBrand | written.ByChannel) -> None:
        self.words, self.clause = words, clause

    def unmet(self, state: BrandState, trigger: Trigger, now_ms: int) -> str | None:
        return None if self._holds(trigger) else self.words

    def clauses(self, state: BrandState, trigger: Trigger | None, now_ms: int) -> Iterator[Met]:
        if trigger is None:
            yield Met(self.words, "asked when it triggers", True)
        else:
            yield Met(self.words, self._found(trigger), self._holds(trigger))

    def _holds(self, trigger: Trigger) -> bool:
        clause = self.clause
        if isinstance(clause, written.Amount):
            return trigger.currency == clause.currency and trigger.amount_minor >= clause.at_least_minor
        if isinstance(clause, written.FirstOrder):
            return trigger.order_id != "" and trigger.others == 0
        if isinstance(clause, written.ByChannel):
            return trigger.channel in clause.channels
        return trigger.brand in clause.brands

    def _found(self, trigger: Trigger) -> str:
        clause = self.clause
        if isinstance(clause, written.Amount):
            return f"{minor_text(trigger.amount_minor, trigger.currency)} {trigger.currency}" if trigger.currency else "no order"
        if isinstance(clause, written.ByChannel):
            return trigger.channel or "no channel"
        return str(trigger.others) if isinstance(clause, written.FirstOrder) else trigger.brand


class AllOf(Condition):
    """``all``: the first clause that is not met is told."""

    def __init__(self, inside: tuple[Condition, ...]) -> None:
        self.inside = inside

    def unmet(self, state: BrandState, trigger: Trigger, now_ms: int) -> str | None:
        for one in self.inside:
            unmet = one.unmet(state, trigger, now_ms)
            if unmet is not None:
                return unmet
        return None

    def clauses(self, state: BrandState, trigger: Trigger | None, now_ms: int) -> Iterator[Met]:
        for one in self.inside:
            yield from one.clauses(state, trigger, now_ms)


class AnyOf(Condition):
    """``any``: told as a whole."""

    def __init__(self, words: str, inside: tuple[Condition, ...]) -> None:
        self.words, self.inside = words, inside

    def unmet(self, state: BrandState, trigger: Trigger, now_ms: int) -> str | None:
        for one in self.inside:
            if one.unmet(state, trigger, now_ms) is None:
                return None
        return self.words

    def clauses(self, state: BrandState, trigger: Trigger | None, now_ms: int) -> Iterator[Met]:
        found = [met for one in self.inside for met in one.clauses(state, trigger, now_ms)]
        holds = any(all(met.holds for met in one.clauses(state, trigger, now_ms)) for one in self.inside)
        yield Met(self.words, "; ".join(f"{met.wanted}: {met.found}" for met in found), holds)


class NotSo(Condition):
    """``not``: told as a whole."""

    def __init__(self, words: str, inside: Condition) -> None:
        self.words, self.inside = words, inside

    def unmet(self, state: BrandState, trigger: Trigger, now_ms: int) -> str | None:
        return self.words if self.inside.unmet(state, trigger, now_ms) is None else None

    def clauses(self, state: BrandState, trigger: Trigger | None, now_ms: int) -> Iterator[Met]:
        found = list(self.inside.clauses(state, trigger, now_ms))
        yield Met(self.words, "; ".join(f"{met.wanted}: {met.found}" for met in found), not all(met.holds for met in found))


def condition(clause: Clause, test: Callable[[Clause], Test]) -> Condition:
    """Make *clause* ready; *test* gives the test of a clause about the member."""
    match clause:
        case written.All(of=clauses):
            return AllOf(tuple(condition(one, test) for one in clauses))
        case written.AnyOf(of=clauses):
            return AnyOf(said(clause), tuple(condition(one, test) for one in clauses))
        case written.Not(of=inside):
            return NotSo(said(clause), condition(inside, test))
        case written.Amount() | written.FirstOrder() | written.AtBrand() | written.ByChannel():
            return OfTrigger(said(clause), clause)
        case _:
            return OfMember(said(clause), test(clause))
