"""What takes a reward back, and how much: the cause is cancelled, refunded or recalled, the coupon expires, the campaign ends.

How much is a function of all that is known of the cause, never of the order in
which it came: what was taken back already is taken off.

Source: RULES 5 (undo).
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Final

from schemas.envelope import Happened, Line
from schemas.rewards import (
    ASKED,
    BY_LINES,
    EXPIRED,
    GRANTED,
    ON_CANCEL,
    ON_RECALL,
    ON_REFUND,
    REDEEMED,
    REVERSED,
    Earned,
    Pending,
    Reversal,
    Reward,
)
from schemas.state import Order
from streams import orders
from streams.rewarding import EXPIRE, REVERSE, Voice, book

_STATUSES: Final = ("paid", "completed", "placed", "shipped")
"""Whose lines a reward is shared over: those of the payment, where it is known."""


def take_back(earned: Earned, voice: Voice, reward_id: bytes, target: int, reason: Reversal, cause: str) -> None:
    """Take back of a reward what is missing to *target*; what budgets have not answered for waits for the answer.

    What was redeemed is told as a negative amount, and is not given back to
    the budget: the money is gone.
    """
    reward = earned.rewards[reward_id]
    pending = reward.pending
    if reward.status == ASKED:
        if target > (pending.target if pending is not None else 0):
            reward.pending = Pending(target, reason.value, cause)
        return
    amount = target - reward.taken
    if amount <= 0 or reward.status == REVERSED:
        return
    reward.taken = target
    whole = target >= reward.value
    if reward.status == GRANTED:
        voice.reverse(reward_id, reward, amount, reason, cause)
        voice.give_back(reward_id, reward, amount, whole)
    elif reward.status == REDEEMED:
        reward.owed += amount
        voice.reverse(reward_id, reward, -amount, reason, cause)
    if not reward.currency and reward.status in (GRANTED, REDEEMED):
        book(earned, REVERSE, -amount, reward_id, voice.now_ms)
    if whole:
        reward.status = REVERSED
        free(earned, reward.campaign, reward_id)


def free(earned: Earned, campaign: str, reward_id: bytes) -> None:
    """Let the events of a streak count again: the reward that they went into is no more."""
    for link in earned.streaks.get(campaign, ()):
        if link.used_by == reward_id:
            link.used_by = b""


def forget_link(earned: Earned, cause: bytes) -> None:
    """Take an event out of all streaks: it counts no longer."""
    for campaign, chain in list(earned.streaks.items()):
        left = [link for link in chain if link.cause != cause]
        if left:
            earned.streaks[campaign] = left
        else:
            del earned.streaks[campaign]


def rests_on(earned: Earned, cause: bytes) -> bool:
    """Tell whether a reward or a streak has to do with *cause*."""
    for reward in earned.rewards.values():
        if cause in reward.causes:
            return True
    for chain in earned.streaks.values():
        for link in chain:
            if link.cause == cause:
                return True
    return False


def undo_order(earned: Earned, voice: Voice, order: Order, cause: bytes, event: str) -> None:
    """Take back what *order* earned, as far as it is cancelled or refunded now."""
    gone = orders.void(order)
    if gone:
        _each(earned, voice, order, cause, event)
        forget_link(earned, cause)
    elif order.refunds:
        _each(earned, voice, order, cause, event)


def _each(earned: Earned, voice: Voice, order: Order, cause: bytes, event: str) -> None:
    for reward_id, reward in list(earned.rewards.items()):
        if cause in reward.causes:
            found = target_of(reward, order)
            if found is not None:
                take_back(earned, voice, reward_id, found[0], found[1], event)


def target_of(reward: Reward, order: Order) -> tuple[int, Reversal] | None:
    """Tell how much of *reward* is to be taken back in all on account of *order*, and why; None where nothing is."""
    cancelled = bool(order.versions) and order.versions[max(order.versions)][0] == orders.CANCELLED
    if cancelled and reward.undo & ON_CANCEL:
        return reward.value, Reversal.CANCELLED
    if order.refunds and reward.undo & ON_REFUND:
        by_lines = reward.undo & BY_LINES and not orders.void(order)
        target = refunded_part(reward.value, order) if by_lines else reward.value
        return (target, Reversal.REFUNDED) if target else None
    return None


def undo_cause(earned: Earned, voice: Voice, cause: bytes, bit: int, reason: Reversal, event: str) -> None:
    """Take back in full what rests on *cause*, where the reward's terms say so: a recalled message, a tag that is gone with its order."""
    for reward_id, reward in list(earned.rewards.items()):
        if cause in reward.causes and reward.undo & bit:
            take_back(earned, voice, reward_id, reward.value, reason, event)


