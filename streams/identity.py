"""Who did it: of the identities that an event states, the one that decides.

Source: CONTRACT 4.
"""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from schemas.events import Identity

RANKING: Final = ("wx_unionid", "mobile", "wecom_external_userid", "brand_member", "wx_openid", "device", "cookie")
_RANKS: Final = {kind: rank for rank, kind in enumerate(RANKING)}
_MOBILE: Final = _RANKS["mobile"]
_FIRST_SCOPED: Final = _RANKS["wecom_external_userid"]
_DOUBTED: Final = frozenset({_MOBILE, _RANKS["device"], _RANKS["cookie"]})
_JUNK: Final = frozenset({"-1", "null", "none", "undefined", "nan", "anonymous"})
_LONGEST_JUNK: Final = max(map(len, _JUNK))
_LONGEST: Final = 256
_CHINA: Final = "86"


class Identified(Struct, frozen=True):
    """An identity and where it holds: *scope* is empty for the whole alliance."""

    kind: str
    scope: str
    identity: str


def identify(identities: Iterable[Identity], brand: str) -> Identified | None:
    """Choose the identity whose key is the member's.

    The strongest verified one; else the strongest of the brand's own; else
    the strongest, in a scope where nobody verified can be met.  Of one type
    the first that is not junk counts.  None when none identifies anybody.

    Source: CONTRACT 4.
    """
    found: dict[int, tuple[str, bool]] = {}
    for stated in identities:
        rank = _RANKS.get(stated.type)
        if rank is None or rank in found:
            continue
        identity = normalised(rank == _MOBILE, stated.id)
        if identity:
            found[rank] = identity, rank not in _DOUBTED if stated.verified is None else stated.verified
    return _strongest(found, brand) if found else None


def device_of(identities: Iterable[Identity]) -> str:
    """Give the first device of *identities* that is not junk; empty without one."""
    return next((device for stated in identities if stated.type == "device" and (device := normalised(False, stated.id))), "")


def _strongest(found: dict[int, tuple[str, bool]], brand: str) -> Identified:
    rank = min(found)
    scope = ""
    if not found[rank][1]:
        verified = [rank for rank, (_, sure) in found.items() if sure]
        scoped = [rank for rank in found if rank >= _FIRST_SCOPED]
        rank = min(verified or scoped or found)
        scope = "" if verified else f"{brand}/unverified"
    return Identified(RANKING[rank], brand if rank >= _FIRST_SCOPED else scope, found[rank][0])


def normalised(mobile: bool, stated: str) -> str:
    """Trim *stated* and, of a *mobile* number, keep the national digits; empty when it is junk.

    Zeros are junk with hyphens between them, too: an all-zero advertising id.
    A masked mobile (``138****8000``) is junk: its digits are many people's.
    """
    identity = stated.strip()
    if mobile and "*" in identity:
        return ""
    if not identity.strip("0-") or (len(identity) <= _LONGEST_JUNK and identity.lower() in _JUNK):
        return ""
    if 4 * len(identity) > _LONGEST and len(identity.encode()) > _LONGEST:
        return ""
    return _national(identity) if mobile else identity


def _national(number: str) -> str:
    plain = number.isascii() and number.isdecimal()
    digits = number if plain else "".join(str(int(digit)) for digit in number if digit.isdecimal())
    digits = digits.removeprefix("00")
    if len(digits) == 13 and digits.startswith(_CHINA):
        digits = digits[2:]
    return digits if digits.strip("0") else ""
