"""Why the data of an event does not fit its type, found out only after it did not.

Source: CONTRACT 2, ``no_identity`` and ``invalid_data``.
"""

import re
from typing import Final, get_args, get_type_hints

import msgspec

from schemas import events
from schemas.refusals import Reason
from streams.flaws import Flaw, kind, quoted
from streams.identity import identify

_UNEXPECTED: Final = re.compile(r"Expected `(?P<expected>.+?)`(?P<bound>.*?)(, got `(?P<came>.+?)`)?( - at `\$(?P<path>.*)`)?")
_MISSING: Final = re.compile(r"Object missing required field `(?P<field>.+?)`( - at `\$(?P<path>.*)`)?")
_NOT_ONE_OF: Final = re.compile(r"Invalid enum value .*? - at `\$(?P<path>.*)`", re.DOTALL)


def flaw_of(stated: object, deed: type[events.AnyDeed], brand: str, error: str) -> Flaw:
    """Say why *stated* is no *deed*: first whether it names anybody, then what msgspec's *error* says."""
    return _anonymous(stated, brand) or _misfit(stated, deed, error)


def nobody(came: str) -> Flaw:
    """Refuse an event of which nobody knows who did it."""
    return Flaw(Reason.NO_IDENTITY, "data.identities", came, "at least one identity that is not junk")


def _anonymous(stated: object, brand: str) -> Flaw | None:
    """Tell whether nobody is named: no data, no identities, or well-formed ones that are all junk."""
    if not isinstance(stated, dict):
        return Flaw(Reason.NO_IDENTITY, "data", kind(stated), "a map with identities")
    if not stated.get("identities") and isinstance(stated.get("identities"), list | None):
        return nobody("an empty list" if stated.get("identities") == [] else "nothing")
    try:
        identities = msgspec.convert(stated["identities"], list[events.Identity])
    except msgspec.ValidationError:
        return None
    return None if identify(identities, brand) else nobody("none that identifies anybody")


def _misfit(stated: object, deed: type[events.AnyDeed], error: str) -> Flaw:
    """Word *error* as where, what came, what was expected."""
    if match := _MISSING.fullmatch(error):
        return Flaw(Reason.INVALID_DATA, f"data{match['path'] or ''}.{match['field']}", "nothing", "a value")
    if match := _NOT_ONE_OF.fullmatch(error):
        field = match["path"].removeprefix(".")
        allowed = ", ".join(map(str, get_args(get_type_hints(deed).get(field))))
        came = stated.get(field) if isinstance(stated, dict) else None
        return Flaw(Reason.INVALID_DATA, f"data.{field}", quoted(came), f"one of {allowed}")
    if match := _UNEXPECTED.fullmatch(error):
        came = match["came"] or "another"
        return Flaw(Reason.INVALID_DATA, f"data{match['path'] or ''}", came, match["expected"] + match["bound"])
    return Flaw(Reason.INVALID_DATA, "data", "what does not fit", deed.__name__)
