"""What the engine asks the cluster, of a broker that was away."""

import asyncio
import time
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from agents.engine.cluster import TIMEOUT_S, Cluster
from agents.engine.pipeline import Place
from agents.servers import start_kafka

TOPIC = "cluster-away"
GROUP = "cluster-away"


def test_a_group_is_asked_again_after_its_coordinator_was_killed(tmp_path: Path) -> None:
    kafka = start_kafka(tmp_path / "kafka")
    try:
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
        admin.create_topics([NewTopic(TOPIC, 1, 1)])[TOPIC].result(20)
        consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": GROUP})
        consumer.commit(offsets=[TopicPartition(TOPIC, 0, 7)], asynchronous=False)
        consumer.close()

        async def ask_while_it_is_away() -> float:
            cluster, place = Cluster(kafka.bootstrap), Place(TOPIC, 0)
            assert await cluster.group_commits(GROUP, [place]) == {place: 7}
            kafka.kill()
            waiting = [asyncio.ensure_future(one) for one in (cluster.topics([TOPIC]), cluster.group_commits(GROUP, [place]))]
            await asyncio.to_thread(start_again)
            await asyncio.gather(*waiting, return_exceptions=True)
            began = time.monotonic()
            assert (await cluster.topics([TOPIC]))[TOPIC].partitions == 1
            assert await cluster.group_commits(GROUP, [place]) == {place: 7}
            return time.monotonic() - began

        def start_again() -> None:
            nonlocal kafka
            kafka = start_kafka(tmp_path / "kafka")

        assert asyncio.run(ask_while_it_is_away()) < TIMEOUT_S / 2
    finally:
        kafka.stop()
