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
    """Encode *record* for its brand's CRM topic, whose partition follows from the member's.

    Called once a record on the members' hot path: 2.5 µs with the encoding.
    """
    terms = record.terms
    topic, fixed = _fixed(record.brand, record.partition, record.epoch, record.type, terms.format)
    told: Headers = (
        ("ce_id", record.id.encode()),
        ("ce_time", record.at.encode()),
        ("ce_huiliusequence", b"%d" % record.sequence),
    )
    origin = record.origin
    return Effect(
        topic,
        record.partition % terms.crm_partitions,
        record.member.encode() if record.member is not None else None,
        _json(record.value) if terms.format == JSON else _msgpack(record.value),
        fixed + told if origin is None else (*fixed, *told, ("ce_huiliuorigin", origin.encode())),
    )


@lru_cache(maxsize=4_096)
def _fixed(brand: str, partition: int, epoch: int, record_type: str, encoding: int) -> tuple[str, Headers]:
    """Give what does not change from record to record: the topic and its headers."""
    return topics.crm(brand), (
        ("ce_specversion", b"1.0"),
        ("ce_source", SOURCE.encode()),
        ("ce_type", record_type.encode()),
        ("ce_huiliupartition", b"%d" % partition),
        ("ce_huiliuepoch", b"%d" % epoch),
        ("content-type", b"application/json" if encoding == JSON else b"application/msgpack"),
    )
