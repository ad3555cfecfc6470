"""What takes a reward back: cancels, refunds in whole and in part, recalls, expiry, the end of a campaign; and coupons."""

import pytest

from schemas.crm import RewardRefused, RewardReversed
from schemas.envelope import Coupon, Happened, Origin, RefundLine, ShareTold, encode
from schemas.scalars import instant_text
from streams.undoing import shares
from tests.unit.one_campaign import Shop, campaigns, told, words
from tests.unit.one_partition import DAY, HOUR, LIN, NOON, Log, click, line, order, recall, refund, ruleset, said, share

FIVE = 'reward: {coupon: {value: "5.00", currency: CNY, valid_for: 7d}}'
PAID = "state: live, trigger: {event: order.paid}, once_per: order"
LINES = (line("1", "tea"), line("2", "tea", 2), line("3", "tea"))


def shop(*lines: str, tags: tuple[str, ...] = ()) -> Shop:
    made = Shop()
    made.publish(campaigns(*lines, tags=tags))
    return made


def cost(log: Shop, campaign: str = "tea/a") -> tuple[int, int, int]:
    total = log.till.budget(campaign).total
    return total.reserved_minor, total.spent_minor, total.grants


@pytest.mark.parametrize("undoing", [order("o", "cancelled", 3), refund("o", "r", 10_000), refund("o", "r", 1)])
def test_a_cancel_or_a_refund_takes_the_coupon_back_and_the_budget_has_it_again(undoing: object) -> None:
    log = shop(f"a: {{{PAID}, {FIVE}}}")
    log.event(order("o", "paid", 1))
    assert cost(log) == (500, 0, 1)
    came = log.event(undoing, event_id="undoing")  # type: ignore[arg-type]
    (back,) = told(came)
    assert isinstance(back, RewardReversed)
    assert (back.amount, back.reason.value, back.cause) == ("5.00", "cancelled" if "cancelled" in str(undoing) else "refunded", "undoing")
    assert cost(log) == (0, 0, 0)
    assert words(log.event(order("o", "cancelled", 9))) == []


@pytest.mark.parametrize("facts", [(order("o", "paid", 1), refund("o", "r", 10_000)), (refund("o", "r", 10_000), order("o", "paid", 1))])
def test_whatever_the_order_of_arrival_nothing_stands(facts: tuple[object, object]) -> None:
    log = shop(f"a: {{{PAID}, {FIVE}}}")
    for one in facts:
        log.event(one)  # type: ignore[arg-type]
    assert [reward.status for reward in log.earned().rewards.values()] in ([], [4])
    assert "tea/a" not in str(log.till.table) or cost(log) == (0, 0, 0)


def test_a_refund_before_the_answer_waits_for_it() -> None:
    log = shop(f"a: {{{PAID}, {FIVE}}}")
    log.answering = False
    assert words(log.event(order("o", "paid", 1))) == []
    assert words(log.event(order("o", "cancelled", 2))) == []
    log.answering = True
    assert words(log.fold()) == ["granted 5.00 CNY", "reversed 5.00 cancelled"]
    assert cost(log) == (0, 0, 0)


def test_a_partial_refund_before_its_order_is_taken_off_at_once() -> None:
    log = shop(f"a: {{{PAID}, {FIVE}, undo: {{mode: pro_rata}}}}")
    log.event(refund("o", "r", 5_000))
    assert words(log.event(order("o", "paid", 1))) == ["granted 5.00 CNY", "reversed 2.50 refunded"]
    assert cost(log) == (250, 0, 1)


def test_pro_rata_goes_by_lines_to_the_cent_and_all_of_it_is_all() -> None:
    log = shop(f"a: {{{PAID}, {FIVE}, undo: {{mode: pro_rata}}}}")
    log.event(order("o", "paid", 1, 3_000, lines=LINES))
    assert shares(500, [1_000, 1_000, 1_000]) == [167, 167, 166]
    took = [
        words(log.event(refund("o", "r1", 1_000, lines=(RefundLine("1", 1, 1_000),)))),
        words(log.event(refund("o", "r2", 500, lines=(RefundLine("2", 1, 500),)))),
        words(log.event(refund("o", "r3", 500, lines=(RefundLine("2", 1, 500),)))),
        words(log.event(refund("o", "r4", 1_000, lines=(RefundLine("3", 1, 1_000),), total=3_000))),
    ]
    assert took == [["reversed 1.67 refunded"], ["reversed 0.83 refunded"], ["reversed 0.84 refunded"], ["reversed 1.66 refunded"]]
    assert cost(log) == (0, 0, 0)


def test_what_is_not_asked_to_be_undone_stands() -> None:
    log = shop(f"a: {{{PAID}, {FIVE}, undo: {{mode: none}}}}", f"b: {{{PAID}, {FIVE}, undo: {{on: order.cancelled}}}}")
    log.event(order("o", "paid", 1))
    assert words(log.event(refund("o", "r", 10_000))) == []


