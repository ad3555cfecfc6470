"""Whether the money adds up: for each campaign, what the CRMs were told against what budgets keep."""

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from rich.table import Table

from agents.settings import Settings
from agents.topic_log import TopicLog
from schemas import crm, stages
from schemas.budgets import Budget, unpack_budget
from schemas.currencies import DIGITS
from schemas.scalars import minor_text, parse_minor
from streams.budgets import campaign_of, left_of

CURRENCY: Final = "CNY"


@dataclass
class Money:
    """What one CRM was told of rewards, by campaign; money in minor units, *owed* what was redeemed and taken back, *gone* points so."""

    granted: Counter[str] = field(default_factory=Counter)
    grants: Counter[str] = field(default_factory=Counter)
    reversed: Counter[str] = field(default_factory=Counter)
    owed: Counter[str] = field(default_factory=Counter)
    gone: Counter[str] = field(default_factory=Counter)
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    coupons: set[str] = field(default_factory=set)

    def note(self, kind: str, value: Mapping[str, Any]) -> None:
        """Take one record."""
        campaign = value.get("campaign", "")
        if kind == crm.REWARD_REFUSED:
            self.refused[campaign, value["reason"]] += 1
        elif kind == crm.REWARD_GRANTED:
            self.grants[campaign] += 1
            if value["kind"] == "coupon":
                self.coupons.add(campaign)
                self.granted[campaign] += _minor(value["value"])
        elif campaign in self.coupons:
            amount = _minor(value["amount"])
            self.reversed[campaign] += max(0, amount)
            self.owed[campaign] += max(0, -amount)
        else:
            self.gone[campaign] += 1


class Account(NamedTuple):
    """One campaign's account; *problems* is empty when it adds up."""

    campaign: str
    money: Money
    budget: Budget
    problems: list[str]


def accounts(settings: Settings, told: Mapping[str, Money]) -> list[Account]:
    """Hold what each brand's CRM was told against what budgets have made durable."""
    found = []
    for campaign, budget in sorted(_kept(settings).items()):
        money = told[campaign.partition("/")[0]]
        found.append(Account(campaign, money, budget, _problems(campaign, money, budget)))
    return found


def _kept(settings: Settings) -> dict[str, Budget]:
    latest: dict[str, Budget] = {}
    with TopicLog(settings, stages.BUDGETS.changelog) as log:
        for entry in log.read():
            campaign = campaign_of(entry.key or b"")
            if campaign is not None and entry.value is not None:
                latest[campaign] = unpack_budget(entry.value)
    return latest


def _problems(campaign: str, money: Money, budget: Budget) -> list[str]:
    cost, limit = budget.total.reserved_minor + budget.total.spent_minor, budget.limits.money_minor
    stands = money.granted[campaign] - money.reversed[campaign]
    problems = []
    if stands != cost:
        problems.append(f"granted - reversed is {_text(stands)}, budgets keep {_text(cost)}")
    if limit is not None and cost > limit:
        problems.append(f"{_text(cost)} of {_text(limit)} is overspent")
    points = money.grants[campaign] - money.gone[campaign]
    if campaign not in money.coupons and points != budget.total.grants:
        problems.append(f"{points} grants of points stand, budgets keep {budget.total.grants}")
    return problems


def table_of_money(found: list[Account]) -> Table:
    """Lay the accounts one under another; of points there is no money to tell, but grants: of a budget by day those of today are left."""
    table = Table(title="granted - reversed = reserved + spent; with what is left, the budget", show_lines=True)
    table.add_column("campaign", no_wrap=True)
    for name in ("grants", "granted\n- reversed", "reserved\n+ spent", "left of\nbudget"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("refused", overflow="fold")
    for campaign, money, budget, problems in found:
        table.add_row(campaign.replace("/", "\n"), *_amounts(campaign, money, budget), style="red" if problems else "")
    return table


def _amounts(campaign: str, money: Money, budget: Budget) -> tuple[str, ...]:
    total, limit = budget.total, budget.limits.money_minor
    refused = "\n".join(f"{reason} {times:,}" for (of, reason), times in sorted(money.refused.items()) if of == campaign)
    if campaign not in money.coupons:
        grants = left_of(budget, int(time.time() * 1000)).grants
        period = "" if budget.limits.period == "none" else f"/{budget.limits.period}"
        return f"{money.grants[campaign]:,}", "", "", "" if grants is None else f"{grants:,}\nof {budget.limits.grants:,}{period}", refused
    left = "" if limit is None else f"{_text(limit - total.reserved_minor - total.spent_minor)}\nof {_text(limit)}"
    return (
        f"{money.grants[campaign]:,}",
        f"{_text(money.granted[campaign])}\n- {_text(money.reversed[campaign])}",
        f"{_text(total.reserved_minor)}\n+ {_text(total.spent_minor)}",
        left,
        refused,
    )


def _minor(text: str) -> int:
    return parse_minor(text, DIGITS[CURRENCY]) or 0


def _text(minor: int) -> str:
    return minor_text(minor, CURRENCY)
