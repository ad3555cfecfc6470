"""What Kafka knows each stage by: for the workers, and for commands that start none.

Source: DESIGN 3 and 4.
"""

from typing import Final, NamedTuple

from schemas import topics


class Keyed(NamedTuple):
    """A stage that keeps states: its consumer group, the topic that it reads, and what it calls its states."""

    app_id: str
    topic: str
    table: str

    @property
    def changelog(self) -> str:
        """Name the topic that its states are rebuilt from."""
        return topics.changelog(self.app_id, self.table)


INTAKE: Final = "huiliu-intake"
MEMBERS: Final = Keyed("huiliu-members", topics.MEMBERS, "states")
SHARES: Final = Keyed("huiliu-shares", topics.SHARES, "states")
BUDGETS: Final = Keyed("huiliu-budgets", topics.BUDGETS, "states")
CONTROL: Final = Keyed("huiliu-control", topics.RULES, "sets")
