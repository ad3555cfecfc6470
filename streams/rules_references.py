"""What the tags of a set refer to: names that exist, and no circles.

Source: RULES 3, last point.
"""

from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

from schemas.rules import All, AnyOf, Clause, Not, TagRef, Top
from streams.rules_cursor import Cursor, meant


def check_references(references: list[Cursor], tags: Mapping[str, Cursor], rules: Mapping[str, Clause]) -> None:
    """Report each of *references* that names no tag, and each circle at the first of its tags in the file."""
    for at in references:
        _check_name(at, rules)
    order = list(tags)
    for circle in circles({name: set(referred(rule)) for name, rule in rules.items()}):
        first = min(range(len(circle)), key=lambda index: order.index(circle[index]))
        path = (*circle[first:], *circle[: first + 1])
        tags[path[0]].wrong(f"refers to itself ({' -> '.join(path)}); expected tags that lead to no circle")


def _check_name(at: Cursor, rules: Mapping[str, Clause]) -> None:
    name = at.value
    if not isinstance(name, str):
        at.wrong(f"{at.came}; expected the name of a tag")
    elif isinstance(rules.get(name.partition(":")[0]), Top) and ":" in name:
        at.wrong(f"{at.came} names one value; write {name.partition(':')[0]}, which holds whatever the value is")
    elif name not in rules:
        at.wrong(f"{at.came} is not a tag of this set{meant(name, rules)}; expected one of {', '.join(rules)}")


def referred(clause: Clause) -> Iterator[str]:
    """Name the tags that *clause* refers to."""
    match clause:
        case TagRef(tag=tag):
            yield tag
        case All(of=clauses) | AnyOf(of=clauses):
            for each in clauses:
                yield from referred(each)
        case Not(of=inside):
            yield from referred(inside)


def circles(graph: Mapping[str, set[str]]) -> list[tuple[str, ...]]:
    """Find circles until none is left: each is reported once and then cut."""
    remaining = {name: set(others) for name, others in graph.items()}
    found: list[tuple[str, ...]] = []
    while True:
        try:
            TopologicalSorter({name: sorted(others) for name, others in remaining.items()}).prepare()
        except CycleError as error:
            # Python lists a circle against the arrows, its first name again at the end.
            circle = tuple(reversed(error.args[1]))[:-1]
            remaining[circle[0]].discard(circle[1 % len(circle)])
            found.append(circle)
        else:
            return found
