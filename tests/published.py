"""Records as a brand publishes them, for tests of intake."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgpack

from schemas import envelope
from schemas.dead_letters import DeadLetter
from schemas.effects import Effect
from schemas.envelope import Terms
from schemas.refusals import Reason
from streams.intake import Intake
from streams.keys import Secrets

GOLDEN = Path(__file__).parent / "golden"
AT_MS = 1_795_000_000_000  # 2026-11-18T11:06:40Z
SECRETS = Secrets(b"m" * 32, b"p" * 32, b"d" * 32)
TOPIC_ID = bytes(range(16))
Headers = Sequence[tuple[str, bytes | None]]


@dataclass(frozen=True, slots=True)
class Published:
    """A record of a brand's topic, as a consumer gives it."""

    value: bytes | None
    headers: Headers = ()
    key: bytes | None = b"k"
    topic: str = "huiliu.acme.events"
    partition: int = 3
    offset: int = 42
    timestamp: int = AT_MS


def golden(name: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((GOLDEN / "events" / f"{name}.json").read_text())
    return event


def golden_names() -> list[str]:
    return sorted(path.stem for path in (GOLDEN / "events").glob("*.json"))


def in_json(event: object) -> bytes:
    return json.dumps(event, ensure_ascii=False).encode()


def in_msgpack(event: object) -> bytes:
    packed: bytes = msgpack.packb(event)
    return packed


def in_binary(event: dict[str, Any], *, packed: bool = False) -> Published:
    """Publish *event* in CloudEvents' binary mode."""
    attributes = [(f"ce_{name}", str(value).encode()) for name, value in event.items() if name not in ("data", "datacontenttype")]
    value = in_msgpack(event["data"]) if packed else in_json(event["data"])
    media = b"application/msgpack" if packed else b"application/json"
    return Published(value, [*attributes, ("content-type", media)])


def new_intake(terms: Terms | None = None) -> Intake:
    intake = Intake(SECRETS, 16)
    intake.enlist("acme", terms or Terms(), TOPIC_ID)
    return intake


def admitted(record: Published, terms: Terms | None = None) -> tuple[Effect, envelope.Event]:
    """Decide on *record*, which must be let in."""
    effect = new_intake(terms)(record)
    assert isinstance(effect, Effect), effect.refused
    event = envelope.decode(effect.value or b"")
    assert isinstance(event, envelope.Event)
    return effect, event


def refused(value: bytes | None, headers: Headers = ()) -> DeadLetter:
    """Decide on a record of *value*, which must be refused."""
    letter = new_intake()(Published(value, headers))
    assert isinstance(letter, DeadLetter), letter
    return letter


def reason(value: bytes | None, headers: Headers = ()) -> Reason:
    return refused(value, headers).refused.reason


def changed(name: str = "click", /, **attributes: object) -> dict[str, Any]:
    """Take a golden event with other *attributes*; ``...`` leaves one out."""
    return {key: value for key, value in (golden(name) | attributes).items() if value is not ...}


def stated(name: str = "click", /, **fields: object) -> dict[str, Any]:
    """Take a golden event with other *fields* of its data; ``...`` leaves one out."""
    event = golden(name)
    return event | {"data": {key: value for key, value in (event["data"] | fields).items() if value is not ...}}
