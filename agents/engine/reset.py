"""A keyed stage begun anew: what its input log still holds is folded again, in a new epoch.

What an operator decides after a refusal (``takeover.REBUILD``): the states
that can't go on are forgotten, in one transaction a partition, by a producer
that fences whoever wrote them.

Source: DESIGN 4 (refusals), CONTRACT 3 (epoch).
"""

from collections.abc import Callable
from typing import NamedTuple

from agents.engine.changelog import Changelog
from agents.engine.cluster import Cluster, Ends, Topic
from agents.engine.pipeline import Place
from agents.engine.takeover import MARKER, Marker, Restored, pack
from schemas.stages import Keyed

Carry = Callable[[bytes, bytes, int, bool], bytes | None]
"""(key, packed state, new position, whether the log is another than it was folded from) -> what goes over; None = nothing.

What goes over is stamped below the position.
"""


class Begun(NamedTuple):
    """One partition that begins anew: from *position*, in *epoch*; so many *states* are forgotten."""

    partition: int
    position: int
    epoch: int
    states: int


def plan(restored: Restored, topic: Topic, ends: Ends, carry: Carry) -> tuple[Marker, dict[bytes, bytes | None]]:
    """Decide the transaction that begins a partition anew: every state gone or carried over, and the marker of the next epoch."""
    epoch = restored.marker.epoch + 1 if restored.marker is not None else 1
    marker = Marker(ends.begin, 0, topic.id, topic.partitions, epoch)
    other = restored.marker is not None and restored.marker.topic_id != topic.id
    records: dict[bytes, bytes | None] = {key: carry(key, state, ends.begin, other) for key, state in restored.states.items()}
    records[MARKER] = pack(marker)
    return marker, records


async def inputs(servers: str, target: Keyed) -> tuple[Topic, list[Ends]]:
    """Look at the input as it is now; raises LookupError where it, or a fitting changelog, is not there."""
    cluster = Cluster(servers)
    found = await cluster.topics([target.topic, target.changelog])
    for name in (target.topic, target.changelog):
        if name not in found:
            raise LookupError(f"topic {name} does not exist; `huiliu up` makes the internal topics")
    topic = found[target.topic]
    if found[target.changelog].partitions != topic.partitions:
        raise LookupError(
            f"{target.changelog} has {found[target.changelog].partitions} partitions, {target.topic} {topic.partitions}: "
            "delete the one that is wrong and let `huiliu up` make it again"
        )
    ends = await cluster.ends([Place(target.topic, partition) for partition in range(topic.partitions)])
    return topic, [ends[Place(target.topic, partition)] for partition in range(topic.partitions)]


def begin_anew(servers: str, target: Keyed, partition: int, topic: Topic, ends: Ends, carry: Carry) -> Begun:
    """Fence, read what is there, and commit the plan.  Blocks; raises KafkaException."""
    changelog = Changelog(servers, target.app_id, target.changelog)
    producer = changelog.fence(partition)
    restored = changelog.restore(partition, lambda _: None)
    marker, records = plan(restored, topic, ends, carry)
    changelog.commit(producer, partition, records)
    return Begun(partition, marker.position, marker.epoch, sum(records[key] is None for key in restored.states))