def test_a_key_that_was_used_is_not_earned_with_again() -> None:
    log = shop(f"a: {{state: live, trigger: {{event: order.paid}}, once_per: day, {FIVE}}}")
    log.event(order("o1", "paid", 1))
    log.event(order("o1", "cancelled", 2))
    assert words(log.event(order("o2", "paid", 1))) == []
    assert log.earned().refused["tea/a"].reason == "once"


def test_a_cap_and_a_cooldown_are_given_back() -> None:
    log = shop(f"a: {{{PAID}, {FIVE}, cooldown: 6h, cap: [{{rewards: 1, within: 7d}}]}}")
    log.event(order("o1", "paid", 1))
    assert words(log.event(order("o2", "paid", 1))) == ["refused cooldown"]
    log.event(order("o1", "cancelled", 2))
    assert words(log.event(order("o3", "paid", 1))) == ["granted 5.00 CNY"]


def test_a_streak_goes_on_without_the_order_that_was_refunded() -> None:
    log = shop(f"a: {{state: live, trigger: {{streak: {{events: order.paid, count: 2, within: 7d}}}}, once_per: order, {FIVE}}}")
    came = [
        log.event(order("o1", "paid", 1)),
        log.event(order("o2", "paid", 1)),
        log.event(refund("o1", "r", 10_000)),
        log.event(order("o3", "paid", 1)),
    ]
    assert [words(one) for one in came] == [["1 of 2"], ["granted 5.00 CNY"], ["reversed 5.00 refunded"], ["granted 5.00 CNY"]]


def test_a_recalled_message_takes_back_what_it_earned_and_one_recalled_before_earns_nothing() -> None:
    log = shop(f"a: {{state: live, trigger: {{event: chat.in}}, once_per: day, {FIVE}}}")
    log.event(said("hello", "m1"))
    assert words(log.event(recall("m2", "m1"))) == ["reversed 5.00 recalled"]
    log.event(recall("m4", "m3"), NOON + DAY)
    assert words(log.event(said("hello", "m3"), NOON + DAY)) == []


def test_a_tag_that_goes_with_its_order_takes_back_what_it_earned() -> None:
    tags = ("regular: {count: {events: order.paid, within: 90d, at_least: 2}}",)
    log = shop(f"a: {{state: live, trigger: {{tag_entered: regular}}, {FIVE}}}", tags=tags)
    log.event(order("o1", "paid", 1))
    assert words(log.event(order("o2", "paid", 1))) == ["granted 5.00 CNY"]
    assert words(log.event(order("o1", "cancelled", 2))) == ["reversed 5.00 cancelled"]


# Coupons


def bought() -> tuple[Shop, str, str]:
    """A shop, and the id and code of the coupon that an order earned."""
    log = shop(f"a: {{{PAID}, {FIVE}}}")
    (granted,) = told(log.event(order("o", "paid", 1)))
    return log, granted.reward_id, granted.coupon_code


@pytest.mark.parametrize("by_code", [True, False])
def test_a_coupon_that_is_redeemed_is_spent(by_code: bool) -> None:
    log, reward_id, code = bought()
    named = Coupon("redeemed", None, code) if by_code else Coupon("redeemed", reward_id)
    assert words(log.event(named, NOON + HOUR)) == []
    assert cost(log) == (0, 500, 1)


def test_a_coupon_expires_by_the_clock_and_its_money_is_left_again() -> None:
    log, _, _ = bought()
    assert words(log.tick(NOON + 7 * DAY - 1)) == []
    came = log.tick(NOON + 7 * DAY)
    assert words(came) == ["reversed 5.00 expired"]
    assert told(came)[0].at == instant_text(NOON + 7 * DAY)
    assert cost(log) == (0, 0, 0)
    assert words(log.tick(NOON + 8 * DAY)) == []


def test_points_that_expire_leave_the_balance() -> None:
    log = shop(f"a: {{{PAID}, reward: {{points: {{amount: 100, valid_for: 1d}}}}}}")
    log.event(order("o", "paid", 1))
    assert log.earned().points == 100
    assert words(log.tick(NOON + DAY)) == ["reversed 100 expired"]
    assert (log.earned().points, [entry.points for entry in log.earned().ledger]) == (0, [100, -100])


def test_what_was_redeemed_becomes_a_negative_entry_and_its_money_stays_spent() -> None:
    log, reward_id, _ = bought()
    log.event(Coupon("redeemed", reward_id))
    assert words(log.event(order("o", "cancelled", 2))) == ["reversed -5.00 cancelled"]
    assert cost(log) == (0, 500, 1)
    assert [reward.owed for reward in log.earned().rewards.values()] == [500]


def test_a_redemption_that_is_none_is_answered() -> None:
    log, reward_id, code = bought()

    def answer(coupon: Coupon, at_ms: int = NOON) -> str:
        *_, refused = told(log.event(coupon, at_ms))
        assert isinstance(refused, RewardRefused)
        return refused.reason.value

    assert answer(Coupon("redeemed", "r-of-somebody-else")) == "coupon_unknown"
    assert answer(Coupon("redeemed", None, "AAAABBBBCCCCDDDD")) == "coupon_unknown"
    assert answer(Coupon("redeemed", reward_id), NOON + 8 * DAY) == "coupon_expired"
    log, reward_id, code = bought()
    log.event(Coupon("redeemed", None, code))
    assert answer(Coupon("redeemed", None, code)) == "coupon_redeemed"
    log, reward_id, code = bought()
    log.event(order("o", "cancelled", 2))
    assert answer(Coupon("redeemed", reward_id)) == "coupon_reversed"


