"""`huiliu dead-letters` on the real Kafka."""

from hashlib import blake2b

import pytest

from agents.settings import Settings
from agents.topic_log import Entry, TopicLog, Writer
from schemas import topics
from schemas.dead_letters import DeadLetter
from schemas.effects import Headers
from schemas.envelope import Origin
from schemas.refusals import Reason, Refused
from sinks import dead_letters
from tests.integration.command import huiliu

SENT: Headers = (("content-type", b"application/json"), ("x-empty", None))


@pytest.fixture
def brand(kafka: str, request: pytest.FixtureRequest) -> str:
    slug = "d-" + blake2b(request.node.name.encode(), digest_size=8).hexdigest()
    assert huiliu("brands", "add", slug, kafka=kafka).status == 0
    return slug


def refuse(kafka: str, brand: str, offset: int, reason: Reason, value: bytes | None = b"{", detail: str = "value: junk came") -> None:
    """Write the dead letter that a stage would write."""
    letter = DeadLetter(brand, Origin(bytes(16), 0, offset), 1_795_483_384_649 + offset, b"key", value, SENT, Refused(reason, detail))
    effect = dead_letters.record(letter)
    with Writer(Settings(kafka=kafka)) as writer:
        writer.send(effect.topic, effect.value, effect.key, effect.headers)


def events(kafka: str, brand: str) -> list[Entry]:
    with TopicLog(Settings(kafka=kafka), topics.events(brand)) as log:
        return list(log.read())


def test_a_letter_is_listed_with_its_reason_and_place(kafka: str, brand: str) -> None:
    refuse(kafka, brand, 3, Reason.UNDECODABLE)
    (letter,) = huiliu("dead-letters", "list", brand, "--json", kafka=kafka).document
    assert (letter["reason"], letter["offset"], letter["detail"], letter["value"]) == ("undecodable", 3, "value: junk came", "{")


def test_a_letter_that_was_written_twice_is_listed_once(kafka: str, brand: str) -> None:
    refuse(kafka, brand, 3, Reason.UNDECODABLE)
    refuse(kafka, brand, 3, Reason.UNDECODABLE)
    assert len(huiliu("dead-letters", "list", brand, "--json", kafka=kafka).document) == 1


def test_only_the_reason_that_was_asked_for_is_listed(kafka: str, brand: str) -> None:
    refuse(kafka, brand, 1, Reason.UNDECODABLE)
    refuse(kafka, brand, 2, Reason.BAD_MONEY)
    listed = huiliu("dead-letters", "list", brand, "--reason", "bad_money", "--json", kafka=kafka).document
    assert [letter["offset"] for letter in listed] == [2]


def test_a_letter_is_shown_as_the_brand_sent_it(kafka: str, brand: str) -> None:
    refuse(kafka, brand, 1, Reason.UNDECODABLE)
    (listed,) = huiliu("dead-letters", "list", brand, "--json", kafka=kafka).document
    shown = huiliu("dead-letters", "show", brand, listed["place"], "--json", kafka=kafka).document
    assert (shown["key"], shown["headers"]) == ("key", {"content-type": "application/json", "x-empty": ""})


def test_a_letter_that_is_not_there_is_status_1(kafka: str, brand: str) -> None:
    assert huiliu("dead-letters", "show", brand, "0:7", kafka=kafka).status == 1


def test_a_replayed_record_is_the_original_to_the_byte(kafka: str, brand: str) -> None:
    refuse(kafka, brand, 1, Reason.CRASHED, value=b"\xff\x00{")
    ran = huiliu("dead-letters", "replay", brand, "--yes", "--json", kafka=kafka)
    assert (ran.status, ran.document) == (0, {"brand": brand, "replayed": 1})
    (entry,) = events(kafka, brand)
    assert (entry.key, entry.value, entry.headers) == (b"key", b"\xff\x00{", SENT)


def test_nothing_is_replayed_without_a_yes(kafka: str, brand: str) -> None:
    refuse(kafka, brand, 1, Reason.CRASHED)
    assert huiliu("dead-letters", "replay", brand, kafka=kafka, stdin=b"n\n").status == 1
    assert events(kafka, brand) == []


def test_records_are_replayed_in_the_order_in_which_they_came(kafka: str, brand: str) -> None:
    for offset in (5, 2, 9):
        refuse(kafka, brand, offset, Reason.CRASHED, value=b"%d" % offset)
    huiliu("dead-letters", "replay", brand, "--yes", kafka=kafka)
    assert [entry.value for entry in events(kafka, brand)] == [b"2", b"5", b"9"]


def test_a_compressed_batch_is_no_record_to_replay(kafka: str, brand: str) -> None:
    refuse(kafka, brand, 1, Reason.TOO_LARGE, detail="batch: offsets 1 to 9 came compressed")
    assert huiliu("dead-letters", "replay", brand, "--yes", kafka=kafka).status == 1
    assert events(kafka, brand) == []
