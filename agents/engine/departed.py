"""Who of a group died on this machine: the others would wait for them until the session timeout, and need not."""

import re
from time import monotonic, sleep
from typing import Any

from kafka.admin import KafkaAdminClient, MemberToRemove
from kafka.errors import KafkaError, for_code

from agents.engine.process import is_dead

BOOTSTRAP_MS = 5_000
RETRY_MS = 500
"""How long kafka-python waits at most before it tries again: 30 s else, and a broker that is back would not be seen."""
LOADING_S = 3.0
"""How long a broker that has just begun, or has just made the groups' topic, is given to read the group in."""
ASK_S = 0.1
_CODE = re.compile(r"\[Error (\d+)\]")


def let_depart(servers: str, group: str) -> list[str]:
    """Take out of *group* who died here; gives their member ids.  Blocks; raises kafka-python's ``KafkaError``."""
    with KafkaAdminClient(
        bootstrap_servers=servers.split(","), bootstrap_timeout_ms=BOOTSTRAP_MS, reconnect_backoff_max_ms=RETRY_MS
    ) as admin:
        return put_out_dead(admin, group)[0]


def put_out_dead(admin: KafkaAdminClient, group: str) -> tuple[list[str], int]:
    """Take out of *group* who died here; gives their member ids, and how many stay.  A group that Kafka does not know has nobody."""
    members = _members(admin, group)
    dead = [one["member_id"] for one in members if is_dead(one["client_id"])]
    if dead:
        admin.remove_group_members(group, [MemberToRemove(member) for member in dead])
    return dead, len(members) - len(dead)


def _members(admin: KafkaAdminClient, group: str) -> list[dict[str, Any]]:
    """Ask who is in *group*, again while its broker is not found or still reads it in."""
    deadline = monotonic() + LOADING_S
    while True:
        try:
            return _described(admin, group)
        except KafkaError as refused:
            if not refused.retriable or monotonic() > deadline:
                raise
        sleep(ASK_S)


def _described(admin: KafkaAdminClient, group: str) -> list[dict[str, Any]]:
    found = admin.describe_groups([group])[group]
    if found["error"] and found["group_state"] != "Dead":
        raise _error(found["error"])
    members: list[dict[str, Any]] = found["members"]
    return members


def _error(told: str) -> KafkaError:
    """Make an error again of the text that kafka-python makes of one."""
    code = _CODE.match(told)
    return for_code(int(code[1]))() if code else KafkaError(told)
