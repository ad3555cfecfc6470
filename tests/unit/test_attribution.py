"""Visits and orders to the share that brought them about, and back to its sharer's tags.  Lin shares, Wei and Mei visit and buy."""

import pytest

from schemas.envelope import Click, Consent, Happened, Line, Order, Origin, Share, ShareTold, encode
from schemas.shares import Share as Known
from tests.property.pipeline import KEYS
from tests.sharing import Street, bought, who
from tests.unit.one_partition import DAY, HOUR, LIN, MINUTE, NOON, WEI, Told, click, order, refund, ruleset, share, tags

MEI = who("mei")
VISITED = "visited: {count: {events: share.visited, within: 30d, at_least: 1}}"
ADVOCATE = "advocate: {count: {events: share.visited, within: 30d, at_least: 2}}"
SELLER = "seller: {count: {events: share.ordered, within: 30d, at_least: 1}}"


@pytest.fixture
def street() -> Street:
    street = Street()
    street.log.publish(tags(VISITED, ADVOCATE, SELLER))
    street.event(share("s1"))
    return street


def visit(share_id: str = "s1", click_id: str | None = None) -> Click:
    return Click("sku-1", "oolong", share_id, click_id)


def buys(order_id: str = "o1", status: str = "paid", version: int = 1, share_id: str | None = None, click_id: str | None = None) -> Order:
    return Order(order_id, status, version, "CNY", 10_000, share_id=share_id, click_id=click_id)


def known(street: Street, share_id: str = "s1") -> Known:
    return street.shares.share(share_id)


def test_a_visit_by_another_enters_the_sharers_tag(street: Street) -> None:
    assert street.event(visit(), member=WEI) == ["enters visited"]
    assert street.event(visit(), member=WEI) == []
    assert street.event(visit(), member=MEI) == ["enters advocate"]


def test_the_evidence_is_the_visit_and_the_record_is_the_sharers(street: Street) -> None:
    street.event(visit(), member=WEI, event_id="the-click")
    entered = Told(street.log.stage.decisions).change("visited")
    assert list(entered.evidence.events) == ["the-click"]
    assert entered.member == KEYS.pairwise("tea", LIN)


def test_ones_own_visit_and_one_from_the_same_device_enter_nothing() -> None:
    street = Street()
    street.log.publish(tags(VISITED))
    street.event(share("s1"), device=b"phone")
    assert street.event(visit()) == []
    assert street.event(visit(), member=WEI, device=b"phone") == []
    assert known(street).refused == {"self_share": 2}
    assert street.event(visit(), member=MEI, device=b"other") == ["enters visited"]


def test_a_visit_before_the_share_event_counts_when_that_comes() -> None:
    street = Street()
    street.log.publish(tags(VISITED))
    assert street.event(visit(), member=WEI) == []
    assert street.event(share("s1"), NOON + MINUTE) == ["enters visited"]


def test_a_visit_moves_the_sharers_clock_to_its_time(street: Street) -> None:
    street.log.now_ms = NOON + HOUR
    street.event(visit(), NOON + HOUR, member=WEI)
    assert street.log.stage.clock_ms == NOON + HOUR
    street.event(visit(), NOON + 5, member=MEI)
    assert street.log.remembered(LIN).tags == {"visited": NOON + HOUR, "advocate": NOON + HOUR}


def test_an_order_that_names_a_share_is_its(street: Street) -> None:
    assert street.event(buys(share_id="s1"), member=WEI) == ["enters seller"]
    assert known(street).orders == 1


def test_an_order_that_names_none_is_the_last_visited_shares(street: Street) -> None:
    street.event(share("s2"), member=MEI)
    street.event(visit("s2"), NOON + 1, member=WEI)
    street.event(visit("s1"), NOON + 2, member=WEI)
    assert street.event(buys(), NOON + 3, member=WEI) == ["enters seller"]
    assert (known(street, "s1").orders, known(street, "s2").orders) == (1, 0)


def test_an_order_that_names_a_click_is_that_clicks_share(street: Street) -> None:
    street.event(share("s2"), member=MEI)
    street.event(visit("s1", "click-1"), NOON + 1, member=WEI)
    street.event(visit("s2", "click-2"), NOON + 2, member=WEI)
    street.event(buys(click_id="click-1"), NOON + 3, member=WEI)
    assert (known(street, "s1").orders, known(street, "s2").orders) == (1, 0)


