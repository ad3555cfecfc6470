"""Read what workers say at ``/metrics``: for ``huiliu status`` and ``huiliu watch``."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple
from urllib.error import URLError
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from agents.settings import Settings

PATIENCE_S: Final = 2
WORKERS: Final = "workers.json"
"""Where ``huiliu up`` notes the ports of its workers, by name, in the data folder."""

Labels = tuple[str, ...]


class Page(NamedTuple):
    """What one worker said: values by metric and labels."""

    samples: Mapping[str, Mapping[frozenset[tuple[str, str]], float]]

    def by(self, metric: str, *names: str, merge: Callable[[Iterable[float]], float] = sum) -> dict[Labels, float]:
        """Give ``huiliu_<metric>`` by the labels *names*, all others merged."""
        found: dict[Labels, list[float]] = {}
        for labels, value in self.samples.get(f"huiliu_{metric}", {}).items():
            named = dict(labels)
            found.setdefault(tuple(named.get(name, "") for name in names), []).append(value)
        return {labels: merge(values) for labels, values in found.items()}

    def one(self, metric: str, merge: Callable[[Iterable[float]], float] = sum) -> float:
        """Give ``huiliu_<metric>`` with all labels merged; 0 if it was never set."""
        return self.by(metric, merge=merge).get((), 0.0)


def local_workers(settings: Settings) -> dict[str, str]:
    """Give the addresses of the workers that ``huiliu up`` runs on this data folder, by name."""
    note = settings.data_dir / WORKERS
    ports = json.loads(note.read_text()) if note.is_file() else {}
    return {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}


def read_page(address: str) -> Page | None:
    """Read a worker's metrics; None if it does not answer."""
    try:
        with urlopen(f"{address}/metrics", timeout=PATIENCE_S) as answer:
            text = answer.read().decode()
    except (URLError, OSError):
        return None
    return parse(text)


def parse(text: str) -> Page:
    """Take Prometheus text apart."""
    samples: dict[str, dict[frozenset[tuple[str, str]], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            samples.setdefault(sample.name, {})[frozenset(sample.labels.items())] = sample.value
    return Page(samples)


def total(pages: Iterable[Page], metric: str, *names: str) -> dict[Labels, float]:
    """Add ``huiliu_<metric>`` up over *pages*, by the labels *names*."""
    found: dict[Labels, float] = {}
    for page in pages:
        for labels, value in page.by(metric, *names).items():
            found[labels] = found.get(labels, 0.0) + value
    return found
