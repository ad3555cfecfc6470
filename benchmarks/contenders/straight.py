"""A straight confluent-kafka loop: states as objects in memory, changed ones to the changelog after each batch, plain writes.

It has no membership, no take-over and no transactions: what there is to lose.
"""

import time

from confluent_kafka import Consumer, Producer, TopicPartition

from benchmarks.contenders.job import Counted, Job, advance, decode_event, encode

BATCH = 10_000


def run(job: Job) -> float:
    """Do the job; gives the CPU seconds that they took."""
    consumer = Consumer(
        {"bootstrap.servers": job.servers, "group.id": job.app_id, "enable.auto.commit": False, "auto.offset.reset": "earliest",
         "queued.max.messages.kbytes": 65536, "fetch.queue.backoff.ms": 5}
    )  # fmt: skip
    producer = Producer(
        {"bootstrap.servers": job.servers, "acks": "all", "enable.idempotence": True, "compression.type": "lz4", "linger.ms": 5,
         "queue.buffering.max.messages": 500_000}
    )  # fmt: skip
    producer.list_topics(job.output, timeout=10)
    consumer.assign([TopicPartition(job.source, partition, 0) for partition in range(job.partitions)])
    states: dict[bytes, Counted] = {}
    done = 0
    began = time.process_time()
    while done < job.total:
        messages = consumer.consume(BATCH, 0.1)
        changed: dict[bytes, tuple[int, Counted]] = {}
        for message in messages:
            key, value = message.key(), message.value()
            assert key is not None
            assert value is not None
            state = states.get(key)
            if state is None:
                state = states[key] = Counted()
            partition = message.partition()
            _produce(producer, job.output, advance(state, decode_event(value)), key, partition)
            changed[key] = (partition or 0, state)
        for key, (partition, state) in changed.items():
            _produce(producer, job.changelog, encode(state), key, partition)
        producer.poll(0)
        done += len(messages)
        if messages:
            consumer.commit(asynchronous=True)
    producer.flush()
    spent = time.process_time() - began
    consumer.close()
    return spent


def _produce(producer: Producer, topic: str, value: bytes, key: bytes, partition: int | None) -> None:
    while True:
        try:
            producer.produce(topic, value, key, partition or 0)
            return
        except BufferError:
            producer.poll(0.01)
