"""JSON Schemas (2020-12) of what brands publish and what CRMs receive, generated from the types.

``schemas/json/`` holds them for whoever does not run Python; a test holds the
files against the types.

Source: CONTRACT 2 and 3.
"""

from typing import Any, Final

import msgspec
from msgspec import Struct

from schemas import crm
from schemas.events import EVENTS

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, Any]

_CRM_VALUES: Final[dict[str, type[Struct]]] = {
    crm.ENRICHED: crm.Enriched,
    crm.TAG_ENTERED: crm.TagChanged,
    crm.TAG_EXITED: crm.TagChanged,
    crm.MANIFEST: crm.Manifest,
    crm.REWARD_PROGRESS: crm.RewardProgress,
    crm.REWARD_GRANTED: crm.RewardGranted,
    crm.REWARD_REFUSED: crm.RewardRefused,
    crm.REWARD_REVERSED: crm.RewardReversed,
}


def _required_with(field: str, value: str, *required: str) -> Schema:
    """Require fields where *field* has *value*."""
    given = {"properties": {field: {"const": value}}, "required": [field]}
    strings = {name: {"not": {"type": "null"}} for name in required}
    return {"if": given, "then": {"required": list(required), "properties": strings}}


_ACROSS_FIELDS: Final[dict[str, Schema]] = {
    "Click": {"anyOf": [{"required": ["item"]}, {"required": ["page"]}]},
    "Order": _required_with("status", "refunded", "refund_id", "refund"),
    "Chat": _required_with("msgtype", "recall", "recalls"),
    "Coupon": {"anyOf": [{"required": ["reward_id"]}, {"required": ["coupon_code"]}]},
}
"""What a type's fields alone can't say; ``streams/facts.py`` checks it."""


def names() -> list[str]:
    """Name every type on the wire."""
    return [*EVENTS, *_CRM_VALUES]


def schema_of(name: str) -> Schema:
    """Generate the schema of event or CRM record type *name*; KeyError for an unknown one."""
    generated = msgspec.json.schema(EVENTS[name] if name in EVENTS else _CRM_VALUES[name], schema_hook=_anything)
    definitions = {title: _definition(title, found) for title, found in sorted(generated.pop("$defs").items())}
    return {"$schema": DIALECT, "$id": f"urn:huiliu:{name}", "title": name, **generated, "$defs": definitions}


def _anything(_: type) -> Schema:
    """Describe ``object``: whatever the brand makes of it."""
    return {"description": "Whatever the brand makes of it."}


def _definition(title: str, found: Schema) -> Schema:
    return found | _ACROSS_FIELDS.get(title, {})


def rendered(name: str) -> str:
    """Spell the schema of *name* as its file has it."""
    return msgspec.json.format(msgspec.json.encode(schema_of(name)), indent=2).decode() + "\n"
