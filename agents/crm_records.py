"""What a CRM received, read back: headers and value of each record, in words, and what an audit needs of it."""

from typing import Any

import msgspec

from agents.settings import BadSettings, Settings
from agents.topic_log import Entry, TopicLog
from schemas import crm, topics
from schemas.crm import Manifest
from schemas.dead_letters import OFFSET, PARTITION, REASON, TOPIC_ID
from streams.audit import Audit, Place, Received, Report, headers_of

_MANIFESTS = {"application/json": msgspec.json.Decoder(Manifest).decode, "application/msgpack": msgspec.msgpack.Decoder(Manifest).decode}


def value_of(entry: Entry) -> Any:
    """Decode a record's value, JSON or MessagePack as its headers say."""
    packed = headers_of(entry.headers).get("content-type") == "application/msgpack"
    return msgspec.msgpack.decode(entry.value or b"") if packed else msgspec.json.decode(entry.value or b"")


def document_of(entry: Entry) -> dict[str, Any]:
    """Give a record as one document: its CloudEvents attributes and ``data``."""
    attributes = {name.removeprefix("ce_"): text for name, text in headers_of(entry.headers).items() if name.startswith("ce_")}
    return {"partition": entry.partition, "offset": entry.offset, **attributes, "data": value_of(entry)}


def said(entry: Entry) -> str:
    """Say in a line what the CRM is told."""
    headers, value = headers_of(entry.headers), value_of(entry)
    at, kind = headers.get("ce_time", "")[:19].replace("T", " "), headers.get("ce_type")
    match kind:
        case crm.ENRICHED:
            member = value["member"]
            facts = [*(f"tags {', '.join(member['tags'])}" for _ in [0] if member["tags"])]
            facts += [f"engagement {score:g}" for score in [member["engagement"].get("brand")] if score is not None]
            facts += [f"{member['orders']} orders, spend {_money(member['spend'])}" for _ in [0] if member["orders"]]
            return f"{at}  {member['id'][:8]}  {_event(value['event'])}" + "".join(f"; {fact}" for fact in facts)
        case crm.TAG_ENTERED | crm.TAG_EXITED:
            word = "entered" if kind == crm.TAG_ENTERED else "exited"
            return f"{at}  {value['member'][:8]}  {word} {value['tag']} ({value['evidence']['value']})"
        case crm.REWARD_PROGRESS | crm.REWARD_GRANTED | crm.REWARD_REFUSED | crm.REWARD_REVERSED:
            return f"{at}  {value['member'][:8]}  {_reward(kind, value)}"
        case crm.MANIFEST:
            return f"{at}  manifest of partition {value['partition']}: {value['count']} records, {value['duplicates']} duplicates"
        case _:
            return f"{at}  {kind}"


def audit(settings: Settings, brand: str) -> Report:
    """Read the brand's three topics to their ends and put them side by side.

    The CRM topic is read last: what is published meanwhile is in none of the
    others yet, and an event that is there is not missed.
    """
    with (
        TopicLog(settings, topics.events(brand)) as events,
        TopicLog(settings, topics.dead_letters(brand)) as letters,
        TopicLog(settings, topics.crm(brand)) as received,
    ):
        cut = any(extent.first for log in (events, received) for extent in log.extents().values())
        made = Audit(cut=cut)
        topic_id = events.topic_id()
        for entry in events.read():
            made.published((entry.partition, entry.offset), entry.appended_ms)
        for entry in letters.read():
            headers = headers_of(entry.headers)
            if headers.get(TOPIC_ID) == topic_id:
                made.refused((int(headers[PARTITION]), int(headers[OFFSET])), headers[REASON])
        for entry in received.read():
            made.received(_received(entry))
        return made.report()


def _received(entry: Entry) -> Received:
    headers = headers_of(entry.headers)
    try:
        return Received(
            headers["ce_type"],
            headers["ce_id"],
            int(headers["ce_huiliupartition"]),
            int(headers["ce_huiliuepoch"]),
            int(headers["ce_huiliusequence"]),
            _place(headers.get("ce_huiliuorigin")),
            _MANIFESTS[headers["content-type"]](entry.value or b"") if headers["ce_type"] == crm.MANIFEST else None,
        )
    except (KeyError, ValueError) as error:
        raise BadSettings(f"CRM partition {entry.partition}, offset {entry.offset}: not written by huiliu: {error}") from None


def _place(origin: str | None) -> Place | None:
    if origin is None:
        return None
    partition, _, offset = origin.partition(":")
    return int(partition), int(offset)


def _event(event: dict[str, Any]) -> str:
    """Say what the brand's own event was."""
    kind = str(event["type"]).removeprefix("cn.huiliu.").removesuffix(".v1")
    data = event.get("data") or {}
    match kind:
        case "order":
            amount = data["refund"]["amount"] if data["status"] == "refunded" else data["total"]
            return f"order {data['order_id']} {data['status']} {amount} {data['currency']}"
        case "chat":
            return f"chat {data['direction']}: {str(data.get('text') or data['msgtype'])[:40]}"
        case "share":
            return f"share via {data['via']}"
        case "click":
            return f"click {data['item']['sku'] if data.get('item') else data.get('page')}"
        case "coupon":
            return f"coupon {data['status']}"
        case _:
            return kind


def _reward(kind: str, value: dict[str, Any]) -> str:
    """Say what became of a reward."""
    campaign = value.get("campaign", "")
    match kind:
        case crm.REWARD_PROGRESS:
            return f"{campaign}: {value['have']} of {value['need']}"
        case crm.REWARD_GRANTED:
            coupon = f", coupon {value['coupon_code']}" if "coupon_code" in value else ""
            until = f", good until {value['valid_until'][:10]}" if "valid_until" in value else ""
            return f"{campaign}: granted {value['value']} {value.get('currency', 'points')}{coupon}{until}"
        case crm.REWARD_REVERSED:
            return f"{campaign}: reversed {value['amount']} ({value['reason']})"
        case _:
            return f"{campaign or 'coupon ' + value['reward_id']}: refused, {value['reason']} ({value['detail']})"


def _money(spend: dict[str, str]) -> str:
    return ", ".join(f"{amount} {currency}" for currency, amount in sorted(spend.items())) or "0"
