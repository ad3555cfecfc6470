"""The short form of ``make fuzz``: intake decides as the oracle does, and real workers put each record where it belongs."""

from datetime import UTC, datetime
from pathlib import Path
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.dead_letters import DeadLetter
from streams.intake import Intake
from tests.fuzz.hostile import Record, record
from tests.fuzz.run import fuzz
from tests.oracle.validity import judge
from tests.oracle.wire import Published as Judged
from tests.oracle.wire import Refusal
from tests.published import AT_MS, Published, new_intake

NOW = datetime.fromtimestamp(AT_MS / 1000, UTC)
IN_PROCESS, REAL = 4_000, 5_000


def decided(intake: Intake, made: Record) -> str:
    came = intake(Published(made.value, made.headers, made.key))
    return came.refused.reason if isinstance(came, DeadLetter) else "enriched"


def expected(made: Record) -> str:
    try:
        judge(Judged("acme", 3, 42, AT_MS, made.value, made.headers, made.key))
    except Refusal as refusal:
        return refusal.reason
    return "enriched"


def test_intake_decides_as_the_oracle_does() -> None:
    random, intake = Random(1), new_intake()
    for _ in range(IN_PROCESS):
        made = record(random, "acme", NOW)
        assert decided(intake, made) == expected(made), made


@settings(max_examples=100, deadline=None)
@given(st.randoms(use_true_random=False))
def test_whatever_hypothesis_draws_is_decided_as_the_oracle_does(random: Random) -> None:
    made = record(random, "acme", NOW)
    assert decided(new_intake(), made) == expected(made)


def test_real_workers_put_each_record_in_one_place_for_the_right_reason(tmp_path: Path) -> None:
    outcome = fuzz(tmp_path, REAL, seed=1, told=lambda _: None, quiet_s=1.0, rate=60)
    assert not outcome.findings, "\n".join([f"{len(outcome.findings)}, of {outcome.ends}", *outcome.findings[:10]])
    assert min(outcome.ends[reason] for reason in ("enriched", "duplicate", "undecodable", "too_large", "bad_time", "bad_money")) > 0
