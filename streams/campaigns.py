"""Who earns: a trigger is held against each campaign that it may earn a reward of.

Everything but the budget is decided here, by the trigger's event time and its
append time alone.  A reward that passes is noted as asked, so that cooldown
and caps hold at once, and budgets are asked.  The first reason that applies is
told, in the contract's order; hold-out and budget come last, for they are of
those who would else have it.

Pure; *earned* is edited in place, it belongs to the batch's working set.

Source: RULES 5.
"""

from collections.abc import Sequence
from typing import Final

from schemas.member_state import BrandState
from schemas.rewards import (
    ASKED,
    EXPIRED,
    GRANTED,
    HELD,
    MOST_REFUSALS,
    MOST_REWARDS,
    REDEEMED,
    REVERSED,
    SHADOW,
    WOULD_EARN,
    WOULD_REFUSE,
    Earned,
    Link,
    Refusal,
    Reward,
)
from schemas.scalars import instant_text
from streams.conditions import Trigger
from streams.offers import CapRule, Offer, period_of
from streams.rewarding import Saying, Voice, note_refusal
from streams.rules_words import duration_text

DECIDED: Final = frozenset({ASKED, GRANTED, REDEEMED, EXPIRED, HELD})
"""What counts for cooldown and caps: all but what was taken back; what a shadow decides counts for the shadow alone."""


class Deciding:
    """Decides on the triggers of one record for one member at one brand; *allowed* is the member's consent to rewards."""

    __slots__ = ("allowed", "earned", "said", "state", "voice", "won")

    def __init__(self, state: BrandState, earned: Earned, voice: Voice, allowed: bool) -> None:
        self.state, self.earned, self.voice, self.allowed = state, earned, voice, allowed
        self.won: set[str] = set()
        self.said: list[tuple[str, list[Saying]]] = []

    def decide(self, offers: Sequence[Offer], trigger: Trigger) -> None:
        """Hold *trigger* against *offers*, which come in the order of deciding: of an exclusive group the first that passes has it."""
        for offer in offers:
            if trigger.depth > offer.campaign.depth:
                continue
            self.voice.said = []
            self._one(offer, trigger)
            if self.voice.said:
                self.said.append((offer.id, self.voice.said))

    def spoken(self) -> list[Saying]:
        """Give what was decided, campaigns by name."""
        return [saying for _, said in sorted(self.said, key=lambda one: one[0]) for saying in said]

    def _one(self, offer: Offer, trigger: Trigger) -> None:
        if not offer.scheduled(trigger.time_ms):
            self._refuse(offer, trigger, Refusal.NOT_SCHEDULED, "outside the schedule")
            return
        causes = [trigger.cause]
        if offer.streak is not None:
            links = self._chain(offer, trigger)
            if len(links) < offer.needed:
                if self.allowed and offer.state == "live":
                    self.voice.progress(offer, len(links))
                return
            causes = [link.cause for link in links[: offer.needed]]
        if offer.condition is not None:
            unmet = offer.condition.unmet(self.state, trigger, self.voice.now_ms)
            if unmet is not None:
                self._refuse(offer, trigger, Refusal.CONDITION, unmet)
                return
        reward_id = self.voice.keys.reward(offer.id, once_key(offer, trigger), self.voice.member)
        refused = self._refusal(offer, trigger, reward_id)
        if refused is not None:
            self._refuse(offer, trigger, refused[0], refused[1], reward_id)
            return
        self._note(offer, trigger, reward_id, causes)

    def _note(self, offer: Offer, trigger: Trigger, reward_id: bytes, causes: list[bytes]) -> None:
        """Note the reward, and ask for it: of a shadow and of who is held out it is noted alone."""
        held = self.voice.keys.held_out(offer.id, self.voice.member, offer.campaign.holdout_ppm)
        status = SHADOW if offer.state == "shadow" else HELD if held else ASKED
        until_ms = trigger.time_ms + offer.valid_for_ms if offer.valid_for_ms else 0
        reward = Reward(
            offer.id, offer.version, status, trigger.time_ms, offer.value, offer.currency, until_ms, trigger.id, causes, offer.undo
        )
        self.earned.rewards[reward_id] = reward
        if offer.streak is not None:
            for link in self.earned.streaks[offer.id]:
                if not link.used_by and link.cause in causes:
                    link.used_by = reward_id
        if offer.group:
            self.won.add(offer.group)
        bound(self.earned)
        if status == ASKED:
            self.voice.ask(offer, reward_id, reward)
        elif status == HELD:
            self._refuse(offer, trigger, Refusal.HOLDOUT, "one of those who are held out", reward_id)
        else:
            self.voice.count(offer.id, WOULD_EARN)

    def _refuse(self, offer: Offer, trigger: Trigger, reason: Refusal, detail: str, reward_id: bytes = b"") -> None:
        if reason is not Refusal.NOT_SCHEDULED:  # which anybody can see, and a campaign out of season would tell of everybody
            note_refusal(self.earned, offer.id, reason, detail, trigger.id, self.voice.now_ms)
            while len(self.earned.refused) > MOST_REFUSALS:
                del self.earned.refused[next(iter(self.earned.refused))]
        if offer.state == "shadow":
            self.voice.count(offer.id, WOULD_REFUSE[reason])
        else:
            self.voice.refuse(offer.id, offer.version, reward_id, reason, detail)

    def _refusal(self, offer: Offer, trigger: Trigger, reward_id: bytes) -> tuple[Refusal, str] | None:
        """Say why *trigger*, which is scheduled and meets the condition, earns nothing, hold-out and budget aside."""
        campaign, t_ms = offer.campaign, trigger.time_ms
        times = had(self.earned, offer)
        if campaign.cooldown_ms:
            for at_ms in times:
                if abs(t_ms - at_ms) < campaign.cooldown_ms:
                    return Refusal.COOLDOWN, f"one was earned {instant_text(at_ms)}; the cooldown is {duration_text(campaign.cooldown_ms)}"
        for cap in offer.caps:
            if over(cap, offer, times, t_ms):
                return Refusal.CAP, cap_text(cap)
        before = self.earned.rewards.get(reward_id)
        if before is not None and (before.status != SHADOW or offer.state == "shadow"):
            return Refusal.ONCE, f"had once per {campaign.once_per} already"
        return self._barred(offer, trigger)

    def _barred(self, offer: Offer, trigger: Trigger) -> tuple[Refusal, str] | None:
        freshness_ms = offer.campaign.freshness_ms
        if freshness_ms is not None and trigger.append_ms - trigger.time_ms > freshness_ms:
            return Refusal.STALE, f"told more than {duration_text(freshness_ms)} after it happened"
        if not self.allowed:
            return Refusal.CONSENT, "no consent to rewards"
        if offer.group and offer.group in self.won:
            return Refusal.EXCLUDED, f"another campaign of {offer.campaign.exclusive_group} comes first"
        if offer.state == "paused":
            return Refusal.PAUSED, "the campaign is paused"
        return None

    def _chain(self, offer: Offer, trigger: Trigger) -> list[Link]:
        """Add *trigger* to its streak; returns the longest run that it is part of within the window, the earliest of equals first."""
        window = offer.streak
        assert window is not None
        chain = self.earned.streaks.setdefault(offer.id, [])
        chain.append(Link(trigger.time_ms, trigger.cause))
        chain.sort(key=lambda link: (link.time_ms, link.cause))
        bucket, width = window.clock.bucket, window.width
        newest = bucket(chain[-1].time_ms)
        here = bucket(trigger.time_ms)
        kept = [link for link in chain if newest - bucket(link.time_ms) < 2 * width]
        self.earned.streaks[offer.id] = chain = kept[-4 * offer.needed :]
        free = [link for link in chain if not link.used_by]
        best: list[Link] = []
        for first in free:
            begins = bucket(first.time_ms)
            if not 0 <= here - begins < width:
                continue
            run = [link for link in free if 0 <= bucket(link.time_ms) - begins < width]
            if len(run) > len(best):
                best = run
        return best


