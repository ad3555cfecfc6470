"""Money and grants under whatever comes: budgets to the cent, caps, interleavings, refunds, batches."""

from random import Random
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.budgets import Ask, Cost, Limits, Redeemed, Returned, RewardAsk, Word, unpack_grant
from schemas.decisions import Rewarded
from schemas.envelope import Answer, Facts, Origin, decode
from schemas.rewards import ASKED, EXPIRED, GRANTED, HELD, REDEEMED
from tests.property.pipeline import Stage
from tests.unit.one_campaign import Shop, Till, campaigns
from tests.unit.one_partition import DAY, HOUR, LIN, MINUTE, NOON, WEI, click, coupon, order, refund, share

SEEDS: Final = st.integers(0, 2**32)
FIVE: Final = 'reward: {coupon: {value: "5.00", currency: CNY, valid_for: 7d}}'
MEMBERS_ID: Final = b"members".ljust(16, b".")


def costs(till: Till) -> list[Cost]:
    budget = till.budget("tea/a")
    return [budget.total, *budget.days.values()]


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_at_every_moment_reserved_and_spent_are_within_the_budget_and_what_stands_adds_up(seed: int) -> None:
    random, till = Random(seed), Till()
    limits = Limits(random.randrange(500, 5_000), random.choice([None, 7]), random.choice(["none", "day", "week"]), "Asia/Shanghai")
    told: list[Ask] = []
    for offset in range(120):
        if told and random.random() < 0.2:
            till.append(random.choice(told), NOON)  # a replay
        reward_id = b"%015d" % random.randrange(40)
        amount = random.choice([100, 250, 500])
        at_ms = NOON + random.randrange(3 * DAY)
        ask: Word = RewardAsk(1, reward_id, "tea", LIN, amount, at_ms, True, limits)
        words: list[Word] = [ask, ask, ask, Redeemed(reward_id), Returned(reward_id, amount, random.random() < 0.5)]
        word = random.choice(words)
        told.append(Ask(Origin(MEMBERS_ID, random.randrange(2), offset), 0, "tea/a", word))
        till.append(told[-1], NOON)
        till.fold()
        budget = till.budget("tea/a")
        for cost in costs(till):
            assert min(cost.reserved_minor, cost.spent_minor, cost.grants) >= 0
        bounded = [budget.total] if limits.period == "none" else list(budget.days.values()) if limits.period == "day" else []
        for cost in bounded:
            assert cost.reserved_minor + cost.spent_minor <= (limits.money_minor or 0)
            assert limits.grants is None or cost.grants <= limits.grants
        grants = [unpack_grant(packed) for key, packed in till.table.items() if key.startswith(b"g")]
        assert sum(grant.amount_minor for grant in grants) == budget.total.reserved_minor + budget.total.spent_minor
        assert sum(grant.amount_minor for grant in grants if grant.spent) == budget.total.spent_minor
        assert sum(grant.counted for grant in grants) == budget.total.grants


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_with_enough_demand_all_of_the_budget_is_granted(seed: int) -> None:
    random, till = Random(seed), Till()
    limits = Limits(500 * random.randrange(1, 12))
    answers = []
    for offset in range(40):
        ask = RewardAsk(1, b"%015d" % offset, "tea", LIN, 500, NOON, True, limits)
        till.append(Ask(Origin(MEMBERS_ID, 0, offset), 0, "tea/a", ask), NOON)
        answers += [decode(effect.value or b"") for effect in till.fold()]
    assert till.budget("tea/a").total.reserved_minor == limits.money_minor
    assert sum(isinstance(answer, Answer) and answer.refused is None for answer in answers) * 500 == limits.money_minor


def life(random: Random, name: str, count: int) -> list[tuple[Facts, int]]:
    """What one member does, in the order in which it is told: mostly, not always, in the order of time."""
    found: list[tuple[Facts, int]] = []
    for number in range(count):
        at_ms = NOON + number * HOUR + random.randrange(3 * HOUR)
        deeds: list[Facts] = [order(f"{name}{number}", "paid", 1), share(f"{name}{number}"), click()]
        found.append((random.choice(deeds), at_ms))
    return found


CAPPED: Final = campaigns(
    f"a: {{state: live, trigger: {{event: order.paid}}, once_per: order, cooldown: 2h, cap: [{{rewards: 2, within: 12h}}], {FIVE}}}",
    f"b: {{state: live, trigger: {{streak: {{events: share, count: 2, within: 6h}}}}, once_per: day, freshness: 1d, {FIVE}}}",
    "c: {state: live, trigger: {event: click}, once_per: day, holdout: 30%, cap: [{rewards: 1, per: week}], reward: {points: 3}}",
)


