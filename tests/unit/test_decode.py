import json
import math

import msgpack
import pytest

from schemas.envelope import JSON, MSGPACK
from streams.decode import DEEPEST, Document, decode
from streams.flaws import Flaw
from streams.packed import map_entries


def flaw(raw: bytes, encoding: int | None = None) -> Flaw:
    found = decode(raw, encoding)
    assert isinstance(found, Flaw), found
    assert found.reason == "undecodable"
    return found


def content(raw: bytes, encoding: int | None = None) -> object:
    found = decode(raw, encoding)
    assert isinstance(found, Document), found
    return found.content


def nested(depth: int, *, lists: bool = False) -> object:
    inner: object = 1
    for _ in range(depth):
        inner = [inner] if lists else {"a": inner}
    return inner


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b" ",
        b"\xef\xbb\xbf",
        b"{",
        b"{}{}",
        b"{'a':1}",
        b'{"a":1,}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":1e400}',
        b'{"a":01}',
        b'{"a":"\x01"}',
        b'{"a":"\xff"}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":"\\ud800"}',
        b'{"a":"\\udc00x"}',
        b'{"\\ud800":1}',
        "{}".encode("utf-16"),
        "{}".encode("utf-32"),
    ],
)
def test_what_is_not_strict_json_is_refused(raw: bytes) -> None:
    flaw(raw)
    flaw(raw, JSON)


@pytest.mark.parametrize("number", ["18446744073709551616", "-9223372036854775809", "1" + "0" * 400, "1" + "0" * 5000])
def test_an_integer_beyond_64_bits_is_refused_in_json(number: str) -> None:
    flaw(f'{{"a":[{{"b":{number}}}]}}'.encode())


@pytest.mark.parametrize("number", [2**64 - 1, -(2**63), 0, 10**18])
def test_an_integer_of_64_bits_is_not(number: int) -> None:
    assert content(f'{{"a":[{number}],"n":"12345678901234567890123"}}'.encode()) == {"a": [number], "n": "12345678901234567890123"}
    assert content(msgpack.packb({"a": number})) == {"a": number}


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a":1,"a":1}',
        b'{"a":1,"b":{"c":1,"c":2}}',
        b'{"a" :1,"a":2}',
        b'{"a"\n:1,"a"\t:2}',
        b'{"a":1,"\\u0061":2}',
        b'[{"":1,"":2}]',
        b'{"a":"\\u003a","a":":"}',
        b'{"a":"x\\u003a\\u003A","a":1,"b":2,"a":3}',
        b'{"a":"\\"\\u003a","a":"\\":"}',
        b'{"a":{"b":1},"a":{}}',
    ],
)
def test_a_key_that_comes_twice_is_refused_however_it_is_spelt(raw: bytes) -> None:
    assert "twice" in flaw(raw).came


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a":{"a":1},"b":[{"a":1},{"a":1}]}',
        b'{"a" : ":\\":\\u003a", "b":"{[{["}',
        b'{"\\u003a":1,":":2}'.replace(b'":"', b'"::"'),
        b'{"a":"\\u00e9\\u4e2d\\ud83d\\ude00"}',
        b' \n\t{"a"\r: [ ] }\n',
        b'{"n":"1234567890123456789012345"}',
        b'{"f":0.12345678901234567890123}',
    ],
)
def test_what_only_looks_suspicious_is_let_through(raw: bytes) -> None:
    assert content(raw) == json.loads(raw)


@pytest.mark.parametrize("lists", [True, False])
def test_depth_is_counted_from_the_outermost_container(lists: bool) -> None:
    fitting, deeper = nested(DEEPEST, lists=lists), nested(DEEPEST + 1, lists=lists)
    assert content(json.dumps(fitting).encode()) == fitting
    assert content(msgpack.packb(fitting)) == fitting
    assert "33" in flaw(json.dumps(deeper).encode()).came
    assert "33" in flaw(msgpack.packb(deeper)).came


def test_many_containers_side_by_side_are_not_deep() -> None:
    wide: object = {"lines": [{"a": []} for _ in range(500)]}
    assert content(json.dumps(wide).encode()) == wide
    assert content(msgpack.packb(wide)) == wide


@pytest.mark.parametrize("raw", [b"[" * 200_000, b'{"a":' * 50_000, b"\x91" * 200_000])
def test_a_tower_of_containers_is_refused_and_stops_nothing(raw: bytes) -> None:
    assert "depth" in flaw(raw).came


@pytest.mark.parametrize(
    "raw",
    [
        b"\x81\xa1a",
        b"\x80\x80",
        b"\xc1",
        b"\x81\xa1a\xa1\xff",
        b"\x81\xa1a\xa3\xed\xa0\x80",
        msgpack.packb({"a": math.nan}),
        msgpack.packb({"a": [math.inf]}),
        msgpack.packb({"a": -math.inf}),
        msgpack.packb({"a": msgpack.ExtType(5, b"x")}),
        msgpack.packb({"a": msgpack.Timestamp(1, 0)}),
        msgpack.packb({"a": msgpack.Timestamp(1, 5)}),
        msgpack.packb({"a": msgpack.Timestamp(-1, 5)}),
        msgpack.packb({1: "a"}),
        msgpack.packb({"a": {None: 1}}),
        msgpack.packb({"a": {b"b": 1}}),
        msgpack.packb({"a": {True: 1, "b": 2}}),
        msgpack.packb({"a": {1.5: 2}}),
        b"\x81\x91\x01\x01",
        b"\x81\x80\x01",
        b"\x82\xa1a\x01\xa1a\x02",
        b"\x81\xa1b\x82\xa1a\x01\xd9\x01a\x01",
        b"\xde\x00\x02\xa1a\x01\xa1a\x01",
        b"\xef\xbb\xbf\x80",
    ],
)
def test_what_is_not_strict_messagepack_is_refused(raw: bytes) -> None:
    flaw(raw, MSGPACK)
    flaw(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b"\x81\xa1a\xcc\x01",
        b"\x81\xa1a\xcd\x00\x01",
        b"\x81\xd9\x01a\xd3\x00\x00\x00\x00\x00\x00\x00\x01",
        b"\x81\xda\x00\x01a\xce\x00\x00\x00\x01",
        b"\xdf\x00\x00\x00\x01\xdb\x00\x00\x00\x01a\x01",
    ],
)
def test_a_longer_spelling_says_the_same_and_is_the_same_body(raw: bytes) -> None:
    found, plain = decode(raw, None), decode(b'{"a":1}', None)
    assert isinstance(found, Document)
    assert isinstance(plain, Document)
    assert (found.content, found.body) == (plain.content, plain.body)


def test_a_single_precision_number_and_bytes_are_let_through() -> None:
    assert content(b"\x82\xa1a\xca\x3f\x80\x00\x00\xa1b\xc4\x02\x00\xff") == {"a": 1.0, "b": b"\x00\xff"}


def test_entries_are_counted_over_every_kind_of_value() -> None:
    values = ["x" * 40, "y" * 300, "z" * 70_000, b"b" * 300, b"b" * 70_000, 1, -1, -100, 300, 70_000, 2**40, -(2**40), 1.5, None, True]
    document = {"lists": [values, list(range(20)), list(range(70_000))], "map": {str(index): index for index in range(70_000)}}
    assert map_entries(msgpack.packb(document)) == 70_002
    assert map_entries(msgpack.packb({str(index): {} for index in range(20)})) == 20


def test_the_first_byte_tells_messagepack_from_json() -> None:
    assert content(b'{"a":1}') == content(b"\x81\xa1a\x01") == content(b'\xef\xbb\xbf \n{"a":1}')
