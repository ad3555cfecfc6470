"""One member as they are committed: from the brand's own identity, or the id that the CRM knows, to a card."""

import re
from collections.abc import Iterable
from typing import Final

from agents import key_file
from agents.serving_rebuild import CHANGELOG, Restored, restored
from agents.settings import Settings
from agents.topic_log import TopicLog
from schemas import topics
from schemas.events import Identity
from schemas.member_state import unpack_member
from streams.identity import RANKING, identify
from streams.keys import Keys
from streams.member_card import MemberCard, card
from streams.partition import MEMBER_KEY

PAIRWISE: Final = re.compile(r"[0-9a-f]{32}")


class BadIdentity(Exception):
    """What was given names nobody; the message says what is expected."""


def look_up(settings: Settings, brand: str, identity: str) -> MemberCard | None:
    """Find a member of *brand* by the CRM's id (32 hex digits) or ``type:id``; None if the brand never saw them.

    Raises ``BadIdentity``, and ``BadSettings`` without Kafka or keys.
    """
    keys = Keys(key_file.read(settings.keys))
    with TopicLog(settings, CHANGELOG) as log:
        if PAIRWISE.fullmatch(identity):
            # The id can't be turned back: everybody's is made and compared, a microsecond each.
            for number in log.partitions:
                found = restored(log, number)
                members = (key for key in found.states if len(key) == MEMBER_KEY) if found is not None else ()
                if found is not None and (key := next((key for key in members if keys.pairwise(brand, key) == identity), None)):
                    return _card(found, key, brand, keys)
            return None
        for key in candidates(keys, brand, identity):
            found = restored(log, topics.member_partition(key, len(log.partitions)))
            if found is not None and key in found.states and (shown := _card(found, key, brand, keys)) is not None:
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


def _card(found: Restored, key: bytes, brand: str, keys: Keys) -> MemberCard | None:
    member, partition = unpack_member(found.states[key]), found.partition
    if brand not in member.brands:
        return None
    return card(member, brand, keys.pairwise(brand, key), partition.plan(brand), partition.terms(brand), found.marker.clock_ms)
