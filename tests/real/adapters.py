"""From the public sets to CloudEvents.  Times are shifted so that the last of each set is *now*; texts are never printed."""

import csv
import io
import json
import re
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

Row = dict[str, str]


class Happened(NamedTuple):
    """One event of a set: whose brand, which member (None: the set does not say), when, and what."""

    brand: str
    who: dict[str, str] | None
    at: datetime
    kind: str
    id: str
    data: dict[str, Any]


class Sent(NamedTuple):
    """A record to publish.  *lines*: how many lines of the order set it uses for the first time."""

    brand: str
    key: bytes
    value: bytes
    lines: int = 0


def records(folder: Path, now_ms: int) -> Iterator[Sent]:
    """Yield every record of every set, each set in the order of its times."""
    for happened in (
        orders(folder / "online_retail"),
        clicks(folder / "open_bandit"),
        care(folder / "brand_chat"),
        woz(folder / "crosswoz"),
    ):
        yield from _sent(sorted(happened, key=lambda one: one.at), now_ms)


def slug(name: str) -> str:
    """Make a brand's slug of a country's or a company's name."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def orders(folder: Path) -> Iterator[Happened]:
    """Read invoices as payments, and cancelling invoices (``C…``) as refunds of the order that they most likely mean."""
    with (folder / "2011-11.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    sold: dict[tuple[str, str], str] = {}
    totals: dict[str, Decimal] = {}
    stated: dict[str, list[Row]] = {}
    for number, listed in groupby(rows, key=lambda row: row["InvoiceNo"]):
        lines = list(listed)
        if number.startswith("C"):
            yield _refund(number, lines, sold, totals, stated)
            continue
        for version, told in enumerate(_as_told(lines), 1):
            yield _paid(number, version, told)
        stated[number], totals[number] = lines, _sum(lines)
        sold.update({(row["CustomerID"], row["StockCode"]): number for row in lines if row["CustomerID"]})


def clicks(folder: Path) -> Iterator[Happened]:
    """Read impressions that were clicked; visitors are told apart by their hashed features alone."""
    with (folder / "bts_men_item_context.csv").open(encoding="utf-8", newline="") as file:
        category = {row["item_id"]: row["item_feature_3"][:8] for row in csv.DictReader(file)}
    with (folder / "bts_men.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["click"] == "1":
                features = "-".join(row[f"user_feature_{number}"][:8] for number in range(4))
                item = {"sku": row["item_id"], "category": category[row["item_id"]]}
                at = datetime.fromisoformat(row["timestamp"])
                who = {"type": "cookie", "id": features}
                yield Happened("open-bandit", who, at, "click", f"click-{row['']}", {"item": item, "context": {"page": row["position"]}})


def care(folder: Path) -> Iterator[Happened]:
    """Read customer-care conversations, by company: what clients and agents wrote, and the agent's link at the end."""
    for number, dialogue in enumerate(json.loads((folder / "dev.json").read_text(encoding="utf-8"))):
        header = dialogue["dialogHeader"]
        brand, conversation = slug(header["company"]), f"{header['sessionID']}-{number}"
        written = dialogue["dialogContent"]
        client = next(turn.get("client") or turn.get("client1") for turn in written if "agent" not in turn)
        for turn in written:
            who = turn.get("client1") or client
            said = _message(conversation, turn["tweet_ID"], "out" if "agent" in turn else "in", turn["message"])
            at = datetime.fromisoformat(turn["datetime"])
            yield Happened(brand, {"type": "brand_member", "id": who}, at, "chat", f"{number}-{turn['tweet_ID']}", said)
        link = dialogue["agentURL"]
        hours, minutes, seconds = header["duration"].split(":")
        lasted = timedelta(hours=int(hours), minutes=int(minutes), seconds=float(seconds))
        said = _message(conversation, f"{link['tweet_ID']}-link", "out", link["url_utterance"])
        at = datetime.fromisoformat(header["conversationDateTime"]) + lasted
        yield Happened(brand, {"type": "brand_member", "id": client}, at, "chat", f"{number}-link", said)


def woz(folder: Path) -> Iterator[Happened]:
    """Read the Chinese dialogues; they have no times, so one begins every five minutes and a turn takes twenty seconds."""
    with zipfile.ZipFile(folder / "val.json.zip") as archive, archive.open("val.json") as file:
        dialogues = json.load(io.TextIOWrapper(file, encoding="utf-8"))
    began = datetime(2026, 1, 1, tzinfo=UTC)
    for number, (conversation, dialogue) in enumerate(dialogues.items()):
        who = {"type": "wecom_external_userid", "id": f"usr-{dialogue['sys-usr'][1]}"}
        for turn, message in enumerate(dialogue["messages"]):
            at = began + timedelta(minutes=5 * number, seconds=20 * turn)
            said = _message(conversation, str(turn), "in" if message["role"] == "usr" else "out", message["content"])
            yield Happened("crosswoz", who, at, "chat", f"{conversation}-{turn}", said)


