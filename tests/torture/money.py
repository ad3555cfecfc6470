"""Whether the money of a run adds up, and whether who earned something has it.

Held against each other: every state of a budget that was ever durable, what
the CRMs were told, and what the brand's own records say was earned.
"""

import itertools
from base64 import b32encode
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, NamedTuple

from agents.settings import Settings
from agents.topic_log import TopicLog
from schemas import topics
from schemas.budgets import Budget, Cost, Limits, unpack_budget, unpack_grant
from tests.integration.findings import Account, Kind, Told
from tests.oracle.identity import Identity
from tests.oracle.places import ENRICHED, Verdict
from tests.torture.samples import BUDGETS

CHANGELOG: Final = topics.changelog(BUDGETS, "states")
CAMPAIGN: Final = b"c"
GRANT: Final = b"g"
HOUR_MS: Final = 3_600_000

RUSH, EACH_ORDER, NOW_AND_THEN, OPENED = "rush", "each-order", "now-and-then", "opened"
PLACES: Final = 25
CAMPAIGNS: Final = f"""\
  # More want it than there is; who has it, redeems it (``tests.torture.till``).
  {RUSH}:
    state: live
    trigger: {{event: click}}
    reward: {{coupon: {{value: "1.00", currency: CNY, valid_for: 400d}}}}
    budget: {{money: "{PLACES}.00"}}
  # What stands of it is what stands of the orders.
  {EACH_ORDER}:
    state: live
    trigger: {{event: order.paid}}
    reward: {{coupon: {{value: "3.00", currency: CNY, valid_for: 400d}}}}
    once_per: order
    undo: {{on: [order.cancelled, order.refunded], mode: full}}
    budget: {{money: "90000.00"}}
  {NOW_AND_THEN}:
    state: live
    trigger: {{event: share}}
    reward: {{points: 1}}
    once_per: share
    cap: [{{rewards: 1, within: 24h}}]
    budget: {{grants: 100000}}
  # Once for whoever's share somebody else opens.
  {OPENED}:
    state: live
    trigger: {{event: share.visited}}
    beneficiary: sharer
    depth: 2
    reward: {{points: 1}}
    budget: {{grants: 100000}}
"""
"""What every brand of a run offers, beside the demo's campaigns; with clocks a year behind a coupon still lasts."""
TAGS: Final = f"""\
  {OPENED}: {{count: {{events: share.visited, within: 400d, at_least: 1}}}}
  opened-twice: {{count: {{events: share.visited, within: 400d, at_least: 2}}}}
  opened-thrice: {{count: {{events: share.visited, within: 400d, at_least: 3}}}}
  opened-by-many: {{count: {{events: share.visited, within: 400d, at_least: 5}}}}
  seller: {{count: {{events: share.ordered, within: 400d, at_least: 1}}}}
sharing: {{depth: 2}}
"""
"""What every brand of a run counts of what shares bring, to whoever sent them on, too; who has the first tag has the reward of its name."""


@dataclass
class Rewards:
    """What a brand's CRM was told of one campaign."""

    granted: dict[str, Told] = field(default_factory=dict)
    money: dict[str, Decimal] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    refused: Counter[str] = field(default_factory=Counter)

    @property
    def standing(self) -> list[Told]:
        """List the grants that were not taken back whole."""
        return [told for reward, told in self.granted.items() if reward not in self.gone]


class Deed(NamedTuple):
    """An accepted event that may earn something."""

    brand: str
    who: Identity
    id: str
    at_ms: int
    order: str


class Kept(NamedTuple):
    """What budgets have made durable: the latest of each campaign, the ids of the *grants* that count, and what was ever *overspent*."""

    budgets: dict[str, Budget]
    grants: set[str]
    overspent: list[tuple[str, Budget]]


def compare(found: Account, kept: Kept) -> None:
    """Hold budgets, CRMs and deeds against each other; brands whose CRM topic was deleted for their budgets alone."""
    for campaign, budget in kept.overspent:
        found.find(Kind.WRONG, "overspent", campaign, budget)
    told = _told(found)
    deeds, unsure = _deeds(found.verdicts)
    for campaign, budget in sorted(kept.budgets.items()):
        brand, _, name = campaign.partition("/")
        if brand in found.terms.cut:
            continue
        rewards = told[campaign]
        _compare_sums(found, campaign, budget, rewards, kept.grants)
        if name == RUSH:
            _compare_rush(found, campaign, budget, rewards, {deed.who for deed in deeds["click"] if deed.brand == brand} - unsure[brand])
            _compare_redeemed(found, campaign, budget, rewards)
        elif name == EACH_ORDER:
            _compare_orders(found, campaign, rewards, deeds, unsure)
        elif name == NOW_AND_THEN:
            _compare_caps(found, campaign, rewards, [deed for deed in deeds["share"] if deed.brand == brand], unsure[brand])
        elif name == OPENED and brand not in found.changes:
            _compare_opened(found, campaign, rewards, unsure[brand])
    for campaign in told.keys() - kept.budgets.keys():
        found.find(Kind.WRONG, "a reward of a campaign that has no budget", campaign)


