"""One run: Kafka, workers, records, judgement."""

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from agents.servers import start_kafka
from agents.settings import Settings
from tests.fuzz.field import CALM, HOSTILE, QUIET_S, WARM_S, Field, Watched
from tests.fuzz.verdict import judge_all, latencies, quantile
from tests.integration.crew import Crew

MOST_GROWTH = 256 * 10**6
MOST_TIMES = 2.0


class Outcome(NamedTuple):
    """What a run came to.  *findings* must be empty; *slowed* is a matter of a quiet machine, too."""

    findings: list[str]
    ends: Counter[str]
    forms: int
    watched: list[Watched]
    p99_before_ms: int
    p99_beside_ms: int

    @property
    def slowed(self) -> bool:
        return self.p99_beside_ms > MOST_TIMES * self.p99_before_ms


def fuzz(folder: Path, records: int, seed: int, told: Callable[[int], None], quiet_s: float = QUIET_S) -> Outcome:
    """Publish so many hostile *records* and judge what became of them."""
    with start_kafka() as kafka:
        settings = Settings(kafka=kafka.bootstrap, data=folder, partitions=8, tick_s=1.0)
        field = Field(settings, seed)
        with Crew(settings) as crew:
            field.open(crew)
            began_ms, watched = field.run(crew, records, told, quiet_s)
            findings = [f"a worker ended: {ended}" for ended in crew.ended]
        hostile, calm = judge_all(settings, HOSTILE), judge_all(settings, CALM)
        before = latencies(settings, CALM, began_ms - int(quiet_s * 1000), began_ms)
        beside = latencies(settings, CALM, began_ms, int(time.time() * 1000))
    findings += hostile.findings + [f"calm: {one}" for one in calm.findings]
    findings += [f"{one.stage} grew by {one.highest - one.before} bytes" for one in watched if one.highest - one.before > MOST_GROWTH]
    if hostile.ends.total() != field.sent:
        findings.append(f"{field.sent} were sent, {hostile.ends.total()} are in the topic")
    return Outcome(findings, hostile.ends, len(field.bent), watched, quantile(before, 0.99), quantile(beside, 0.99))


__all__ = ["WARM_S", "Outcome", "fuzz"]
