"""From a packed member to rows of the serving copy, by the fold's own rules and terms."""

from schemas.fold import stamped_offset
from schemas.member_state import unpack_member
from schemas.scalars import instant_text
from sinks.redis import Row, TagSince, Version
from streams.keys import Keys
from streams.partition import Partition
from streams.reward_card import rewards_card
from streams.view import view


def rows_of(key: bytes, packed: bytes, partition: Partition, keys: Keys, epoch: int, clock_ms: int) -> list[Row]:
    """Show the member *key* to each brand that knows them, at the clock; withheld tags and scores are left out."""
    member = unpack_member(packed)
    version, at = Version(epoch, stamped_offset(packed)), instant_text(clock_ms)
    rows = []
    for brand, state in member.brands.items():
        shown = view(member, brand, keys.pairwise(brand, key), partition.plan(brand), partition.terms(brand), clock_ms, at)
        earned = rewards_card(state) if state.rewards else None
        since = [TagSince(tag, instant_text(state.tags[tag])) for tag in shown.tags]
        rows.append(Row(brand, version, shown, since, earned.rewards if earned else [], earned.points if earned else 0))
    return rows
