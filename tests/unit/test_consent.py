"""Consent: which statement stands, and what is withheld."""

from itertools import permutations

import pytest

from schemas import crm
from schemas.envelope import Consent, Terms
from schemas.member_state import BrandState
from streams import consent
from tests.unit.one_partition import HOUR, MINUTE, NOON, Log, click, order, states, tags

KEEN = "keen: {count: {events: click, within: 10m, at_least: 1}}"
ZEAL = "zeal: {count: {events: click, within: 2h, at_least: 2}}"
HEAD = "timezone: UTC\nengagement: {half_life: 1h, weights: {click: 4}}"


def stated(version: int, at_ms: int, *, tags: bool | None = None, alliance: bool | None = None, to: tuple[str, ...] = ()) -> Consent:
    return Consent(tags, None, alliance, to, version, at_ms)


def test_the_highest_version_and_then_the_latest_time_stands_in_any_order() -> None:
    statements = [stated(1, 30), stated(2, 10), stated(2, 20, tags=False), stated(0, 99)]
    for order_of_arrival in permutations(statements):
        standing = None
        for one in order_of_arrival:
            standing = consent.state(standing, one)
        assert standing == stated(2, 20, tags=False)


def test_of_equals_the_first_stands() -> None:
    assert consent.state(stated(1, 5, tags=True), stated(1, 5, tags=False)) == stated(1, 5, tags=True)


@pytest.mark.parametrize("default", [True, False])
@pytest.mark.parametrize("standing", [None, stated(1, 1)])
def test_what_is_not_stated_is_as_the_registration_says(standing: Consent | None, default: bool) -> None:
    assert consent.allows_tags(standing, Terms(tags=default)) is default


@pytest.mark.parametrize("default", [True, False])
@pytest.mark.parametrize("said", [True, False])
def test_what_is_stated_stands_above_the_registration(default: bool, said: bool) -> None:
    assert consent.allows_tags(stated(1, 1, tags=said), Terms(tags=default)) is said


@pytest.mark.parametrize(
    ("standing", "to", "crosses"),
    [
        (None, "tea", False),
        (stated(1, 1), "tea", False),
        (stated(1, 1, alliance=False, to=("silk",)), "silk", False),
        (stated(1, 1, alliance=True), "tea", True),
        (stated(1, 1, alliance=True), "silk", False),
        (stated(1, 1, alliance=True, to=("silk",)), "silk", True),
        (stated(1, 1, alliance=True, to=("silk",)), "rice", False),
    ],
)
def test_tea_crosses_to_a_brand_only_by_a_statement_that_names_it(standing: Consent | None, to: str, crosses: bool) -> None:
    state = BrandState()
    state.consent = standing
    assert consent.crosses(state, "tea", to) is crosses


# In the fold


def keen() -> Log:
    log = Log()
    log.publish(tags(KEEN, ZEAL, head=HEAD))
    log.event(click())
    return log


def test_a_withdrawal_exits_every_tag_and_withholds_tags_and_scores_from_its_record_on() -> None:
    log = keen()
    log.event(click())
    told = log.event(**states(1, tags=False))
    assert told.words == ["enriched", "exits keen", "exits zeal"]
    assert (told.seen.tags, told.seen.engagement) == ([], crm.Engagement())


def test_what_is_withheld_is_not_what_the_brand_sees_by_itself() -> None:
    log = keen()
    log.event(**states(1, tags=False))
    seen = log.event(order("o1", "paid", 1)).seen
    assert (seen.orders, seen.spend) == (1, {"CNY": "100.00"})
    assert isinstance(seen.last.click, str)


def test_counters_go_on_while_tags_are_withheld_and_what_holds_is_entered_on_return() -> None:
    log = keen()
    log.event(**states(1, tags=False))
    assert log.event(click()).words == ["enriched"]  # the second click: zeal holds, and nobody is told
    told = log.event(**states(2, tags=True))
    assert told.words == ["enriched", "enters keen", "enters zeal"]
    assert told.seen.tags == ["keen", "zeal"]
    assert told.seen.engagement == crm.Engagement(8.0)


def test_a_tag_that_ends_while_it_is_withheld_is_not_exited_twice() -> None:
    log = keen()
    log.event(**states(1, tags=False))
    assert log.tick(NOON + 10 * MINUTE).changes == []
    assert log.event(**states(2, tags=True)).words == ["enriched"]


def test_a_withdrawal_that_also_ends_a_tag_exits_it_once() -> None:
    log = keen()
    assert log.event(at_ms=NOON + 10 * MINUTE, **states(1, tags=False)).changes == ["exits keen"]


def test_an_event_that_withdraws_and_would_enter_tells_of_no_entry() -> None:
    log = keen()
    told = log.event(click(), consent=stated(1, NOON, tags=False))
    assert told.words == ["enriched", "exits keen"]
    assert log.event(click(), consent=stated(2, NOON, tags=True)).changes == ["enters keen", "enters zeal"]


def test_an_older_statement_that_comes_late_changes_nothing() -> None:
    log = keen()
    log.event(**states(5, tags=True))
    assert log.event(**states(4, NOON + HOUR, tags=False)).words == ["enriched"]
    assert log.event(**states(5, NOON, tags=False)).words == ["enriched"]
    assert log.event(**states(5, NOON + 1, tags=False)).words == ["enriched", "exits keen"]


def test_a_statement_on_an_event_that_is_repeated_is_not_heard() -> None:
    log = keen()
    log.event(click(), event_id="one")
    log.event(click(), event_id="one", consent=stated(1, NOON, tags=False))
    assert log.event(click()).seen.tags == ["keen", "zeal"]


def test_the_consent_of_one_brand_is_not_the_others() -> None:
    log = keen()
    log.publish(tags(KEEN, brand="silk", head=HEAD), 7)
    log.event(click(), brand="silk")
    assert log.event(brand="silk", **states(1, tags=False)).changes == ["exits keen"]
    assert log.event(click(), brand="tea").seen.tags == ["keen", "zeal"]


def test_a_brand_that_withholds_by_its_registration_is_told_of_no_tag() -> None:
    log = Log()
    log.publish(tags(KEEN, ZEAL, head=HEAD))
    terms = Terms(tags=False)
    told = log.event(click(), terms=terms)
    assert (told.words, told.seen.tags, told.seen.engagement) == (["enriched"], [], crm.Engagement())
    assert log.event(terms=terms, **states(1, tags=True)).words == ["enriched", "enters keen"]


def test_a_publish_tells_nobody_of_who_withdrew() -> None:
    log = keen()
    log.event(**states(1, tags=False))
    assert log.publish(tags(ZEAL, "all-new: {count: {events: click, within: 10m, at_least: 1}}", head=HEAD)).changes == []
    assert log.event(**states(2, tags=True)).changes == ["enters all-new"]
