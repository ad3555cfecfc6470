"""What a share remembers of those who came: visitors one by one, then as a crowd; deeds that may have to be judged anew.

*share* is edited in place, it belongs to the batch's working set.

Source: RULES 5 (sharing), DESIGN 3.
"""

from typing import Final

from schemas.shares import EXACT, KEPT, MEMBER, Deed, Share
from streams.crowd import Crowd

REMEMBERED: Final = 1_000
"""Orders that a share whose lineage is not final can still judge anew; older ones stay as they were judged."""


def visited(share: Share, member: bytes) -> bool:
    """Tell whether *member* is among the visitors who are known one by one."""
    at = share.visitors.find(member)
    while at > 0 and at % MEMBER:
        at = share.visitors.find(member, at + 1)
    return at >= 0


def visitors(share: Share) -> int:
    """Count the visitors: exactly up to ``EXACT``, estimated beyond."""
    return Crowd(share.crowd, share.visitors).estimate() if share.crowd else len(share.visitors) // MEMBER


def admit(share: Share, member: bytes, crowd: Crowd) -> bool:
    """Count a visitor who was not known; False for one beyond ``EXACT``, who is counted in the sketch alone."""
    if len(share.visitors) < MEMBER * EXACT:
        share.visitors += member
        return True
    crowd.add(member, share.visitors)
    return False


def keep_unknown(share: Share, deed: Deed) -> bool:
    """Keep what an unknown share may be told of later: up to ``KEPT`` visits and orders; False if there is no room."""
    if not _merged(share, deed):
        if deed.now is None:
            return True
        if len(share.deeds) >= KEPT:
            return False
        share.deeds.append(_alone(deed))
    if not deed.order_id:
        share.visitors += deed.member
    return True


def keep(share: Share, deed: Deed) -> None:
    """Keep what may have to be judged anew: visits are bounded by the visitors, orders by ``REMEMBERED``."""
    if deed.order_id and _merged(share, deed):
        return
    if deed.now is None:
        return
    share.deeds.append(_alone(deed))
    if len(share.deeds) > EXACT + REMEMBERED:
        oldest = next(at for at, one in enumerate(share.deeds) if one.order_id)
        del share.deeds[oldest]


def _merged(share: Share, deed: Deed) -> bool:
    """Put *deed* in place of what is kept of the same; False if nothing is."""
    for at, kept in enumerate(share.deeds):
        if kept.order_id == deed.order_id and kept.member == deed.member and kept.brand == deed.brand:
            if deed.now is None:
                del share.deeds[at]
            else:
                share.deeds[at] = _alone(deed)
            return True
    return False


def _alone(deed: Deed) -> Deed:
    """Forget what *deed* was: whoever is told of it later is told of it for the first time."""
    return Deed(deed.member, deed.brand, deed.devices, deed.depth, deed.order_id, None, deed.now, deed.moved)
