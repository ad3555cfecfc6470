import json
from base64 import b64encode
from typing import Any

import pytest

from schemas.refusals import Reason
from tests.published import Published, admitted, changed, golden, in_binary, in_json, in_msgpack, reason, refused


def embedded(content: bytes, **attributes: object) -> dict[str, Any]:
    return changed("click", data=..., data_base64=b64encode(content).decode(), **attributes)


@pytest.mark.parametrize(
    ("content", "media"),
    [
        (in_json(golden("click")["data"]), ...),
        (in_json(golden("click")["data"]), "application/json"),
        (in_msgpack(golden("click")["data"]), ...),
        (in_msgpack(golden("click")["data"]), "application/msgpack; x=y"),
    ],
)
def test_data_in_base64_is_the_same_event_and_returns_as_it_was_sent(content: bytes, media: object) -> None:
    event = embedded(content, datacontenttype=media)
    plain, came = admitted(Published(in_json(golden("click"))))[1], admitted(Published(in_json(event)))[1]
    assert (came.facts, came.id_hash, came.body_hash, came.event) == (plain.facts, plain.id_hash, plain.body_hash, None)
    assert json.loads(admitted(Published(in_msgpack(event)))[1].event or b"") == event


@pytest.mark.parametrize(
    "event",
    [
        embedded(b"{"),
        embedded(b'{"a":1,"a":2}'),
        embedded(b""),
        embedded(in_msgpack({"a": 1}), datacontenttype="application/json"),
        embedded(in_json({"a": 1}), datacontenttype="text/plain"),
        changed("click", data=..., data_base64="{not base64}"),
        changed("click", data=..., data_base64="é"),
        changed("click", data=..., data_base64=5),
        changed("click", data=..., data_base64="e30=\n"),
    ],
)
def test_data_in_base64_is_as_strict_as_any(event: object) -> None:
    assert reason(in_json(event)) is Reason.UNDECODABLE


@pytest.mark.parametrize(
    "media",
    [
        b"application/cloudevents+json",
        b"APPLICATION/CloudEvents+JSON; charset=utf-8",
        b"application/cloudevents",
        b"application/json",
        b"application/vnd.acme+json",
        b"",
    ],
)
def test_a_structured_event_is_known_by_its_content_type(media: bytes) -> None:
    assert admitted(Published(in_json(golden("click")), [("Content-Type", media)]))[1].id == "click-1"


@pytest.mark.parametrize("media", [b"text/plain", b"application/xml", b"application/cloudevents+avro", b"\xff", b"application/msgpack"])
def test_another_content_type_is_not_decoded(media: bytes) -> None:
    assert reason(in_json(golden("click")), [("content-type", media)]) is Reason.UNDECODABLE


def test_a_structured_content_type_stands_above_stray_attributes() -> None:
    headers = [("ce_id", b"other"), ("content-type", b"application/cloudevents+json")]
    assert admitted(Published(in_json(golden("click")), headers))[1].id == "click-1"


def test_binary_mode_without_a_content_type_goes_by_the_first_byte() -> None:
    for packed in (False, True):
        record = in_binary(golden("click"), packed=packed)
        bare = [(name, text) for name, text in record.headers if name != "content-type"]
        assert admitted(Published(record.value, bare))[1].id == "click-1"


@pytest.mark.parametrize("extra", [("ce_id", b"twice"), ("CE_ID", b"twice"), ("ce_subject", b"\xff")])
def test_an_attribute_in_headers_is_text_and_comes_once(extra: tuple[str, bytes]) -> None:
    record = in_binary(golden("click"))
    assert reason(record.value, [*record.headers, extra]) is Reason.UNDECODABLE


def test_a_header_without_a_value_is_no_attribute() -> None:
    record = in_binary(golden("click"))
    assert admitted(Published(record.value, [*record.headers, ("ce_id", None)]))[1].id == "click-1"


def test_binary_mode_with_no_value_is_undecodable() -> None:
    assert reason(None, in_binary(golden("click")).headers) is Reason.UNDECODABLE


def test_binary_mode_lacks_what_its_headers_lack() -> None:
    record = in_binary(golden("click"))
    for lacking, expected in (("ce_specversion", Reason.NOT_CLOUDEVENT), ("ce_source", Reason.WRONG_BRAND), ("ce_time", Reason.BAD_TIME)):
        assert reason(record.value, [header for header in record.headers if header[0] != lacking]) is expected


def test_a_batch_is_named_as_one() -> None:
    assert "a batch came" in refused(in_json([golden("click")]), [("content-type", b"application/cloudevents-batch+json")]).refused.detail