def test_a_brand_without_campaigns_may_redeem_coupons_of_its_own() -> None:
    log = Log()
    assert log.event(Coupon("redeemed", "r1")).words == ["enriched"]


# The end


def test_a_campaign_that_ends_takes_back_what_is_open_and_nothing_else() -> None:
    log = shop(f"a: {{{PAID}, {FIVE}}}")
    (first, _) = [told(log.event(order(f"o{n}", "paid", 1)))[0] for n in range(2)]
    log.event(Coupon("redeemed", first.reward_id))
    came = log.publish(campaigns(f"a: {{state: ended, trigger: {{event: order.paid}}, once_per: order, {FIVE}}}"))
    assert words(came) == ["reversed 5.00 ended"]
    log.fold()
    assert cost(log) == (0, 500, 1)
    assert words(log.event(order("o9", "paid", 1))) == []


def test_grants_keep_the_terms_that_they_were_made_under() -> None:
    log = shop(f"a: {{{PAID}, {FIVE}, undo: {{mode: none}}}}")
    log.event(order("o", "paid", 1))
    log.publish(campaigns(f"a: {{{PAID}, {FIVE}, undo: {{mode: full}}}}"))
    assert words(log.event(order("o", "cancelled", 2))) == []
    assert [reward.version for reward in log.earned().rewards.values()] == [1]


def test_events_that_are_no_causes_take_nothing_back() -> None:
    log, _, _ = bought()
    assert words(log.event(share())) + words(log.event(click())) + words(log.event(order("other", "cancelled", 1))) == []


# What shares bring


def told_of(was: Happened | None, now: Happened | None, *, order_id: str = "o", depth: int = 1, number: int = 0) -> ShareTold:
    """What a share tells its sharer, as its record *number*."""
    origin = Origin(b"shares".ljust(16, b"."), 0, number)
    return ShareTold(origin, 0, "tea", "s1", order_id, b"deed", depth, True, None, None, was, now)


def hear(log: Shop, told: ShareTold) -> list[str]:
    log.stage.append(LIN, encode(told), log.now_ms)
    return words(log.fold())


def sharer(*lines: str) -> Shop:
    """A shop with a member who shared."""
    log = shop(*lines)
    log.event(share("s1"))
    return log


BOUGHT = Happened(NOON, NOON, "buyers-event", "CNY", 10_000)
FOR_SHARERS = "state: live, trigger: {event: share.ordered}, once_per: order"


def test_who_shared_earns_by_the_order_that_it_brought_and_loses_it_with_the_order() -> None:
    log = sharer(f'a: {{{FOR_SHARERS}, {FIVE}, condition: {{amount: {{at_least: "100.00"}}}}}}')
    assert hear(log, told_of(None, BOUGHT)) == ["granted 5.00 CNY"]
    assert hear(log, told_of(BOUGHT, None, number=1)) == ["reversed 5.00 taken_back"]
    assert cost(log) == (0, 0, 0)


def test_a_visit_earns_once_a_share() -> None:
    log = sharer(f"a: {{state: live, trigger: {{event: share.visited}}, once_per: share, {FIVE}}}")
    visit = Happened(NOON, NOON, "visitors-event")
    assert hear(log, told_of(None, visit, order_id="")) == ["granted 5.00 CNY"]
    assert log.earned().rewards
    assert hear(log, told_of(None, visit, order_id="", number=0)) == []


@pytest.mark.parametrize(("mode", "back"), [("full", "5.00"), ("pro_rata", "1.25"), ("none", None)])
def test_a_part_that_the_buyer_returns_is_taken_back_of_the_sharers_reward_as_the_campaign_says(mode: str, back: str | None) -> None:
    log = sharer(f"a: {{{FOR_SHARERS}, {FIVE}, undo: {{mode: {mode}}}}}")
    hear(log, told_of(None, BOUGHT))
    returned = Happened(NOON, NOON, "buyers-event", "CNY", 10_000, 2_500)
    assert hear(log, told_of(BOUGHT, returned, number=1)) == ([f"reversed {back} refunded"] if back else [])
    early = sharer(f"a: {{{FOR_SHARERS}, {FIVE}, undo: {{mode: {mode}}}}}")
    assert hear(early, told_of(None, returned)) == ["granted 5.00 CNY", *([f"reversed {back} refunded"] if back else [])]


@pytest.mark.parametrize(("depth", "earns"), [(1, []), (2, ["granted 5.00 CNY"])])
def test_the_second_sharer_earns_only_where_it_is_said(depth: int, earns: list[str]) -> None:
    log = Shop()
    log.publish(ruleset(f"brand: tea\nsharing: {{depth: 2}}\ncampaigns:\n  a: {{{FOR_SHARERS}, {FIVE}, depth: {depth}}}"))
    log.event(share("s1"))
    assert hear(log, told_of(None, BOUGHT, depth=2)) == earns
