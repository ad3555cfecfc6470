"""A brand's record to the map that it means, or the reason why it means nothing (CONTRACT 2, the first three reasons)."""

import base64
import binascii
import json
import math
from collections.abc import Iterable
from typing import Any, Final, NamedTuple, NoReturn

import msgpack

LARGEST: Final = 256 * 1024
LARGEST_RECORD: Final = 1024 * 1024
DEEPEST: Final = 32
BOM: Final = b"\xef\xbb\xbf"


class Published(NamedTuple):
    """A record of a brand's events topic, with its place and Kafka's append time."""

    brand: str
    partition: int
    offset: int
    append_ms: int
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    key: bytes | None = None


class Refusal(Exception):
    """The record belongs to the dead letters, for *reason*."""

    def __init__(self, reason: str, why: str = "") -> None:
        super().__init__(f"{reason}: {why}")
        self.reason = reason


def event_of(record: Published) -> dict[str, Any]:
    """Read *record* as one map of attributes and ``data``; raises Refusal."""
    value = record.value or b""
    if len(value) > LARGEST or _size(record) > LARGEST_RECORD:
        raise Refusal("too_large")
    if not value:
        raise Refusal("undecodable", "empty")
    headers = [(name.lower(), text) for name, text in record.headers if text is not None]
    content_type = _media(next((text for name, text in reversed(headers) if name == "content-type"), b""))
    attributes = [(name[3:], text) for name, text in headers if name.startswith("ce_")]
    if attributes and not content_type.startswith("application/cloudevents"):
        named = {name: _text(text) for name, text in attributes}
        if len(named) < len(attributes):
            raise Refusal("undecodable", "an attribute twice")
        if content_type:
            named["datacontenttype"] = content_type
        event: Any = {**named, "data": decode(value, content_type)}
    else:
        event = decode(value, content_type)
        if content_type.startswith("application/cloudevents-batch"):
            raise Refusal("not_cloudevent", "batch")
        if isinstance(event, dict) and "data_base64" in event and event.get("data") is None:
            event["data"] = _data_base64(event)
    if not isinstance(event, dict) or event.get("specversion") != "1.0":
        raise Refusal("not_cloudevent")
    for name in ("id", "type"):
        if not isinstance(event.get(name), str) or not event[name]:
            raise Refusal("not_cloudevent", name)
    return event


def _size(record: Published) -> int:
    """Add up key, value and headers; what they are framed in is a few bytes more."""
    headers = sum(len(name) + len(text or b"") for name, text in record.headers)
    return len(record.key or b"") + len(record.value or b"") + headers


def decode(value: bytes, content_type: str) -> Any:
    """Decode *value* as its content type says, or else by its first byte: no map or list of MessagePack begins with ASCII."""
    if content_type in {"", "application/cloudevents", "application/cloudevents-batch"}:
        return _json(value) if value.startswith(BOM) or value[0] < 0x80 else _msgpack(value)
    subtype = content_type.split("/")[-1].split("+")[-1]
    match subtype.removeprefix("x-").removeprefix("vnd."):
        case "json":
            return _json(value)
        case "msgpack" | "messagepack":
            return _msgpack(value)
    raise Refusal("undecodable", content_type)


def _data_base64(event: dict[str, Any]) -> Any:
    try:
        packed = base64.b64decode(event.pop("data_base64"), validate=True)
    except (binascii.Error, ValueError, TypeError) as error:
        raise Refusal("undecodable", "base64") from error
    if not packed:
        raise Refusal("undecodable", "nothing in base64")
    stated = event.get("datacontenttype")
    return decode(packed, _media(stated.encode()) if isinstance(stated, str) else "")


def _media(content_type: bytes) -> str:
    return content_type.decode("utf-8", "replace").split(";")[0].strip().lower()


def _text(header: bytes) -> str:
    try:
        return header.decode()
    except UnicodeDecodeError as error:
        raise Refusal("undecodable", "header") from error


def _json(value: bytes) -> Any:
    try:
        decoded = json.loads(
            value.removeprefix(BOM).decode(),
            object_pairs_hook=_no_duplicates,
            parse_constant=_refuse,
        )
    except (ValueError, RecursionError) as error:
        raise Refusal("undecodable", "json") from error
    return _sound(decoded, 1)


def _msgpack(value: bytes) -> Any:
    try:
        decoded = msgpack.unpackb(value, object_pairs_hook=_no_duplicates, ext_hook=_refuse_ext, strict_map_key=False)
    except (ValueError, msgpack.UnpackException, RecursionError) as error:
        raise Refusal("undecodable", "msgpack") from error
    return _sound(decoded, 1)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _refuse_ext(code: int, _body: bytes) -> NoReturn:
    raise ValueError(code)


def _no_duplicates(pairs: Iterable[tuple[Any, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if not isinstance(key, str) or key in found:
            raise ValueError(repr(key))
        found[key] = value
    return found


def _sound(value: Any, depth: int) -> Any:
    """Refuse what JSON and MessagePack can carry but an event may not."""
    match value:
        case dict() | list():
            if depth > DEEPEST:
                raise Refusal("undecodable", "depth")
            for part in value.items() if isinstance(value, dict) else enumerate(value):
                _sound(part[0], depth)
                _sound(part[1], depth + 1)
        case str():
            if any("\ud800" <= character <= "\udfff" for character in value):
                raise Refusal("undecodable", "surrogate")
        case bool() | bytes() | None:
            pass
        case int():
            if not -(2**63) <= value < 2**64:
                raise Refusal("undecodable", "integer")
        case float():
            if not math.isfinite(value):
                raise Refusal("undecodable", "float")
        case _:
            raise Refusal("undecodable", type(value).__name__)
    return value
