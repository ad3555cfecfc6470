import json
from collections.abc import Iterator
from io import StringIO

import pytest
import structlog

from schemas import decisions
from sinks import logs
from sinks.telemetry import NOTED, Telemetry


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


def test_every_note_of_the_fold_has_its_function(telemetry: Telemetry) -> None:
    assert set(NOTED) == set(decisions.NOTES)
    for what in NOTED:
        NOTED[what](telemetry, "acme", 2)
    assert sample(telemetry, "duplicates_total", brand="acme", kind="publisher") == 2
    assert sample(telemetry, "duplicates_total", brand="acme", kind="replay") == 2
    assert sample(telemetry, "warnings_total", brand="acme", kind="refund_without_order") == 2
    assert sample(telemetry, "warnings_total", brand="acme", kind="values_forgotten") == 2


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
