from agents.intake_fold import IntakeFold
from schemas import dead_letters as names
from schemas.envelope import Terms
from schemas.fold import StatelessFold
from sinks.dead_letters import record
from tests.published import SECRETS, TOPIC_ID, Published, golden, in_json, refused


def test_a_dead_letter_says_where_it_came_from() -> None:
    effect = record(refused(b"{", [("own", b"1")]))
    assert (effect.topic, effect.partition, effect.key, effect.value) == ("huiliu.acme.dead-letters", 3, b"k", b"{")
    assert dict(effect.headers) == {
        "own": b"1",
        names.REASON: b"undecodable",
        names.DETAIL: b"value: bytes that are not JSON (Input data was truncated) came; expected JSON in UTF-8",
        names.TOPIC: b"huiliu.acme.events",
        names.TOPIC_ID: b"AAECAwQFBgcICQoLDA0ODw",
        names.PARTITION: b"3",
        names.OFFSET: b"42",
        names.AT: b"2026-11-18T11:06:40.000Z",
    }


def test_headers_of_an_earlier_refusal_are_replaced() -> None:
    headers = [(names.REASON, b"crashed"), ("own", None), (names.AT, b"then"), (names.REASON, b"twice")]
    effect = record(refused(b"{", headers))
    assert [name for name, _ in effect.headers].count(names.REASON) == 1
    assert dict(effect.headers)[names.REASON] == b"undecodable"
    assert ("own", None) in effect.headers


def test_a_record_without_a_value_stays_without() -> None:
    assert record(refused(None)).value is None


def fold() -> IntakeFold:
    intake = IntakeFold(SECRETS, 16)
    intake.enlist("acme", Terms(), TOPIC_ID)
    return intake


def test_the_fold_sends_each_record_to_one_place() -> None:
    intake: StatelessFold = fold()
    assert [effect.topic for effect in intake(Published(in_json(golden("click"))))] == ["huiliu.internal.members"]
    assert [effect.topic for effect in intake(Published(b"{"))] == ["huiliu.acme.dead-letters"]


def test_a_bug_makes_a_dead_letter_that_quotes_nothing() -> None:
    (effect,) = fold().refuse(Published(b"{}"), ValueError("13800138000"))
    headers = dict(effect.headers)
    assert headers[names.REASON] == b"crashed"
    assert headers[names.DETAIL] == b"intake: ValueError came; expected a decision"
