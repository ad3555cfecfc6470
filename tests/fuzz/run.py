"""One run: Kafka, workers, records, judgement."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from agents.servers import start_kafka
from agents.settings import Settings
from tests.fuzz.field import CALM, HOSTILE, QUIET_S, Field, Watched
from tests.fuzz.latency import latencies, quantile
from tests.fuzz.verdict import judge_all
from tests.integration.crew import Crew

MOST_GROWTH = 256 * 10**6
MOST_TIMES = 2.0


class Outcome(NamedTuple):
    """What a run came to.  *findings* must be empty; *slowed* is a matter of a quiet machine, too."""

    findings: list[str]
    ends: Counter[str]
    forms: int
    watched: list[Watched]
    rate: int
    p99_without_ms: int
    p99_beside_ms: int

    @property
    def slowed(self) -> bool:
        return self.p99_beside_ms > MOST_TIMES * self.p99_without_ms


def fuzz(folder: Path, records: int, seed: int, told: Callable[[int], None], quiet_s: float = QUIET_S, rate: int | None = None) -> Outcome:
    """Publish so many hostile *records*, and judge what became of them; *rate* is the other brand's, None = what the machine bears."""
    with start_kafka(tuned=True) as kafka:
        settings = Settings(kafka=kafka.bootstrap, data=folder, partitions=8, tick_s=1.0)
        field = Field(settings, seed, rate)
        with Crew(settings) as crew:
            field.open(crew)
            without, beside, watched = field.run(crew, records, told, quiet_s)
            findings = [f"a worker ended: {ended}" for ended in crew.ended]
        hostile, calm = judge_all(settings, HOSTILE), judge_all(settings, CALM)
        usual, then = latencies(settings, CALM, without), latencies(settings, CALM, beside)
    findings += hostile.findings + [f"calm: {one}" for one in calm.findings]
    findings += [f"{one.stage} grew by {one.highest - one.before} bytes" for one in watched if one.highest - one.before > MOST_GROWTH]
    if hostile.ends.total() != field.sent:
        findings.append(f"{field.sent} were sent, {hostile.ends.total()} are in the topic")
    return Outcome(findings, hostile.ends, len(field.bent), watched, field.rate, quantile(usual, 0.99), quantile(then, 0.99))


__all__ = ["Outcome", "fuzz"]