def undo_share(earned: Earned, voice: Voice, cause: bytes, event: str) -> None:
    """Take back what a visit or an order at the member's share earned that is none, or another's, by now."""
    undo_cause(earned, voice, cause, ON_CANCEL | ON_REFUND, Reversal.TAKEN_BACK, event)
    forget_link(earned, cause)


def refund_share(earned: Earned, voice: Voice, cause: bytes, now: Happened) -> None:
    """Take back of what an order at the member's share earned what was refunded of it: of its lines nobody here knows, so by money."""
    for reward_id, reward in list(earned.rewards.items()):
        if cause in reward.causes and reward.undo & ON_REFUND:
            part = reward.value * min(now.refunded_minor, now.total_minor) // now.total_minor if now.total_minor else reward.value
            target = part if reward.undo & BY_LINES else reward.value
            take_back(earned, voice, reward_id, target, Reversal.REFUNDED, now.id)


def undo_message(earned: Earned, voice: Voice, cause: bytes, event: str) -> None:
    """Take back what a message earned that was recalled."""
    undo_cause(earned, voice, cause, ON_RECALL, Reversal.RECALLED, event)
    forget_link(earned, cause)


def expire(earned: Earned, voice: Voice, reward_id: bytes) -> None:
    """Let what is open of a reward expire: a coupon's money goes back to the budget, points are lost."""
    reward = earned.rewards[reward_id]
    left = reward.value - reward.taken
    reward.status = EXPIRED
    voice.reverse(reward_id, reward, left, Reversal.EXPIRED, "")
    if reward.currency:
        voice.give_back(reward_id, reward, left, True)
    else:
        book(earned, EXPIRE, -left, reward_id, voice.now_ms)


def refunded_part(value: int, order: Order) -> int:
    """Share *value* over the lines of *order*, to the smallest unit by largest remainder, and add up what was refunded of each.

    A refund that names no lines takes its part of what the others left, by
    money.  Never more than *value*.
    """
    record = next((order.statuses[status] for status in _STATUSES if status in order.statuses), None)
    if record is None or not record.total_minor:
        return 0
    returned: dict[str, Fraction] = {}
    named = unnamed = 0
    for refund in order.refunds.values():
        if refund.currency != record.currency:
            continue
        if refund.lines:
            named += refund.amount_minor
        else:
            unnamed += refund.amount_minor
        for line in refund.lines:
            returned[line.line_id] = returned.get(line.line_id, Fraction(0)) + Fraction(line.quantity)
    taken = _of_lines(value, record.lines, returned)
    money = record.total_minor - named
    if unnamed:
        taken += (value - taken) if money <= unnamed else (value - taken) * unnamed // money
    return min(value, taken)


def _of_lines(value: int, lines: Sequence[Line], returned: dict[str, Fraction]) -> int:
    parts = shares(value, [max(0, line.amount_minor) for line in lines])
    taken = 0
    for line, part in zip(lines, parts, strict=True):
        back = returned.get(line.line_id, Fraction(0))
        if line.quantity > 0 and back > 0:
            taken += int(part * min(Fraction(1), back / Fraction(line.quantity)))
    return taken


def shares(value: int, weights: Sequence[int]) -> list[int]:
    """Share *value* out by *weights*, whole units, largest remainder first (of equals the first); zeros where all weights are 0."""
    total = sum(weights)
    if not total:
        return [0] * len(weights)
    parts = [value * weight // total for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda at: (-(value * weights[at] % total), at))
    for at in by_remainder[: value - sum(parts)]:
        parts[at] += 1
    return parts
