"""From a record's value and headers to one CloudEvent, in whichever of the modes it came.

Source: CONTRACT 2; CloudEvents 1.0 and its Kafka binding.
"""

from base64 import b64decode
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import msgspec
from msgspec import Struct

from schemas.envelope import JSON, MSGPACK
from schemas.refusals import Reason
from streams.decode import Document, canonical, decode
from streams.flaws import Flaw, kind, quoted

_ATTRIBUTE: Final = "ce_"
_CONTENT_TYPE: Final = "content-type"
_STRUCTURED: Final = "application/cloudevents"
_BATCH: Final = "application/cloudevents-batch"
_PLAIN: Final = frozenset({"specversion", "id", "source", "type", "time", "data"})
"""Attributes that always are strings, and the data: an event of these alone is its own body."""
_NOT_BODY: Final = frozenset({"traceparent", "tracestate", "datacontenttype"})
"""What another copy of the same event may say differently: its trace, and how it is encoded."""

Headers = Sequence[tuple[str, bytes | None]]


class Received(Struct, frozen=True):
    """A decoded CloudEvent.

    *event* has the attributes and ``data``, decoded; *sent* the same as the
    brand sent it, for a CRM of the other format.  *body* is the canonical
    encoding of what makes two copies the same event.  *whole* is that event in
    *encoding* as the brand's own bytes, None when it came in binary mode.
    """

    event: dict[str, object]
    sent: dict[str, object]
    body: bytes
    whole: bytes | None
    encoding: int


def receive(value: bytes | None, headers: Headers) -> Received | Flaw:
    """Decode *value* in the mode that *headers* say; without any, as a structured event.

    Source: CONTRACT 2, ``undecodable`` and ``not_cloudevent``.
    """
    if not headers:
        return _structured(value or b"", None, batch=False)
    media, attributed = b"", False
    for name, text in headers:
        if text is None:
            continue
        if name.lower() == _CONTENT_TYPE:
            media = text
        elif name[: len(_ATTRIBUTE)].lower() == _ATTRIBUTE:
            attributed = True
    mode = _mode(media)
    if attributed and not mode.structured:
        return _binary(value or b"", mode, headers)
    return mode.encoding if isinstance(mode.encoding, Flaw) else _structured(value or b"", mode.encoding, batch=mode.batch)


class _Mode(Struct, frozen=True):
    """What a content type says; *encoding* None = nothing about JSON or MessagePack."""

    media: str
    encoding: int | Flaw | None
    structured: bool
    batch: bool


@lru_cache(maxsize=256)
def _mode(content_type: bytes) -> _Mode:
    media = content_type.decode("utf-8", "replace").partition(";")[0].strip().lower()
    return _Mode(media, _encoding(media), media.startswith(_STRUCTURED), media.startswith(_BATCH))


def _encoding(media: str) -> int | Flaw | None:
    """Tell JSON from MessagePack by the media type; None = it does not say."""
    if media in {"", _STRUCTURED, _BATCH}:
        return None
    format_name = media.rpartition("/")[2].rpartition("+")[2].removeprefix("x-").removeprefix("vnd.")
    if format_name in {"json", "msgpack", "messagepack"}:
        return JSON if format_name == "json" else MSGPACK
    return Flaw(Reason.UNDECODABLE, _CONTENT_TYPE, quoted(media), "JSON or MessagePack")


def _attributes(headers: Headers) -> dict[str, object] | Flaw:
    """Collect the attributes of binary mode, in the order of their headers."""
    attributes: dict[str, object] = {}
    for name, text in headers:
        attribute = name[len(_ATTRIBUTE) :].lower()
        if text is None or name[: len(_ATTRIBUTE)].lower() != _ATTRIBUTE:
            continue
        if attribute in attributes:
            return Flaw(Reason.UNDECODABLE, "headers", "the same attribute twice", "each once")
        try:
            attributes[attribute] = text.decode()
        except UnicodeDecodeError:
            return Flaw(Reason.UNDECODABLE, "headers", "an attribute that is not UTF-8", "UTF-8")
    return attributes


def _binary(value: bytes, mode: _Mode, headers: Headers) -> Received | Flaw:
    attributes = _attributes(headers)
    if isinstance(attributes, Flaw):
        return attributes
    if isinstance(mode.encoding, Flaw):
        return mode.encoding
    content = decode(value, mode.encoding)
    if isinstance(content, Flaw):
        return content
    if mode.media:
        attributes["datacontenttype"] = mode.media
    event = {**attributes, "data": content.content}
    return Received(event, {**attributes, "data": _as_sent(content)}, _body(event), None, content.encoding)


def _as_sent(content: Document) -> object:
    """Keep JSON's own spelling where the event is assembled as JSON (``complete``)."""
    return msgspec.Raw(content.raw) if content.encoding == JSON else content.content


def _structured(value: bytes, encoding: int | None, *, batch: bool) -> Received | Flaw:
    document = decode(value, encoding)
    if isinstance(document, Flaw):
        return document
    sent = document.content
    if batch or not isinstance(sent, dict):
        came = "a batch" if batch or isinstance(sent, list) else kind(sent)
        return Flaw(Reason.NOT_CLOUDEVENT, "value", came, "one CloudEvent")
    event = sent
    if "data_base64" in sent and sent.get("data") is None:
        content = _embedded(sent)
        if isinstance(content, Flaw):
            return content
        event = {name: entry for name, entry in sent.items() if name != "data_base64"} | {"data": content.content}
    body = document.body if event is sent and _PLAIN.issuperset(event) else _body(event)
    return Received(event, sent, body, document.raw, document.encoding)


def _embedded(event: dict[str, object]) -> Document | Flaw:
    """Decode ``data_base64`` by ``datacontenttype``; its own outermost container has depth 1."""
    text, media = event["data_base64"], event.get("datacontenttype")
    encoding = _mode(media.encode()).encoding if isinstance(media, str) else None
    if isinstance(encoding, Flaw):
        return encoding
    try:
        raw = b64decode(text, validate=True) if isinstance(text, str) else b""
    except ValueError:
        raw = b""
    content = decode(raw, encoding) if raw else None
    return content or Flaw(Reason.UNDECODABLE, "data_base64", kind(text), "JSON or MessagePack in base64")


def _body(event: dict[str, object]) -> bytes:
    """Encode *event* the same from each mode: attributes as the strings that headers would carry, none that is null."""
    attributes: dict[str, object] = {
        name: _spelt(value) for name, value in event.items() if name not in _NOT_BODY and name != "data" and value is not None
    }
    return canonical(attributes | {"data": event.get("data")})


def _spelt(value: object) -> object:
    """Spell an attribute as CloudEvents does in a header."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else value


_write_json: Final = msgspec.json.Encoder().encode
_write_msgpack: Final = msgspec.msgpack.Encoder().encode


def complete(received: Received, encoding: int) -> bytes:
    """Encode the event as one map in *encoding*, for a CRM that can't take the record's own value."""
    if received.whole is not None and received.encoding == encoding:
        return received.whole
    if encoding == JSON:
        return _write_json(received.sent)
    return _write_msgpack(received.event if received.whole is None else received.sent)
