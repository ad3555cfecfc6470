"""The figures as pictures, for the README: a file a part, small enough to keep."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INCHES, DPI = (7.0, 3.6), 100
COLOURS: Final = ("#4c72b0", "#55a868", "#c44e52", "#8172b2", "#ccb974")

Found = dict[str, Any]


def draw(found: Mapping[str, Found], folder: Path) -> list[Path]:
    """Draw every part that was measured into *folder*; gives the files."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for part, one in found.items():
        if part in DRAWINGS:
            figure, axes = plt.subplots(1, 2 if part in PAIRS else 1, figsize=INCHES, squeeze=False)
            DRAWINGS[part](one, *axes[0])
            written.append(_save(figure, folder / f"{part}.png"))
    return written


def _save(figure: Figure, file: Path) -> Path:
    figure.tight_layout()
    figure.savefig(file, dpi=DPI)
    plt.close(figure)
    return file


def _engine(found: Found, axes: Axes) -> None:
    """Bars of events per CPU-second, on a scale that shows the smallest, too."""
    rates = dict(sorted(((name, rate) for name, rate in found["events_per_cpu_s"].items() if rate), key=lambda one: -one[1]))
    if not rates:
        axes.set_title("every round was dropped: the machine moved")
        return
    bars = axes.barh(list(rates), list(rates.values()), color=[COLOURS[name != "engine"] for name in rates])
    axes.bar_label(bars, labels=[f"{rate:,.0f}" for rate in rates.values()], padding=3)
    axes.set_xscale("log")
    axes.set_xlim(right=max(rates.values()) * 4)
    axes.invert_yaxis()
    axes.set_xlabel("events per CPU-second, one keyed stage")


def _latency(found: Found, axes: Axes) -> None:
    """By rate: the medians of the whole and of each part side by side, and the whole's p99 as a mark."""
    rates = sorted(found["rates"], key=int)
    legs = list(found["rates"][rates[0]]["legs"])
    width = 0.8 / (len(legs) + 1)
    for number, (colour, name) in enumerate(zip(COLOURS, ["whole", *legs], strict=True)):
        of_rate = [found["rates"][rate] if name == "whole" else found["rates"][rate]["legs"][name] for rate in rates]
        axes.bar([at + number * width for at in range(len(rates))], [one["p50"] for one in of_rate], width, label=name, color=colour)
    axes.plot(range(len(rates)), [found["rates"][rate]["p99"] for rate in rates], "k_", markersize=16, label="p99, whole")
    axes.set_xticks([at + 0.4 - width / 2 for at in range(len(rates))], [f"{int(rate):,}" for rate in rates])
    axes.set_yscale("log")
    axes.set_xlabel("events/s")
    axes.set_ylabel("ms, median")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))


def _folds(found: Found, members: Axes, tags: Axes) -> None:
    """Cost of a fold by members and by tags."""
    for axes, name in ((members, "members"), (tags, "tags")):
        _line(axes, name, found[name]["sizes"], found[name]["us_per_event"])
    members.set_ylabel("µs of CPU an event, fold alone")


def _growth(found: Found, brands: Axes, partitions: Axes) -> None:
    """Cost of the whole pipeline in units of the straight loop's, by brands and by partitions."""
    for axes, name in ((brands, "brands"), (partitions, "partitions")):
        if name in found["series"]:
            _line(axes, name, found["series"][name]["sizes"], found["series"][name]["of_straight"])
    brands.set_ylabel("times a straight loop's event")


def _line(axes: Axes, name: str, sizes: list[int], costs: list[float]) -> None:
    axes.plot(sizes, costs, "o-", color=COLOURS[0])
    axes.set_xscale("log")
    axes.set_ylim(0, max(costs) * 1.15)
    axes.set_xlabel(name)


PAIRS: Final = frozenset({"folds", "growth"})
DRAWINGS: Final[dict[str, Callable[..., None]]] = {"engine": _engine, "latency": _latency, "folds": _folds, "growth": _growth}
