"""A place in a rules file that is being checked, and what was found wrong so far.

A check reads a value, reports what is wrong with it and goes on with a
harmless one in its place, so that all mistakes come at once.  What was read
counts only if there are none.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from streams.yaml_tree import Entry, Mistake, Node, Scalar, inner


@dataclass(slots=True)
class Findings:
    """What the check of one file has gathered.

    *references* are the places that name a tag, *scored* those that need
    engagement; of the campaign that is being read: *amounts* those that need
    an order, *places* those that name brands, *channels* those that name
    channels, *currency* its reward's.
    """

    mistakes: list[Mistake] = field(default_factory=list)
    references: list["Cursor"] = field(default_factory=list)
    scored: list["Cursor"] = field(default_factory=list)
    amounts: list["Cursor"] = field(default_factory=list)
    places: list["Cursor"] = field(default_factory=list)
    channels: list["Cursor"] = field(default_factory=list)
    currency: str = ""


@dataclass(frozen=True, slots=True)
class Cursor:
    """A value at its place; *node* is None where a required value is missing, which is reported already."""

    findings: Findings
    node: Node | None
    line: int
    path: str

    @property
    def value(self) -> "Scalar | list[Node] | dict[str, Entry]":
        """The value itself, None where it is missing."""
        return self.node.value if self.node else None

    @property
    def came(self) -> str:
        """Say what stands here, as it was written."""
        if isinstance(self.value, dict):
            return "a mapping"
        if isinstance(self.value, list):
            return "a list"
        if self.value is None:
            return "nothing"
        return json.dumps(self.value, ensure_ascii=False) if isinstance(self.value, str) else str(self.node and self.node.text)

    def wrong(self, what: str) -> None:
        """Report a mistake here; silent where the value is missing."""
        if self.node is not None:
            self.findings.mistakes.append(Mistake(self.line, self.path, what))

    def fields(self, required: Collection[str], optional: Collection[str] = ()) -> Mapping[str, "Cursor"]:
        """Step into a mapping of known fields: all of *required*, and those of *optional* that are there.

        Unknown and missing ones are reported, a missing one is there as a
        cursor that stays silent.
        """
        known = (*required, *optional)
        entries = self._entries("a mapping of " + listed(known))
        for name, entry in entries.items():
            if name not in known:
                self._at(name, entry).wrong(f"{quoted(name)} is not expected{meant(name, known)}; expected {listed(known)}")
        missing = [name for name in required if name not in entries]
        if missing and isinstance(self.value, dict):
            self.wrong(f"{listed(missing, 'and')} {'is' if len(missing) == 1 else 'are'} missing; expected {listed(required, 'and')}")
        found = {name: self._at(name, entries[name]) for name in known if name in entries}
        return {name: Cursor(self.findings, None, self.line, inner(self.path, name)) for name in missing} | found

    def named(self, expected: str) -> Iterator[tuple[str, "Cursor"]]:
        """Step through a mapping whose keys are names of the writer's own."""
        for name, entry in self._entries(expected).items():
            yield name, self._at(name, entry)

    def items(self, expected: str) -> list["Cursor"]:
        """Step into a list that is not empty."""
        if isinstance(self.value, list) and self.value:
            return [Cursor(self.findings, node, node.line, f"{self.path}[{at}]") for at, node in enumerate(self.value)]
        self.wrong(f"{'an empty list' if self.value == [] else self.came}; expected {expected}")
        return []

    def _entries(self, expected: str) -> Mapping[str, Entry]:
        if isinstance(self.value, dict):
            return self.value
        self.wrong(f"{self.came}; expected {expected}")
        return {}

    def _at(self, name: str, entry: Entry) -> "Cursor":
        return Cursor(self.findings, entry.node, entry.line, inner(self.path, name))


def quoted(text: str) -> str:
    """Quote *text* for a message."""
    return json.dumps(text, ensure_ascii=False)


def listed(words: Collection[str], last: str = "or") -> str:
    """Write *words* as a list in a sentence."""
    *most, final = words
    return f"{', '.join(most)} {last} {final}" if most else final


def meant(word: str, known: Collection[str]) -> str:
    """Suggest the known word that a misspelt one is closest to; empty when none is close."""
    folded = {each.casefold(): each for each in known}
    close = get_close_matches(word.casefold(), folded, n=1, cutoff=0.75)
    return f" (did you mean {folded[close[0]]}?)" if close else ""
