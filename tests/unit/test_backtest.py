"""A backtest says what the same folds do live over the same events."""

import json
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from streams import backtest
from streams.backtest import Backtest, Recorded, needed
from tests.integration.command import huiliu
from tests.property.pipeline import SECRETS
from tests.unit.one_campaign import campaigns
from tests.unit.one_partition import HOUR, MINUTE, NOON, ruleset

TOPIC = "huiliu.tea.events"
FIVE = 'reward: {coupon: {value: "5.00", currency: CNY, valid_for: 7d}}'
LINES = (
    f'few: {{state: live, trigger: {{event: order.paid}}, once_per: order, budget: {{money: "50.00"}}, {FIVE}}}',
    f"capped: {{state: live, trigger: {{event: order.paid}}, once_per: order, cap: [{{rewards: 1, within: 7d}}], holdout: 30%, {FIVE}}}",
    "trail: {state: live, trigger: {event: share.visited}, once_per: share, reward: {points: 3}}",
    f"trial: {{state: shadow, trigger: {{event: order.paid}}, once_per: day, {FIVE}}}",
)


def recorded(number: int, kind: str, member: int, **data: Any) -> Recorded:
    at_ms = NOON + number * MINUTE
    event = {
        "specversion": "1.0",
        "id": f"e{number}",
        "source": "/brand/tea/shop",
        "type": f"cn.huiliu.{kind}.v1",
        "time": datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds"),
        "data": {"identities": [{"type": "brand_member", "id": f"m{member}"}], **data},
    }
    return Recorded(TOPIC, 0, number, at_ms, None, json.dumps(event).encode(), (("content-type", b"application/cloudevents+json"),))


def order(number: int, member: int, order_id: str, status: str = "paid", version: int = 1, **more: Any) -> Recorded:
    money = {"order_id": order_id, "status": status, "status_version": version, "currency": "CNY", "total": "100.00"}
    return recorded(number, "order", member, **money, **more)


def street(seed: int) -> list[Recorded]:
    """Forty members who buy; one in five gives it back; some open what the first shared."""
    random, found = Random(seed), [recorded(0, "share", 0, share_id="s1", via="wecom")]
    for _ in range(150):
        number, member = len(found), random.randrange(1, 40)
        found.append(order(number, member, f"o{number}"))
        if random.random() < 0.2:
            refund = {"refund_id": f"r{number}", "refund": {"amount": "100.00"}}
            found.append(order(number + 1, member, f"o{number}", "refunded", 2, **refund))
        if random.random() < 0.2:
            found.append(recorded(len(found), "click", member, page="home", share_id="s1"))
    return found


def test_what_is_told_adds_up_with_what_members_and_budgets_keep() -> None:
    test = Backtest([campaigns(*LINES)], SECRETS)
    test.feed(street(7))
    found = {outcome.campaign: outcome for outcome in test.end()}
    few, capped, trail, trial = (found[f"tea/{name}"] for name in ("few", "capped", "trail", "trial"))
    assert few.granted - few.taken_back == 5_000
    assert few.exhausted is not None
    assert few.refused["budget"] > 50
    assert 15 < capped.grants - capped.taken_back // 500 <= capped.members
    assert 3 <= capped.held_out <= 20
    assert capped.refused["cap"] > 50
    assert (trail.grants, trail.granted, trail.currency) == (1, 3, "")
    assert trail.refused["once"] > 5
    assert (trial.grants, trial.refused["shadow"] > 20) == (0, True)
    assert sum(few.by_day.values()) == 5_000


def test_a_sharer_hears_of_shares_and_of_budgets() -> None:
    found: list[Recorded] = []
    for share in range(20):
        found.append(recorded(len(found), "share", 0, share_id=f"s{share}", via="wecom"))
        found += [recorded(len(found) + member, "click", member, page="home", share_id=f"s{share}") for member in range(1, 4)]
    test = Backtest([campaigns(*LINES)], SECRETS)
    test.feed(found)
    trail = next(outcome for outcome in test.end() if outcome.campaign == "tea/trail")
    assert (trail.grants, trail.refused) == (20, {"once": 40})


