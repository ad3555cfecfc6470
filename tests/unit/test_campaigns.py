"""Who earns: triggers, conditions, caps, once-keys, hold-out; each of the closed list of reasons."""

from schemas.crm import RewardGranted
from schemas.decisions import Answered
from schemas.member_state import BrandState
from schemas.scalars import instant_text
from tests.property.pipeline import KEYS
from tests.unit.one_campaign import Shop, campaigns, counted, told, words
from tests.unit.one_partition import DAY, HOUR, LIN, MINUTE, NOON, WEI, click, order, refund, said, share, states

FIVE = 'reward: {coupon: {value: "5.00", currency: CNY, valid_for: 7d}}'
PAID = "state: live, trigger: {event: order.paid}"


def shop(*lines: str, tags: tuple[str, ...] = ()) -> Shop:
    made = Shop()
    made.publish(campaigns(*lines, tags=tags))
    return made


def test_an_order_earns_a_coupon_that_the_crm_is_told_of_after_the_event() -> None:
    log = shop(f"thanks: {{{PAID}, once_per: order, {FIVE}}}")
    came = log.event(order("o1", "paid", 1), NOON, event_id="pay-1")
    assert came.words[0] == "enriched"
    (granted,) = told(came)
    assert isinstance(granted, RewardGranted)
    assert (granted.campaign, granted.version, granted.kind, granted.value, granted.currency) == ("tea/thanks", 1, "coupon", "5.00", "CNY")
    assert (granted.trigger, granted.member, granted.valid_until) == ("pay-1", KEYS.pairwise("tea", LIN), instant_text(NOON + 7 * DAY))
    assert len(granted.reward_id) == 24
    assert isinstance(granted.coupon_code, str)
    assert len(granted.coupon_code) == 16


def test_the_clock_of_the_trigger_comes_back_with_the_answer() -> None:
    log = shop(f"thanks: {{{PAID}, once_per: order, {FIVE}}}")
    log.tick(NOON + HOUR)
    came = log.event(order("o1", "paid", 1), NOON + 5 * MINUTE)
    assert [one for one in came.decisions if isinstance(one, Answered)] == [Answered("tea", NOON + HOUR)]


def test_points_have_no_code_and_no_end_and_add_up() -> None:
    log = shop(f"thanks: {{{PAID}, once_per: order, reward: {{points: 100}}}}")
    for number in range(3):
        (granted,) = told(log.event(order(f"o{number}", "paid", 1)))
        assert (granted.kind, granted.value, isinstance(granted.coupon_code, str)) == ("points", "100", False)
    assert log.earned().points == 300


def test_three_shares_within_a_day_earn_and_progress_is_told() -> None:
    log = shop(f"three: {{state: live, trigger: {{streak: {{events: share, count: 3, within: 24h}}}}, once_per: day, {FIVE}}}")
    came = [log.event(share(f"s{n}"), NOON + n * HOUR) for n in range(4)]
    assert [words(one) for one in came] == [["1 of 3"], ["2 of 3"], ["granted 5.00 CNY"], ["1 of 3"]]


def test_shares_too_far_apart_make_no_streak_whatever_their_order() -> None:
    for times in ([0, 20, 30], [30, 20, 0], [20, 30, 0]):
        log = shop(f"three: {{state: live, trigger: {{streak: {{events: share, count: 3, within: 24h}}}}, {FIVE}}}")
        came = [log.event(share(f"s{n}"), NOON + n * HOUR) for n in times]
        assert words(came[-1]) == ["2 of 3"]


def test_a_late_share_completes_a_streak() -> None:
    log = shop(f"three: {{state: live, trigger: {{streak: {{events: share, count: 3, within: 24h}}}}, {FIVE}}}")
    for hours in (0, 10):
        log.event(share(f"s{hours}"), NOON + hours * HOUR)
    assert words(log.event(share("late"), NOON + 5 * HOUR)) == ["granted 5.00 CNY"]


