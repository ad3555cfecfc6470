"""Every line of the sets is used, and the oracle knows a place for every record."""

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from tests.oracle.places import Verdict, places
from tests.oracle.rules import read
from tests.oracle.wire import Published
from tests.real.adapters import Sent, records
from tests.real.rules import rules_of

NOW_MS = 1_795_000_000_000


@pytest.fixture(scope="module")
def sent(data_folder: Path) -> list[Sent]:
    return list(records(data_folder, NOW_MS))


@pytest.fixture(scope="module")
def verdicts(sent: list[Sent]) -> list[Verdict]:
    return places(Published(one.brand, 0, offset, NOW_MS, one.value) for offset, one in enumerate(sent))


def test_all_order_lines_are_used_once(sent: list[Sent]) -> None:
    assert sum(one.lines for one in sent) == 84_711
    assert all(one.lines >= 0 for one in sent)


def test_countries_and_companies_are_brands(sent: list[Sent]) -> None:
    brands = Counter(one.brand for one in sent)
    assert len(brands) == 24 + 1 + 24 + 1
    assert brands["open-bandit"] == 69
    assert brands["crosswoz"] == 8_458


def test_every_record_has_a_place_and_those_of_nobody_are_refused(sent: list[Sent], verdicts: list[Verdict]) -> None:
    ends = Counter(verdict.reason or verdict.place for verdict in verdicts)
    assert set(ends) == {"enriched", "duplicate", "no_identity", "bad_time"}
    nobody = sum(json.loads(one.value)["data"]["identities"] == [] for one in sent)
    assert ends["no_identity"] == nobody > 0
    assert ends.total() == len(sent)


def test_receipts_sent_twice_and_only_those_are_duplicates(sent: list[Sent], verdicts: list[Verdict]) -> None:
    again = [now.value == before.value for before, now in pairwise(sent)]
    twice = [place == "duplicate" for place in (verdict.place for verdict in verdicts[1:])]
    refused = [verdict.place == "dead-letter" for verdict in verdicts[1:]]
    assert [a and not r for a, r in zip(again, refused, strict=True)] == twice


def test_the_last_event_is_now(verdicts: list[Verdict]) -> None:
    times = [verdict.said.at_ms for verdict in verdicts if verdict.said]
    assert max(times) == NOW_MS


def test_the_rules_of_each_brand_can_be_read(sent: list[Sent]) -> None:
    kinds: dict[str, set[str]] = {}
    for one in sent:
        kinds.setdefault(one.brand, set()).add(json.loads(one.value)["type"].split(".")[2])
    for brand, found in kinds.items():
        assert read(rules_of(brand, frozenset(found))).owner == brand
