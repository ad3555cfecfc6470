"""What is said on account of rewards: to the CRM, to budgets, to who counts.

The members fold gives ``Ask`` and ``Tell`` their ids and numbers; here is what
they say.

Source: CONTRACT 3, RULES 5.
"""

from typing import Final, NamedTuple

from msgspec import UNSET

from schemas import crm
from schemas.budgets import Returned, RewardAsk, Word
from schemas.crm import RewardGranted, RewardProgress, RewardRefused, RewardReversed
from schemas.decisions import Answered, Rewarded
from schemas.rewards import MOST_ENTRIES, TOLD, Earned, Entry, LastRefusal, Refusal, Reversal, Reward
from schemas.scalars import instant_text, minor_text
from streams.keys import Keys, reward_text
from streams.offers import Offer

EARN: Final = "earn"
BURN: Final = "burn"
EXPIRE: Final = "expire"
REVERSE: Final = "reverse"


class Ask(NamedTuple):
    """Budgets are to hear *word* of *campaign*."""

    campaign: str
    word: Word


class Tell(NamedTuple):
    """The CRM is to be told; *effect* names it among what the same record brings about for the member."""

    type: str
    effect: str
    value: crm.Reward


Saying = Ask | Tell | Rewarded | Answered


class Voice:
    """Words what happens to the rewards of one member at one brand, who knows them as *name*, at the clock *now_ms* whose text is *at*."""

    __slots__ = ("at", "brand", "keys", "member", "name", "now_ms", "said")

    def __init__(self, keys: Keys, brand: str, member: bytes, name: str, now_ms: int, at: str) -> None:
        self.keys, self.brand, self.member, self.name, self.now_ms, self.at = keys, brand, member, name, now_ms, at
        self.said: list[Saying] = []

    def ask(self, offer: Offer, reward_id: bytes, reward: Reward) -> None:
        """Ask budgets for *reward*."""
        lasting = reward.currency != ""
        word = RewardAsk(
            offer.version, reward_id, self.brand, self.member, reward.value, reward.time_ms, lasting, offer.limits, self.now_ms
        )
        self.said.append(Ask(offer.id, word))
        self.said.append(Rewarded(offer.id, "asked"))

    def progress(self, offer: Offer, have: int) -> None:
        """Tell how far a streak is."""
        value = RewardProgress(self.name, offer.id, have, offer.needed, self.at)
        self.said.append(Tell(crm.REWARD_PROGRESS, f"progress:{offer.id}", value))

    def refuse(self, campaign: str, version: int, reward_id: bytes, reason: Refusal, detail: str) -> None:
        """Count a refusal, and tell the CRM of those that it is told of."""
        self.said.append(Rewarded(campaign, reason.value))
        if reason in TOLD:
            value = RewardRefused(reward_text(reward_id), self.name, reason, detail, self.at, campaign, version)
            self.said.append(Tell(crm.REWARD_REFUSED, f"refused:{campaign}", value))

    def refuse_coupon(self, reward_id: str, reward: Reward | None, reason: Refusal, detail: str) -> None:
        """Answer a redemption that is none."""
        value = RewardRefused(
            reward_id,
            self.name,
            reason,
            detail,
            self.at,
            reward.campaign if reward is not None else UNSET,
            reward.version if reward is not None else UNSET,
        )
        self.said.append(Tell(crm.REWARD_REFUSED, f"refused:{reason.value}", value))
        if reward is not None:
            self.said.append(Rewarded(reward.campaign, reason.value))

    def grant(self, reward_id: bytes, reward: Reward) -> None:
        """Tell that *reward* is the member's."""
        coupon = reward.currency != ""
        value = RewardGranted(
            reward_text(reward_id),
            self.name,
            reward.campaign,
            reward.version,
            "coupon" if coupon else "points",
            amount_text(reward.value, reward.currency),
            reward.trigger,
            self.at,
            reward.currency if coupon else UNSET,
            self.keys.coupon_code(reward_id) if coupon else UNSET,
            instant_text(reward.valid_until_ms) if reward.valid_until_ms else UNSET,
        )
        self.said.append(Tell(crm.REWARD_GRANTED, f"granted:{value.reward_id}", value))
        self.said.append(Rewarded(reward.campaign, "granted"))

    def reverse(self, reward_id: bytes, reward: Reward, amount: int, reason: Reversal, cause: str) -> None:
        """Tell that *amount* was taken back (negative: is owed)."""
        text = reward_text(reward_id)
        value = RewardReversed(text, self.name, reward.campaign, amount_text(amount, reward.currency), reason, cause, self.at)
        self.said.append(Tell(crm.REWARD_REVERSED, f"reversed:{text}:{reward.taken}", value))
        self.said.append(Rewarded(reward.campaign, reason.value))

    def give_back(self, reward_id: bytes, reward: Reward, amount: int, whole: bool) -> None:
        """Let budgets have *amount* back."""
        self.said.append(Ask(reward.campaign, Returned(reward_id, amount, whole)))

    def count(self, campaign: str, outcome: str) -> None:
        """Count what became of a trigger."""
        self.said.append(Rewarded(campaign, outcome))

    def answered(self, asked_ms: int) -> None:
        """Let it be known how long a decision took."""
        if asked_ms:
            self.said.append(Answered(self.brand, asked_ms))

    def tell_budgets(self, campaign: str, word: Word) -> None:
        """Let budgets know."""
        self.said.append(Ask(campaign, word))


def amount_text(value: int, currency: str) -> str:
    """Spell a reward's value: money in its currency, or points."""
    return minor_text(value, currency) if currency else str(value)


def book(earned: Earned, what: str, points: int, reward_id: bytes, now_ms: int) -> None:
    """Add a line to the points ledger; the balance is the sum of all lines, also of those that are not kept."""
    earned.points += points
    earned.ledger.append(Entry(what, points, reward_id, now_ms))
    if len(earned.ledger) > MOST_ENTRIES:
        del earned.ledger[0]


def note_refusal(earned: Earned, campaign: str, reason: Refusal, detail: str, trigger: str, now_ms: int) -> None:
    """Remember why the latest trigger of *campaign* earned nothing, for who asks; of more campaigns than are kept the oldest goes."""
    earned.refused.pop(campaign, None)
    earned.refused[campaign] = LastRefusal(reason.value, detail, trigger, now_ms)
