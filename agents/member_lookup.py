"""One member as they are committed: from the brand's own identity, or the id that the CRM knows, to a card."""

import re
from collections.abc import Iterable
from typing import Final

import msgspec

from agents import key_file
from agents.engine.takeover import MARKER
from agents.serving_rebuild import Restored, restored
from agents.settings import Settings
from agents.topic_log import TopicLog
from schemas import stages, topics
from schemas.events import Identity
from schemas.member_state import unpack_member
from schemas.shares import Share, unpack
from streams import consent
from streams.identity import RANKING, identify
from streams.keys import Keys
from streams.member_card import MemberCard, card
from streams.offers import Offer, Offers
from streams.partition import MEMBER_KEY
from streams.reward_card import explain, share_refusals
from streams.shares_fold import ORIGINS

PAIRWISE: Final = re.compile(r"[0-9a-f]{32}")


class BadIdentity(Exception):
    """What was given names nobody; the message says what is expected."""


def look_up(settings: Settings, brand: str, identity: str, campaign: str | None = None) -> MemberCard | None:
    """Find a member of *brand* by the CRM's id (32 hex digits) or ``type:id``; None if the brand never saw them.

    With *campaign*, why it gives them a reward or not.  Raises ``BadIdentity``
    (also for a campaign that is not there), and ``BadSettings`` without Kafka
    or keys.
    """
    keys = Keys(key_file.read(settings.keys))
    with TopicLog(settings, stages.MEMBERS.changelog) as log:
        if PAIRWISE.fullmatch(identity):
            # The id can't be turned back: everybody's is made and compared, a microsecond each.
            for number in log.partitions:
                found = restored(log, number)
                members = (key for key in found.states if len(key) == MEMBER_KEY) if found is not None else ()
                if found is not None and (key := next((key for key in members if keys.pairwise(brand, key) == identity), None)):
                    return _card(settings, found, key, brand, keys, campaign)
            return None
        for key in candidates(keys, brand, identity):
            found = restored(log, topics.member_partition(key, len(log.partitions)))
            if found is not None and key in found.states and (shown := _card(settings, found, key, brand, keys, campaign)) is not None:
                return shown
    return None


def candidates(keys: Keys, brand: str, identity: str) -> Iterable[bytes]:
    """Give the keys under which ``type:id`` may be known: as verified, then as not.  Raises ``BadIdentity``."""
    kind, colon, stated = identity.partition(":")
    if not colon or kind not in RANKING:
        raise BadIdentity(f"{identity}: expected the CRM's id (32 hex digits) or TYPE:ID, where TYPE is one of {', '.join(RANKING)}")
    found = [identify([Identity(kind, stated, verified)], brand) for verified in (True, False)]
    if found[0] is None:
        raise BadIdentity(f"{identity}: such an id identifies nobody")
    return dict.fromkeys(keys.member(one.kind, one.scope, one.identity) for one in found if one is not None)


def _card(settings: Settings, found: Restored, key: bytes, brand: str, keys: Keys, campaign: str | None) -> MemberCard | None:
    member, partition = unpack_member(found.states[key]), found.partition
    if brand not in member.brands:
        return None
    plan, terms, clock_ms = partition.plan(brand), partition.terms(brand), found.marker.clock_ms
    shown = card(member, brand, keys.pairwise(brand, key), plan, terms, clock_ms)
    if campaign is None:
        return shown
    offer = _offer(plan.offers, brand, campaign)
    state = member.brands[brand]
    explained = explain(offer, state, key, keys, consent.allows_rewards(state.consent, terms), clock_ms)
    if offer.campaign.beneficiary == "sharer":
        explained = msgspec.structs.replace(explained, shares=share_refusals(_shares(settings), key, brand))
    return msgspec.structs.replace(shown, explained=explained)


def _shares(settings: Settings) -> Iterable[tuple[bytes, Share]]:
    """Read every share as it is committed: which are a member's, only the shares know."""
    latest: dict[bytes, bytes] = {}
    with TopicLog(settings, stages.SHARES.changelog) as log:
        for entry in log.read():
            if entry.key not in (None, MARKER, ORIGINS) and entry.value is not None:
                latest[entry.key or b""] = entry.value
    return [(key, unpack(packed)) for key, packed in sorted(latest.items())]


def _offer(offers: Offers | None, brand: str, campaign: str) -> Offer:
    """Find a campaign by its name or its id; raises ``BadIdentity``."""
    known = offers.by_id if offers is not None else {}
    found = known.get(campaign) or known.get(f"{brand}/{campaign}")
    if found is None:
        raise BadIdentity(f"{campaign}: no such campaign at {brand}; there are {', '.join(sorted(known)) or 'none'} (drafts left out)")
    return found
