"""Bytes of JSON or MessagePack to one strict document.

Fast first: one generic decode, one canonical encoding, compared with the bytes
by their colons, and a look at each part.  Whatever that can't clear goes the
exact way, which says what is wrong and where.

Source: CONTRACT 2, ``undecodable``.
"""

import json
from typing import Any, Final

import msgspec
from msgspec import Struct

from schemas.envelope import JSON, MSGPACK
from schemas.refusals import Reason
from streams.flaws import Flaw
from streams.packed import map_entries

DEEPEST: Final = 32
_LEAST, _MOST = -(2**63), 2**64 - 1
_BOM: Final = b"\xef\xbb\xbf"
_ESCAPED_COLON: Final = b"\\u003"  # of \\u003a

_read_json: Final = msgspec.json.Decoder().decode
_read_msgpack: Final = msgspec.msgpack.Decoder().decode
_write_msgpack: Final = msgspec.msgpack.Encoder().encode
canonical: Final = msgspec.json.Encoder(order="sorted").encode
"""The one encoding by which two copies of an event are compared, however they came: JSON with sorted keys."""


class Document(Struct, frozen=True):
    """What the bytes say.  *body* is its canonical encoding, *raw* the bytes without a byte order mark."""

    content: Any
    body: bytes
    raw: bytes
    encoding: int


def decode(raw: bytes, encoding: int | None) -> Document | Flaw:
    """Decode *raw* as *encoding*; None = by the first byte, since no map of MessagePack begins with ASCII."""
    if not raw:
        return Flaw(Reason.UNDECODABLE, "value", "nothing", "JSON or MessagePack")
    if raw.startswith(_BOM) and encoding != MSGPACK:
        raw, encoding = raw[len(_BOM) :], JSON
    if encoding is None:
        encoding = MSGPACK if raw and raw[0] >= 0x80 else JSON
    try:
        return _decode_json(raw) if encoding == JSON else _decode_msgpack(raw)
    except (ValueError, RecursionError) as error:
        return _unreadable(encoding, error)


def _decode_json(raw: bytes) -> Document | Flaw:
    content = _read_json(raw)
    body = canonical(content)
    if _cleared(raw, body, content):
        return Document(content, body, raw, JSON)
    flaw = _flaw(content, "$", 1) or _repeated_in_json(raw)
    return flaw or Document(content, body, raw, JSON)


def _cleared(raw: bytes, body: bytes, content: object) -> bool:
    """Prove that *raw* is strict JSON; False = not proven.

    Each key has its colon, and within strings a colon is spelt alike in *raw*
    and *body* unless it is escaped.  So with none escaped, a key that was
    dropped as a repeat leaves fewer colons in *body*, and nothing adds any.
    """
    return raw.count(b":") == body.count(b":") and (b"\\" not in raw or _ESCAPED_COLON not in raw) and _plain(content, DEEPEST)


def _plain(content: object, levels: int) -> bool:
    """Tell whether *content* goes at most *levels* deep and has nothing that a strict document may not have."""
    if isinstance(content, dict):
        if not levels:
            return False
        for key, value in content.items():
            if not isinstance(key, str) or not (isinstance(value, str) or _plain(value, levels - 1)):
                return False
        return True
    if isinstance(content, list):
        if not levels:
            return False
        return all(isinstance(value, str) or _plain(value, levels - 1) for value in content)
    return isinstance(content, str) or _flaw_of_scalar(content, "") is None


def _decode_msgpack(raw: bytes) -> Document | Flaw:
    content = _read_msgpack(raw)
    flaw = None
    try:
        body = canonical(content)
    except (TypeError, UnicodeEncodeError):
        body = b""
    if not _cleared_msgpack(raw, body, content):
        flaw = _flaw(content, "$", 1) or _repeated_in_msgpack(raw, content)
    return flaw or Document(content, body, raw, MSGPACK)


def _cleared_msgpack(raw: bytes, body: bytes, content: object) -> bool:
    """Prove that *raw* is strict: back to bytes it is the same, so no key repeats."""
    return bool(body) and _plain(content, DEEPEST) and _write_msgpack(content) == raw


def _flaw(content: object, where: str, depth: int) -> Flaw | None:
    """Find the first part of *content* that a strict document may not have."""
    entries: list[tuple[str, object]] = []
    if isinstance(content, dict | list) and depth > DEEPEST:
        return Flaw(Reason.UNDECODABLE, where, f"depth {depth}", f"at most {DEEPEST}")
    if isinstance(content, dict):
        if any(type(key) is not str for key in content):
            return Flaw(Reason.UNDECODABLE, where, "a key that is no string", "string keys")
        entries = [(where, value) for value in content.values()]
    elif isinstance(content, list):
        entries = [(f"{where}[{index}]", value) for index, value in enumerate(content)]
    else:
        return _flaw_of_scalar(content, where)
    return next((flaw for place, value in entries if (flaw := _flaw(value, place, depth + 1))), None)


def _flaw_of_scalar(content: object, where: str) -> Flaw | None:
    if content is None or isinstance(content, (str, bytes)):
        return None
    if isinstance(content, int):
        return None if _LEAST <= content <= _MOST else Flaw(Reason.UNDECODABLE, where, "a larger integer", "integers of at most 64 bits")
    if isinstance(content, float):
        return None if content - content == 0 else Flaw(Reason.UNDECODABLE, where, "a number that is not finite", "finite numbers")
    return Flaw(Reason.UNDECODABLE, where, "a MessagePack extension", "types that JSON has")


class _Repeat(ValueError):
    """A key came twice in one map."""


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    entries = dict(pairs)
    if len(entries) != len(pairs):
        raise _Repeat
    return entries


def _repeated_in_json(raw: bytes) -> Flaw | None:
    try:
        json.loads(raw.decode(), object_pairs_hook=_once, parse_int=len, parse_float=len)
    except _Repeat:
        return _REPEATED
    return None


def _repeated_in_msgpack(raw: bytes, content: object) -> Flaw | None:
    return None if map_entries(raw) == _entries(content) else _REPEATED


def _entries(content: object) -> int:
    if isinstance(content, dict):
        return len(content) + sum(map(_entries, content.values()))
    return sum(map(_entries, content)) if isinstance(content, list) else 0


_REPEATED: Final = Flaw(Reason.UNDECODABLE, "value", "a map with the same key twice", "each key once")


def _unreadable(encoding: int, error: Exception) -> Flaw:
    name = "JSON" if encoding == JSON else "MessagePack"
    came = f"depth above {DEEPEST}" if isinstance(error, RecursionError) else f"bytes that are not {name} ({error})"
    return Flaw(Reason.UNDECODABLE, "value", came, f"{name} in UTF-8")


__all__ = ["DEEPEST", "Document", "canonical", "decode"]
