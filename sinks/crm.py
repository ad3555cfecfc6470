"""CRM records: CloudEvents in binary mode, in the brand's format.

Source: CONTRACT 3.
"""

import msgspec

from schemas import topics
from schemas.crm import SOURCE, CrmRecord
from schemas.effects import Effect, Headers
from schemas.envelope import MSGPACK

_json = msgspec.json.Encoder().encode
_msgpack = msgspec.msgpack.Encoder().encode
_FIXED: Headers = (("ce_specversion", b"1.0"), ("ce_source", SOURCE.encode()))
_JSON_TYPE = ("content-type", b"application/json")
_MSGPACK_TYPE = ("content-type", b"application/msgpack")


def render(record: CrmRecord) -> Effect:
    """Encode *record* for its brand's CRM topic, whose partition follows from the member's."""
    packed = record.terms.format == MSGPACK
    headers: Headers = (
        *_FIXED,
        ("ce_id", record.id.encode()),
        ("ce_type", record.type.encode()),
        ("ce_time", record.at.encode()),
        ("ce_huiliupartition", b"%d" % record.partition),
        ("ce_huiliuepoch", b"%d" % record.epoch),
        ("ce_huiliusequence", b"%d" % record.sequence),
        _MSGPACK_TYPE if packed else _JSON_TYPE,
    )
    if record.origin is not None:
        headers = (*headers, ("ce_huiliuorigin", record.origin.encode()))
    return Effect(
        topics.crm(record.brand),
        record.partition % record.terms.crm_partitions,
        record.member.encode() if record.member is not None else None,
        _msgpack(record.value) if packed else _json(record.value),
        headers,
    )
