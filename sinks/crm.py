"""CRM records: CloudEvents in binary mode, in the brand's format.

Source: CONTRACT 3.
"""

from functools import lru_cache

import msgspec

from schemas import topics
from schemas.crm import SOURCE, CrmRecord
from schemas.effects import Effect, Headers
from schemas.envelope import JSON

_json = msgspec.json.Encoder().encode
_msgpack = msgspec.msgpack.Encoder().encode


def render(record: CrmRecord) -> Effect:
    """Encode *record* for its brand's CRM topic, whose partition follows from the member's."""
    terms = record.terms
    headers: Headers = (
        *_fixed(record.partition, record.epoch, record.type, terms.format),
        ("ce_id", record.id.encode()),
        ("ce_time", record.at.encode()),
        ("ce_huiliusequence", b"%d" % record.sequence),
    )
    if record.origin is not None:
        headers = (*headers, ("ce_huiliuorigin", record.origin.encode()))
    return Effect(
        topics.crm(record.brand),
        record.partition % terms.crm_partitions,
        record.member.encode() if record.member is not None else None,
        _json(record.value) if terms.format == JSON else _msgpack(record.value),
        headers,
    )


@lru_cache(maxsize=1_024)
def _fixed(partition: int, epoch: int, record_type: str, encoding: int) -> Headers:
    """Give the headers that do not change from record to record."""
    return (
        ("ce_specversion", b"1.0"),
        ("ce_source", SOURCE.encode()),
        ("ce_type", record_type.encode()),
        ("ce_huiliupartition", b"%d" % partition),
        ("ce_huiliuepoch", b"%d" % epoch),
        ("content-type", b"application/json" if encoding == JSON else b"application/msgpack"),
    )
