"""What a record brings about in the rewards of a member at a brand.

A table of contents: an event may redeem a coupon, take back what its cause
earned, and trigger campaigns; the clock lets coupons expire; budgets answer; a
publish ends campaigns.  Whoever has no rewards and triggers none costs a
look-up.

Pure; told the time by the log.

Source: RULES 5.
"""

from collections.abc import Collection

from schemas import envelope as facts
from schemas.budgets import Redeemed
from schemas.envelope import Answer, Happened, ShareTold
from schemas.member_state import BrandState
from schemas.rewards import (
    ASKED,
    EXPIRED,
    GRANTED,
    ON_CANCEL,
    ON_RECALL,
    ON_REFUND,
    REDEEMED,
    REVERSED,
    Earned,
    Refusal,
    Reversal,
    Reward,
)
from schemas.rules import ORDERED, VISITED
from schemas.scalars import instant_text
from streams import orders, undoing
from streams.arrival import Arrival
from streams.campaigns import Deciding
from streams.conditions import Trigger
from streams.keys import Keys, reward_of, reward_text
from streams.offers import Offers
from streams.rewarding import BURN, EARN, Saying, Voice, book, note_refusal
from streams.tags import Change


def concerns(offers: Offers | None, state: BrandState, event: Arrival, changes: Collection[Change]) -> bool:
    """Tell whether *event*, which made the tags *changes*, may bring about anything here."""
    if offers is not None and event.name in offers.by_event:
        return True
    if event.coupon is not None:
        return offers is not None or state.has_earned()
    if state.has_earned() and (event.order is not None or (event.chat is not None and event.chat.recalls is not None)):
        return True
    return (
        offers is not None and bool(changes) and any(change.entered and change.tag.partition(":")[0] in offers.by_tag for change in changes)
    )


def on_event(
    offers: Offers | None, state: BrandState, event: Arrival, changes: Collection[Change], voice: Voice, allowed: bool
) -> list[Saying]:
    """Let *event*, which is counted already and made the tags *changes*, redeem, take back and earn."""
    earned = state.read_earned()
    if event.coupon is not None:
        _coupon(offers, earned, event.coupon, event, voice)
    elif event.order is not None:
        _undo_order(state, earned, event.order, event, changes, voice)
    elif event.chat is not None and event.chat.msgtype == "recall":
        undoing.undo_message(earned, voice, message_cause(voice.keys, event.chat, event.chat.recalls or ""), event.id)
        _undo_tags(earned, voice, changes, ON_RECALL, Reversal.RECALLED, event.id)
    said, voice.said = voice.said, []
    if offers is not None:
        said += _earn(offers, state, earned, event, changes, voice, allowed)
    _keep(state, earned)
    return said


def _earn(
    offers: Offers, state: BrandState, earned: Earned, event: Arrival, changes: Collection[Change], voice: Voice, allowed: bool
) -> list[Saying]:
    deciding = Deciding(state, earned, voice, allowed)
    if event.name in offers.by_event:
        trigger = trigger_of(state, event, voice.keys)
        if trigger is not None:
            deciding.decide(offers.by_event[event.name], trigger)
            _undo_early(state, earned, event, voice, trigger)
    _tags_entered(offers, deciding, changes, event.brand, event.time_ms, event.append_ms)
    return deciding.spoken()


def _tags_entered(offers: Offers, deciding: Deciding, changes: Collection[Change], brand: str, time_ms: int, append_ms: int) -> None:
    for change in sorted(changes, key=lambda one: one.tag):
        base = change.tag.partition(":")[0]
        if change.entered and base in offers.by_tag:
            cause = deciding.voice.keys.natural("tag", change.tag)
            deciding.decide(offers.by_tag[base], Trigger("tag_entered", change.tag, brand, time_ms, append_ms, cause))


def on_share(
    offers: Offers | None, state: BrandState, told: ShareTold, counted: bool, changes: Collection[Change], voice: Voice, allowed: bool
) -> list[Saying]:
    """Let what a share brought its sharer, which is *counted* anew or not, take back and earn."""
    earned = state.read_earned()
    event = told.now or told.was
    if told.now is None:
        undoing.undo_share(earned, voice, told.cause, event.id if event is not None else "")
    elif told.now.refunded_minor:
        undoing.refund_share(earned, voice, told.cause, told.now)
    said, voice.said = voice.said, []
    if offers is not None and told.now is not None and told.was is None and counted:
        deciding = Deciding(state, earned, voice, allowed)
        name = ORDERED if told.order_id else VISITED
        if name in offers.by_event:
            deciding.decide(offers.by_event[name], _of_share(told, told.now, name))
            if told.now.refunded_minor:
                undoing.refund_share(earned, voice, told.cause, told.now)
        _tags_entered(offers, deciding, changes, told.brand, told.now.time_ms, told.now.append_ms)
        said += deciding.spoken()
    _keep(state, earned)
    return said


