import json
from typing import Any

import msgpack
from hypothesis import given
from hypothesis import strategies as st

from schemas import envelope
from schemas.dead_letters import DeadLetter
from schemas.effects import Effect
from schemas.envelope import JSON, MSGPACK, Terms
from schemas.events import Identity
from schemas.refusals import Reason
from sinks import dead_letters
from streams.decode import Document, decode
from streams.identity import identify, normalised
from tests.published import Published, golden, golden_names, in_binary, in_json, in_msgpack, new_intake

INTAKE = new_intake()
GOLDEN = {name: golden(name) for name in golden_names()}
IN_ORDER = list(Reason)

names = st.sampled_from(sorted(GOLDEN))
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=12)
)
documents = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4), max_leaves=12
)


def decided(record: Published) -> Effect | DeadLetter:
    """Decide on *record*: whatever it is, it ends in one place and can be told to the outside."""
    came = INTAKE(record)
    if isinstance(came, DeadLetter):
        assert came.refused.reason in IN_ORDER[:-1]
        assert (came.key, came.value, came.headers) == (record.key, record.value, tuple(record.headers))
        assert dead_letters.record(came).value == record.value
    else:
        assert isinstance(envelope.decode(came.value or b""), envelope.Event)
    return came


def trusted(record: Published, terms: Terms | None = None) -> tuple[bytes | None, envelope.Event]:
    effect = new_intake(terms)(record)
    assert isinstance(effect, Effect), effect.refused
    event = envelope.decode(effect.value or b"")
    assert isinstance(event, envelope.Event)
    return effect.key, event


def paths(document: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    entries: list[tuple[str | int, object]] = []
    if isinstance(document, dict):
        entries = list(document.items())
    elif isinstance(document, list):
        entries = list(enumerate(document))
    return [path, *(found for step, inner in entries for found in paths(inner, (*path, step)))]


def replaced(document: Any, path: tuple[str | int, ...], new: object) -> Any:
    """Copy *document* with *new* at *path*; ``...`` takes that part out."""
    if not path:
        return None if new is ... else new
    step, rest = path[0], path[1:]
    copy: Any = dict(document) if isinstance(document, dict) else list(document)
    if not rest and new is ...:
        del copy[step]
    else:
        copy[step] = replaced(document[step], rest, new)
    return copy


@given(names, st.data())
def test_any_part_of_an_event_may_be_anything_and_json_and_messagepack_agree(name: str, draw: st.DataObject) -> None:
    event = GOLDEN[name]
    for _ in range(draw.draw(st.integers(1, 3))):
        path = draw.draw(st.sampled_from(paths(event)))
        event = replaced(event, path, draw.draw(documents | st.just(...)))
        if not isinstance(event, dict):
            break
    packed = Published(in_msgpack(event), [("content-type", b"application/cloudevents+msgpack")])
    in_both = [decided(Published(in_json(event))), decided(packed)]
    reasons = [came.refused.reason if isinstance(came, DeadLetter) else None for came in in_both]
    assert reasons[0] == reasons[1]


@given(names, st.booleans(), st.data())
def test_any_bytes_may_be_changed(name: str, packed: bool, draw: st.DataObject) -> None:
    raw = bytearray(in_msgpack(GOLDEN[name]) if packed else in_json(GOLDEN[name]))
    for _ in range(draw.draw(st.integers(1, 4))):
        at = draw.draw(st.integers(0, len(raw) - 1))
        raw[at : at + draw.draw(st.integers(0, 3))] = draw.draw(st.binary(max_size=3))
    decided(Published(bytes(raw)))


@given(st.binary(max_size=200) | st.none(), st.lists(st.tuples(st.text(max_size=8), st.binary(max_size=8) | st.none()), max_size=4))
def test_a_record_may_be_anything(value: bytes | None, headers: list[tuple[str, bytes | None]]) -> None:
    decided(Published(value, headers))


attribute_names = st.sampled_from(
    ["ce_id", "ce_type", "CE_source", "ce_time", "ce_data", "ce_x", "content-type", "Content-Type", "ce_specversion"]
)
media = st.sampled_from(
    [b"application/json", b"application/cloudevents+json", b"application/cloudevents", b"text/plain", b"\xff", b";", b"1.0"]
)


@given(names, st.lists(st.tuples(attribute_names, media | st.binary(max_size=4) | st.none()), max_size=5))
def test_headers_may_say_anything(name: str, headers: list[tuple[str, bytes | None]]) -> None:
    binary = in_binary(GOLDEN[name])
    decided(Published(binary.value, [*binary.headers, *headers]))
    decided(Published(in_json(GOLDEN[name]), headers))


extensions = st.dictionaries(st.from_regex(r"x[a-z0-9]{1,8}", fullmatch=True), st.text(max_size=8), max_size=3)


@given(names, extensions, st.dictionaries(st.from_regex(r"x[a-z]{1,4}", fullmatch=True), documents, max_size=3))
def test_unknown_fields_return_unchanged_and_every_mode_is_the_same_event(
    name: str, more: dict[str, str], unknown: dict[str, object]
) -> None:
    event = GOLDEN[name] | more
    event["data"] = event["data"] | unknown
    key, plain = trusted(Published(in_json(event)))
    for record in (
        Published(in_msgpack(event)),
        Published(json.dumps(event, indent=1).encode()),
        in_binary(event),
        in_binary(event, packed=True),
    ):
        other_key, other = trusted(record)
        assert (key, plain.id_hash, plain.body_hash, plain.facts, plain.consent) == (
            other_key,
            other.id_hash,
            other.body_hash,
            other.facts,
            other.consent,
        )
        assert json.loads(other.event or other.value)["data"] == event["data"]
    _, packed = trusted(Published(in_json(event)), Terms(format=MSGPACK))
    assert msgpack.unpackb(packed.event) == event


FLAWS: list[tuple[Reason, tuple[str | int, ...], object]] = [
    (Reason.NOT_CLOUDEVENT, ("id",), ""),
    (Reason.WRONG_BRAND, ("source",), "/brand/bloom/shop"),
    (Reason.UNKNOWN_TYPE, ("type",), "cn.huiliu.order.v9"),
    (Reason.BAD_TIME, ("time",), "2026-11-18T11:06:40"),
    (Reason.NO_IDENTITY, ("data", "identities"), [{"type": "cookie", "id": "0"}]),
    (Reason.INVALID_DATA, ("data", "status_version"), "2"),
    (Reason.BAD_MONEY, ("data", "total"), 129.9),
]


@given(st.sets(st.sampled_from(range(len(FLAWS))), min_size=1), st.booleans())
def test_of_several_flaws_the_contracts_first_is_the_reason(flaws: set[int], packed: bool) -> None:
    event = GOLDEN["order-paid"]
    for index in flaws:
        _, path, bad = FLAWS[index]
        event = replaced(event, path, bad)
    came = decided(Published(in_msgpack(event) if packed else in_json(event)))
    assert isinstance(came, DeadLetter)
    assert came.refused.reason is FLAWS[min(flaws)][0]


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError
    return dict(pairs)


keys = st.sampled_from(['"a"', '"b"', '"\\u0061"', '":"', '"\\u003a"', '"\\""', '"é"', '"\\u00e9"', '"a:"', '"{"'])
blanks = st.sampled_from(["", "", " ", "\n", "\t "])
spelt = st.recursive(
    keys | st.sampled_from(["1", "-0", "1.5e3", "null", "true", "18446744073709551615"]),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda parts: f"[{','.join(parts)}]")
        | st.lists(st.tuples(blanks, keys, blanks, inner), max_size=4).map(
            lambda parts: "{" + ",".join(f"{left}{key}{right}:{value}" for left, key, right, value in parts) + "}"
        )
    ),
    max_leaves=10,
)


