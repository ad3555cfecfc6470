"""What Kafka knows each stage by: for the workers, and for commands that start none.

Source: DESIGN 3 and 4.
"""

from enum import StrEnum
from typing import Final, NamedTuple

from schemas import topics


class Stage(StrEnum):
    """A stage is a Faust app with one consumer group."""

    INTAKE = "intake"
    MEMBERS = "members"
    SHARES = "shares"
    BUDGETS = "budgets"
    CONTROL = "control"


class Keyed(NamedTuple):
    """A stage that keeps states: its consumer group, the topic that it reads, and the one that its states are rebuilt from."""

    app_id: str
    topic: str
    changelog: str


def _keyed(app_id: str, topic: str, table: str) -> Keyed:
    return Keyed(app_id, topic, topics.changelog(app_id, table))


INTAKE: Final = "huiliu-intake"
MEMBERS: Final = _keyed("huiliu-members", topics.MEMBERS, "states")
SHARES: Final = _keyed("huiliu-shares", topics.SHARES, "states")
BUDGETS: Final = _keyed("huiliu-budgets", topics.BUDGETS, "states")
CONTROL: Final = _keyed("huiliu-control", topics.RULES, "sets")