def had(earned: Earned, offer: Offer) -> list[int]:
    """List when what counts for cooldown and caps was earned."""
    shadow = offer.state == "shadow"
    return [
        reward.time_ms
        for reward in earned.rewards.values()
        if reward.campaign == offer.id and (reward.status in DECIDED or (shadow and reward.status == SHADOW))
    ]


def once_key(offer: Offer, trigger: Trigger) -> str:
    """Name what a reward is given once for."""
    once_per = offer.campaign.once_per
    if once_per == "day":
        return offer.day(trigger.time_ms)
    if once_per == "order":
        return trigger.order_id
    return trigger.share_id if once_per == "share" else ""


def over(cap: CapRule, offer: Offer, had: Sequence[int], t_ms: int) -> bool:
    """Tell whether one more at *t_ms* would be beyond *cap* in some window, or in its calendar period."""
    if cap.window is None:
        period = period_of(offer.days, cap.per, t_ms)
        return sum(1 for at_ms in had if period_of(offer.days, cap.per, at_ms) == period) >= cap.rewards
    bucket, width = cap.window.clock.bucket, cap.window.width
    here = bucket(t_ms)
    near = [number for number in [bucket(at_ms) for at_ms in had] if abs(number - here) < width]
    if len(near) < cap.rewards:
        return False
    near.append(here)
    return any(0 <= end - here < width and sum(1 for number in near if 0 <= end - number < width) > cap.rewards for end in near)


def cap_text(cap: CapRule) -> str:
    """Say what *cap* allows."""
    if cap.window is None:
        return f"{cap.rewards} per {cap.per} is the cap"
    return f"{cap.rewards} within {duration_text(cap.window.width * cap.window.clock.grain_ms)} is the cap"


def bound(earned: Earned) -> None:
    """Forget the oldest of more rewards than are kept: first of those that are over, then of all."""
    surplus = len(earned.rewards) - MOST_REWARDS
    if surplus <= 0:
        return
    by_age = sorted((reward.status not in (REVERSED, REDEEMED, EXPIRED), reward.time_ms, key) for key, reward in earned.rewards.items())
    for _, _, key in by_age[:surplus]:
        del earned.rewards[key]
