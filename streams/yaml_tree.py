"""YAML 1.2, core schema, as a tree in which each value knows its line.

``on``, ``no``, ``22:00`` and dates are strings; a key that comes twice, a
tag (``!!str``) and a second document are mistakes.  All mistakes are
collected, but only the first where the text is no YAML at all.

Source: RULES, first paragraph.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)
from ruamel.yaml.reader import ReaderError

DEPTH: Final = 32
VALUES: Final = 20_000

_NULL: Final = frozenset(("null", "Null", "NULL", "~", ""))
_TRUE: Final = frozenset(("true", "True", "TRUE"))
_FALSE: Final = frozenset(("false", "False", "FALSE"))
_INTEGER: Final = re.compile(r"[-+]?[0-9]{1,18}|0o[0-7]{1,20}|0x[0-9a-fA-F]{1,15}")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INFINITY: Final = re.compile(r"([-+]?)\.(inf|Inf|INF)|\.(nan|NaN|NAN)")

Scalar = None | bool | int | float | str


class Mistake(NamedTuple):
    """What is wrong at one place; *line* counts from 1, *path* is empty for the file as a whole."""

    line: int
    path: str
    what: str

    def told(self, file: str) -> str:
        """Say it as ``file:line: path: what came; what was expected``."""
        return ": ".join(part for part in (f"{file}:{self.line}", self.path, self.what) if part)


@dataclass(frozen=True, slots=True)
class Node:
    """A value at *line*.  *text* is a scalar as it was written; *size* counts the values within."""

    line: int
    value: "Scalar | list[Node] | dict[str, Entry]"
    text: str = ""
    size: int = 1


class Entry(NamedTuple):
    """A key's line and its value."""

    line: int
    node: Node


def load(text: str) -> tuple[Node | None, list[Mistake]]:
    """Read *text*; None when it is empty or no YAML.  Mistakes come in the order of their lines."""
    reader = _Reader(_events(text))
    try:
        root = reader.document()
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        return None, [Mistake(mark.line + 1 if mark else 1, "", f"not YAML: {error.problem or error.context}")]
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        return None, [Mistake(line, "", f"not YAML: a control character ({error.character!r}); remove it")]
    except _TooMuchError as error:
        return None, [Mistake(error.line, "", str(error))]
    return root, reader.mistakes


def inner(path: str, key: str) -> str:
    """Name the place of *key* within *path*."""
    return f"{path}.{key}" if path else key


def core(text: str) -> Scalar:
    """Resolve an unquoted scalar; an integer beyond 18 digits is read as a float, which nothing here takes for one."""
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _INTEGER.fullmatch(text):
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    if infinity := _INFINITY.fullmatch(text):
        return float("nan") if infinity[3] else float(infinity[1] + "inf")
    return text


def _events(text: str) -> Iterator[Event]:
    """Parse lazily, so that a mistake in the syntax comes when it is reached."""
    parsed: Iterator[Event] = YAML(typ="safe", pure=True).parse(text)
    return parsed


class _TooMuchError(Exception):
    """The file is beyond what a rule set can be; checking ends here."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(what)
        self.line = line


@dataclass(slots=True)
class _Reader:
    """Builds the tree from the parser's events."""

    events: Iterator[Event]
    mistakes: list[Mistake] = field(default_factory=list)
    anchors: dict[str, Node] = field(default_factory=dict)

    def document(self) -> Node | None:
        """Read the only document."""
        root: Node | None = None
        documents = 0
        for event in self.events:
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._wrong(event, "", "a second document; a file holds one rule set, write each to its own file")
                    break
                root = self._value(next(self.events), "", 0)
            elif isinstance(event, StreamEndEvent):
                break
        return root

    def _value(self, event: Event, path: str, depth: int) -> Node:
        if depth > DEPTH:
            raise _TooMuchError(_line(event), f"nested deeper than {DEPTH}; a clause that deep is better split into tags")
        if isinstance(event, AliasEvent):
            return self._alias(event, path)
        node = self._fresh(event, path, depth)
        if node.size > VALUES:
            raise _TooMuchError(node.line, f"more than {VALUES} values; split the rules")
        if isinstance(event, NodeEvent) and event.anchor is not None:
            self.anchors[event.anchor] = node
        return node

    def _fresh(self, event: Event, path: str, depth: int) -> Node:
        if (tag := getattr(event, "tag", None)) is not None:
            self._wrong(event, path, f'a YAML tag ("{tag}") is not expected; write a string in quotes, else nothing before the value')
        if isinstance(event, MappingStartEvent):
            return self._mapping(event, path, depth)
        if isinstance(event, SequenceStartEvent):
            return self._sequence(event, path, depth)
        assert isinstance(event, ScalarEvent)
        plain = event.style is None
        return Node(_line(event), core(event.value) if plain else event.value, event.value if plain else f'"{event.value}"')

    def _alias(self, event: AliasEvent, path: str) -> Node:
        node = self.anchors.get(event.anchor)
        if node is not None:
            return node
        self._wrong(event, path, f"*{event.anchor} names nothing that is complete before it; expected a value")
        return Node(_line(event), None)

    def _mapping(self, start: MappingStartEvent, path: str, depth: int) -> Node:
        entries: dict[str, Entry] = {}
        size = 1
        while not isinstance(event := next(self.events), MappingEndEvent):
            key = self._key(event, path, depth)
            node = self._value(next(self.events), inner(path, key), depth + 1)
            size += node.size
            if key in entries:
                self._wrong(event, inner(path, key), f"comes twice, first in line {entries[key].line}; keep one")
            else:
                entries[key] = Entry(_line(event), node)
        return Node(_line(start), entries, size=size)

    def _key(self, event: Event, path: str, depth: int) -> str:
        """Read a key as it was written: ``on``, ``1`` and ``null`` are names like any other."""
        node = self._value(event, path, depth + 1)
        if isinstance(node.value, list | dict):
            self._wrong(event, path, "a key is a list or a mapping; expected a word")
            return "?"
        return node.value if isinstance(node.value, str) else node.text

    def _sequence(self, start: SequenceStartEvent, path: str, depth: int) -> Node:
        items: list[Node] = []
        size = 1
        while not isinstance(event := next(self.events), SequenceEndEvent):
            items.append(self._value(event, f"{path}[{len(items)}]", depth + 1))
            size += items[-1].size
        return Node(_line(start), items, size=size)

    def _wrong(self, event: Event, path: str, what: str) -> None:
        self.mistakes.append(Mistake(_line(event), path, what))


def _line(event: Event) -> int:
    line: int = event.start_mark.line
    return line + 1
