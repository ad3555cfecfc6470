"""A table takes in what a batch changed, and knows its size: of all values, and of the keys that it was restored with."""

from confluent_kafka import Producer

from agents.engine.keyed import Table
from agents.engine.takeover import Marker, Taken
from tests.shell.toy import ToyFold


def table(states: dict[bytes, bytes]) -> Table:
    marker = Marker(0, 0, bytes(16), 1, 1)
    return Table(Taken(states, marker), ToyFold("out"), Producer({}))


def test_states_come_change_and_go() -> None:
    states = {b"one": b"11", b"two": b"2222", b"old": b"0"}
    held = table(states)
    assert held.size == 9 + 7
    held.keep({b"one": b"111", b"new": b"55555", b"two": None, b"never": None})
    assert states == {b"one": b"111", b"old": b"0", b"new": b"55555"}
    assert held.states is states
    assert held.size == 9 + 9
    held.keep({b"one": b"", b"old": None})
    assert states == {b"one": b"", b"new": b"55555"}
    assert held.size == 9 + 5