def test_a_visit_after_the_order_or_longer_before_it_than_the_window_is_not_its(street: Street) -> None:
    street.log.now_ms = NOON + 9 * DAY
    street.event(visit(), NOON, member=WEI)
    assert street.event(buys("late"), NOON + 7 * DAY + 1, member=WEI) == []
    assert street.event(buys("early"), NOON - 1, member=WEI) == []
    assert street.event(buys("just"), NOON + 7 * DAY, member=WEI) == ["enters seller"]


def test_the_window_is_the_rules(street: Street) -> None:
    street.log.publish(ruleset(f"brand: tea\nsharing: {{window: 1h}}\ntags:\n  {SELLER}\n"))
    street.log.now_ms = NOON + DAY
    street.event(visit(), NOON, member=WEI)
    assert street.event(buys("late"), NOON + HOUR + 1, member=WEI) == []
    assert street.event(buys("just"), NOON + HOUR, member=WEI) == ["enters seller"]


def test_an_order_counts_when_it_is_paid(street: Street) -> None:
    assert street.event(buys(status="placed", version=0, share_id="s1"), member=WEI) == []
    assert street.event(buys(version=1), member=WEI) == ["enters seller"]
    assert street.event(buys(status="completed", version=2), member=WEI) == []


@pytest.mark.parametrize("undo", [order("o1", "cancelled", 5), refund("o1", "r1", 10_000)])
def test_a_cancel_or_a_full_refund_takes_the_order_back(street: Street, undo: Order) -> None:
    street.event(buys(share_id="s1"), member=WEI)
    assert street.event(undo, member=WEI) == ["exits seller"]
    assert known(street).orders == 0


def test_a_partial_refund_is_told_and_takes_no_order_back(street: Street) -> None:
    street.event(buys(share_id="s1"), member=WEI)
    assert street.event(refund("o1", "r1", 4_000), member=WEI) == []
    told = street.shares.told[-1][1]
    assert told.was is not None
    assert told.now is not None
    assert (told.was.refunded_minor, told.now.refunded_minor, told.now.total_minor) == (0, 4_000, 10_000)
    assert street.event(refund("o1", "r2", 6_000), member=WEI) == ["exits seller"]


def test_a_refund_before_its_order_leaves_nothing(street: Street) -> None:
    street.event(refund("o1", "r1", 10_000), member=WEI)
    assert street.event(buys(share_id="s1"), member=WEI) == []
    assert known(street).orders == 0


def test_a_click_that_comes_late_is_told_of_its_order(street: Street) -> None:
    street.log.now_ms = NOON + HOUR
    assert street.event(buys(), NOON + HOUR, member=WEI) == []
    assert street.event(visit(), NOON, member=WEI) == ["enters visited", "enters seller"]


def test_a_click_that_comes_late_takes_the_order_from_an_earlier_one(street: Street) -> None:
    street.event(share("s2"), member=MEI)
    street.log.now_ms = NOON + HOUR
    street.event(visit("s1"), NOON, member=WEI)
    street.event(buys(), NOON + HOUR, member=WEI)
    assert sorted(street.event(visit("s2"), NOON + MINUTE, member=WEI)) == ["enters seller", "enters visited", "exits seller"]
    assert (known(street, "s1").orders, known(street, "s2").orders) == (0, 1)


def test_what_was_passed_on_counts_as_seen(street: Street) -> None:
    street.event(Share("s2", "wecom", parent_share_id="s1"), member=WEI)
    street.event(buys(), NOON + 1, member=WEI)
    assert known(street).orders == 1
    assert known(street).visitors == b""


def test_who_buys_through_their_own_share_earns_nothing(street: Street) -> None:
    assert street.event(buys(share_id="s1")) == []
    assert known(street).refused == {"self_share": 1}


def test_depth_two_rewards_the_parents_sharer_where_the_rules_say_so(street: Street) -> None:
    street.event(Share("s2", "wecom", parent_share_id="s1"), member=WEI)
    assert street.event(visit("s2"), member=MEI) == ["enters visited"]
    street.log.publish(ruleset(f"brand: tea\ntimezone: Asia/Shanghai\nsharing: {{depth: 2}}\ntags:\n  {VISITED}\n"))
    assert street.event(visit("s2"), member=who("dan")) == ["enters visited"]
    assert [told.depth for _, told in street.shares.told] == [1, 1, 2]


