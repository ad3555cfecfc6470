import json

import jsonschema as outside
import msgpack
import msgspec
import pytest

from schemas import crm, jsonschema
from schemas.crm import CrmRecord
from schemas.envelope import JSON, MSGPACK, Terms
from schemas.rewards import Refusal, Reversal
from sinks.crm import render
from tests.published import GOLDEN, golden, in_json

AT = "2026-11-18T11:06:40.000Z"
MEMBER = "b026b74668e27a98caf4c1efd3f29ac2"
VIEW = crm.MemberView(
    id=MEMBER,
    as_of=AT,
    first_seen="2026-11-01T00:00:00.000Z",
    tags=["alliance/loyal", "regular"],
    engagement=crm.Engagement(brand=12.5, alliance=20.000001),
    orders=2,
    spend={"CNY": "129.90", "JPY": "1200"},
    last=crm.Last(click=AT, order="2026-11-17T08:00:00.000Z"),
)
REWARD = "3ZLPMEJECM3CGUYHJRWHSAFV"
WHY = crm.Evidence(value=3, events=("order-1", "order-2"), rules=7)


def values(crm_format: int) -> dict[str, crm.Value]:
    event = in_json(golden("click")) if crm_format == JSON else msgpack.packb(golden("click"))
    return {
        crm.ENRICHED: crm.Enriched(msgspec.Raw(event), VIEW),
        crm.TAG_ENTERED: crm.TagChanged(MEMBER, "regular", AT, WHY),
        crm.TAG_EXITED: crm.TagChanged(MEMBER, "regular", AT, crm.Evidence("0.00", (), 7)),
        crm.MANIFEST: crm.Manifest(5, 1, 1, 9, 9, "ab" * 32, 1, 0, AT),
        crm.REWARD_PROGRESS: crm.RewardProgress(MEMBER, "acme/share-three", 2, 3, AT),
        crm.REWARD_GRANTED: crm.RewardGranted(
            REWARD, MEMBER, "acme/share-three", 7, "coupon", "5.00", "share-9", AT, "CNY", "ABCDEFGH23456777", "2026-11-25T11:06:40.000Z"
        ),
        crm.REWARD_REFUSED: crm.RewardRefused(REWARD, MEMBER, Refusal.CAP, "3 within 7d is the cap", AT, "acme/share-three", 7),
        crm.REWARD_REVERSED: crm.RewardReversed(REWARD, MEMBER, "acme/share-three", "5.00", Reversal.REFUNDED, "order-9", AT),
    }


def record(name: str, crm_format: int) -> CrmRecord:
    member, origin = (None, None) if name == crm.MANIFEST else (MEMBER, "3:42")
    return CrmRecord("acme", Terms(format=crm_format), name, "id-1", AT, 5, 1, 2, member, values(crm_format)[name], origin)


@pytest.mark.parametrize("name", sorted(values(JSON)))
def test_each_crm_record_is_spelt_as_it_always_was(name: str) -> None:
    effect = render(record(name, JSON))
    headers = {header: (text or b"").decode() for header, text in effect.headers}
    place = {"topic": effect.topic, "partition": effect.partition, "key": effect.key and effect.key.decode()}
    spelt = {**place, "headers": headers, "value": json.loads(effect.value or b"")}
    assert spelt == json.loads((GOLDEN / "crm" / f"{name}.json").read_text())


@pytest.mark.parametrize("name", sorted(values(JSON)))
def test_a_crm_record_says_the_same_in_both_formats(name: str) -> None:
    in_both = [render(record(name, crm_format)).value or b"" for crm_format in (JSON, MSGPACK)]
    assert json.loads(in_both[0]) == msgpack.unpackb(in_both[1])


@pytest.mark.parametrize("name", sorted(values(JSON)))
def test_crm_records_fit_their_schema(name: str) -> None:
    outside.validate(json.loads(render(record(name, JSON)).value or b""), jsonschema.schema_of(name))
