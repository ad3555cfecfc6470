"""What a tag or a campaign's condition may be made of, read from a rules file into checked clauses.

Source: RULES 3 and 5.
"""

from collections.abc import Callable, Mapping
from typing import Final, Literal

from schemas.rules import (
    DAY_MS,
    SUMMED_EVENTS,
    All,
    Amount,
    AnyOf,
    AtBrand,
    ByChannel,
    Clause,
    Count,
    Distinct,
    Engaged,
    FirstOrder,
    Keywords,
    Not,
    Silent,
    Sum,
    TagRef,
    Top,
)
from streams import rules_units as units
from streams.rules_cursor import Cursor, meant, quoted

KEPT_VALUES: Final = 64
LONGEST_WORD: Final = 64
LEAST_SCORE: Final = 0.000001


def tag_rule(at: Cursor) -> Clause:
    """Read the rule of a tag: any clause, ``top`` included."""
    return _clause(at, _TAG_RULES)


def clause(at: Cursor) -> Clause:
    """Read a clause within another.  ``top`` is none: it makes a tag of its own, which a clause refers to."""
    return _clause(at, _CLAUSES)


def condition(at: Cursor) -> Clause:
    """Read the condition of a campaign: what a clause may be, and what the trigger itself must be."""
    return _clause(at, _CONDITIONS)


def _clause(at: Cursor, kinds: Mapping[str, Callable[[Cursor], Clause]]) -> Clause:
    """Read a mapping of one kind to what it asks for; each key that is there is checked, though only one may be."""
    fields = dict(at.named(f"a rule: a mapping of one of {', '.join(kinds)}"))
    read: list[Clause] = [kinds[kind](inside) for kind, inside in fields.items() if kind in kinds]
    for kind, inside in fields.items():
        if kind == "top" and kind not in kinds:
            inside.wrong("top gives a tag of its own and can't be part of another; define it under tags and write {tag: its-name}")
        elif kind not in kinds:
            inside.wrong(f"{quoted(kind)} is not a rule{meant(kind, kinds)}; expected one of {', '.join(kinds)}")
    if len(fields) > 1:
        at.wrong(f"{len(fields)} rules in one place ({', '.join(fields)}); expected one, or all: [...] / any: [...] of them")
    elif at.value == {}:
        at.wrong(f"an empty mapping; expected one of {', '.join(kinds)}")
    return read[0] if read else Silent(for_ms=DAY_MS)


def _count(at: Cursor) -> Count:
    fields = at.fields(("events", "within", "at_least"))
    return Count(
        events=units.event_names(fields["events"]),
        within_ms=units.window(fields["within"]),
        at_least=units.positive(fields["at_least"]),
    )


def _sum(at: Cursor) -> Sum:
    fields = at.fields(("of", "within", "at_least", "currency"))
    currency = units.currency(fields["currency"])
    return Sum(
        of=units.event_name(fields["of"], SUMMED_EVENTS),
        within_ms=units.window(fields["within"]),
        at_least_minor=units.money(fields["at_least"], currency),
        currency=currency,
    )


def _top(at: Cursor) -> Top:
    fields = at.fields(("of", "events", "within", "at_least"))
    return Top(
        of=_dimension(fields["of"]),
        events=units.event_names(fields["events"]),
        within_ms=units.window(fields["within"]),
        at_least=units.positive(fields["at_least"]),
    )


def _distinct(at: Cursor) -> Distinct:
    """Read ``distinct``; more values than are kept could never be reached."""
    fields = at.fields(("of", "events", "within", "at_least"))
    return Distinct(
        of=_dimension(fields["of"]),
        events=units.event_names(fields["events"]),
        within_ms=units.window(fields["within"]),
        at_least=units.positive(fields["at_least"], KEPT_VALUES),
    )


def _dimension(at: Cursor) -> Literal["category", "sku"]:
    return "sku" if units.word(at, ("category", "sku"), "something that is counted by value") == "sku" else "category"


def _keywords(at: Cursor) -> Keywords:
    fields = at.fields(("any_of", "within"))
    words = fields["any_of"]
    each = [words] if isinstance(words.value, str) else words.items("a word or a list of them")
    return Keywords(
        any_of=tuple(sorted({units.text(one, "a word", LONGEST_WORD) for one in each})),
        within_ms=units.window(fields["within"]),
    )


def _silent(at: Cursor) -> Silent:
    return Silent(for_ms=units.window(at.fields(("for",))["for"]))


def _engaged(at: Cursor) -> Engaged:
    at.findings.scored.append(at)
    return Engaged(at_least=units.number(at.fields(("at_least",))["at_least"], LEAST_SCORE))


def _all(at: Cursor, inside: Callable[[Cursor], Clause] = clause) -> All:
    return All(of=tuple(inside(each) for each in at.items("a list of rules")))


def _any(at: Cursor, inside: Callable[[Cursor], Clause] = clause) -> AnyOf:
    return AnyOf(of=tuple(inside(each) for each in at.items("a list of rules")))


def _not(at: Cursor, inside: Callable[[Cursor], Clause] = clause) -> Not:
    return Not(of=inside(at))


def _amount(at: Cursor) -> Amount:
    at.findings.amounts.append(at)
    fields = at.fields(("at_least",), ("currency",))
    currency = units.currency(fields["currency"]) if "currency" in fields else at.findings.currency
    if not currency and "currency" not in fields:
        at.wrong("no currency: the reward has none either; expected currency: and a code such as CNY")
    return Amount(at_least_minor=units.money(fields["at_least"], currency), currency=currency)


def _first_order(at: Cursor) -> FirstOrder:
    at.findings.amounts.append(at)
    if at.value is not True:
        at.wrong(f"{at.came}; expected true, or the clause within not:")
    return FirstOrder()


def _brand(at: Cursor) -> AtBrand:
    at.findings.places.append(at)
    each = [at] if isinstance(at.value, str) else at.items("a brand's name or a list of them")
    return AtBrand(brands=tuple(sorted({units.brand(one) for one in each})))


def _channel(at: Cursor) -> ByChannel:
    at.findings.channels.append(at)
    each = [at] if isinstance(at.value, str) else at.items("a channel or a list of them")
    return ByChannel(channels=tuple(sorted({units.text(one, "a channel", LONGEST_WORD) for one in each})))


def _tag(at: Cursor) -> TagRef:
    at.findings.references.append(at)
    return TagRef(tag=at.value if isinstance(at.value, str) else "")


_CLAUSES: Final[Mapping[str, Callable[[Cursor], Clause]]] = {
    "count": _count,
    "sum": _sum,
    "distinct": _distinct,
    "keywords": _keywords,
    "silent": _silent,
    "engagement": _engaged,
    "all": _all,
    "any": _any,
    "not": _not,
    "tag": _tag,
}
_TAG_RULES: Final[Mapping[str, Callable[[Cursor], Clause]]] = {"top": _top} | dict(_CLAUSES)
_CONDITIONS: Final[Mapping[str, Callable[[Cursor], Clause]]] = dict(_CLAUSES) | {
    "all": lambda at: _all(at, condition),
    "any": lambda at: _any(at, condition),
    "not": lambda at: _not(at, condition),
    "amount": _amount,
    "first_order": _first_order,
    "brand": _brand,
    "channel": _channel,
}