def test_withdrawn_consent_counts_on_and_tells_nothing(street: Street) -> None:
    street.event(click(), consent=Consent(False, None, None, (), 1, NOON))
    assert street.event(visit(), member=WEI) == []
    assert street.event(click(), NOON + 1, consent=Consent(True, None, None, (), 2, NOON)) == ["enters visited"]


@pytest.mark.parametrize(
    ("alliance", "recipients", "told"),
    [(None, (), []), (True, (), []), (True, ("silk",), ["enters visited"]), (True, ("wool",), [])],
)
def test_another_brands_share_counts_with_consent_to_it(alliance: bool | None, recipients: tuple[str, ...], told: list[str]) -> None:
    for where in ("tea", "silk"):
        street = Street()
        street.log.publish(tags(VISITED))
        street.event(Share("s1", "wecom", owner_brand="silk"), consent=Consent(None, None, alliance, recipients, 1, NOON))
        assert street.event(visit(), member=WEI, brand=where) == told


def test_a_brand_that_names_itself_needs_no_consent(street: Street) -> None:
    street.event(Share("s2", "wecom", owner_brand="tea"))
    assert street.event(visit("s2"), member=WEI) == ["enters visited"]


def test_an_owner_that_is_no_brand_earns_nothing(street: Street) -> None:
    street.event(Share("s2", "wecom", owner_brand="no\0brand"), consent=Consent(None, None, True, ("no\0brand",), 1, NOON))
    assert street.event(visit("s2"), member=WEI) == []


def test_a_sharers_score_rises_and_falls_with_what_they_brought() -> None:
    street = Street()
    street.log.publish(
        ruleset("brand: tea\nengagement: {half_life: 7d, weights: {share.visited: 2, share.ordered: 10}}\ntags:\n  " + SELLER + "\n")
    )
    street.event(share("s1"))
    street.event(visit(), member=WEI)
    street.event(buys(), member=WEI)
    score = street.log.remembered(LIN).score
    assert score is not None
    assert score.value == pytest.approx(12)
    street.event(refund("o1", "r1", 10_000), member=WEI)
    score = street.log.remembered(LIN).score
    assert score is not None
    assert score.value == pytest.approx(2)


def test_a_share_brings_what_it_shows() -> None:
    street = Street()
    street.log.publish(tags("liked: {top: {of: category, events: share.visited, within: 30d, at_least: 1}}"))
    street.event(Share("s1", "wecom", "sku-1", "oolong"))
    assert street.event(visit(), member=WEI) == ["enters liked:oolong"]


def test_a_word_that_comes_again_counts_once(street: Street) -> None:
    street.event(visit(), member=WEI)
    offset = len(street.log.stage.log) - 1
    before = street.log.remembered(LIN).counts
    assert street.log.again(offset).words == ["replayed"]
    assert street.log.remembered(LIN).counts == before


def test_events_that_name_no_share_tell_no_share() -> None:
    street = Street()
    for facts in (click("sku-1"), order("o1", "paid", 1, lines=(Line("l1", "sku", 1, 1_000),)), refund("o1", "r1", 100)):
        assert street.log.event(facts).words[-1] == "enriched"
    assert street.log.remembered().sharing == b""


def test_what_a_share_is_told_of_an_order_is_the_same_in_the_end_whatever_comes_first(street: Street) -> None:
    events: list[tuple[Click | Order, int]] = [
        (visit(), NOON),
        (buys(), NOON + 2),
        (buys("o1", "placed", 0), NOON + 1),
        (refund("o1", "r1", 4_000), NOON + 3),
    ]
    for shift in range(len(events)):
        member = who(f"buyer{shift}")
        for facts, at_ms in events[shift:] + events[:shift]:
            street.event(facts, at_ms, member=member)
    assert known(street).orders == len(events)
    standing = [now for _, now in street.shares.standing().items() if now.currency]
    assert [(now.time_ms, now.refunded_minor) for now in standing] == [(NOON + 2, 4_000)] * len(events)
    assert bought().total_minor == standing[0].total_minor


def test_a_word_from_deeper_than_the_rules_reach_counts_nowhere(street: Street) -> None:
    """The visitor's rules may be others' than the sharer's: those of the sharer's brand decide."""
    told = ShareTold(
        Origin(b"shares".ljust(16, b"."), 0, 9), 0, "tea", "s9", "", b"a cause!", 2, True, None, None, None, Happened(NOON, NOON, "e9")
    )
    street.log.stage.append(LIN, encode(told), NOON)
    assert street.log.fold().words == []
    assert street.log.remembered(LIN).counts == {}
