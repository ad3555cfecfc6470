"""A member as one brand sees them: never anything of another brand but the alliance's score, by consent."""

import msgspec
import pytest

from schemas import crm
from schemas.envelope import Consent, Order
from schemas.scalars import instant_text
from tests.property.pipeline import KEYS
from tests.unit.one_partition import DAY, HOUR, LIN, NOON, Log, click, coupon, order, recall, refund, said, share, states, tags

KEEN = "keen: {count: {events: click, within: 10m, at_least: 1}}"
SCORED = "timezone: UTC\nengagement: {half_life: 1h, weights: {click: 4, order.paid: 1}}"


def alliance(*recipients: str, version: int = 1) -> Consent:
    return Consent(None, None, True, recipients, version, NOON)


def test_a_brand_sees_nothing_that_another_has_seen() -> None:
    log = Log()
    log.publish(tags(KEEN))
    log.publish(tags("fond: {count: {events: order.paid, within: 3d, at_least: 1}}", brand="silk"))
    log.event(click(), NOON - HOUR)
    log.event(order("o1", "paid", 1), NOON - DAY)
    log.event(said("hello", "m1"))
    seen = log.event(share(), brand="silk").seen
    assert seen == crm.MemberView(
        id=KEYS.pairwise("silk", LIN),
        as_of=instant_text(NOON),
        first_seen=instant_text(NOON),
        tags=[],
        engagement=crm.Engagement(),
        orders=0,
        spend={},
        last=crm.Last(share=instant_text(NOON)),
    )


def test_a_member_has_another_name_at_each_brand() -> None:
    log = Log()
    names = {log.event(click(), brand=brand).seen.id for brand in ("tea", "silk", "rice")}
    assert len(names) == 3


def test_the_event_of_one_brand_tells_the_other_nothing() -> None:
    log = Log()
    log.publish(tags(KEEN))
    log.publish(tags(KEEN, brand="silk"))
    log.event(click(), brand="tea")
    told = log.event(click(), brand="silk")
    assert {record.brand for record in told.records} == {"silk"}
    assert b"tea" not in msgspec.json.encode([record.value for record in told.records])


def test_without_rules_there_are_no_scores() -> None:
    assert Log().event(click()).seen.engagement == crm.Engagement()


def test_an_empty_score_is_zero() -> None:
    log = Log()
    log.publish(tags(KEEN, head=SCORED))
    assert log.event(share()).seen.engagement == crm.Engagement(0.0)


def test_the_score_decays_to_the_clock_and_is_rounded_to_six_decimals() -> None:
    log = Log()
    log.publish(tags(KEEN, head=SCORED))
    log.event(click())
    assert log.event(share(), NOON + HOUR).seen.engagement == crm.Engagement(2.0)
    assert log.event(share(), NOON + HOUR + 600_000).seen.engagement == crm.Engagement(round(2 * 2 ** (-1 / 6), 6))


# The alliance


def allied() -> Log:
    log = Log()
    log.publish(tags(KEEN, brand="alliance", head=SCORED))
    return log


def test_without_consent_no_alliance_score_is_shown() -> None:
    log = allied()
    assert log.event(click()).seen.engagement == crm.Engagement()
    assert log.event(**states(1, alliance=False, recipients=("tea",))).seen.engagement == crm.Engagement()


def test_with_consent_a_brand_sees_its_own_share_of_the_alliances_score() -> None:
    log = allied()
    assert log.event(click(), consent=alliance()).seen.engagement == crm.Engagement(alliance=4.0)


def test_a_brands_share_crosses_only_if_its_own_consent_names_the_recipient() -> None:
    log = allied()
    log.event(click(), brand="tea", consent=alliance("rice"))
    log.event(click(), brand="jade", consent=alliance("silk", "rice"))
    log.event(click(), brand="iron")
    assert log.event(click(), brand="silk", consent=alliance()).seen.engagement == crm.Engagement(alliance=8.0)


def test_who_does_not_consent_at_a_brand_is_not_shown_there_what_others_let_cross() -> None:
    log = allied()
    log.event(click(), brand="tea", consent=alliance("silk"))
    assert log.event(click(), brand="silk").seen.engagement == crm.Engagement()


def test_a_withdrawal_takes_a_brands_share_out_at_once() -> None:
    log = allied()
    log.event(click(), brand="tea", consent=alliance("silk"))
    log.event(click(), brand="silk", consent=alliance())
    log.event(brand="tea", **states(2, alliance=False, recipients=("silk",)))
    assert log.event(said("hello", "m1"), brand="silk").seen.engagement == crm.Engagement(alliance=4.0)


def test_a_cancelled_order_leaves_the_alliances_score_too() -> None:
    log = allied()
    log.event(click(), consent=alliance())
    log.event(order("o1", "paid", 1))
    assert log.event(order("o1", "cancelled", 2)).seen.engagement == crm.Engagement(alliance=4.0)


def test_a_withdrawal_of_tags_withholds_the_alliances_score_too() -> None:
    log = allied()
    log.event(click(), brand="tea", consent=alliance("silk"))
    both = Consent(False, None, True, (), 2, NOON)
    assert log.event(click(), brand="silk", consent=both).seen.engagement == crm.Engagement()


def test_tags_of_the_alliance_hold_by_what_each_brand_has_seen_itself() -> None:
    log = allied()
    assert log.event(click(), brand="tea").changes == ["enters alliance/keen"]
    told = log.event(share(), brand="silk", consent=alliance("tea"))
    assert (told.changes, told.seen.tags) == ([], [])


# First and last


def test_first_seen_is_the_earliest_event_of_any_kind() -> None:
    log = Log()
    log.event(click())
    assert log.event(at_ms=NOON - DAY, **states(1)).seen.first_seen == instant_text(NOON - DAY)
    assert log.event(coupon("expired"), NOON - 2 * DAY).seen.first_seen == instant_text(NOON - 2 * DAY)


def test_last_goes_by_event_time_and_never_back() -> None:
    log = Log()
    for facts in (click(), share(), said("hello", "m1"), order("o1", "placed", 1)):
        log.event(facts, NOON - HOUR)
    log.event(click(), NOON - 2 * HOUR)
    hour_ago = instant_text(NOON - HOUR)
    assert log.event(coupon("claimed")).seen.last == crm.Last(hour_ago, hour_ago, hour_ago, hour_ago)


@pytest.mark.parametrize("undoing", [order("o1", "cancelled", 2), refund("o1", "r1", 10_000)])
def test_what_undoes_an_order_is_itself_the_last_of_it(undoing: Order) -> None:
    log = Log()
    log.event(order("o1", "paid", 1), NOON - HOUR)
    assert log.event(undoing, NOON - 60_000).seen.last.order == instant_text(NOON - 60_000)


def test_a_recalled_message_was_still_the_last_and_the_recall_is_none() -> None:
    log = Log()
    log.event(said("hello", "m1"), NOON - HOUR)
    assert log.event(recall("m2", "m1"), NOON).seen.last.chat == instant_text(NOON - HOUR)
