import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO

import msgspec
import pytest
import structlog

from schemas import crm, decisions
from schemas.crm import CrmRecord, Engagement, Enriched, Last, MemberView
from schemas.dead_letters import DeadLetter
from schemas.envelope import Origin, Terms
from schemas.refusals import Reason, Refused
from sinks import logs
from sinks.telemetry import Telemetry


@pytest.fixture
def lines() -> StringIO:
    return StringIO()


@pytest.fixture
def telemetry(lines: StringIO) -> Iterator[Telemetry]:
    logs.configure("debug", lines, worker="one")
    yield Telemetry("members")
    structlog.reset_defaults()


def sample(telemetry: Telemetry, name: str, **labels: str) -> float | None:
    return telemetry.registry.get_sample_value(f"huiliu_{name}", labels)


def test_an_occurrence_is_counted_and_logged(telemetry: Telemetry, lines: StringIO) -> None:
    telemetry.refused("acme", "bad_time", 3)
    assert sample(telemetry, "refusals_total", brand="acme", reason="bad_time") == 3
    line = json.loads(lines.getvalue())
    assert line | {"timestamp": ""} == {
        "event": "refused", "brand": "acme", "reason": "bad_time", "times": 3,
        "stage": "members", "worker": "one", "level": "debug", "timestamp": "",
    }  # fmt: skip


def test_a_bug_is_logged_with_its_traceback(telemetry: Telemetry, lines: StringIO) -> None:
    try:
        raise KeyError("there is none")
    except KeyError as bug:
        telemetry.crashed("huiliu.internal.members", 3, 41, bug)
    line = json.loads(lines.getvalue())
    assert (line["level"], line["offset"]) == ("error", 41)
    assert "KeyError: 'there is none'" in line["exception"]
    assert sample(telemetry, "crashes_total", topic="huiliu.internal.members") == 1


def record(kind: str, at: str) -> CrmRecord:
    view = MemberView("m", at, at, [], Engagement(), 0, {}, Last())
    return CrmRecord("acme", Terms(), kind, "id", at, 0, 1, 1, "m", Enriched(msgspec.Raw(b"{}"), view))


def test_each_decision_of_the_fold_is_counted(telemetry: Telemetry) -> None:
    a_second_ago = (datetime.now(UTC) - timedelta(seconds=1)).isoformat().replace("+00:00", "Z")
    kinds = [crm.ENRICHED, crm.ENRICHED, crm.TAG_ENTERED, crm.TAG_EXITED, crm.MANIFEST]
    notes = [decisions.Noted(what, "acme", 2) for what in decisions.NOTES]
    refused = DeadLetter("acme", Origin(b"", 0, 0), 0, None, b"", (), Refused(Reason.INVALID_DATA, ""))
    telemetry.decided([*(record(kind, a_second_ago) for kind in kinds), *notes, refused])
    assert sample(telemetry, "enriched_total", brand="acme") == 2
    assert sample(telemetry, "tags_total", brand="acme", change="entered") == 1
    assert sample(telemetry, "tags_total", brand="acme", change="exited") == 1
    assert sample(telemetry, "manifests_total", brand="acme") == 1
    assert sample(telemetry, "refusals_total", brand="acme", reason="invalid_data") == 1
    assert sample(telemetry, "duplicates_total", brand="acme", kind="publisher") == 2
    assert sample(telemetry, "duplicates_total", brand="acme", kind="replay") == 2
    assert sample(telemetry, "warnings_total", brand="acme", kind="refund_without_order") == 2
    assert sample(telemetry, "warnings_total", brand="acme", kind="values_forgotten") == 2
    assert 1 <= (sample(telemetry, "event_to_crm_seconds_sum", brand="acme") or 0) < 60
    assert sample(telemetry, "event_to_crm_seconds_count", brand="acme") == 1


