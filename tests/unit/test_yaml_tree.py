"""The YAML 1.2 core schema, with lines."""

import pytest

from streams.yaml_tree import Node, Scalar, core, load


def root(text: str) -> Node:
    node, mistakes = load(text)
    assert node is not None
    assert mistakes == []
    return node


def only_mistake(text: str) -> str:
    _, mistakes = load(text)
    assert len(mistakes) == 1, mistakes
    return mistakes[0].told("acme.yaml")


@pytest.mark.parametrize("text", ["on", "no", "Off", "YES", "y", "22:00", "1:30:00", "2026-11-01", "1_000", "0b1", "<<"])
def test_what_older_yaml_read_otherwise_is_a_string(text: str) -> None:
    assert core(text) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("~", None), ("", None), ("Null", None), ("true", True), ("FALSE", False), ("12", 12), ("-7", -7), ("0o17", 15), ("0x1F", 31),
        ("1.50", 1.5), (".5", 0.5), ("1e3", 1000.0), ("012", 12), (".inf", float("inf")), ("-.INF", float("-inf")),
    ],
)  # fmt: skip
def test_the_core_schema_knows_these(text: str, value: Scalar) -> None:
    assert core(text) == value
    assert type(core(text)) is type(value)


def test_an_integer_of_a_million_digits_is_no_integer() -> None:
    assert core("9" * 1_000_000) == float("inf")


def test_each_value_knows_its_line() -> None:
    node = root("a: 1\n\nb:\n  - x\n  - y: z\n")
    assert isinstance(node.value, dict)
    assert node.value["b"].line == 3
    items = node.value["b"].node.value
    assert isinstance(items, list)
    assert [item.line for item in items] == [4, 5]


def test_keys_are_names_as_they_are_written() -> None:
    node = root('on: 1\n1: 2\nnull: 3\n"q": 4\n')
    assert isinstance(node.value, dict)
    assert list(node.value) == ["on", "1", "null", "q"]


def test_a_key_that_comes_twice_is_a_mistake_with_both_lines() -> None:
    assert only_mistake("tags:\n  a: 1\n  b: 2\n  a: 3\n") == "acme.yaml:4: tags.a: comes twice, first in line 2; keep one"


def test_every_repeated_key_is_told() -> None:
    _, mistakes = load("a: 1\na: 2\nb: {c: 1, c: 2}\n")
    assert [(mistake.line, mistake.path) for mistake in mistakes] == [(2, "a"), (3, "b.c")]


@pytest.mark.parametrize(
    ("text", "line"),
    [("a: [1", 1), ("a: b: c", 1), ("a:\n\tb: 1", 2), ("a: 1\nb: \x01", 2), ('a: "x', 1), ("a: @x", 1)],
)
def test_no_yaml_is_one_mistake_at_its_line(text: str, line: int) -> None:
    assert only_mistake(text).startswith(f"acme.yaml:{line}: not YAML: ")


def test_a_second_document_is_a_mistake() -> None:
    assert only_mistake("a: 1\n---\nb: 2\n").startswith("acme.yaml:2: a second document")


def test_a_tag_is_a_mistake() -> None:
    assert only_mistake("a: !!str 12\n").startswith("acme.yaml:1: a: a YAML tag")


def test_an_alias_is_what_it_names() -> None:
    node = root("a: &words [x, y]\nb: *words\n")
    assert isinstance(node.value, dict)
    assert node.value["b"].node == node.value["a"].node


def test_an_alias_of_nothing_is_a_mistake() -> None:
    assert only_mistake("a: *x\n").startswith("acme.yaml:1: a: *x names nothing")


def test_an_alias_of_what_holds_it_is_a_mistake() -> None:
    assert only_mistake("a: &x [*x]\n").startswith("acme.yaml:1: a[0]: *x names nothing")


def test_aliases_that_multiply_are_refused() -> None:
    lines = ["a0: &a0 [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    assert "more than 20000 values" in only_mistake("\n".join(lines))


def test_nesting_without_end_is_refused() -> None:
    assert "nested deeper than 32" in only_mistake("[" * 10_000)


def test_nothing_is_nothing() -> None:
    assert load("# only a remark\n") == (None, [])
