"""A member's rewards at a brand, and why a campaign gives them one or not: for a person who asks.

Source: DESIGN 8 (``huiliu member --explain``), RULES 5.
"""

from collections.abc import Iterable, Iterator

from msgspec import Struct

from schemas.member_state import BrandState
from schemas.rewards import STATUSES, Earned, unpack_earned
from schemas.scalars import MemberKey, instant_text
from schemas.shares import Share, named
from streams.campaigns import cap_text, had, once_key, over
from streams.conditions import Trigger
from streams.keys import Keys, reward_text
from streams.offers import Offer
from streams.rewarding import amount_text
from streams.rules_words import duration_text


class RewardCard(Struct, frozen=True):
    """A reward; *value* is money in *currency*, or points where that is empty.  *taken_back* of it, of which *owed* was redeemed before."""

    reward_id: str
    campaign: str
    version: int
    status: str
    value: str
    currency: str
    earned: str
    trigger: str
    valid_until: str | None
    taken_back: str
    owed: str


class RefusalCard(Struct, frozen=True):
    """Why the latest trigger of *campaign* earned nothing."""

    campaign: str
    reason: str
    detail: str
    trigger: str
    at: str


class StreakCard(Struct, frozen=True):
    """How many events of a streak are known that no reward has used up, and when they happened."""

    campaign: str
    events: list[str]


class LineCard(Struct, frozen=True):
    """A line of the points ledger."""

    what: str
    points: int
    reward_id: str
    at: str


class RewardsCard(Struct, frozen=True):
    """What a member earned at a brand: latest first; *points* is the balance, *ledger* its last lines."""

    rewards: list[RewardCard]
    refused: list[RefusalCard]
    streaks: list[StreakCard]
    points: int
    ledger: list[LineCard]


class ClauseCard(Struct, frozen=True):
    """What a campaign wants, what was found, and whether that will do."""

    wanted: str
    found: str
    holds: bool


class ShareRefusalCard(Struct, frozen=True):
    """So many *times* a visit or an order at *share* earned nothing; *trigger* is the latest event, where it is the brand's own."""

    share: str
    reason: str
    times: int
    trigger: str
    at: str


class Explained(Struct, frozen=True):
    """Why *campaign* would give this member a reward now, or not: each clause; then why the latest trigger earned nothing, if so.

    *shares*: of a campaign for sharers, what their shares were refused for.
    """

    campaign: str
    version: int
    state: str
    clauses: list[ClauseCard]
    rewards: list[RewardCard]
    refused: RefusalCard | None
    shares: list[ShareRefusalCard] = []


def rewards_card(state: BrandState) -> RewardsCard:
    """Show what a member earned."""
    earned = unpack_earned(state.rewards)
    return RewardsCard(
        _rewards(earned, None),
        [_refusal(earned, campaign) for campaign in sorted(earned.refused)],
        [
            StreakCard(campaign, [instant_text(link.time_ms) for link in chain if not link.used_by])
            for campaign, chain in sorted(earned.streaks.items())
        ],
        earned.points,
        [LineCard(line.what, line.points, reward_text(line.reward_id), instant_text(line.at_ms)) for line in earned.ledger],
    )


def explain(offer: Offer, state: BrandState, member: MemberKey, keys: Keys, allowed: bool, clock_ms: int) -> Explained:
    """Hold *offer* against a member as if it triggered at the clock."""
    earned = unpack_earned(state.rewards)
    return Explained(
        offer.id,
        offer.version,
        offer.state,
        list(_clauses(offer, state, earned, member, keys, allowed, clock_ms)),
        _rewards(earned, offer.id),
        _refusal(earned, offer.id) if offer.id in earned.refused else None,
    )


def share_refusals(shares: Iterable[tuple[bytes, Share]], member: MemberKey, brand: str) -> list[ShareRefusalCard]:
    """List what *shares* of *member* at *brand* were refused for."""
    return [
        ShareRefusalCard(named(key)[1], reason, times, last.event if last.brand == brand else "", instant_text(last.time_ms))
        for key, share in shares
        if share.sharer is not None and (share.sharer.member, share.sharer.brand) == (member, brand)
        for reason, times in sorted(share.refused.items())
        if (last := share.last.get(reason)) is not None
    ]


def _clauses(
    offer: Offer, state: BrandState, earned: Earned, member: MemberKey, keys: Keys, allowed: bool, clock_ms: int
) -> Iterator[ClauseCard]:
    campaign = offer.campaign
    yield ClauseCard("the campaign is live", offer.state, offer.state == "live")
    yield ClauseCard("within the schedule", instant_text(clock_ms), offer.scheduled(clock_ms))
    if offer.condition is not None:
        for met in offer.condition.clauses(state, None, clock_ms):
            yield ClauseCard(met.wanted, met.found, met.holds)
    times = had(earned, offer)
    if campaign.cooldown_ms:
        last = instant_text(max(times)) if times else "none yet"
        fine = all(abs(clock_ms - at_ms) >= campaign.cooldown_ms for at_ms in times)
        yield ClauseCard(f"{duration_text(campaign.cooldown_ms)} since the last reward", last, fine)
    for cap in offer.caps:
        yield ClauseCard(cap_text(cap), f"{len(times)} earned", not over(cap, offer, times, clock_ms))
    if campaign.once_per in ("member", "day"):
        trigger = Trigger("", "", "", clock_ms, clock_ms, b"")
        used = keys.reward(offer.id, once_key(offer, trigger), member) in earned.rewards
        yield ClauseCard(f"once per {campaign.once_per}", "had already" if used else "not had yet", not used)
    if campaign.holdout_ppm:
        held = keys.held_out(offer.id, member, campaign.holdout_ppm)
        yield ClauseCard("not one of those who are held out", "held out" if held else "not held out", not held)
    yield ClauseCard("consent to rewards", "given" if allowed else "not given", allowed)


def _rewards(earned: Earned, campaign: str | None) -> list[RewardCard]:
    found = [(reward.time_ms, key, reward) for key, reward in earned.rewards.items() if campaign in (None, reward.campaign)]
    return [
        RewardCard(
            reward_text(key),
            reward.campaign,
            reward.version,
            STATUSES[reward.status],
            amount_text(reward.value, reward.currency),
            reward.currency,
            instant_text(reward.time_ms),
            reward.trigger,
            instant_text(reward.valid_until_ms) if reward.valid_until_ms else None,
            amount_text(reward.taken, reward.currency),
            amount_text(reward.owed, reward.currency),
        )
        for _, key, reward in sorted(found, key=lambda one: one[:2], reverse=True)
    ]


def _refusal(earned: Earned, campaign: str) -> RefusalCard:
    last = earned.refused[campaign]
    return RefusalCard(campaign, last.reason, last.detail, last.trigger, instant_text(last.at_ms))
