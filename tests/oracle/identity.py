"""Who an event is about (CONTRACT 4): the identity, as type, scope and normalised id, that stands for the member."""

import unicodedata
from typing import Any, Final, NamedTuple

from tests.oracle.wire import Refusal

STRONGEST_FIRST: Final = ("wx_unionid", "mobile", "wecom_external_userid", "brand_member", "wx_openid", "device", "cookie")
OF_THE_BRAND: Final = STRONGEST_FIRST[2:]
UNVERIFIED_UNLESS_SAID: Final = ("mobile", "device", "cookie")
JUNK: Final = ("", "-", "-1", "null", "none", "undefined", "nan", "anonymous")


class Identity(NamedTuple):
    """Equal for two events exactly when they are one member's."""

    type: str
    scope: str
    id: str


def identity_of(brand: str, data: Any) -> Identity:
    """Find the member key's identity in *data*; raises Refusal."""
    listed = data.get("identities") if isinstance(data, dict) else None
    if listed is None or listed == []:
        raise Refusal("no_identity")
    if not isinstance(listed, list):
        raise Refusal("invalid_data", "identities")
    found: dict[str, tuple[str, bool]] = {}
    malformed = False
    for entry in listed:
        kind, spoken, verified = _entry(entry)
        malformed |= spoken is None
        plain = None if spoken is None else _normal(kind, spoken)
        if plain is not None and kind in STRONGEST_FIRST:
            found.setdefault(kind, (plain, verified))
    if malformed:
        raise Refusal("invalid_data", "identities[].id")
    return _strongest(brand, found)


def device_of(data: Any) -> str | None:
    """Find the first device in *data* that names one."""
    listed = [(kind, spoken) for kind, spoken, _ in map(_entry, data["identities"]) if kind == "device" and spoken is not None]
    return next((plain for kind, spoken in listed if (plain := _normal(kind, spoken)) is not None), None)


def _strongest(brand: str, found: dict[str, tuple[str, bool]]) -> Identity:
    ranked = [kind for kind in STRONGEST_FIRST if kind in found]
    for kind in ranked:
        if found[kind][1]:
            return Identity(kind, brand if kind in OF_THE_BRAND else "", found[kind][0])
    for kind in ranked:
        if kind in OF_THE_BRAND:
            return Identity(kind, brand, found[kind][0])
    if ranked:
        return Identity(ranked[0], f"{brand} unverified", found[ranked[0]][0])
    raise Refusal("no_identity")


def _entry(entry: Any) -> tuple[str, str | None, bool]:
    """Take an entry apart; the id is None when the entry is malformed."""
    if not isinstance(entry, dict) or not isinstance(entry.get("type"), str):
        return "", None, False
    kind, spoken, verified = entry["type"], entry.get("id"), entry.get("verified")
    if not isinstance(spoken, str) or not isinstance(verified, bool | None):
        return kind, None, False
    return kind, spoken, kind not in UNVERIFIED_UNLESS_SAID if verified is None else verified


def _normal(kind: str, spoken: str) -> str | None:
    plain = spoken.strip()
    if plain.lower() in JUNK or len(plain.encode()) > 256:
        return None
    if kind == "mobile":
        if "*" in plain:
            return None
        plain = "".join(str(unicodedata.decimal(character)) for character in plain if character.isdecimal())
        plain = plain.removeprefix("00")
        if len(plain) == 13 and plain.startswith("86"):
            plain = plain[2:]
    return plain if plain.strip("0-") else None
