"""One partition of members and one of budgets, fed by hand: whatever one asks, the other answers, until all is still."""

from dataclasses import dataclass, field
from typing import Any

from schemas import budgets, rules, topics
from schemas.budgets import Budget, Told, unpack_budget
from schemas.crm import (
    REWARD_GRANTED,
    REWARD_PROGRESS,
    REWARD_REFUSED,
    REWARD_REVERSED,
    RewardGranted,
    RewardProgress,
    RewardRefused,
    RewardReversed,
)
from schemas.decisions import Rewarded
from schemas.effects import Effect
from schemas.envelope import RulesSet, Tick
from schemas.fold import Home
from schemas.rewards import Earned, unpack_earned
from schemas.rules import RuleSet
from streams.budgets import BudgetsFold, campaign_key
from tests.property.pipeline import Written
from tests.unit.one_partition import LIN, Log, ruleset
from tests.unit.one_partition import Told as Came

REWARDS = (REWARD_GRANTED, REWARD_PROGRESS, REWARD_REFUSED, REWARD_REVERSED)
BUDGETS_ID = b"internal-budgets"


@dataclass
class Till:
    """The partition of budgets: its log and its table."""

    log: list[Written] = field(default_factory=list)
    table: dict[bytes, bytes] = field(default_factory=dict)
    clock_ms: int = 0
    folded: int = 0

    def append(self, told: Told, at_ms: int) -> None:
        self.send(budgets.encode(told), at_ms)

    def send(self, value: bytes, at_ms: int) -> None:
        self.log.append(Written(topics.BUDGETS, 0, len(self.log), at_ms, None, value))

    def fold(self) -> list[Effect]:
        """Fold what is new by a fold that was just restored."""
        fold = BudgetsFold()
        fold.restore(Home(topics.BUDGETS, BUDGETS_ID, 0, 1, 1), self.table, self.clock_ms)
        fold.begin()
        for record in self.log[self.folded :]:
            fold.fold(record)
        self.folded = len(self.log)
        folded = fold.commit()
        self.clock_ms = folded.clock_ms
        self.table.update({key: packed for key, packed in folded.states.items() if packed is not None})
        return folded.effects

    def budget(self, campaign: str) -> Budget:
        return unpack_budget(self.table[campaign_key(campaign)])


@dataclass
class Shop(Log):
    """A ``Log`` whose asks are answered; *answering* False keeps the answers back until ``answer``."""

    till: Till = field(default_factory=Till)
    answering: bool = True
    heard: int = 0

    def fold(self, sizes: list[int] | None = None) -> Came:
        before = len(self.stage.decisions)
        super().fold(sizes)
        while self.answering and self._pass_on():
            super().fold()
        return Came(self.stage.decisions[before:])

    def _pass_on(self) -> bool:
        """Let budgets hear what is new; tell whether they had an answer."""
        asks = [one for one in self.stage.decisions[self.heard :] if isinstance(one, Effect) and one.topic == topics.BUDGETS]
        self.heard = len(self.stage.decisions)
        for ask in asks:
            self.till.send(ask.value or b"", self.now_ms)
        answers = self.till.fold()
        for answer in answers:
            self.stage.append(answer.key, answer.value or b"", self.now_ms)
        return bool(answers)

    def publish(self, one: RuleSet, version: int | None = None) -> Came:
        self.till.append(RulesSet(one.owner, self.versions + 1 if version is None else version, rules.encode(one)), self.now_ms)
        return super().publish(one, version)

    def tick(self, at_ms: int, append_ms: int | None = None) -> Came:
        self.till.append(Tick(at_ms), at_ms)
        return super().tick(at_ms, append_ms)

    def earned(self, member: bytes = LIN, brand: str = "tea") -> Earned:
        return unpack_earned(self.remembered(member, brand).rewards)


def campaigns(*lines: str, brand: str = "tea", tags: tuple[str, ...] = ()) -> RuleSet:
    """Read the rules of *brand* with one campaign a line."""
    owner = "alliance: true" if brand == "alliance" else f"brand: {brand}"
    head = [owner, "timezone: Asia/Shanghai"]
    of_tags = ["tags:", *(f"  {line}" for line in tags)] if tags else []
    return ruleset("\n".join([*head, *of_tags, "campaigns:", *(f"  {line}" for line in lines)]))


def told(came: Came) -> list[Any]:
    """What the CRM was told of rewards."""
    return [record.value for record in came.records if record.type in REWARDS]


def words(came: Came) -> list[str]:
    """What the CRM was told of rewards, in a word or two each."""
    return [_word(value) for value in told(came)]


def _word(value: Any) -> str:
    match value:
        case RewardGranted(value=amount, currency=currency):
            return f"granted {amount} {currency}" if isinstance(currency, str) else f"granted {amount}"
        case RewardProgress(have=have, need=need):
            return f"{have} of {need}"
        case RewardRefused(reason=reason):
            return f"refused {reason.value}"
        case RewardReversed(amount=amount, reason=reason):
            return f"reversed {amount} {reason.value}"
    raise AssertionError(value)


def counted(came: Came) -> list[str]:
    """What an operator counts."""
    return [one.outcome for one in came.decisions if isinstance(one, Rewarded)]
