"""Bugs that are planted where money is decided: campaigns, budgets, undo, shares."""

from collections.abc import Mapping
from typing import Any

from schemas import topics
from schemas.budgets import Budget, Grant, RewardAsk
from schemas.fold import Home
from schemas.rewards import ASKED, ON_CANCEL, ON_REFUND, Earned, Reversal
from schemas.shares import Deed, Refusal, Share
from streams import budgets, campaigns, member, shares, shares_fold, undoing
from streams.budgets import BudgetsFold
from streams.rewarding import Voice
from streams.shares_fold import SharesFold
from tests.torture.planting import bug, put


def _forget_at_restore(fold: Any) -> None:
    restore = fold.restore

    def emptied(self: Any, home: Home, states: Mapping[bytes, bytes], clock_ms: int) -> None:
        restore(self, home, {}, clock_ms)

    put(fold, "restore", emptied)


# Campaigns and money


@bug("budget decided in members")
def _() -> None:
    decide = BudgetsFold._decide  # noqa: SLF001
    apart: dict[tuple[str, int], Budget] = {}

    def decided(self: BudgetsFold, budget: Budget, campaign: str, ask: RewardAsk, offset: int) -> None:
        """Decide by what the members of this one partition were granted."""
        own = apart.setdefault((campaign, topics.member_partition(ask.member, self.home.partitions)), Budget(budget.version, budget.limits))
        before = own.total.grants
        decide(self, own, campaign, ask, offset)
        if own.total.grants > before:
            budgets.move(budget, budgets.day_of(own.limits, ask.at_ms), ask.amount_minor if ask.lasting else 0, 0, 1)

    put(BudgetsFold, "_decide", decided)


@bug("grant without once-key")
def _() -> None:
    put(campaigns, "once_key", lambda _, trigger: trigger.id)


@bug("release twice")
def _() -> None:
    give_back = budgets.give_back

    def twice(budget: Budget, grant: Grant, amount_minor: int, whole: bool) -> None:
        amount_minor = min(amount_minor, grant.amount_minor)
        give_back(budget, grant, amount_minor, whole)
        budgets.move(budget, grant.day, -amount_minor, 0, 0)

    put(budgets, "give_back", twice)


@bug("undo by order id alone")
def _() -> None:
    def undo_order(earned: Earned, voice: Voice, order: Any, cause: bytes, event: str) -> None:
        undoing.undo_cause(earned, voice, cause, ON_CANCEL | ON_REFUND, Reversal.REFUNDED, event)

    put(undoing, "undo_order", undo_order)


@bug("cap in processing time")
def _() -> None:
    put(campaigns, "over", lambda cap, _offer, had, _t_ms: len(had) >= cap.rewards)


@bug("a refund that comes before the answer of budgets is forgotten", odd=("shuffled by an hour",))
def _() -> None:
    take_back = undoing.take_back

    def at_once(earned: Earned, voice: Voice, reward_id: bytes, target: int, reason: Reversal, cause: str) -> None:
        if earned.rewards[reward_id].status != ASKED:
            take_back(earned, voice, reward_id, target, reason, cause)

    put(undoing, "take_back", at_once)


@bug("budgets begin anew on restore", "kill budgets", "kill budgets")
def _() -> None:
    _forget_at_restore(BudgetsFold)


@bug("what is redeemed stays reserved")
def _() -> None:
    put(budgets, "redeem", lambda _budget, _grant: None)


# Shares


@bug("shares begin anew on restore", "kill shares", "kill shares")
def _() -> None:
    _forget_at_restore(SharesFold)


@bug("a share that is known later credits nobody", odd=("shuffled by an hour",))
def _() -> None:
    put(shares, "keep_unknown", lambda _share, _deed: False)


@bug("whoever opens their own share earns")
def _() -> None:
    put(shares, "_refusal", lambda _share, _deed, _above: None)


@bug("what shares say again counts again", *("kill shares",) * 4)
def _() -> None:
    put(member.MembersFold, "_hear", lambda _self, _live, _origin, _index: True)


@bug("another brand's share earns without consent")
def _() -> None:
    refusal = shares._refusal  # noqa: SLF001

    def careless(share: Share, deed: Deed, above: Any) -> Refusal | None:
        found = refusal(share, deed, above)
        return None if found is Refusal.CONSENT else found

    put(shares, "_refusal", careless)


@bug("a share that moves to its owner leaves its visits behind")
def _() -> None:
    moved = shares._moved  # noqa: SLF001

    def alone(share: Share, key: bytes, home: str) -> Any:
        share.deeds = []
        return moved(share, key, home)

    put(shares, "_moved", alone)


@bug("who sends on another brand's share is told of its events")
def _() -> None:
    put(shares_fold, "_without_id", lambda one, _share_id: one)