def _of_share(told: ShareTold, now: Happened, name: str) -> Trigger:
    trigger = Trigger(name, now.id, told.brand, now.time_ms, now.append_ms, told.cause)
    trigger.share_id, trigger.order_id, trigger.depth = told.share_id, told.order_id, told.depth
    trigger.currency, trigger.amount_minor = now.currency, max(0, now.total_minor - now.refunded_minor)
    return trigger


def trigger_of(state: BrandState, event: Arrival, keys: Keys) -> Trigger | None:
    """Make a trigger of *event*; None where it counts nowhere: a status that was known, an order that is void, a message recalled."""
    trigger = Trigger(event.name, event.id, event.brand, event.time_ms, event.append_ms, event.id_hash)
    trigger.channel = event.channel or ""
    if event.order is not None:
        return _of_order(state, event.order, trigger, keys)
    if event.share is not None:
        trigger.share_id = event.share.share_id
    elif event.chat is not None:
        if event.chat.msgtype == "recall":
            return None
        trigger.cause = message_cause(keys, event.chat, event.chat.message_id)
        if trigger.cause in state.read_talk().recalled:
            return None
    return trigger


def _of_order(state: BrandState, facts_of_order: facts.Order, trigger: Trigger, keys: Keys) -> Trigger | None:
    order = state.order(facts_of_order.order_id)
    if order is None:
        return None
    status = facts_of_order.status
    trigger.order_id, trigger.cause = facts_of_order.order_id, order_cause(keys, facts_of_order.order_id)
    trigger.currency = facts_of_order.currency
    if status == orders.REFUNDED:
        trigger.amount_minor = facts_of_order.refund_minor
        return trigger
    same = [version for version in order.versions.values() if version[0] == status]
    if len(same) > 1 or (orders.void(order) and status not in orders.KEEPS):
        return None
    trigger.amount_minor = max(0, facts_of_order.total_minor - orders.refunded_minor(order, facts_of_order.currency))
    trigger.others = state.order_count - orders.counts(order)[0]
    return trigger


def order_cause(keys: Keys, order_id: str) -> bytes:
    """Hash what a reward rests on that an order earned."""
    return keys.natural("order", order_id)


def message_cause(keys: Keys, chat: facts.Chat, message_id: str) -> bytes:
    """Hash what a reward rests on that a message earned; a recall reaches the same direction alone."""
    return keys.natural("chat", chat.conversation_id, message_id) + chat.direction.encode()


def _undo_order(
    state: BrandState, earned: Earned, order_facts: facts.Order, event: Arrival, changes: Collection[Change], voice: Voice
) -> None:
    """Take back what the order earned, and what tags earned that went with it."""
    if not earned.rewards and not earned.streaks:
        return
    cause = order_cause(voice.keys, order_facts.order_id)
    order = state.order(order_facts.order_id) if undoing.rests_on(earned, cause) else None
    if order is not None:
        undoing.undo_order(earned, voice, order, cause, event.id)
    if order_facts.status in (orders.CANCELLED, orders.REFUNDED):
        cancelled = order_facts.status == orders.CANCELLED
        bit, reason = (ON_CANCEL, Reversal.CANCELLED) if cancelled else (ON_REFUND, Reversal.REFUNDED)
        _undo_tags(earned, voice, changes, bit, reason, event.id)


def _undo_tags(earned: Earned, voice: Voice, changes: Collection[Change], bit: int, reason: Reversal, event: str) -> None:
    """Take back what tags earned that *event* made the member exit."""
    for change in changes:
        if not change.entered:
            undoing.undo_cause(earned, voice, voice.keys.natural("tag", change.tag), bit, reason, event)


def _undo_early(state: BrandState, earned: Earned, event: Arrival, voice: Voice, trigger: Trigger) -> None:
    """Take back at once what was refunded before the order itself came; budgets' answer is awaited first."""
    if trigger.order_id and event.order is not None and event.order.status != orders.REFUNDED:
        order = state.order(trigger.order_id)
        voice.said = []
        if order is not None:
            undoing.undo_order(earned, voice, order, trigger.cause, event.id)


def on_clock(offers: Offers | None, state: BrandState, changes: Collection[Change], voice: Voice, allowed: bool) -> list[Saying]:
    """Let expire what is due, and tags that the clock brought about trigger."""
    earned = state.read_earned()
    for reward_id, reward in sorted(earned.rewards.items()):
        if reward.status == GRANTED and reward.valid_until_ms and reward.valid_until_ms <= voice.now_ms:
            undoing.expire(earned, voice, reward_id)
    said, voice.said = voice.said, []
    if offers is not None:
        deciding = Deciding(state, earned, voice, allowed)
        _tags_entered(offers, deciding, changes, voice.brand, voice.now_ms, voice.now_ms)
        said += deciding.spoken()
    _keep(state, earned)
    return said


