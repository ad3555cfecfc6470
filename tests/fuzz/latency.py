"""How long a brand's events take to its CRM, while this or that goes on."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from agents.settings import Settings
from schemas import topics
from tests.fuzz.verdict import read

TURNS = 4
"""What disturbs comes and goes so often: this machine's own pace changes from one minute to the next."""

Span = tuple[int, int]
"""From when until when, in ms."""


@contextmanager
def noted(spans: list[Span]) -> Iterator[None]:
    """Add to *spans* from when until when the body ran."""
    began_ms = int(time.time() * 1000)
    yield
    spans.append((began_ms, int(time.time() * 1000)))


def latencies(settings: Settings, brand: str, spans: Sequence[Span]) -> list[int]:
    """Tell, sorted, how many ms passed between the broker's times of an event, of those in *spans*, and of its enriched record."""
    appended = {(one.partition, one.offset): one.appended_ms for one in read(settings, topics.events(brand))}
    found = []
    for entry in read(settings, topics.crm(brand)):
        partition, _, offset = (dict(entry.headers).get("ce_huiliuorigin") or b"").partition(b":")
        at = appended[int(partition), int(offset)] if offset else 0
        if any(since_ms <= at < until_ms for since_ms, until_ms in spans):
            found.append(entry.appended_ms - at)
    return sorted(found)


def quantile(listed: list[int], share: float) -> int:
    """Pick from what is sorted."""
    return listed[int(len(listed) * share)]