def grants(log: Shop, member: bytes) -> dict[str, list[tuple[int, int, str]]]:
    found: dict[str, list[tuple[int, int, str]]] = {}
    for reward in log.earned(member).rewards.values():
        found.setdefault(reward.campaign, []).append((reward.time_ms, reward.status, reward.trigger))
    return {campaign: sorted(rewards) for campaign, rewards in found.items()}


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_however_members_are_interleaved_answered_and_repeated_each_has_the_same_and_none_beyond_the_cap(seed: int) -> None:
    random = Random(seed)
    lives = {LIN: life(random, "lin", 14), WEI: life(random, "wei", 14)}
    ends = []
    for _ in range(3):
        log, left = Shop(now_ms=NOON + 20 * HOUR), {member: list(deeds) for member, deeds in lives.items()}
        log.publish(CAPPED)
        while any(left.values()):
            member = random.choice([member for member, deeds in left.items() if deeds])
            facts, at_ms = left[member].pop(0)
            log.answering = random.random() < 0.5
            log.event(facts, at_ms, member=member, event_id=f"{member.decode()}-{len(left[member])}")
            if random.random() < 0.2:
                log.again(random.randrange(len(log.stage.log)))
        log.answering = True
        log.fold()
        ends.append({member: grants(log, member) for member in lives})
    assert ends[0] == ends[1] == ends[2]
    assert any(ends[0].values())
    for member in lives:
        had = [at_ms for at_ms, status, _ in ends[0][member].get("tea/a", []) if status in (ASKED, GRANTED, REDEEMED, EXPIRED, HELD)]
        assert all(sum(0 <= one // HOUR - other // HOUR < 12 for other in had) <= 2 for one in had)
        assert all(abs(one - other) >= 2 * HOUR for one in had for other in had if one != other)


SIMPLE: Final = campaigns(
    f"a: {{state: live, trigger: {{event: order.paid}}, once_per: order, {FIVE}}}",
    "b: {state: live, trigger: {event: order.placed}, once_per: order, reward: {points: 7}, undo: {mode: pro_rata}}",
)


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_an_order_that_is_refunded_or_cancelled_whenever_leaves_what_would_be_had_it_never_been(seed: int) -> None:
    random = Random(seed)
    kept = [f"k{number}" for number in range(3)]
    gone = [f"g{number}" for number in range(4)]
    facts: list[Facts] = [one for name in kept + gone for one in (order(name, "placed", 1), order(name, "paid", 2))]
    facts += [random.choice([refund(name, f"r-{name}", 10_000), order(name, "cancelled", 3)]) for name in gone]
    random.shuffle(facts)
    with_all, without = Shop(), Shop()
    for log, wanted in ((with_all, facts), (without, [one for one in facts if getattr(one, "order_id", "") in kept])):
        log.publish(SIMPLE)
        for one in wanted:
            log.answering = random.random() < 0.5
            log.event(one)
        log.answering = True
        log.fold()
    assert standing(with_all) == standing(without)
    assert with_all.earned().points == without.earned().points == 7 * len(kept)
    assert with_all.till.budget("tea/a").total == without.till.budget("tea/a").total == Cost(500 * len(kept), 0, len(kept))


def standing(log: Shop) -> dict[bytes, tuple[str, int]]:
    return {key: (one.campaign, one.value) for key, one in log.earned().rewards.items() if one.status == GRANTED}


@settings(max_examples=15, deadline=None)
@given(SEEDS)
def test_batches_of_any_size_decide_the_same_and_leave_the_same_states(seed: int) -> None:
    random = Random(seed)
    log = Shop(now_ms=NOON + 20 * HOUR)
    log.publish(CAPPED)
    for facts, at_ms in life(random, "lin", 25):
        log.event(facts, at_ms, member=random.choice([LIN, WEI]))
    for key in list(log.earned().rewards)[:2]:
        log.event(coupon("redeemed", key.hex()))
    log.tick(NOON + 9 * DAY)
    sizes: list[int] = []
    while sum(sizes) < len(log.stage.log):
        sizes.append(random.choice([1, 2, 5, 30]))
    copy = Stage(0, log.stage.log)
    copy.fold(sizes)
    assert (copy.decisions, copy.table) == (log.stage.decisions, log.stage.table)
    assert any(isinstance(one, Rewarded) for one in copy.decisions)


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_a_publish_in_mid_run_never_lets_more_be_granted_than_the_highest_budget(seed: int) -> None:
    random, log, highest = Random(seed), Shop(), 0
    for number in range(40):
        if number % 10 == 0:
            money = 500 * random.randrange(1, 9)
            highest = max(highest, money)
            budget = f'budget: {{money: "{money / 100:.2f}"}}'
            log.publish(campaigns(f"a: {{state: live, trigger: {{event: order.paid}}, once_per: order, {budget}, {FIVE}}}"))
        log.event(order(f"o{number}", "paid", 1), NOON + number * MINUTE, member=random.choice([LIN, WEI]))
        assert log.till.budget("tea/a").total.reserved_minor <= highest
