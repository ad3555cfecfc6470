"""What a person is shown of a member's rewards, and of why a campaign gives them one or not."""

from schemas.member_state import unpack_member
from streams.reward_card import Explained, explain, rewards_card
from tests.property.pipeline import KEYS
from tests.unit.one_campaign import Shop, campaigns
from tests.unit.one_partition import HOUR, LIN, NOON, click, order, said, share

TAGS = ("upset: {keywords: {any_of: [投诉], within: 3d}}",)
RULES = campaigns(
    'a: {state: live, trigger: {event: order.paid}, reward: {coupon: {value: "5.00", currency: CNY, valid_for: 7d}}, once_per: day, '
    'condition: {all: [{not: {tag: upset}}, {amount: {at_least: "50.00"}}]}, cooldown: 6h, cap: [{rewards: 1, within: 7d}], holdout: 1%}',
    "b: {state: paused, trigger: {streak: {events: share, count: 3, within: 24h}}, reward: {points: 5}}",
    tags=TAGS,
)


def explained(log: Shop, campaign: str = "tea/a", *, allowed: bool = True) -> Explained:
    state = unpack_member(log.stage.table[LIN]).brands["tea"]
    offers = log.stage.restored().partition.plan("tea").offers
    assert offers is not None
    return explain(offers.by_id[campaign], state, LIN, KEYS, allowed, log.stage.clock_ms)


def unmet(found: Explained) -> list[str]:
    return [f"{clause.wanted}: {clause.found}" for clause in found.clauses if not clause.holds]


def opened() -> Shop:
    log = Shop()
    log.publish(RULES)
    log.event(click())
    return log


def test_whoever_would_be_rewarded_meets_every_clause() -> None:
    found = explained(opened())
    assert unmet(found) == []
    assert [clause.wanted for clause in found.clauses] == [
        "the campaign is live",
        "within the schedule",
        "not (has upset)",
        "an order of 50.00 CNY or more",
        "6h since the last reward",
        "1 within 7d is the cap",
        "once per day",
        "not one of those who are held out",
        "consent to rewards",
    ]


def test_each_clause_that_is_not_met_says_what_was_found() -> None:
    log = opened()
    log.event(order("o1", "paid", 1))
    log.event(said("我要投诉", "m1"), NOON + HOUR)
    assert unmet(explained(log, allowed=False)) == [
        "not (has upset): has upset: True",
        "6h since the last reward: 2026-11-24T04:00:00.000Z",
        "1 within 7d is the cap: 1 earned",
        "once per day: had already",
        "consent to rewards: not given",
    ]
    assert unmet(explained(log, "tea/b")) == ["the campaign is live: paused"]


def test_the_latest_refusal_is_told_with_its_reason_and_time() -> None:
    log = opened()
    log.event(order("o1", "paid", 1))
    log.event(order("o2", "paid", 1), NOON + HOUR, event_id="second")
    found = explained(log)
    assert found.refused is not None
    assert (found.refused.reason, found.refused.trigger, found.refused.at) == ("cooldown", "second", "2026-11-24T05:00:00.000Z")
    assert [reward.status for reward in found.rewards] == ["granted"]


def test_a_member_is_shown_with_rewards_streaks_and_points() -> None:
    log = opened()
    log.event(order("o1", "paid", 1), event_id="first")
    log.event(share())
    shown = rewards_card(unpack_member(log.stage.table[LIN]).brands["tea"])
    (reward,) = shown.rewards
    assert (reward.campaign, reward.status, reward.value, reward.currency, reward.trigger) == ("tea/a", "granted", "5.00", "CNY", "first")
    assert (reward.valid_until, reward.taken_back, reward.owed) == ("2026-12-01T04:00:00.000Z", "0.00", "0.00")
    assert [(streak.campaign, len(streak.events)) for streak in shown.streaks] == [("tea/b", 1)]
    assert (shown.points, shown.ledger) == (0, [])
