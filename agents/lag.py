"""Who works on a stage and what is waiting for it, as Kafka's groups tell it: for ``huiliu status``, wherever workers run."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # public, but not in its __all__

from agents.clients import librdkafka, topics_of
from agents.settings import Settings

PATIENCE_S: Final = 10
NEVER: Final = -1001


class Waiting(NamedTuple):
    """A partition of a stage's input: the next offset to fold (None before the first commit) and the log's end."""

    topic: str
    partition: int
    position: int | None
    begin: int
    end: int

    @property
    def records(self) -> int:
        """Count what is waiting."""
        return self.end - (self.begin if self.position is None else self.position)


class StageNow(NamedTuple):
    """A stage's live workers and its input."""

    workers: int
    input: list[Waiting]


def look(settings: Settings, stages: Mapping[str, Sequence[str]]) -> dict[str, StageNow]:
    """Look at each stage: *stages* names its group and the topics that it reads.

    Raises ``BadSettings`` when Kafka does not answer, ``KafkaException`` when it refuses.
    """
    client = AdminClient(librdkafka(settings))
    there = topics_of(client, settings)
    found = {}
    for group, topics in stages.items():
        places = [TopicPartition(topic, number) for topic in topics if topic in there for number in there[topic].partitions]
        found[group] = StageNow(_workers(client, group), _input(client, group, places))
    return found


def _workers(client: AdminClient, group: str) -> int:
    described = client.describe_consumer_groups([group], request_timeout=PATIENCE_S)[group]
    try:
        return len(described.result().members)
    except KafkaException:  # a group that nobody ever joined is no group
        return 0


def _input(client: AdminClient, group: str, places: list[TopicPartition]) -> list[Waiting]:
    if not places:
        return []
    asked = [ConsumerGroupTopicPartitions(group, places)]
    committed = client.list_consumer_group_offsets(asked, request_timeout=PATIENCE_S)[group].result().topic_partitions
    begins = _ends(client, places, OffsetSpec.earliest())  # type: ignore[no-untyped-call]
    ends = _ends(client, places, OffsetSpec.latest())  # type: ignore[no-untyped-call]
    positions = {(each.topic, each.partition): each.offset for each in committed}
    return [
        Waiting(*place, position if (position := positions.get(place, NEVER)) >= 0 else None, begins[place], end)
        for place, end in sorted(ends.items())
    ]  # fmt: skip


def _ends(client: AdminClient, places: list[TopicPartition], which: OffsetSpec) -> dict[tuple[str, int], int]:
    answers = client.list_offsets(dict.fromkeys(places, which), request_timeout=PATIENCE_S)
    return {(place.topic, place.partition): answer.result().offset for place, answer in answers.items()}
