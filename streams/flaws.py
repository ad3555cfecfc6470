"""What is wrong with a record, in three parts: where, what came, what was expected.

*Came* may quote the publisher, so it is checked against the identities of the
record before it becomes a refusal's detail.
"""

from typing import Final, NamedTuple

from schemas.refusals import Reason, Refused

_QUOTED: Final = 64
_WITHHELD: Final = "a value that is not shown"
_KINDS: Final = {
    dict: "a map", list: "a list", str: "a string", int: "an integer", float: "a number", bool: "a boolean", bytes: "bytes",
    type(None): "nothing",
}  # fmt: skip


class Flaw(NamedTuple):
    """Why a record is refused, before it is known what may be quoted."""

    reason: Reason
    where: str
    came: str
    expected: str


def kind(value: object) -> str:
    """Say what sort of thing *value* is, without its content."""
    return _KINDS.get(type(value), "something else")


def quoted(value: object) -> str:
    """Quote a short string; of anything else say what it is."""
    if isinstance(value, str) and len(value) <= _QUOTED:
        return f'"{value}"' if value else "an empty string"
    return kind(value)


def refused(flaw: Flaw, event: object) -> Refused:
    """Word *flaw* of *event*; what came is withheld when it holds an identity of that event."""
    came = _WITHHELD if any(identity in flaw.came for identity in _identities(event)) else flaw.came
    return Refused(flaw.reason, f"{flaw.where}: {came} came; expected {flaw.expected}")


def _identities(event: object) -> list[str]:
    """List the identities stated anywhere that a publisher may have put them, well-formed or not."""
    stated = event.get("data") if isinstance(event, dict) else None
    stated = stated.get("identities") if isinstance(stated, dict) else None
    entries = stated if isinstance(stated, list) else [stated]
    values = [value for entry in entries for value in (entry.values() if isinstance(entry, dict) else [entry])]
    return [text for value in values if isinstance(value, str | int) for text in [str(value).strip()] if len(text) > 1]
