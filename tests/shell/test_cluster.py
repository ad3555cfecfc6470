"""Where a log ends is asked again for as long as its partition has no leader, and no longer than that."""

import asyncio
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any, NamedTuple, cast

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from agents.engine import cluster
from agents.engine.cluster import Cluster, Ends
from agents.engine.pipeline import Place

NEW, OLD = Place("made", 0), Place("made", 1)


class Offset(NamedTuple):
    offset: int


class Brokers:
    """Answers for *OLD* at once, for *NEW* with *error* as often as it is told to."""

    def __init__(self, error: int, times: int) -> None:
        self.error, self.times = error, times
        self.asked: list[list[Place]] = []

    def list_offsets(self, wanted: Mapping[TopicPartition, Any], **_: object) -> dict[TopicPartition, "Future[Offset]"]:
        self.asked.append([Place(at.topic, at.partition) for at in wanted])
        return {at: self._answer(Place(at.topic, at.partition), spec is cluster.LATEST) for at, spec in wanted.items()}

    def _answer(self, place: Place, latest: bool) -> "Future[Offset]":
        answer: Future[Offset] = Future()
        if place == NEW and self.times:
            self.times -= latest
            answer.set_exception(KafkaException(KafkaError(self.error)))
        else:
            answer.set_result(Offset(7 if latest else 3))
        return answer


def ends(brokers: Brokers) -> dict[Place, Ends]:
    asking = Cluster("127.0.0.1:9")
    asking._admin = cast(AdminClient, brokers)  # noqa: SLF001 - no broker has a partition without a leader at will
    return asyncio.run(asking.ends([NEW, OLD]))


@pytest.mark.parametrize("error", [KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE])
def test_a_partition_without_a_leader_is_asked_again(error: int) -> None:
    brokers = Brokers(error, 3)
    assert ends(brokers) == {NEW: Ends(3, 7), OLD: Ends(3, 7)}
    assert brokers.asked == [[NEW, OLD]] * 2 + [[NEW]] * 6


def test_it_is_not_asked_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "TIMEOUT_S", 0.1)
    with pytest.raises(KafkaException, match="leader"):
        ends(Brokers(KafkaError.NOT_LEADER_FOR_PARTITION, 1_000))


def test_another_error_is_told_at_once() -> None:
    brokers = Brokers(KafkaError.TOPIC_AUTHORIZATION_FAILED, 1)
    with pytest.raises(KafkaException):
        ends(brokers)
    assert len(brokers.asked) == 2
