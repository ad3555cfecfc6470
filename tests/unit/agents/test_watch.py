"""What ``huiliu watch`` shows of campaigns, from what workers say of them."""

from rich.console import Console

from agents.cli.watch import Look, campaigns
from agents.metrics import parse
from sinks.telemetry import Telemetry


def shown(*workers: Telemetry) -> list[list[str]]:
    console = Console(width=200, no_color=True)
    with console.capture() as captured:
        for table in campaigns(Look(0.0, [parse(worker.page().decode()) for worker in workers])):
            console.print(table)
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in captured.get().splitlines() if line.startswith("│")]


def test_outcomes_of_all_workers_add_up_beside_what_budgets_have_left() -> None:
    first, second, budgets = Telemetry("members"), Telemetry("members"), Telemetry("budgets")
    for outcome, times in {"asked": 3, "granted": 2, "cap": 1, "budget": 1, "refunded": 1, "coupon_expired": 1}.items():
        first.rewarded("acme/a", outcome, times)
    second.rewarded("acme/a", "asked", 4)
    second.rewarded("acme/b", "condition", 1)
    budgets.budget("acme/a", 500, 1_000, 3_500, 7)
    assert shown(first, second, budgets) == [
        ["acme/a", "7", "2", "3", "1", "500", "1,000", "3,500", "7"],
        ["acme/b", "0", "0", "1", "0", "", "", "", ""],
    ]


def test_what_a_shadow_decides_stands_apart() -> None:
    members = Telemetry("members")
    for outcome, times in {"shadow": 5, "shadow_cap": 2, "asked": 1}.items():
        members.rewarded("acme/a", outcome, times)
    assert shown(members) == [
        ["acme/a (shadow)", "5", "0", "2", "0", "", "", "", ""],
        ["acme/a", "1", "0", "0", "0", "", "", "", ""],
    ]


def test_where_no_campaign_is_nothing_is_shown() -> None:
    assert shown(Telemetry("members")) == []
