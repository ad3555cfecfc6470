"""An event as bytes and headers: in every mode that the contract has, under content types that fit or not."""

import base64
import json
from random import Random
from typing import Any

import msgpack

MEDIA = (
    b"application/cloudevents", b"application/cloudevents-batch+json", b"application/json", b"text/plain", b"application/avro",
    b"\xff\xfe", b"", b"application/cloudevents+avro", b"APPLICATION/CLOUDEVENTS+JSON", b"application/msgpack",
    b"application/cloudevents+msgpack", b";",
)  # fmt: skip
Headers = tuple[tuple[str, bytes | None], ...]


def in_json(random: Random, document: Any) -> bytes:
    spelt = json.dumps(document, ensure_ascii=random.random() < 0.5, indent=random.choice((None, None, 1)), sort_keys=random.random() < 0.2)
    return spelt.encode("utf-8", "surrogatepass")


def in_msgpack(random: Random, document: Any) -> bytes:
    packed: bytes = msgpack.packb(_packable(document), unicode_errors="surrogatepass")
    return packed


def _packable(document: Any) -> Any:
    """MessagePack has no integers over 64 bits: they become text."""
    if isinstance(document, dict):
        return {name: _packable(inner) for name, inner in document.items()}
    if isinstance(document, list):
        return [_packable(inner) for inner in document]
    return str(document) if isinstance(document, int) and not -(2**63) <= document < 2**64 else document


def structured_json(random: Random, event: dict[str, Any]) -> tuple[bytes, Headers]:
    return in_json(random, event), random.choice(((), (("content-type", b"application/cloudevents+json; charset=utf-8"),)))


def structured_msgpack(random: Random, event: dict[str, Any]) -> tuple[bytes, Headers]:
    return in_msgpack(random, event), random.choice(((), (("Content-Type", b"application/cloudevents+msgpack"),)))


def binary(random: Random, event: dict[str, Any]) -> tuple[bytes, Headers]:
    attributes = {name: value for name, value in event.items() if name not in ("data", "datacontenttype")}
    headers = tuple((_named(random, f"ce_{name}"), _header(value)) for name, value in attributes.items())
    packed = random.random() < 0.4
    media = random.choice(
        (b"application/msgpack", b"application/x-msgpack") if packed else (b"application/json", b"text/json", b"application/vnd.a+json")
    )
    typed: Headers = (("content-type", media),) if random.random() < 0.9 else ()
    return (in_msgpack if packed else in_json)(random, event.get("data")), headers + typed


def _named(random: Random, name: str) -> str:
    plain = name.encode("utf-8", "replace").decode()
    return plain.upper() if random.random() < 0.03 else plain


def _header(value: Any) -> bytes | None:
    spelt = value if isinstance(value, str) else json.dumps(value)
    return None if value is None else spelt.encode("utf-8", "surrogatepass")


def with_base64(random: Random, event: dict[str, Any]) -> tuple[bytes, Headers]:
    """Send the data in base64, as any content type."""
    packed = random.random() < 0.5
    body = (in_msgpack if packed else in_json)(random, event.pop("data", None))
    spelt = base64.b64encode(body).decode()
    event["data_base64"] = random.choice((spelt,) * 8 + (spelt[:-1], spelt.rstrip("="), spelt + "\n", spelt.replace("A", "-"), "", 7, None))
    kind = random.choice(("application/msgpack" if packed else "application/json", None, "text/plain", "application/json", 5, ""))
    if kind is not None:
        event["datacontenttype"] = kind
    if random.random() < 0.1:
        event["data"] = random.choice((None, {}, {"identities": []}))
    return structured_json(random, event) if random.random() < 0.7 else structured_msgpack(random, event)


def oddly_typed(random: Random, event: dict[str, Any]) -> tuple[bytes, Headers]:
    """Say a content type that may or may not fit."""
    return (in_msgpack if random.random() < 0.4 else in_json)(random, event), (("content-type", random.choice(MEDIA)),)


MODES = (structured_json, structured_json, structured_msgpack, structured_msgpack, binary, with_base64, oddly_typed)