def _sent(happened: Iterable[Happened], now_ms: int) -> Iterator[Sent]:
    listed = list(happened)
    shift = now_ms - int(listed[-1].at.timestamp() * 1000)
    used: dict[str, int] = defaultdict(int)
    for one in listed:
        at = datetime.fromtimestamp((int(one.at.timestamp() * 1000) + shift) / 1000, UTC)
        event = {
            "specversion": "1.0",
            "id": one.id,
            "source": f"/brand/{one.brand}/archive",
            "type": f"cn.huiliu.{one.kind}.v1",
            "time": at.isoformat(timespec="milliseconds"),
            "data": {"identities": [one.who] if one.who else [], **one.data},
        }
        told = len(one.data.get("lines", ()))
        fresh, used[one.data.get("till", "")] = told - used[one.data.get("till", "")], told
        record = Sent(one.brand, (one.who or {"id": one.id})["id"].encode(), json.dumps(event, ensure_ascii=False).encode(), fresh)
        yield record
        if _repeats_a_line(one.data.get("lines", ())):
            yield record._replace(lines=0)  # the till that rang a line twice sends its receipt twice, too


def _repeats_a_line(lines: Iterable[dict[str, Any]]) -> bool:
    plain = [(line["sku"], line["quantity"], line["amount"], line["name"]) for line in lines]
    return len(set(plain)) < len(plain)


def _as_told(lines: list[Row]) -> Iterator[list[Row]]:
    """Split an invoice whose lines have several times into versions, each with the lines until then."""
    for at in sorted({row["InvoiceDate"] for row in lines}):
        yield [row for row in lines if row["InvoiceDate"] <= at]


def _paid(number: str, version: int, lines: list[Row]) -> Happened:
    data = {"order_id": number, "status": "paid", "status_version": version, "currency": "GBP", "total": str(_sum(lines))}
    return _till(number, f"{number}-{version}", lines, {**data, "lines": _lines(lines)})


def _refund(
    number: str, lines: list[Row], sold: dict[tuple[str, str], str], totals: dict[str, Decimal], stated: dict[str, list[Row]]
) -> Happened:
    order = next((found for row in lines if (found := sold.get((row["CustomerID"], row["StockCode"])))), number)
    amount = -_sum(lines)
    lots = {row["StockCode"]: str(place) for place, row in enumerate(stated.get(order, ()), 1)}
    taken = [
        {"line_id": lots[row["StockCode"]], "quantity": -int(row["Quantity"]), "amount": str(-_amount(row))}
        for row in lines
        if row["StockCode"] in lots
    ]
    data = {"order_id": order, "status": "refunded", "status_version": 9, "currency": "GBP", "total": str(totals.get(order, amount))}
    refund = {"refund_id": number, "refund": {"amount": str(amount), "lines": taken}}
    return _till(number, number, lines, {**data, **refund, "lines": _lines(lines)})


def _till(number: str, event_id: str, lines: list[Row], data: dict[str, Any]) -> Happened:
    customer = lines[0]["CustomerID"].removesuffix(".0")
    at = datetime.fromisoformat(max(row["InvoiceDate"] for row in lines)).replace(tzinfo=UTC)
    who = {"type": "brand_member", "id": customer} if customer else None
    return Happened(slug(lines[0]["Country"]), who, at, "order", event_id, {**data, "till": number})


def _lines(lines: list[Row]) -> list[dict[str, Any]]:
    return [
        {
            "line_id": str(place),
            "sku": row["StockCode"],
            "name": row["Description"],
            "category": row["StockCode"][:2],
            "quantity": int(row["Quantity"]),
            "amount": str(_amount(row)),
        }
        for place, row in enumerate(lines, 1)
    ]


def _amount(row: Row) -> Decimal:
    return Decimal(row["UnitPrice"]) * int(row["Quantity"])


def _sum(lines: Iterable[Row]) -> Decimal:
    return sum((_amount(row) for row in lines), Decimal(0))


def _message(conversation: str, message: str, direction: str, text: str) -> dict[str, Any]:
    return {"conversation_id": conversation, "message_id": message, "direction": direction, "msgtype": "text", "text": text}
