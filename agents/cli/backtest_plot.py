"""A backtest as a picture: what campaigns cost over time against their budgets, and why triggers earned nothing."""

from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from schemas.currencies import DIGITS
from streams.backtest import Outcome

INCHES, DPI = (11.0, 3.2), 110


class NoPlots(Exception):
    """matplotlib is not installed; the message says how to have it."""


def draw(outcomes: Sequence[Outcome], file: Path) -> None:
    """Draw a row for each of *outcomes* into *file*, a PNG; raises ``NoPlots``."""
    try:
        import matplotlib as mpl
    except ModuleNotFoundError:
        raise NoPlots('a picture needs matplotlib; install it with: pip install "huiliu[plots]"') from None
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    width, height = INCHES
    figure, rows = plt.subplots(max(1, len(outcomes)), 2, figsize=(width, height * max(1, len(outcomes))), squeeze=False)
    for outcome, (spend, refused) in zip(outcomes, rows, strict=False):
        _spend(outcome, spend)
        _refused(outcome, refused)
    figure.tight_layout()
    figure.savefig(file, format="png", dpi=DPI)
    plt.close(figure)


def _spend(one: Outcome, axes: Any) -> None:
    """Draw the running sum by day; the budget as a line where it is one sum of money."""
    unit = 10 ** DIGITS[one.currency] if one.currency else 1
    days = sorted(one.by_day)
    axes.step(days, [value / unit for value in accumulate(one.by_day[day] for day in days)], where="post", marker="o")
    if one.budget is not None and one.currency:
        axes.axhline(one.budget / unit, color="#c44e52", linestyle="--", label="budget")
        axes.legend()
    axes.set_ylim(bottom=0)
    axes.set_title(one.campaign)
    axes.set_ylabel(f"granted less taken back, {one.currency or 'points'}")
    axes.tick_params(axis="x", rotation=30)


def _refused(one: Outcome, axes: Any) -> None:
    bars = axes.barh(list(one.refused), list(one.refused.values()), color="#8172b2")
    axes.bar_label(bars, padding=3)
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.set_title("why triggers earned nothing" if one.refused else "every trigger earned something")