def read(settings: Settings, brands: Sequence[str]) -> Kept:
    """Read the budgets of *brands*, every state that was ever durable."""
    latest: dict[str, Budget] = {}
    grants: set[str] = set()
    overspent = []
    with TopicLog(settings, CHANGELOG) as log:
        for entry in log.read():
            key = entry.key or b""
            if key.startswith(GRANT) and entry.value is not None:
                (grants.add if unpack_grant(entry.value).counted else grants.discard)(b32encode(key[len(GRANT) :]).decode())
            campaign = key[len(CAMPAIGN) :].decode() if key.startswith(CAMPAIGN) and entry.value is not None else ""
            if campaign.partition("/")[0] not in brands:
                continue
            budget = latest[campaign] = unpack_budget(entry.value or b"")
            if _overspent(budget.limits, [budget.total] if budget.limits.period == "none" else list(budget.days.values())):
                overspent.append((campaign, budget))
    return Kept(latest, grants, overspent)


def _overspent(limits: Limits, costs: Sequence[Cost]) -> bool:
    return any(
        (limits.money_minor is not None and cost.reserved_minor + cost.spent_minor > limits.money_minor)
        or (limits.grants is not None and cost.grants > limits.grants)
        or min(cost.reserved_minor, cost.spent_minor, cost.grants) < 0
        for cost in costs
    )


def _told(found: Account) -> dict[str, Rewards]:
    """Sort what CRMs were told by campaign; a reward is granted once."""
    told: dict[str, Rewards] = defaultdict(Rewards)
    for one in found.told:
        value = one.value
        if not one.type.startswith("cn.huiliu.reward.") or not value.get("campaign") or one.brand in found.terms.cut:
            continue
        rewards = told[value["campaign"]]
        if one.type == "cn.huiliu.reward.granted.v1":
            reward = value["reward_id"]
            if reward in rewards.granted:
                found.find(Kind.TWICE, "granted twice", one.brand, value)
            rewards.granted[reward] = one
            rewards.money[reward] = Decimal(value["value"])
        elif one.type == "cn.huiliu.reward.reversed.v1":
            _reverse(found, rewards, one)
        elif one.type == "cn.huiliu.reward.refused.v1":
            rewards.refused[value["reason"]] += 1
    return told


def _reverse(found: Account, rewards: Rewards, one: Told) -> None:
    reward, amount = one.value["reward_id"], Decimal(one.value["amount"])
    if reward not in rewards.granted:
        found.find(Kind.WRONG, "taken back before it was granted", one.brand, one.value)
        return
    left = rewards.money[reward] = rewards.money[reward] - max(Decimal(0), amount)
    if left < 0 or reward in rewards.gone:
        found.find(Kind.WRONG, "more was taken back than was granted", one.brand, one.value)
    if left <= 0:
        rewards.gone.add(reward)


def _compare_sums(found: Account, campaign: str, budget: Budget, rewards: Rewards, kept: set[str]) -> None:
    """What CRMs were told is what budgets keep: no cent leaks."""
    standing = rewards.granted.keys() - rewards.gone
    if len(standing) != budget.total.grants or standing - kept or rewards.gone & kept:
        wrong = [rewards.granted[reward].value for reward in (standing - kept) | (rewards.gone & kept)]
        found.find(Kind.WRONG, "grants that stand", campaign, len(standing), "budgets keep", budget.total, "not the same", wrong)
    if any(told.value["kind"] == "coupon" for told in rewards.granted.values()):
        minor = int(sum(rewards.money.values(), Decimal(0)) * 100)
        if minor != budget.total.reserved_minor + budget.total.spent_minor:
            found.find(Kind.WRONG, "granted less taken back", campaign, minor, "budgets keep", budget.total)


def _compare_rush(found: Account, campaign: str, budget: Budget, rewards: Rewards, wanted: set[Identity]) -> None:
    """What many want is granted to the last place, each once; nothing takes it back."""
    cost = budget.total.reserved_minor + budget.total.spent_minor
    places = min(PLACES, len(wanted))
    if cost < 100 * places or (rewards.refused["budget"] and cost != 100 * PLACES):
        found.find(Kind.WRONG, "with enough demand", campaign, cost, "granted of", PLACES, "to", len(wanted), dict(rewards.refused))
    if len({told.member for told in rewards.granted.values()}) != len(rewards.granted):
        found.find(Kind.TWICE, "more than once per member", campaign)