TAGS = (
    "buyer: {count: {events: order.paid, within: 30d, at_least: 2}}",
    "warm: {engagement: {at_least: 3}}",
    "of-late: {all: [{tag: buyer}, {not: {tag: warm}}]}",
    "idle: {silent: {for: 3d}}",
    "often: {count: {events: click, within: 30d, at_least: 1}}",
)
HELD = f"faithful: {{state: live, trigger: {{event: order.paid}}, once_per: order, condition: {{any: [{{tag: of-late}}]}}, {FIVE}}}"
ENTERED = f"first: {{state: live, trigger: {{tag_entered: often}}, {FIVE}}}"


def test_what_no_campaign_asks_for_is_left_out_and_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    head = ["brand: tea", "timezone: Asia/Shanghai", "engagement: {half_life: 1h, weights: {order.paid: 1}}"]
    rules = ruleset("\n  ".join(["\n".join([*head, "tags:"]), *TAGS]) + "\n  ".join(["\ncampaigns:", *LINES, HELD, ENTERED]))
    assert list(needed(rules).tags) == ["buyer", "warm", "of-late", "often"]
    without = msgspec.structs.replace(rules, campaigns={name: one for name, one in rules.campaigns.items() if name != "faithful"})
    assert (list(needed(without).tags), needed(without).engagement) == (["often"], None)
    ends = []
    for judged in (rules, without):
        for left_out in (needed, lambda one: one):
            monkeypatch.setattr(backtest, "needed", left_out)
            test = Backtest([judged], SECRETS)
            test.feed(street(13))
            ends.append(test.end())
    assert (ends[0], ends[2]) == (ends[1], ends[3])
    assert min(outcome.grants for outcome in ends[0] if outcome.campaign in {"tea/faithful", "tea/first"}) > 5


@pytest.mark.parametrize(("told_at", "grants"), [(NOON + HOUR, 1), (NOON + 5 * HOUR, 0)])
def test_the_clock_is_as_late_as_what_is_told_late(told_at: int, grants: int) -> None:
    rules = ruleset(f"brand: tea\ntags:\n  twice: {{count: {{events: click, within: 2h, at_least: 2}}}}\n"
                    f"campaigns:\n  back: {{state: live, trigger: {{tag_entered: twice}}, {FIVE}}}")  # fmt: skip
    test = Backtest([rules], SECRETS)
    test.feed([recorded(0, "click", 1, page="home"), recorded(60, "click", 1, page="home")._replace(timestamp=told_at)])
    assert [one.grants for one in test.end()] == [grants]


def test_batches_are_of_no_account() -> None:
    records, ends = street(11), []
    for size in (1, 7, 1_000):
        test = Backtest([campaigns(*LINES)], SECRETS)
        for at in range(0, len(records), size):
            test.feed(records[at : at + size])
        ends.append(test.end())
    assert ends[0] == ends[1] == ends[2]


def test_the_command_says_it_and_what_another_version_would_have_done(tmp_path: Path) -> None:
    rules, events = tmp_path / "tea.yaml", tmp_path / "events.jsonl"
    rules.write_text("brand: tea\ntimezone: Asia/Shanghai\ncampaigns:\n" + "".join(f"  {line}\n" for line in LINES))
    events.write_bytes(b"\n".join(one.value or b"" for one in [*street(7), recorded(9_999, "order", 1)]))
    environment = {"HUILIU_DATA": str(tmp_path)}
    told = huiliu("rules", "backtest", str(rules), "--events", str(events), "--json", environment=environment).document
    few = next(one for one in told["campaigns"] if one["campaign"] == "tea/few")
    assert (few["granted"] - few["taken_back"], few["budget"], told["refused_by_intake"]) == (5_000, 5_000, 1)
    picture = tmp_path / "tea.png"
    shown = huiliu("rules", "backtest", str(rules), "--events", str(events), "--plot", str(picture), environment=environment)
    assert "50.00 CNY" in shown.out
    assert picture.read_bytes().startswith(b"\x89PNG")
    nowhere = ("--plot", str(tmp_path / "nowhere" / "tea.png"))
    assert huiliu("rules", "backtest", str(rules), "--events", str(events), *nowhere, environment=environment).status == 2
    cut = datetime.fromtimestamp((NOON + HOUR) / 1000, UTC).isoformat()
    less = huiliu("rules", "backtest", str(rules), "--events", str(events), "--to", cut, "--json", environment=environment).document
    assert less["events"] == 60
    assert huiliu("rules", "backtest", str(rules), "--events", "nowhere", environment=environment).status == 2