def test_entering_a_tag_earns() -> None:
    tags = ("keen: {count: {events: click, within: 2h, at_least: 2}}",)
    log = shop(f"keen: {{state: live, trigger: {{tag_entered: keen}}, {FIVE}}}", tags=tags)
    assert words(log.event(click())) == []
    came = log.event(click())
    assert came.words[:2] == ["enriched", "enters keen"]
    assert [one.trigger for one in told(came)] == ["keen"]


def test_a_tag_that_the_clock_brings_about_earns() -> None:
    log = shop(f"back: {{state: live, trigger: {{tag_entered: asleep}}, {FIVE}}}", tags=("asleep: {silent: {for: 2h}}",))
    log.event(click())
    assert words(log.tick(NOON + 3 * HOUR)) == ["granted 5.00 CNY"]


def test_the_order_of_a_rule_set_and_of_priorities_decides_within_a_group_alone() -> None:
    group = "exclusive_group: g"
    log = shop(
        f"a: {{{PAID}, {FIVE}, priority: 1, {group}}}",
        f'b: {{{PAID}, {FIVE}, priority: 2, {group}, condition: {{amount: {{at_least: "50.00"}}}}}}',
        f"c: {{{PAID}, {FIVE}}}",
    )
    came = log.event(order("o1", "paid", 1, 10_000))
    assert [one.campaign for one in told(came)] == ["tea/b", "tea/c"]
    assert "excluded" in counted(came)
    came = log.event(order("o2", "paid", 1, 1_000), member=WEI)
    assert [one.campaign for one in told(came)] == ["tea/a", "tea/c"]


# Reasons


def reason(log: Shop, **how: object) -> str:
    """Why a paid order of now earns nothing."""
    came = log.event(order(f"o{log.events}", "paid", 1), **how)  # type: ignore[arg-type]
    (outcome,) = [one for one in counted(came) if one != "asked"]
    return outcome


def test_outside_the_schedule_nothing_is_earned() -> None:
    schedule = 'schedule: {from: 2026-11-24, until: 2026-11-26, weekdays: [tue], hours: "12:00-13:00"}'
    log = shop(f"a: {{{PAID}, {FIVE}, once_per: order, {schedule}}}")
    assert [reason(log, at_ms=at) for at in (NOON - 1, NOON, NOON + HOUR, NOON + DAY, NOON - 7 * DAY)] == [
        "not_scheduled", "granted", "not_scheduled", "not_scheduled", "not_scheduled",
    ]  # fmt: skip


def test_a_schedule_may_run_over_midnight() -> None:
    log = shop(f'a: {{{PAID}, {FIVE}, once_per: order, schedule: {{hours: "22:00-02:00"}}}}')
    ats = [NOON + hours * HOUR for hours in (9, 10, 13, 14)]
    assert [reason(log, at_ms=at) for at in ats] == ["not_scheduled", "granted", "granted", "not_scheduled"]


def test_the_clause_that_is_not_met_is_kept_for_who_asks() -> None:
    tags = ("upset: {keywords: {any_of: [投诉], within: 3d}}",)
    log = shop(f'a: {{{PAID}, {FIVE}, condition: {{all: [{{not: {{tag: upset}}}}, {{amount: {{at_least: "50.00"}}}}]}}}}', tags=tags)
    log.event(said("我要投诉", "m1"))
    assert reason(log) == "condition"
    assert log.earned().refused["tea/a"].detail == "not (has upset)"
    came = log.event(order("small", "paid", 1, 4_999), member=WEI)
    assert (words(came), log.earned(WEI).refused["tea/a"].detail) == ([], "an order of 50.00 CNY or more")
    assert words(log.event(order("big", "paid", 1, 5_000), member=WEI)) == ["granted 5.00 CNY"]


def test_a_first_order_is_one_without_others() -> None:
    log = shop(f"a: {{{PAID}, {FIVE}, once_per: order, condition: {{first_order: true}}}}")
    assert [reason(log), reason(log)] == ["granted", "condition"]


