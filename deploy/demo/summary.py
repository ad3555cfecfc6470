"""Whether it all adds up: for each brand, what was published against what came back."""

from collections import Counter
from typing import NamedTuple

from rich.table import Table

from deploy.demo.follower import Received
from deploy.demo.generator import DUPLICATE, ENRICHED
from deploy.demo.publisher import Publisher
from deploy.demo.screen import top_tags
from deploy.demo.shops import Shop
from streams.audit import Report


class Reckoning(NamedTuple):
    """One brand's account.  *problems* is empty when it adds up."""

    shop: Shop
    report: Report
    received: Received
    latencies_ms: list[int]
    problems: list[str]


def reckon(shop: Shop, report: Report, received: Received, publisher: Publisher) -> Reckoning:
    """Hold the audit of the topics against what was published and meant to come of it, and against what the CRM read."""
    letters = sum(report.dead_letters.values())
    expected = publisher.expected.get(shop.slug, Counter())
    came = Counter({ENRICHED: report.enriched, DUPLICATE: report.duplicates, **report.dead_letters})
    problems = list(report.problems)
    if report.published != report.enriched + letters + report.duplicates:
        problems.append(f"published {report.published} is not {report.enriched} + {letters} + {report.duplicates}")
    if +came != +expected:
        problems.append(f"came {dict(came)}, meant {dict(expected)}")
    if (len(received.enriched), len(received.letters)) != (report.enriched, letters):
        problems.append(f"the CRM read {len(received.enriched)} enriched and {len(received.letters)} dead letters")
    if report.unstated:
        problems.append(f"{report.unstated} offsets are vouched for by no manifest")
    latencies = [
        at - publisher.appended[shop.slug, *place] for place, at in received.enriched.items() if (shop.slug, *place) in publisher.appended
    ]
    if len(latencies) != report.enriched:
        problems.append(f"{report.enriched - len(latencies)} enriched events are none that was published")
    return Reckoning(shop, report, received, sorted(latencies), problems)


def table_of(reckonings: list[Reckoning]) -> Table:
    """Lay the accounts side by side."""
    table = Table(title="published = enriched + dead letters + duplicates", show_lines=True)
    table.add_column("")
    for each in reckonings:
        table.add_column(f"{each.shop.name}\n{each.shop.slug}", justify="right")
    for name, texts in zip(NAMES, zip(*(_column(each) for each in reckonings), strict=True), strict=True):
        table.add_row(name, *texts)
    return table


NAMES = (
    "published",
    "enriched",
    "dead letters",
    "duplicates",
    "tags entered / exited",
    "most held tags",
    "CRM sequences",
    "event to CRM, p50 / p99",
)


def _column(one: Reckoning) -> tuple[str, ...]:
    report = one.report
    reasons = "".join(f"\n{reason} {times}" for reason, times in sorted(report.dead_letters.items()))
    verified = f"{'verified' if not report.problems else 'WRONG'}, {report.manifests} manifests"
    return (
        f"{report.published:,}",
        f"{report.enriched:,}",
        f"{sum(report.dead_letters.values()):,}{reasons}",
        f"{report.duplicates:,}",
        f"{one.received.entered:,} / {one.received.exited:,}",
        top_tags(one.received, 5),
        verified,
        f"{_percentile(one.latencies_ms, 50)} / {_percentile(one.latencies_ms, 99)} ms",
    )


def _percentile(ordered: list[int], percent: int) -> int:
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] if ordered else 0
