"""The demo's street of shops does what it says, by the oracle's judgement."""

import zlib
from collections import Counter

import pytest

from deploy.demo.faults import REASONS
from deploy.demo.generator import Mix, Piece, street
from deploy.demo.shops import SHOPS
from tests.oracle.brand import DAY, HOUR, MINUTE, NOON
from tests.oracle.places import Verdict, places
from tests.oracle.validity import Said
from tests.oracle.wire import Published


@pytest.fixture(scope="module")
def pieces() -> list[Piece]:
    return list(street(7, 30_000, NOON))


@pytest.fixture(scope="module")
def verdicts(pieces: list[Piece]) -> list[Verdict]:
    offsets = Counter[tuple[str, int]]()
    records = []
    for piece in pieces:
        place = piece.brand, zlib.crc32(piece.key) % 4
        records.append(Published(*place, offsets[place], NOON + MINUTE, piece.value, piece.headers))
        offsets[place] += 1
    return places(records)


def said(verdicts: list[Verdict], kind: str) -> list[Said]:
    return [verdict.said for verdict in verdicts if verdict.said is not None and verdict.said.kind == kind]


def test_the_same_seed_tells_the_same_story(pieces: list[Piece]) -> None:
    assert list(street(7, 2_000, NOON)) == list(street(7, 2_000, NOON))
    assert list(street(8, 2_000, NOON)) != list(street(7, 2_000, NOON))
    assert len(pieces) == 30_000


def test_every_record_ends_where_the_generator_says(pieces: list[Piece], verdicts: list[Verdict]) -> None:
    wrong = [
        (piece, verdict.place, verdict.reason)
        for piece, verdict in zip(pieces, verdicts, strict=True)
        if (piece.place, piece.reason) != (verdict.place, verdict.reason)
    ]
    assert wrong == []


def test_a_hundredth_comes_twice_and_half_a_hundredth_is_refused_for_every_reason(pieces: list[Piece]) -> None:
    ends = Counter(piece.place for piece in pieces)
    assert 0.008 < ends["duplicate"] / len(pieces) < 0.012
    assert 0.003 < ends["dead-letter"] / len(pieces) < 0.007
    assert {piece.reason for piece in pieces} == {None, *REASONS}
    assert {piece.brand for piece in pieces} == {shop.slug for shop in SHOPS}


def test_all_kinds_of_events_statuses_vias_and_identities_occur(verdicts: list[Verdict]) -> None:
    assert {verdict.said.kind for verdict in verdicts if verdict.said} == {"click", "share", "order", "chat", "coupon", "consent"}
    statuses = {one.data["status"] for one in said(verdicts, "order")}
    assert statuses == {"placed", "paid", "shipped", "completed", "cancelled", "refunded"}
    assert len({one.data["via"] for one in said(verdicts, "share")}) == 10
    assert {one.data["msgtype"] for one in said(verdicts, "chat")} >= {"text", "image", "recall"}
    assert len({verdict.said.who.type for verdict in verdicts if verdict.said}) == 7


def test_members_come_by_zipf_by_day_and_some_are_late(verdicts: list[Verdict]) -> None:
    often = Counter((verdict.record.brand, verdict.said.who) for verdict in verdicts if verdict.said).most_common()
    assert often[0][1] > 20 * often[len(often) // 2][1]
    hours = Counter(one.at_ms // HOUR * HOUR for one in said(verdicts, "click") if one.at_ms > NOON - 2 * DAY)
    assert hours[NOON - 4 * HOUR] + hours[NOON - 16 * HOUR] > 5 * (hours[NOON - 9 * HOUR] + hours[NOON - 10 * HOUR])
    assert any(one.at_ms < NOON - 19 * DAY for one in said(verdicts, "click"))


def test_nothing_goes_wrong_when_nothing_shall() -> None:
    mix = Mix(duplicates=0, refused=0, late=0, shuffled=0, old=0)
    assert {piece.place for piece in street(3, 5_000, NOON, mix=mix)} == {"enriched"}
