"""Who of a group died on this machine: the others would wait for them until the session timeout, and need not."""

import re
from time import monotonic, sleep

from kafka.admin import KafkaAdminClient, MemberToRemove
from kafka.errors import KafkaError, for_code

from agents.engine.process import is_dead

BOOTSTRAP_MS = 5_000
RETRY_MS = 500
"""How long kafka-python waits at most before it tries again: 30 s else, and a broker that is back would not be seen."""
LOADING_S = 3.0
ASK_S = 0.1
_CODE = re.compile(r"\[Error (\d+)\]")


def let_depart(servers: str, group: str) -> list[str]:
    """Take out of *group* who died here; gives their member ids.  Blocks; raises kafka-python's ``KafkaError``.

    A broker that has just begun, or has just made the groups' topic, reads the
    group in: it is asked again until it knows.
    """
    deadline = monotonic() + LOADING_S
    with KafkaAdminClient(
        bootstrap_servers=servers.split(","), bootstrap_timeout_ms=BOOTSTRAP_MS, reconnect_backoff_max_ms=RETRY_MS
    ) as admin:
        while True:
            try:
                return put_out_dead(admin, group)[0]
            except KafkaError as refused:
                if not refused.retriable or monotonic() > deadline:
                    raise
            sleep(ASK_S)


def put_out_dead(admin: KafkaAdminClient, group: str) -> tuple[list[str], int]:
    """Take out of *group* who died here; gives their member ids, and how many stay.  A group that Kafka does not know has nobody."""
    found = admin.describe_groups([group])[group]
    if found["error"] and found["group_state"] != "Dead":
        raise _error(found["error"])
    dead = [one["member_id"] for one in found["members"] if is_dead(one["client_id"])]
    if dead:
        admin.remove_group_members(group, [MemberToRemove(member) for member in dead])
    return dead, len(found["members"]) - len(dead)


def _error(told: str) -> KafkaError:
    """Make an error again of the text that kafka-python makes of one."""
    code = _CODE.match(told)
    return for_code(int(code[1]))() if code else KafkaError(told)