@given(spelt)
def test_repeated_keys_are_found_exactly_where_another_parser_finds_them(raw: str) -> None:
    try:
        expected = json.loads(raw, object_pairs_hook=_unique)
    except ValueError:
        assert not isinstance(decode(raw.encode(), JSON), Document)
    else:
        found = decode(raw.encode(), JSON)
        assert isinstance(found, Document)
        assert found.content == expected


def _packed_map(pairs: list[tuple[bytes, bytes]]) -> bytes:
    return bytes([0x80 | len(pairs)]) + b"".join(key + value for key, value in pairs)


packed_keys = st.sampled_from([b"\xa1a", b"\xd9\x01a", b"\xa1b", b"\xa0", b"\xda\x00\x01b", b"\x01", b"\xc4\x01a"])
packed = st.recursive(
    documents.map(in_msgpack),
    lambda inner: (
        st.lists(inner, max_size=4).map(lambda parts: bytes([0x90 | len(parts)]) + b"".join(parts))
        | st.lists(st.tuples(packed_keys, inner), max_size=4).map(_packed_map)
    ),
    max_leaves=8,
)


@given(packed)
def test_messagepack_is_strict_exactly_where_another_parser_is(raw: bytes) -> None:
    def strict(pairs: list[tuple[object, object]]) -> dict[object, object]:
        if len(dict(pairs)) != len(pairs) or not all(isinstance(key, str) for key, _ in pairs):
            raise ValueError
        return dict(pairs)

    try:
        expected = msgpack.unpackb(raw, object_pairs_hook=strict, strict_map_key=False)
    except ValueError:
        assert not isinstance(decode(raw, MSGPACK), Document)
    else:
        found = decode(raw, MSGPACK)
        assert isinstance(found, Document)
        assert found.content == expected


kinds = st.sampled_from(["wx_unionid", "mobile", "wecom_external_userid", "brand_member", "wx_openid", "device", "cookie", "other"])
identities = st.lists(
    st.builds(Identity, kinds, st.text(max_size=6) | st.from_regex(r"\+?[0-9 -]{1,14}", fullmatch=True), st.none() | st.booleans())
)


@given(identities)
def test_weaker_identities_change_nothing_and_an_unverified_number_never_reaches_its_owner(stated: list[Identity]) -> None:
    chosen = identify(stated, "acme")
    if chosen is None:
        assert all(stated_one.type == "other" or not normalised(stated_one.type == "mobile", stated_one.id) for stated_one in stated)
        return
    assert identify([*stated, *stated, Identity("other", "x")], "acme") == chosen
    if chosen.scope == "":
        assert any(stated_one.type == chosen.kind and stated_one.verified is not False for stated_one in stated)
    assert chosen.identity == chosen.identity.strip() != ""
