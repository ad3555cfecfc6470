"""The figures as tables for people."""

from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table


def of_pipeline(found: dict[str, Any]) -> RenderableType:
    """Show the whole pipeline's figures, a table an input."""
    return Group(*(_drained(one) for one in found.values()))


def _drained(one: dict[str, Any]) -> Table:
    table = Table(
        title=f"{one['events']:,} events, {one['input']}: {one['events_per_cpu_s']:,} events per CPU-second (target {one['target']:,}), "
        f"{one['of_straight']:.3f} of the straight loop of one stage",
        caption=f"{one['problems'] or 'all accounted for'}{'; the machine moved meanwhile' if one['moved'] else ''}",
    )
    for column in ("stage", "µs an event", "of which", "CPU s to start", "wall s"):
        table.add_column(column)
    for stage, spent in one["us_per_event"].items():
        where = "\n".join(f"{name} {each:.2f}" for name, each in one["where_us"][stage].items())
        table.add_row(stage, f"{spent:.2f}", where, f"{one['start_cpu_s'][stage]:.2f}", f"{one['wall_s'][stage]:.1f}")
    return table


def of_engine(found: dict[str, Any]) -> Table:
    """Show one keyed stage's contenders."""
    dropped = sum(not one["kept"] for one in found["samples"])
    absent = f"; not here, `make contenders` installs: {'; '.join(found['absent'])}" if found["absent"] else ""
    table = Table(title="one keyed stage", caption=f"{len(found['samples'])} measurements, {dropped} dropped: the machine moved{absent}")
    for column in ("", "events per CPU-second", "engine over it", "target"):
        table.add_column(column, justify="right")
    for name, rate in found["events_per_cpu_s"].items():
        over, target = found["engine_over"].get(name), found["targets"].get(name)
        told = ("-" if rate is None else f"{rate:,.0f}", "" if over is None else f"{over:.2f}", "" if target is None else f"{target}")
        table.add_row(name, *told)
    return table


def of_latency(found: dict[str, Any]) -> Table:
    """Show latencies by rate, and what they are made of."""
    targets, grants = found["targets_ms"], found["grants"]
    table = Table(
        title="brand topic to CRM topic, ms: p50 / p99 / max",
        caption=f"target p50 {targets['p50']:.0f}, p99 {targets['p99']:.0f} at 5,000 events/s; "
        f"at most {found['capacity_per_s']:,} events/s went through this machine. "
        f"{grants['grants']:,} rewards at {grants['events_per_s']:,} events/s, from trigger to CRM topic: {_spread(grants)} "
        f"(target p99 {grants['target_ms']:.0f})",
    )
    legs = list(next(iter(found["rates"].values()))["legs"])
    for column in ("events/s", "whole", *legs, "cores busy"):
        table.add_column(column, justify="right")
    for rate, one in found["rates"].items():
        parts = [_spread(each) for each in (one, *(one["legs"][leg] for leg in legs))]
        table.add_row(f"{int(rate):,}", *parts, "\n".join(f"{name} {share:.2f}" for name, share in one["busy_cores"].items()))
    return table


def of_folds(found: dict[str, Any]) -> Table:
    """Show how the fold grows."""
    table = Table(
        title="the members fold alone, µs of CPU an event",
        caption=f"targets a decade: members {found['targets']['members']}, tags {found['targets']['tags']}"
        f"{'' if found['compiled'] else '; not compiled'}{'; the machine moved meanwhile' if found['moved'] else ''}",
    )
    for column in ("", "size", "µs an event", "times a decade"):
        table.add_column(column, justify="right")
    for name in ("members", "tags"):
        one = found[name]
        steps = ["", *(f"{each:.2f}" for each in one["per_decade"])]
        for size, cost, step in zip(one["sizes"], one["us_per_event"], steps, strict=True):
            table.add_row(name, f"{size:,}", f"{cost:.1f}", step)
    return table


def of_growth(found: dict[str, Any]) -> Table:
    """Show how the whole pipeline grows."""
    table = Table(
        title=f"the whole pipeline, {found['events']:,} events", caption=f"target a decade of brands: {found['targets']['brands']}; "
        f"{found['problems'] or 'all accounted for'}",
    )  # fmt: skip
    for column in ("", "how many", "µs an event: intake, members", "times the straight loop's", "times a decade"):
        table.add_column(column, justify="right")
    for name, one in found["series"].items():
        steps = ["", *(f"{each:.2f}" for each in one["per_decade"])]
        for size, costs, ratio, step in zip(one["sizes"], one["us_per_event"], one["of_straight"], steps, strict=True):
            table.add_row(name, f"{size}", ", ".join(f"{each:.0f}" for each in costs), f"{ratio:.1f}", step)
    return table


def of_footprint(found: dict[str, Any]) -> Table:
    """Show what members cost when nothing happens."""
    targets = found["targets"]
    table = Table(title="a worker of members", caption=f"after kill -9, session timeout {found['session_timeout_s']:.0f} s")
    for column in ("what", "figure", "target"):
        table.add_column(column, justify="right")
    for members, seconds, cpu in zip(found["members"], found["restore_s"], found["restore_cpu_s"], strict=True):
        table.add_row(f"restore of {members:,} members, s", f"{seconds:.2f} ({cpu:.2f} of CPU)", "")
    table.add_row("of which for no members at all, s", f"{found['start_s']:.2f}", "")
    table.add_row("members restored a second", f"{found['members_per_s']:,}", f"{targets['members_per_s']:,}")
    table.add_row("bytes of memory a member", f"{found['bytes_per_member']:,}", f"{targets['bytes']}")
    table.add_row("of which packed", f"{found['packed_bytes']:,}", "")
    table.add_row("packed, after so many events", ", ".join(f"{n}: {size}" for n, size in found["packed_bytes_by_events"].items()), "")
    table.add_row("first event after kill -9, s", f"{found['first_event_after_kill_s']:.1f}", "")
    return table


def _spread(one: dict[str, float]) -> str:
    return f"{one['p50']:.0f} / {one['p99']:.0f} / {one['max']:.0f}"
