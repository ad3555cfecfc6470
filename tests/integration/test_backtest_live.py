"""A backtest over what a brand published grants, takes back and refuses what the workers did with the same records."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest

from agents import admin
from agents.crm_records import value_of
from agents.servers import start_kafka
from agents.settings import Settings
from agents.topic_log import TopicLog, Writer
from schemas import crm, envelope, topics
from schemas.brands import Registration
from schemas.envelope import Tick
from streams.audit import headers_of
from tests.integration.command import huiliu
from tests.integration.crew import READY_S, Crew, eventually

BRAND: Final = "acme"
MEMBERS, EVENTS = 80, 1_500
RULES: Final = """\
brand: acme
timezone: Asia/Shanghai
tags:
  keen: {count: {events: click, within: 24h, at_least: 4}}
campaigns:
  each-order:
    state: live
    trigger: {event: order.paid}
    reward: {coupon: {value: "3.33", currency: CNY, valid_for: 7d}}
    once_per: order
    holdout: 20%
    undo: {on: [order.cancelled, order.refunded], mode: pro_rata}
    budget: {money: "90000.00"}
  keen-ones:
    state: live
    trigger: {tag_entered: keen}
    reward: {points: 10}
    freshness: 18h
  trail:
    state: live
    trigger: {event: share.visited}
    beneficiary: sharer
    reward: {points: 2}
    once_per: share
  three-clicks:
    state: live
    trigger: {streak: {events: click, count: 3, within: 12h}}
    condition: {not: {tag: keen}}
    reward: {coupon: {value: "1.00", currency: CNY, valid_for: 7d}}
    once_per: day
    cap: [{rewards: 2, within: 24h}]
    cooldown: 1h
"""


@pytest.fixture(scope="module")
def crew(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crew]:
    with start_kafka() as server:
        settings = Settings(kafka=server.bootstrap, data=tmp_path_factory.mktemp("live"), partitions=4, tick_s=0.5, commit_interval_s=0.1)
        with Crew(settings) as working:
            admin.add_brand(settings, Registration(BRAND, "Acme", admin.now(), events_partitions=4))
            yield working


def command(crew: Crew, *words: str) -> str:
    settings = crew.settings
    environment = {"HUILIU_DATA": str(settings.data_dir), "HUILIU_PARTITIONS": str(settings.partitions)}
    ran = huiliu("rules", *words, kafka=settings.bootstrap(), environment=environment)
    assert ran.status == 0, ran
    return ran.out


def street() -> Iterator[tuple[str, bytes]]:
    """Make clicks, shares, orders, refunds and copies, up to 22 hours late, the first fifth 30 more, each with the member it is about.

    So whether one counts within 24 hours does not hang on how long it takes until it is folded.
    """
    random, now = Random(5), datetime.now(UTC)
    sent: list[tuple[str, bytes]] = []
    for number in range(EVENTS):
        who = f"m{int(random.paretovariate(0.8)) % MEMBERS}"
        data: dict[str, Any] = {"identities": [{"type": "brand_member", "id": who}]}
        draw = random.random()
        if draw < 0.05 and sent:
            yield random.choice(sent)
            continue
        share = {"share_id": f"h{number - number % 30}"}
        if number % 30 == 0:
            kind, data = "share", data | share | {"via": "wecom"}
        elif draw < 0.6:
            kind, data = "click", data | {"item": {"sku": f"s{number % 7}", "title": "tea"}, "page": "p"}
            data |= share if number % 5 == 0 else {}
        else:
            order, refunded = number - number % 3, random.random() < 0.3
            who = f"m{order % MEMBERS}"
            data = {"identities": [{"type": "brand_member", "id": who}], "order_id": f"o{order}", "currency": "CNY", "total": "100.00"}
            data |= {"status": "refunded", "status_version": 2} if refunded else {"status": "paid", "status_version": 1}
            data |= {"refund_id": f"r{order}", "refund": {"amount": f"{random.randint(1, 100)}.00"}} if refunded else {}
            kind = "order"
        age = timedelta(hours=30 if number < EVENTS // 5 else 0, seconds=random.randint(0, 79_200))
        event = {
            "specversion": "1.0",
            "id": f"e{number}",
            "source": f"/brand/{BRAND}/shop",
            "type": f"cn.huiliu.{kind}.v1",
            "time": (now - age).isoformat(timespec="milliseconds"),
            "data": data,
        }
        sent.append((who, json.dumps(event).encode()))
        yield sent[-1]


def live(settings: Settings) -> dict[str, dict[str, Any]]:
    """Add up by campaign what the CRM was told."""
    found: dict[str, dict[str, Any]] = {}
    with TopicLog(settings, topics.crm(BRAND)) as log:
        for entry in log.read():
            kind = headers_of(entry.headers)["ce_type"]
            if kind not in {crm.REWARD_GRANTED, crm.REWARD_REVERSED, crm.REWARD_REFUSED}:
                continue
            value = value_of(entry)
            one = found.setdefault(value["campaign"], {"grants": 0, "granted": 0, "taken_back": 0, "members": set(), "refused": Counter()})
            if kind == crm.REWARD_GRANTED:
                one["grants"] += 1
                one["granted"] += minor(value["value"], value["kind"])
                one["members"].add(value["member"])
            elif kind == crm.REWARD_REVERSED:
                one["taken_back"] += minor(value["amount"], "coupon")
            else:
                one["refused"][value["reason"]] += 1
    return {name: one | {"members": len(one["members"]), "refused": dict(one["refused"])} for name, one in found.items()}


def minor(text: str, kind: str) -> int:
    return int(Decimal(text) * (100 if kind == "coupon" else 1))


def ticked(settings: Settings) -> bool:
    """Tell whether the clock of each partition of members was set."""
    with TopicLog(settings, topics.MEMBERS) as log:
        return {entry.partition for entry in log.read() if isinstance(envelope.decode(entry.value or b""), Tick)} == set(log.partitions)


def test_a_backtest_comes_to_what_the_live_run_came_to(crew: Crew, tmp_path: Path) -> None:
    file = tmp_path / "acme.yaml"
    file.write_text(RULES)
    command(crew, "publish", str(file))
    crew.start("control", "intake", "members", "members", "shares", "budgets")
    crew.wait_until_ready()
    eventually(lambda: ticked(crew.settings), "a tick in every partition of members")
    with Writer(crew.settings) as writer:
        for who, event in street():
            writer.send(topics.events(BRAND), event, who.encode(), ())
    crew.wait_until_drained([BRAND])
    crew.wait_until_folded("shares", topics.SHARES, READY_S)
    crew.wait_until_rewarded([BRAND])
    told = json.loads(command(crew, "backtest", str(file), "--events", topics.events(BRAND), "--json"))
    assert (told["events"], told["refused_by_intake"]) == (EVENTS, 0)
    found = live(crew.settings)
    assert set(found) == {"acme/each-order", "acme/keen-ones", "acme/trail", "acme/three-clicks"}
    for one in told["campaigns"]:
        name = one["campaign"]
        refused = {reason: times for reason, times in one["refused"].items() if reason in {"cap", "cooldown", "holdout", "stale", "budget"}}
        same = {field: one[field] for field in ("grants", "granted", "taken_back", "members")} | {"refused": refused}
        assert same == found[name], name
        assert one["grants"] >= 10, name
    assert sum(one["taken_back"] for one in found.values()) > 0
