"""What goes wrong with bytes and headers on the way, or is done to them."""

from collections.abc import Callable
from random import Random
from typing import Any

from tests.fuzz.spelling import Headers

LARGEST = 256 * 1024
ODD_IN_JSON = (
    b"NaN", b"-Infinity", b"1e999", b"18446744073709551616", b"-9223372036854775809", b"01", b"1.", b"-0", b"1E400", b"0" * 25, b"1" * 5000,
)  # fmt: skip
ODD_IN_MSGPACK = (
    b"\xd4\x05\x00", b"\xd6\xff\x00\x00\x00\x00", b"\xc4\x01a", b"\xcb\x7f\xf8" + b"\0" * 6, b"\xca\x7f\x80\0\0", b"\xc1",
    b"\xa1\xff", b"\xa3\xed\xa0\x80",
)  # fmt: skip
NAMES_OF_HEADERS = (
    "ce_id", "ce_type", "CE_SOURCE", "ce_time", "ce_specversion", "ce_data", "ce_", "ce_x", "content-type", "Content-Type", "huiliu-reason",
    "x", "",
)  # fmt: skip


def cut(random: Random, value: bytes) -> bytes:
    return value[: random.randrange(len(value) + 1)]


def flipped(random: Random, value: bytes) -> bytes:
    changed = bytearray(value)
    for _ in range(random.randrange(1, 4)):
        if changed:
            at = random.randrange(len(changed))
            changed[at : at + random.randrange(3)] = random.randbytes(random.randrange(3))
    return bytes(changed)


def byte_order_mark(_: Random, value: bytes) -> bytes:
    return b"\xef\xbb\xbf" + value


def followed(random: Random, value: bytes) -> bytes:
    return value + random.choice((b" ", b"\n\n", b"\0", b"{}", b"\xc0", b",", b"x"))


def preceded(random: Random, value: bytes) -> bytes:
    return random.choice((b" ", b"\n", b"\t\r\n", b"\xc0", b"\0", b"\xef\xbb\xbf\xef\xbb\xbf", b"\xff\xfe")) + value


def key_twice(random: Random, value: bytes) -> bytes:
    """Say a key again, in JSON or in MessagePack."""
    if value.startswith(b"{"):
        return b"{" + random.choice((b'"id":"x",', b'"i\\u0064":"x",', b'"data":{"a":1,"a":2},', b'"z":1,"z":1,')) + value[1:]
    if value[:1] and 0x81 <= value[0] < 0x8E:
        return (
            bytes([value[0] + 1])
            + random.choice((b"\xa2id\xa1x", b"\xd9\x02id\xa1x", b"\xa1z\x82\xa1a\x01\xa1a\x02", b"\x01\x02", b"\xc4\x02id\x01"))
            + value[1:]
        )
    return value


def odd_number(random: Random, value: bytes) -> bytes:
    """Put a number into JSON, or a type into MessagePack, that an event may not have."""
    if value.startswith(b"{"):
        return b'{"odd":' + random.choice(ODD_IN_JSON) + b"," + value[1:]
    if value[:1] and 0x81 <= value[0] < 0x8E:
        return bytes([value[0] + 1]) + b"\xa3odd" + random.choice(ODD_IN_MSGPACK) + value[1:]
    return value


def nothing(random: Random, _: bytes) -> bytes | None:
    return random.choice((None, b""))


def noise(random: Random, _: bytes) -> bytes:
    return random.randbytes(random.choice((1, 3, 20, 300)))


def deep(random: Random, _: bytes) -> bytes:
    depth = random.choice((31, 32, 33, 100, 5000, 100_000))
    return random.choice(
        (
            b"[" * depth + b"]" * depth,
            b'{"a":' * depth + b"1" + b"}" * depth,
            b"\x91" * depth + b"\x01",
            b"\x81\xa1a" * depth + b"\x01",
            b"[" * depth,
        )
    )


def long(random: Random, value: bytes) -> bytes:
    """Fill up with blanks, to the largest size and beyond."""
    return value + b" " * max(0, random.choice((LARGEST - 1, LARGEST, LARGEST + 1, 300_000, 900_000)) - len(value))


BYTES: tuple[Callable[[Random, Any], bytes | None], ...] = (
    cut, cut, flipped, flipped, flipped, byte_order_mark, followed, preceded, key_twice, key_twice, odd_number, odd_number, nothing,
    noise, deep,
)  # fmt: skip
RARE_BYTES = (long,)


def more_headers(random: Random, headers: Headers) -> Headers:
    texts = (None, b"", b"1.0", b"\xff\xfe", b"application/json", b"application/cloudevents+json", b"x" * 3000, b"cn.huiliu.click.v1")
    more = tuple((random.choice(NAMES_OF_HEADERS), random.choice(texts)) for _ in range(random.randrange(1, 4)))
    kept = tuple(header for header in headers if random.random() < 0.8)
    return random.choice((headers + more, more + headers, kept, kept + more))