def _compare_redeemed(found: Account, campaign: str, budget: Budget, rewards: Rewards) -> None:
    """What was redeemed is spent, each coupon once."""
    said = [verdict.said.data for verdict in found.verdicts if verdict.place == ENRICHED and verdict.said and verdict.said.kind == "coupon"]
    redeemed = {data["reward_id"] for data in said if data["status"] == "redeemed" and data.get("reward_id") in rewards.granted}
    if budget.total.spent_minor != 100 * len(redeemed):
        found.find(Kind.WRONG, "redeemed of", campaign, len(redeemed), "budgets keep", budget.total)


def _compare_orders(
    found: Account, campaign: str, rewards: Rewards, deeds: Mapping[str, Sequence[Deed]], unsure: Mapping[str, set[Identity]]
) -> None:
    """A grant stands for each order that was paid, and neither cancelled nor given back, and for no other."""
    brand = campaign.partition("/")[0]
    sure = [deed for name in ("paid", "cancelled", "refunded") for deed in deeds[name] if deed.brand == brand]
    orders = {deed.id: (deed.who, deed.order) for deed in sure}
    paid = {(deed.who, deed.order) for deed in deeds["paid"] if deed.brand == brand}
    off = {(deed.who, deed.order) for name in ("cancelled", "refunded") for deed in deeds[name] if deed.brand == brand}
    expected = {(who, order) for who, order in paid - off if who not in unsure[brand]}
    standing = [orders[told.value["trigger"]] for told in rewards.standing]
    for who, order in expected - set(standing):
        found.find(Kind.LOST, "no reward for an order", campaign, who, order)
    for who, order in {one for one in standing if one not in paid - off}:
        found.find(Kind.WRONG, "a reward for an order that does not stand", campaign, who, order)
    for who, order in [one for one, times in Counter(standing).items() if times > 1]:
        found.find(Kind.TWICE, "two rewards for an order", campaign, who, order)


def _compare_caps(found: Account, campaign: str, rewards: Rewards, deeds: Sequence[Deed], unsure: set[Identity]) -> None:
    """Whoever did nothing else within a day has it; nobody has two within one."""
    by_id = {deed.id: deed for deed in deeds}
    had: dict[Identity, list[int]] = defaultdict(list)
    for told in rewards.granted.values():
        deed = by_id[told.value["trigger"]]
        had[deed.who].append(deed.at_ms // HOUR_MS)
    for who, hours in had.items():
        hours.sort()
        if any(later - hour < 24 for hour, later in itertools.pairwise(hours)):
            found.find(Kind.WRONG, "beyond the cap", campaign, who, hours)
    granted = {told.value["trigger"] for told in rewards.granted.values()}
    for deed in _alone(deeds):
        if deed.who not in unsure and deed.id not in granted:
            found.find(Kind.LOST, "no reward although none was near", campaign, deed)


def _compare_opened(found: Account, campaign: str, rewards: Rewards, unsure: set[Identity]) -> None:
    """Whoever's share was opened, by the recount, had it once, and nobody else has it.

    It may have been taken back: from whom a long chain of shares had to tell that its visitor stands above them.
    """
    brand = campaign.partition("/")[0]
    own = [
        verdict for verdict in found.verdicts if verdict.record.brand == brand and verdict.said is not None and verdict.said.who in unsure
    ]
    doubtful = {told.member for verdict in own if (told := found.enriched.get(verdict.record[:3])) is not None}
    earned = {member for (at, member), ending in found.final.items() if at == brand and OPENED in ending.now.tags}
    granted = Counter(one.member for one in rewards.granted.values())
    standing = {one.member for one in rewards.standing}
    for member in earned - granted.keys() - doubtful:
        found.find(Kind.LOST, "no reward for a share that was opened", campaign, member)
    for member in standing - earned - doubtful:
        found.find(Kind.WRONG, "a reward for a share that nobody opened", campaign, member)
    for member in [one for one, times in granted.items() if times > 1]:
        found.find(Kind.TWICE, "two rewards for shares that were opened", campaign, member)


def _alone(deeds: Sequence[Deed]) -> Iterator[Deed]:
    for deed in deeds:
        if not any(other is not deed and other.who == deed.who and abs(other.at_ms - deed.at_ms) < 25 * HOUR_MS for other in deeds):
            yield deed


def _deeds(verdicts: Sequence[Verdict]) -> tuple[Mapping[str, Sequence[Deed]], Mapping[str, set[Identity]]]:
    """List what was done, by kind (of orders: status); and by brand who stated anything on consent: what they may have is not told here."""
    deeds: dict[str, list[Deed]] = defaultdict(list)
    unsure: dict[str, set[Identity]] = defaultdict(set)
    for verdict in verdicts:
        said, brand = verdict.said, verdict.record.brand
        if verdict.place != ENRICHED or said is None:
            continue
        if "consent" in said.data:
            unsure[brand].add(said.who)
        name = said.data["status"] if said.kind == "order" else said.kind
        deeds[name].append(Deed(brand, said.who, said.event["id"], said.at_ms, said.data.get("order_id", "")))
    return deeds, unsure