def test_two_workers_in_one_process_do_not_meet() -> None:
    first, second = Telemetry("members"), Telemetry("members")
    first.tag_entered("acme")
    assert sample(first, "tags_total", brand="acme", change="entered") == 1
    assert sample(second, "tags_total", brand="acme", change="entered") is None


def test_a_takeover_gives_time_and_size(telemetry: Telemetry) -> None:
    telemetry.restored(3, 1_000, 240_000, 0.2)
    assert sample(telemetry, "states", partition="3") == 1_000
    assert sample(telemetry, "state_bytes", partition="3") == 240_000
    assert sample(telemetry, "restore_seconds_count") == 1


def test_the_page_is_prometheus_text(telemetry: Telemetry) -> None:
    telemetry.reached_crm("acme", 0.012)
    assert b'huiliu_event_to_crm_seconds_bucket{brand="acme",le="0.015"} 1.0' in telemetry.page()


def test_what_earned_a_sharer_nothing_is_counted_once(telemetry: Telemetry) -> None:
    refused = {("acme", "self_share"): 2}
    telemetry.watch_shares(refused)
    telemetry.page()
    telemetry.page()
    assert refused == {}
    assert sample(telemetry, "share_refusals_total", brand="acme", reason="self_share") == 2


def test_what_intake_tallies_is_counted_once(telemetry: Telemetry) -> None:
    admitted, refused = {("acme", "cn.huiliu.click.v1"): 3}, {("acme", "bad_time"): 2}
    telemetry.watch_intake(admitted, refused)
    telemetry.page()
    assert (admitted, refused) == ({}, {})
    admitted["acme", "cn.huiliu.click.v1"] = 1
    telemetry.page()
    assert sample(telemetry, "events_total", brand="acme", type="cn.huiliu.click.v1") == 4
    assert sample(telemetry, "refusals_total", brand="acme", reason="bad_time") == 2


def test_rewards_are_counted_by_campaign_and_outcome_and_beyond_a_thousand_campaigns_together(telemetry: Telemetry) -> None:
    telemetry.decided(
        [decisions.Rewarded("acme/a", "granted"), decisions.Rewarded("acme/a", "granted"), decisions.Rewarded("acme/a", "cap")]
    )
    assert sample(telemetry, "rewards_total", campaign="acme/a", outcome="granted") == 2
    assert sample(telemetry, "rewards_total", campaign="acme/a", outcome="cap") == 1
    for number in range(1_100):
        telemetry.rewarded(f"acme/c{number}", "granted")
    assert sample(telemetry, "rewards_total", campaign="others", outcome="granted") == 101
    assert sample(telemetry, "rewards_total", campaign="acme/c1099", outcome="granted") is None


def test_the_time_of_a_decision_counts_from_the_clock_of_its_trigger(telemetry: Telemetry) -> None:
    asked_ms = int(datetime.now(UTC).timestamp() * 1000) - 2_000
    telemetry.decided([decisions.Answered("acme", asked_ms), decisions.Answered("acme", asked_ms)])
    assert sample(telemetry, "reward_decision_seconds_count", brand="acme") == 2
    assert 4 <= (sample(telemetry, "reward_decision_seconds_sum", brand="acme") or 0) < 60


def test_what_is_left_of_a_budget_is_told_where_there_is_a_bound(telemetry: Telemetry) -> None:
    telemetry.budget("acme/a", 500, 1_000, 3_500, None)
    told = {kind: sample(telemetry, "budget_minor", campaign="acme/a", kind=kind) for kind in ("reserved", "spent", "left")}
    assert told == {"reserved": 500, "spent": 1_000, "left": 3_500}
    assert sample(telemetry, "budget_grants_left", campaign="acme/a") is None
    telemetry.budget("acme/b", 0, 0, None, 7)
    assert sample(telemetry, "budget_grants_left", campaign="acme/b") == 7
    assert sample(telemetry, "budget_minor", campaign="acme/b", kind="left") is None