def test_a_channel_is_that_of_the_event_that_triggers() -> None:
    log = shop(f"a: {{{PAID}, {FIVE}, once_per: order, condition: {{channel: [app, store]}}}}")
    came = [log.event(order(f"o-{channel}", "paid", 1), channel=channel) for channel in ("app", "h5", None)]
    assert [words(one) for one in came] == [["granted 5.00 CNY"], [], []]
    assert log.earned().refused["tea/a"].detail == "by app or store"


def test_a_cooldown_holds_at_once_and_both_ways() -> None:
    log = shop(f"a: {{{PAID}, {FIVE}, once_per: order, cooldown: 6h}}")
    log.answering = False
    log.event(order("o1", "paid", 1), NOON)
    came = [log.event(order(f"p{hours}", "paid", 1), NOON + hours * HOUR) for hours in (5, -5, 6)]
    assert [words(one) for one in came] == [["refused cooldown"], ["refused cooldown"], []]


def test_nobody_has_more_than_a_rolling_cap_in_any_window_whatever_the_order() -> None:
    for hours in ([0, 1, 2, 23, 24, 25], [25, 24, 23, 2, 1, 0], [23, 0, 25, 2, 24, 1]):
        log = shop(f"a: {{{PAID}, {FIVE}, once_per: order, cap: [{{rewards: 2, within: 24h}}]}}")
        for number in hours:
            log.event(order(f"o{number}", "paid", 1), NOON + number * HOUR)
        had = [reward.time_ms for reward in log.earned().rewards.values()]
        assert all(len([other for other in had if 0 <= one // HOUR - other // HOUR < 24]) <= 2 for one in had)
        assert len(had) >= 3


def test_a_calendar_cap_begins_anew_with_the_day_of_the_rules_zone() -> None:
    log = shop(f"a: {{{PAID}, {FIVE}, once_per: order, cap: [{{rewards: 1, per: day}}]}}")
    assert [reason(log, at_ms=NOON + hours * HOUR) for hours in (0, 11, 12)] == ["granted", "cap", "granted"]


def test_what_is_asked_twice_is_asked_once() -> None:
    log = shop(f"a: {{{PAID}, {FIVE}, once_per: day}}")
    log.answering = False
    assert [counted(log.event(order(f"o{n}", "paid", 1))) for n in range(2)] == [["asked"], ["once"]]


def test_the_day_of_a_once_key_is_the_triggers_in_the_rules_zone() -> None:
    log = shop(f"a: {{{PAID}, {FIVE}, once_per: day}}")
    assert [reason(log, at_ms=NOON + hours * HOUR) for hours in (0, 11, 12)] == ["granted", "once", "granted"]


def test_who_is_held_out_is_decided_and_not_granted() -> None:
    log = shop(f"a: {{{PAID}, {FIVE}, once_per: order, cooldown: 1h, holdout: 50%}}")
    members = [bytes([number]) * 16 for number in range(40)]
    reasons = {member: reason(log, member=member) for member in members}
    assert set(reasons.values()) == {"granted", "holdout"}
    held = next(member for member in members if reasons[member] == "holdout")
    assert reason(log, member=held) == "cooldown"
    assert 8 <= list(reasons.values()).count("holdout") <= 32


def test_a_trigger_older_than_its_freshness_when_kafka_took_it_earns_nothing() -> None:
    log = shop(f"a: {{{PAID}, {FIVE}, once_per: order, freshness: 1h}}")
    assert [reason(log, at_ms=NOON - HOUR), reason(log, at_ms=NOON - HOUR - 1)] == ["granted", "stale"]


def test_without_consent_to_rewards_nothing_is_earned() -> None:
    log = shop(f"a: {{{PAID}, {FIVE}, once_per: order}}")
    log.event(**(states(1) | {"consent": states(1)["consent"].__class__(None, False, None, (), 1, NOON)}))
    assert reason(log) == "consent"


def test_a_paused_campaign_earns_nothing_and_its_rewards_stand() -> None:
    log = shop(f"a: {{{PAID}, {FIVE}, once_per: order}}")
    assert reason(log) == "granted"
    log.publish(campaigns(f"a: {{state: paused, trigger: {{event: order.paid}}, {FIVE}, once_per: order}}"))
    assert reason(log) == "paused"
    assert [reward.status for reward in log.earned().rewards.values()] == [1]


def test_a_shadow_decides_and_tells_the_crm_nothing() -> None:
    log = shop(f"a: {{state: shadow, trigger: {{event: order.paid}}, {FIVE}, once_per: order, cooldown: 1h}}")
    came = [log.event(order(f"o{n}", "paid", 1)) for n in range(2)]
    assert [(words(one), counted(one)) for one in came] == [([], ["shadow"]), ([], ["shadow_cooldown"])]
    log.publish(campaigns(f"a: {{{PAID}, {FIVE}, once_per: order, cooldown: 1h}}"))
    assert words(log.event(order("o9", "paid", 1))) == ["granted 5.00 CNY"]


def test_a_draft_is_not_there() -> None:
    log = shop(f"a: {{state: draft, trigger: {{event: order.paid}}, {FIVE}}}")
    came = log.event(order("o1", "paid", 1))
    assert (words(came), counted(came), log.remembered().rewards) == ([], [], b"")


# What triggers nothing


def test_a_copy_a_later_version_and_a_void_order_trigger_nothing() -> None:
    log = shop(f"a: {{{PAID}, {FIVE}, once_per: order}}")
    log.event(order("o1", "paid", 1), event_id="one")
    assert counted(log.event(order("o1", "paid", 1), event_id="two")) == []
    assert counted(log.event(order("o1", "paid", 2))) == []
    log.event(refund("o2", "r", 10_000))
    assert counted(log.event(order("o2", "paid", 1))) == []


def test_a_late_payment_triggers_as_it_counts() -> None:
    log = shop(f"a: {{{PAID}, {FIVE}, once_per: order}}")
    log.event(order("o1", "completed", 3))
    assert words(log.event(order("o1", "paid", 2))) == ["granted 5.00 CNY"]


def test_a_member_who_never_triggers_remembers_nothing_of_campaigns() -> None:
    log = shop(f"a: {{{PAID}, {FIVE}}}")
    log.event(click())
    assert (log.remembered().rewards, log.remembered().expires_ms) == (BrandState().rewards, 0)


def test_the_alliances_campaign_counts_each_brands_events_alone_and_has_one_budget() -> None:
    log = Shop()
    log.publish(campaigns(f'a: {{{PAID}, {FIVE}, once_per: order, budget: {{money: "5.00"}}}}', brand="alliance"))
    assert words(log.event(order("o1", "paid", 1), brand="silk")) == ["granted 5.00 CNY"]
    assert words(log.event(order("o2", "paid", 1), brand="tea")) == ["refused budget"]


def test_an_answer_that_comes_again_changes_nothing() -> None:
    log = shop(f"a: {{{PAID}, {FIVE}, once_per: order}}")
    log.event(order("o1", "paid", 1))
    before = log.earned()
    assert log.again(len(log.stage.log) - 1).words == ["replayed"]
    assert log.earned() == before


def test_what_becomes_of_a_trigger_does_not_depend_on_when_it_is_answered() -> None:
    rules = campaigns(f"a: {{{PAID}, {FIVE}, once_per: order, cap: [{{rewards: 2, within: 7d}}]}}")
    ends = []
    for answering in (True, False):
        log = Shop(answering=answering)
        log.publish(rules)
        for number in range(4):
            log.event(order(f"o{number}", "paid", 1), NOON + number * MINUTE)
        log.answering = True
        log.fold()
        ends.append({key: reward.status for key, reward in log.earned().rewards.items()})
    assert ends[0] == ends[1]
    assert list(ends[0].values()) == [1, 1]
