"""Accepted events as rows: what ``recount.sql`` reads."""

import json
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import duckdb

from tests.oracle.identity import Identity, device_of
from tests.oracle.places import ENRICHED, Verdict
from tests.oracle.validity import instant, minor

COLUMNS: Final = {
    "event": {
        **dict.fromkeys(("brand", "who", "kind", "order_id", "status", "currency", "conversation", "message"), "VARCHAR"),
        **dict.fromkeys(("direction", "msgtype", "text", "recalls", "refund_id"), "VARCHAR"),
        **dict.fromkeys(("share_id", "parent", "owner", "click_id", "device"), "VARCHAR"),
        **dict.fromkeys(("position", "t", "version", "total", "refund"), "BIGINT"),
    },
    "line": {"position": "BIGINT", "line_id": "VARCHAR", "quantity": "DOUBLE", "dimension": "VARCHAR", "value": "VARCHAR"},
    "refund_line": {"position": "BIGINT", "line_id": "VARCHAR", "quantity": "DOUBLE"},
    "consent": {
        **dict.fromkeys(("brand", "who"), "VARCHAR"),
        **dict.fromkeys(("position", "version", "stated_at"), "BIGINT"),
        "tags": "BOOLEAN",
        "alliance": "BOOLEAN",
        "recipients": "VARCHAR[]",
    },
    "sharing_rule": {"brand": "VARCHAR", "within": "BIGINT", "depth": "BIGINT"},
    "probe": {"probe": "BIGINT", "brand": "VARCHAR", "who": "VARCHAR", "upto": "BIGINT", "clock": "BIGINT"},
}
Row = dict[str, Any]


def who_text(who: Identity) -> str:
    """Write an identity as one string, for a column."""
    return "|".join(who)


def folded(text: str) -> str:
    """Fold width and case, as keywords are compared."""
    return unicodedata.normalize("NFKC", text).casefold()


def load(database: duckdb.DuckDBPyConnection, folder: Path, verdicts: Iterable[Verdict]) -> None:
    """Fill the tables of facts from what was accepted; *folder* holds the rows on their way."""
    rows: dict[str, list[Row]] = {name: [] for name in COLUMNS if name not in ("probe", "sharing_rule")}
    for verdict in verdicts:
        if verdict.place == ENRICHED and verdict.said is not None:
            rows["event"].append(_event(verdict))
            rows["line"].extend(_lines(verdict))
            rows["refund_line"].extend(_refund_lines(verdict))
            rows["consent"].extend(_consents(verdict))
    for table, listed in rows.items():
        fill(database, folder, table, listed)


def fill(database: duckdb.DuckDBPyConnection, folder: Path, table: str, rows: Iterable[Row]) -> None:
    """Make *table* of *rows*, by way of a file: inserting row by row takes a hundred times as long."""
    path = folder / f"{table}.ndjson"
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    columns = ", ".join(f"{name}: '{kind}'" for name, kind in COLUMNS[table].items())
    source = f"read_json(?, format = 'newline_delimited', columns = {{{columns}}}, maximum_object_size = 67108864)"
    database.execute(f"CREATE OR REPLACE TABLE {table} AS SELECT * FROM {source}", [str(path)])
    path.unlink()


def _event(verdict: Verdict) -> Row:
    said = verdict.said
    assert said is not None
    data = said.data
    row: Row = {"brand": verdict.record.brand, "who": who_text(said.who), "kind": said.kind}
    row |= {"position": verdict.position, "t": said.at_ms, "status": data.get("status")}
    row |= {"share_id": data.get("share_id") or None, "click_id": data.get("click_id") or None}
    row |= {"parent": data.get("parent_share_id") or None, "device": device_of(data)}
    row["owner"] = owner if (owner := data.get("owner_brand") or None) != row["brand"] else None
    if said.kind == "order":
        refund = data.get("refund") or {} if data["status"] == "refunded" else {}
        row |= {"order_id": data["order_id"], "version": data["status_version"], "currency": data["currency"]}
        row |= {"total": minor(data["total"], data["currency"]), "refund_id": data.get("refund_id")}
        row["refund"] = minor(refund["amount"], data["currency"]) if refund else None
    if said.kind == "chat":
        row |= {"conversation": data["conversation_id"], "message": data["message_id"], "direction": data["direction"]}
        row |= {"msgtype": data["msgtype"], "text": folded(data.get("text") or ""), "recalls": data.get("recalls")}
    return row


def _lines(verdict: Verdict) -> Iterator[Row]:
    said = verdict.said
    assert said is not None
    if said.kind == "order":
        lines = said.data.get("lines") or []
    elif said.kind in ("click", "share"):
        lines = [said.data["item"]] if said.data.get("item") else []
    else:
        return
    for line in lines:
        for dimension in ("sku", "category"):
            row = {"position": verdict.position, "line_id": line.get("line_id"), "quantity": line.get("quantity")}
            yield {**row, "dimension": dimension, "value": line.get(dimension) or ""}


def _refund_lines(verdict: Verdict) -> Iterator[Row]:
    said = verdict.said
    assert said is not None
    if said.kind == "order" and said.data["status"] == "refunded":
        for line in said.data["refund"].get("lines") or []:
            yield {"position": verdict.position, "line_id": line["line_id"], "quantity": line["quantity"]}


def _consents(verdict: Verdict) -> Iterator[Row]:
    said = verdict.said
    assert said is not None
    stated = said.data.get("consent")
    if stated is not None:
        purposes = stated["purposes"]
        row: Row = {"brand": verdict.record.brand, "who": who_text(said.who), "position": verdict.position}
        row |= {"version": stated["version"], "stated_at": instant(stated["at"]), "tags": purposes.get("tags")}
        yield {**row, "alliance": purposes.get("alliance"), "recipients": stated.get("recipients") or []}
