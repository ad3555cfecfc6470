"""Who of a group died on this machine: the others would wait for them until the session timeout, and need not."""

from kafka.admin import KafkaAdminClient, MemberToRemove
from kafka.errors import KafkaError

from agents.engine.process import is_dead

BOOTSTRAP_MS = 5_000
RETRY_MS = 500
"""How long kafka-python waits at most before it tries again: 30 s else, and a broker that is back would not be seen."""


def let_depart(servers: str, group: str) -> list[str]:
    """Take out of *group* who died here; gives their member ids.  Blocks; raises kafka-python's ``KafkaError``."""
    with KafkaAdminClient(
        bootstrap_servers=servers.split(","), bootstrap_timeout_ms=BOOTSTRAP_MS, reconnect_backoff_max_ms=RETRY_MS
    ) as admin:
        return put_out_dead(admin, group)[0]


def put_out_dead(admin: KafkaAdminClient, group: str) -> tuple[list[str], int]:
    """Take out of *group* who died here; gives their member ids, and how many stay.  A group that Kafka does not know has nobody."""
    found = admin.describe_groups([group])[group]
    if found["error"] and found["group_state"] != "Dead":
        raise KafkaError(found["error"])
    dead = [one["member_id"] for one in found["members"] if is_dead(one["client_id"])]
    if dead:
        admin.remove_group_members(group, [MemberToRemove(member) for member in dead])
    return dead, len(found["members"]) - len(dead)