def on_answer(state: BrandState, answer: Answer, voice: Voice) -> list[Saying]:
    """Settle or release what budgets decided on; an answer to nothing that is asked for changes nothing."""
    earned = state.read_earned()
    reward = earned.rewards.get(answer.reward_id)
    if reward is None or reward.status != ASKED:
        return []
    voice.answered(answer.asked_ms)
    if answer.refused is not None:
        del earned.rewards[answer.reward_id]
        reason = Refusal(answer.refused)
        note_refusal(earned, reward.campaign, reason, "budgets refused", reward.trigger, voice.now_ms)
        voice.refuse(reward.campaign, reward.version, answer.reward_id, reason, _of_budgets(reason))
    else:
        _granted(earned, answer.reward_id, reward, voice)
    _keep(state, earned)
    return voice.said


def _of_budgets(reason: Refusal) -> str:
    return "nothing is left of the budget" if reason is Refusal.BUDGET else "decided by budgets"


def _granted(earned: Earned, reward_id: bytes, reward: Reward, voice: Voice) -> None:
    reward.status = GRANTED
    voice.grant(reward_id, reward)
    if not reward.currency:
        book(earned, EARN, reward.value, reward_id, voice.now_ms)
    pending, reward.pending = reward.pending, None
    if pending is not None:
        undoing.take_back(earned, voice, reward_id, pending.target, Reversal(pending.reason), pending.cause)


def on_rules(offers: Offers | None, state: BrandState, voice: Voice) -> list[Saying]:
    """Take back what is open of campaigns that have ended: their reservations return."""
    if not state.has_earned() or offers is None:
        return []
    earned = state.read_earned()
    for reward_id, reward in sorted(earned.rewards.items()):
        offer = offers.by_id.get(reward.campaign)
        if offer is not None and offer.state == "ended" and reward.currency and reward.status in (ASKED, GRANTED):
            undoing.take_back(earned, voice, reward_id, reward.value, Reversal.ENDED, "")
    if voice.said:
        _keep(state, earned)
    return voice.said


def _coupon(offers: Offers | None, earned: Earned, coupon: facts.Coupon, event: Arrival, voice: Voice) -> None:
    """Let a coupon be redeemed, or expire early; say so where it can't be redeemed.

    Of a brand without campaigns nothing is said: it may have coupons of its own.
    """
    reward_id = _find(earned, coupon, voice.keys)
    reward = earned.rewards.get(reward_id) if reward_id is not None else None
    if reward_id is None or reward is None:
        if offers is not None and coupon.status == "redeemed":
            named = coupon.reward_id or ""
            voice.refuse_coupon(named, None, Refusal.COUPON_UNKNOWN, "no reward of this member has that id or code")
        return
    if coupon.status == "expired" and reward.status == GRANTED:
        undoing.expire(earned, voice, reward_id)
    elif coupon.status == "redeemed":
        _redeem(earned, reward_id, reward, event, voice)


def _redeem(earned: Earned, reward_id: bytes, reward: Reward, event: Arrival, voice: Voice) -> None:
    late = reward.valid_until_ms and event.time_ms >= reward.valid_until_ms
    if reward.status == GRANTED and not late:
        reward.status = REDEEMED
        if reward.currency:
            voice.tell_budgets(reward.campaign, Redeemed(reward_id))
        else:
            book(earned, BURN, reward.taken - reward.value, reward_id, voice.now_ms)
        voice.count(reward.campaign, "redeemed")
        return
    text = reward_text(reward_id)
    if reward.status == REDEEMED:
        voice.refuse_coupon(text, reward, Refusal.COUPON_REDEEMED, "it was redeemed before")
    elif reward.status == REVERSED:
        voice.refuse_coupon(text, reward, Refusal.COUPON_REVERSED, "it was taken back")
    elif late or reward.status == EXPIRED:
        voice.refuse_coupon(text, reward, Refusal.COUPON_EXPIRED, f"it was good until {instant_text(reward.valid_until_ms)}")
    else:
        voice.refuse_coupon(text, reward, Refusal.COUPON_UNKNOWN, "it was never granted")


def _find(earned: Earned, coupon: facts.Coupon, keys: Keys) -> bytes | None:
    """Find the reward that *coupon* names, by its id or by its code."""
    if coupon.reward_id is not None:
        return reward_of(coupon.reward_id)
    code = (coupon.coupon_code or "").upper()
    return next((reward_id for reward_id in earned.rewards if keys.coupon_code(reward_id) == code), None)


def _keep(state: BrandState, earned: Earned) -> None:
    open_until = [reward.valid_until_ms for reward in earned.rewards.values() if reward.status == GRANTED and reward.valid_until_ms]
    state.expires_ms = min(open_until) if open_until else 0
    state.keep_earned(not (earned.rewards or earned.streaks or earned.refused or earned.points or earned.ledger))
