"""What is left: grants within the budget to the cent, by period; what is given back; what comes again."""

import pytest

from schemas.budgets import Ask, Budget, Cost, Limits, Redeemed, Returned, RewardAsk, Word
from schemas.envelope import Answer, Origin, RulesSet, decode
from schemas.fold import stamped_offset
from schemas.rules import encode
from streams.budgets import carried, cost_of, day_of, move
from tests.unit.one_campaign import Till, campaigns
from tests.unit.one_partition import DAY, HOUR, LIN, NOON

MEMBERS_ID = b"members".ljust(16, b".")
FIVE = 'reward: {coupon: {value: "5.00", currency: CNY, valid_for: 7d}}'


class Counter:
    """Where budgets are asked: each ask comes from the next record of members."""

    def __init__(self, *, partition: int = 0) -> None:
        self.till, self.partition, self.asked = Till(), partition, 0

    def tell(self, word: Word, *, offset: int | None = None, index: int = 0, campaign: str = "tea/a") -> list[str | None]:
        """Tell, and give what the member hears: None = granted."""
        here = self.asked if offset is None else offset
        self.asked += offset is None
        self.till.append(Ask(Origin(MEMBERS_ID, self.partition, here), index, campaign, word), NOON)
        answers = [decode(effect.value or b"") for effect in self.till.fold()]
        return [answer.refused for answer in answers if isinstance(answer, Answer)]

    def ask(self, name: str, amount: int = 500, *, at_ms: int = NOON, version: int = 1, limits: Limits = Limits(1_000)) -> str | None:  # noqa: B008
        (refused,) = self.tell(RewardAsk(version, reward(name), "tea", LIN, amount, at_ms, True, limits))
        return refused

    @property
    def cost(self) -> tuple[int, int, int]:
        total = self.till.budget("tea/a").total
        return total.reserved_minor, total.spent_minor, total.grants


def reward(name: str) -> bytes:
    return name.encode().ljust(15, b".")


def test_grants_go_to_the_budget_and_not_a_cent_beyond() -> None:
    counter = Counter()
    assert [counter.ask(name) for name in "abc"] == [None, None, "budget"]
    assert counter.cost == (1_000, 0, 2)


def test_what_is_left_may_cover_a_smaller_reward() -> None:
    counter = Counter()
    asked = [counter.ask("a", 700), counter.ask("b", 400), counter.ask("c", 300), counter.ask("d", 1)]
    assert asked == [None, "budget", None, "budget"]
    assert counter.cost == (1_000, 0, 2)


def test_so_many_grants_and_no_more() -> None:
    counter = Counter()
    assert [counter.ask(name, limits=Limits(None, 2)) for name in "abc"] == [None, None, "budget"]


def test_without_limits_everybody_has_it() -> None:
    counter = Counter()
    assert {counter.ask(name, limits=Limits()) for name in "abcdefgh"} == {None}


def test_an_id_is_granted_once_for_good_and_a_refusal_uses_up_none() -> None:
    counter = Counter()
    assert [counter.ask("a"), counter.ask("a")] == [None, "once"]
    counter.tell(Returned(reward("a"), 500, True))
    assert counter.ask("a") == "once"
    assert [counter.ask("b"), counter.ask("c"), counter.ask("d")] == [None, None, "budget"]
    counter.tell(Returned(reward("b"), 500, True))
    assert counter.ask("d") is None


def test_what_comes_again_is_dropped_and_not_answered() -> None:
    counter = Counter()
    ask = RewardAsk(1, reward("a"), "tea", LIN, 500, NOON, True, Limits(1_000))
    assert counter.tell(ask, offset=7, index=1) == [None]
    for offset, index in ((7, 1), (7, 0), (6, 5)):
        assert counter.tell(ask, offset=offset, index=index) == []
    assert counter.tell(Returned(reward("a"), 500, True), offset=7, index=2) == []
    assert counter.tell(Returned(reward("a"), 500, True), offset=7, index=2) == []
    assert counter.cost == (0, 0, 0)


def test_each_partition_of_members_has_its_own_mark() -> None:
    counter = Counter()
    assert counter.ask("a") is None
    counter.partition, counter.asked = 1, 0
    assert counter.ask("b") is None


def test_redeemed_is_spent_and_what_is_given_back_is_left() -> None:
    counter = Counter()
    counter.ask("a")
    counter.ask("b")
    counter.tell(Redeemed(reward("a")))
    assert counter.cost == (500, 500, 2)
    counter.tell(Returned(reward("b"), 200, False))
    assert counter.cost == (300, 500, 2)
    counter.tell(Returned(reward("b"), 300, True))
    assert counter.cost == (0, 500, 1)


def test_no_more_is_given_back_than_stands() -> None:
    counter = Counter()
    counter.ask("a")
    for _ in range(3):
        counter.tell(Returned(reward("a"), 400, True))
    assert counter.cost == (0, 0, 0)


def test_points_count_as_grants_and_cost_no_money() -> None:
    counter = Counter()
    words = [RewardAsk(1, reward(name), "tea", LIN, 100, NOON, False, Limits(None, 1)) for name in "ab"]
    assert [counter.tell(word) for word in words] == [[None], ["budget"]]
    assert counter.cost == (0, 0, 1)


