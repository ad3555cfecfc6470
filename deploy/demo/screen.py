"""What is seen while the demo runs."""

import time
from collections import Counter
from typing import Final

from rich.box import SIMPLE
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from agents.metrics import local_workers, read_page, total
from agents.settings import Settings
from deploy.demo.follower import Follower, Received
from deploy.demo.publisher import Publisher
from deploy.demo.shops import SHOPS, Shop

COLUMNS: Final = ("events/s", "sent", "enriched", "tags in", "out", "copies", "refused")


class Screen:
    """Draws the present state.  Rates are those since the last drawing."""

    def __init__(self, settings: Settings, publisher: Publisher, follower: Follower, console: Console) -> None:
        self._settings, self._publisher, self._follower, self._console = settings, publisher, follower, console
        self._began = self._drawn = time.monotonic()
        self._before: Counter[str] = Counter()

    def draw(self) -> Group:
        """Make the picture of now."""
        now = time.monotonic()
        passed, self._drawn = max(now - self._drawn, 0.001), now
        pages = [page for url in local_workers(self._settings).values() if (page := read_page(url))]
        duplicates = total(pages, "duplicates_total", "brand")
        table = Table("brand", *COLUMNS, box=SIMPLE)
        for column in table.columns[1:]:
            column.justify = "right"
        for shop in SHOPS:
            rate = (self._publisher.count(shop.slug) - self._before[shop.slug]) / passed
            self._before[shop.slug] = self._publisher.count(shop.slug)
            table.add_row(*self._row(shop, rate, int(duplicates.get((shop.slug,), 0))))
        lag = sum(total(pages, "lag_records").values())
        held = [Text(f" {shop.name}  {top_tags(self._follower.received[shop.slug], 4, ', ')}") for shop in SHOPS]
        return Group(table, *held, Text(f"\n {now - self._began:3.0f} s   lag {lag:,.0f} records\n refused: {self._refusals()}"))

    def line(self) -> str:
        """Say the same in one line, for an output that is no terminal."""
        seen = [f"{shop.name} {self._follower.received[shop.slug].accounted()}/{self._publisher.count(shop.slug)}" for shop in SHOPS]
        return f"{time.monotonic() - self._began:3.0f} s  returned/published: {', '.join(seen)}"

    def _row(self, shop: Shop, rate: float, duplicates: int) -> tuple[str, ...]:
        received = self._follower.received[shop.slug]
        counts = (self._publisher.count(shop.slug), len(received.enriched), received.entered, received.exited, duplicates)
        numbers = (f"{rate:,.0f}", *(f"{count:,}" for count in (*counts, len(received.letters))))
        return shop.name, *numbers

    def _refusals(self) -> str:
        reasons = Counter(reason for received in list(self._follower.received.values()) for reason in list(received.letters.values()))
        return "   ".join(f"{reason} {times}" for reason, times in reasons.most_common())


def top_tags(received: Received, count: int, separator: str = "\n") -> str:
    """Name the tags that most members hold."""
    return separator.join(f"{tag} {holders:,}" for tag, holders in received.holders.copy().most_common(count) if holders)
