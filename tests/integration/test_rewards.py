"""Campaigns on the real Kafka: a budget that many want, workers that are killed meanwhile, and refunds afterwards."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from confluent_kafka.admin import AdminClient

from agents import admin
from agents.crm_records import value_of
from agents.servers import start_kafka
from agents.settings import Settings
from agents.topic_log import TopicLog, Writer
from schemas import crm, topics
from schemas.brands import Registration
from streams.audit import headers_of
from tests.integration.command import huiliu
from tests.integration.crew import Crew, eventually

BRAND: Final = "acme"
MEMBERS: Final = 60
GRANTS: Final = 7
RULES: Final = """\
brand: acme
timezone: Asia/Shanghai
campaigns:
  few:
    state: live
    trigger: {event: order.paid}
    reward: {coupon: {value: "5.00", currency: CNY, valid_for: 7d}}
    once_per: order
    budget: {money: "35.00"}
"""


@pytest.fixture(scope="module")
def crew(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crew]:
    """Run two workers of each keyed stage over few partitions, with the rules published."""
    with start_kafka() as server:
        settings = Settings(
            kafka=server.bootstrap,
            data=tmp_path_factory.mktemp("rewards"),
            partitions=4,
            tick_s=0.5,
            session_timeout_s=3,
            commit_interval_s=0.1,
        )
        with Crew(settings) as working:
            admin.add_brand(settings, Registration(BRAND, "Acme", admin.now()))
            working.start("control", "intake", "members", "members", "budgets", "budgets")
            working.wait_until_ready()
            yield working


def publish(crew: Crew, text: str) -> None:
    """Publish rules, and return when every partition of members has them."""
    with TopicLog(crew.settings, topics.MEMBERS) as log:
        before = sum(entry.value is not None and b'"campaigns":{' in entry.value for entry in log.read())
    file = crew.settings.data_dir / "acme.yaml"
    file.write_text(text)
    environment = {"HUILIU_DATA": str(crew.settings.data_dir), "HUILIU_PARTITIONS": str(crew.settings.partitions)}
    ran = huiliu("rules", "publish", str(file), kafka=crew.settings.bootstrap(), environment=environment)
    assert ran.status == 0, ran

    def told() -> bool:
        crew.tend()
        with TopicLog(crew.settings, topics.MEMBERS) as log:
            now = sum(entry.value is not None and b'"campaigns":{' in entry.value for entry in log.read())
        return now == before + crew.settings.partitions

    eventually(told, "rules in every partition")


def order(member: str, order_id: str, status: str, version: int, **more: Any) -> bytes:
    money = {"currency": "CNY", "total": "100.00"}
    data = {"identities": [{"type": "brand_member", "id": member}], "order_id": order_id, "status": status, "status_version": version}
    event = {
        "specversion": "1.0",
        "id": f"{order_id}-{version}",
        "source": f"/brand/{BRAND}/shop",
        "type": "cn.huiliu.order.v1",
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "data": data | money | more,
    }
    return json.dumps(event).encode()


def send(crew: Crew, *events: bytes) -> None:
    with Writer(crew.settings) as writer:
        for number, event in enumerate(events):
            writer.send(topics.events(BRAND), event, str(number).encode(), ())


def rewards(settings: Settings) -> list[tuple[str, dict[str, Any]]]:
    """Read what the CRM was told of rewards, as it takes it: what is not above the sequence that it has is dropped."""
    last: dict[tuple[str, str], int] = {}
    found = []
    with TopicLog(settings, topics.crm(BRAND)) as log:
        for entry in log.read():
            headers = headers_of(entry.headers)
            stream, number = (headers["ce_huiliupartition"], headers["ce_huiliuepoch"]), int(headers["ce_huiliusequence"])
            if number <= last.get(stream, 0):
                continue
            assert number == last.get(stream, 0) + 1
            last[stream] = number
            if headers["ce_type"].startswith("cn.huiliu.reward."):
                found.append((headers["ce_type"], value_of(entry)))
    return found


def outcomes(crew: Crew) -> Counter[str]:
    crew.tend()
    return Counter(
        f"refused {value['reason']}" if kind == crm.REWARD_REFUSED else kind.split(".")[-2] for kind, value in rewards(crew.settings)
    )


def test_a_budget_that_many_want_is_granted_to_the_cent_whoever_is_killed(crew: Crew, tmp_path: Path) -> None:
    publish(crew, RULES)
    for part in range(3):
        send(crew, *(order(f"m{number}", f"o{number}", "paid", 1) for number in range(part, MEMBERS, 3)))
        crew.running("budgets")[0].kill()
        crew.running("members")[0].kill()
        crew.start("budgets", "members")
    eventually(lambda: sum(outcomes(crew).values()) == MEMBERS, "an answer to each", 150)
    assert outcomes(crew) == {"granted": GRANTS, "refused budget": MEMBERS - GRANTS}
    granted = [value for kind, value in rewards(crew.settings) if kind == crm.REWARD_GRANTED]
    assert len({value["reward_id"] for value in granted}) == len({value["coupon_code"] for value in granted}) == GRANTS


def test_what_a_refund_gives_back_is_granted_to_the_next(crew: Crew) -> None:
    triggers = [value["trigger"] for kind, value in rewards(crew.settings) if kind == crm.REWARD_GRANTED]
    number = triggers[0].removeprefix("o").removesuffix("-1")
    refund = {"refund_id": "r1", "refund": {"amount": "100.00"}}
    send(crew, order(f"m{number}", f"o{number}", "refunded", 2, **refund))
    eventually(lambda: outcomes(crew)["reversed"] == 1, "the reversal")
    (back,) = [value for kind, value in rewards(crew.settings) if kind == crm.REWARD_REVERSED]
    assert (back["amount"], back["reason"], back["cause"]) == ("5.00", "refunded", f"o{number}-2")
    send(crew, order("late", "late-1", "paid", 1))
    eventually(lambda: outcomes(crew)["granted"] == GRANTS + 1, "a grant of what was given back")
    send(crew, order("later", "later-1", "paid", 1))
    eventually(lambda: outcomes(crew)["refused budget"] == MEMBERS - GRANTS + 1, "a refusal")


def test_who_asks_is_told_why_one_was_granted_and_another_was_not(crew: Crew) -> None:
    environment = {"HUILIU_DATA": str(crew.settings.data_dir), "HUILIU_PARTITIONS": str(crew.settings.partitions)}

    def asked(member: str) -> dict[str, Any]:
        arguments = ("member", BRAND, f"brand_member:{member}", "--explain", "few", "--json")
        ran = huiliu(*arguments, kafka=crew.settings.bootstrap(), environment=environment)
        if ran.status == 1:  # nothing of them is committed yet
            return {"refused": None}
        found: dict[str, Any] = ran.document["explained"]
        return found

    eventually(lambda: asked("later")["refused"] is not None, "what was decided is committed")
    later, late = asked("later"), asked("late")
    assert (later["refused"]["reason"], later["refused"]["trigger"], later["rewards"]) == ("budget", "later-1-1", [])
    assert [clause["holds"] for clause in later["clauses"]] == [True, True, True]
    assert [(reward["status"], reward["value"]) for reward in late["rewards"]] == [("granted", "5.00")]
    shown = huiliu("member", BRAND, "brand_member:later", "--explain", "few", kafka=crew.settings.bootstrap(), environment=environment)
    assert "earned nothing" in shown.out
    unknown = huiliu("member", BRAND, "brand_member:later", "--explain", "fwe", kafka=crew.settings.bootstrap(), environment=environment)
    assert (unknown.status, "there are acme/few" in unknown.err) == (2, True)


def test_budgets_whose_log_is_made_again_forget_no_cost(crew: Crew) -> None:
    servers, environment = crew.settings.bootstrap(), {"HUILIU_DATA": str(crew.settings.data_dir)}
    crew.stop("budgets")
    brokers = AdminClient({"bootstrap.servers": servers})
    brokers.delete_topics([topics.BUDGETS])[topics.BUDGETS].result()
    eventually(lambda: topics.BUDGETS not in brokers.list_topics(timeout=10).topics, "the topic is gone")
    admin.ensure(crew.settings, admin.internal_topics(crew.settings.partitions))
    assert huiliu("reset", "budgets", "--yes", "--json", kafka=servers, environment=environment).status == 0
    before = outcomes(crew)
    crew.start("budgets", "budgets")
    send(crew, *(order(f"again{number}", f"again{number}", "paid", 1) for number in range(3)))
    eventually(lambda: sum(outcomes(crew).values()) == sum(before.values()) + 3, "an answer to each", 90)
    assert outcomes(crew) - before == {"refused budget": 3}


def test_a_budget_is_raised_live_and_a_campaign_ended(crew: Crew) -> None:
    publish(crew, RULES.replace("35.00", "45.00"))
    send(crew, *(order(f"n{number}", f"n{number}", "paid", 1) for number in range(5)))
    eventually(lambda: outcomes(crew)["granted"] == GRANTS + 3, "two grants more")
    publish(crew, RULES.replace("state: live", "state: ended"))
    eventually(lambda: outcomes(crew)["reversed"] == GRANTS + 3, "what is open is taken back")
    send(crew, order("n9", "n9", "paid", 1))
    crew.wait_until_drained([BRAND])
    assert outcomes(crew)["granted"] == GRANTS + 3