@pytest.mark.parametrize(
    ("period", "inside", "outside"), [("day", 11 * HOUR, 12 * HOUR), ("week", 5 * DAY, 6 * DAY), ("month", 6 * DAY, 7 * DAY)]
)
def test_a_period_begins_anew_by_the_triggers_time_in_the_rules_zone(period: str, inside: int, outside: int) -> None:
    counter, limits = Counter(), Limits(500, None, period, "Asia/Shanghai")
    asked = [counter.ask(name, at_ms=NOON + after, limits=limits) for name, after in (("a", 0), ("b", inside), ("c", outside), ("d", 0))]
    assert asked == [None, "budget", None, "budget"]


def test_a_period_that_is_changed_forgets_nothing() -> None:
    counter = Counter()
    counter.ask("a", limits=Limits(500, None, "day"))
    counter.ask("b", at_ms=NOON + DAY, limits=Limits(500, None, "day"))
    assert counter.ask("c", at_ms=NOON + 2 * DAY, version=2, limits=Limits(1_400)) == "budget"
    assert counter.ask("d", at_ms=NOON + 2 * DAY, version=3, limits=Limits(1_500)) is None


def begun_anew(counter: Counter, position: int, *, other: bool) -> None:
    """Begin the partition anew, as ``huiliu reset`` does; it holds what comes from then on."""
    till = counter.till
    kept = {key: carried(key, packed, position, other) for key, packed in till.table.items()}
    till.table = {key: packed for key, packed in kept.items() if packed is not None}
    assert all(stamped_offset(packed) < position for packed in till.table.values())
    if other:
        till.log, till.folded = [], 0


@pytest.mark.parametrize(("position", "other"), [(0, True), (9, True), (9, False)])
def test_what_was_spent_is_known_in_a_log_that_was_made_again_or_lost_its_beginning(position: int, other: bool) -> None:
    counter = Counter()
    assert [counter.ask("a"), counter.ask("b")] == [None, None]
    begun_anew(counter, position, other=other)
    assert counter.cost == (1_000, 0, 2)
    assert [counter.ask("a"), counter.ask("c")] == ["once", "budget"]


def test_a_whole_log_is_folded_again_from_nothing() -> None:
    counter = Counter()
    counter.ask("a")
    begun_anew(counter, 0, other=False)
    assert counter.till.table == {}


# Rules


def publish(counter: Counter, version: int, state: str = "live", money: str = "10.00") -> None:
    rules = campaigns(f'a: {{state: {state}, trigger: {{event: order.paid}}, {FIVE}, budget: {{money: "{money}"}}}}')
    counter.till.append(RulesSet("tea", version, encode(rules)), NOON)
    counter.till.fold()


def test_a_publish_raises_and_lowers_and_what_is_lowered_below_its_cost_grants_nothing() -> None:
    counter = Counter()
    counter.ask("a")
    counter.ask("b")
    publish(counter, 2, money="15.00")
    assert [counter.ask("c"), counter.ask("d")] == [None, "budget"]
    publish(counter, 3, money="5.00")
    counter.tell(Returned(reward("a"), 500, True))
    assert counter.ask("e") == "budget"
    assert counter.cost == (1_000, 0, 2)


def test_an_ask_under_an_older_version_is_held_to_the_newer_limits() -> None:
    counter = Counter()
    publish(counter, 2, money="5.00")
    assert [counter.ask("a"), counter.ask("b")] == [None, "budget"]


def test_an_ask_that_overtakes_its_rule_record_brings_the_limits_along() -> None:
    counter = Counter()
    publish(counter, 1, money="5.00")
    assert [counter.ask(name, version=2, limits=Limits(1_500)) for name in "abcd"] == [None, None, None, "budget"]


@pytest.mark.parametrize(
    ("state", "reason"), [("paused", "paused"), ("ended", "not_scheduled"), ("shadow", "not_scheduled"), ("draft", "not_scheduled")]
)
def test_a_campaign_that_is_not_live_grants_nothing(state: str, reason: str) -> None:
    counter = Counter()
    publish(counter, 2, state)
    assert counter.ask("a") == reason
    publish(counter, 3)
    assert counter.ask("a") is None


def test_a_campaign_that_is_no_longer_written_grants_nothing() -> None:
    counter = Counter()
    counter.ask("a")
    counter.till.append(RulesSet("tea", 2, None), NOON)
    counter.till.fold()
    assert counter.ask("b") == "not_scheduled"


def test_another_owners_rules_change_nothing() -> None:
    counter = Counter()
    counter.ask("a")
    counter.till.append(RulesSet("te", 9, None), NOON)
    counter.till.fold()
    assert counter.ask("b") is None


def test_days_of_a_year_and_more_are_kept_and_older_ones_stay_in_the_total() -> None:
    budget = Budget(limits=Limits(None, None, "day"))
    for day in range(500):
        move(budget, day, 1, 0, 1)
    assert (budget.total, len(budget.days), cost_of(budget, 499)) == (Cost(500, 0, 500), 420, Cost(1, 0, 1))
    move(budget, 3, -1, 0, -1)
    assert (budget.total, len(budget.days)) == (Cost(499, 0, 499), 420)


def test_a_day_is_that_of_the_zone() -> None:
    assert day_of(Limits(timezone="Asia/Shanghai"), NOON + 12 * HOUR) == day_of(Limits(), NOON + 12 * HOUR) + 1
