"""Which process a member of the group is, so that one that is dead need not be waited for.

A client's id tells the kernel (its boot), the process namespace, the process
id and when it began (in clock ticks since the boot).  Whoever lives in the same
namespace can say whether that very process is still there; nobody else can, and
so nobody else tries.
"""

import os
import re
import socket
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
ENDED: Final = "ZX"
"""States of a process that runs no more and was not waited for yet."""
_STATE, _BEGAN = 0, 19  # in /proc/<pid>/stat, behind the name in brackets
_NAMED: Final = re.compile(r"#(?P<boot>[0-9a-f-]+)\.(?P<space>\d+)\.(?P<pid>[1-9]\d{0,8})\.(?P<began>\d+)$")


def client_id() -> str:
    """Name this process towards Kafka: by its host alone where the system says no more."""
    host, pid = socket.gethostname(), os.getpid()
    try:
        boot, space = _here()
        return f"{host}#{boot}.{space}.{pid}.{_stat(pid)[_BEGAN]}"
    except OSError:
        return host


def is_dead(client: str) -> bool:
    """Tell whether the process that ``client_id`` named so has ended; False where that can't be told from here."""
    named = _NAMED.search(client)
    if named is None:
        return False
    pid = int(named["pid"])
    try:
        if (named["boot"], int(named["space"])) != _here():
            return False
        if not _is_there(pid):
            return True
        stat = _stat(pid)
    except OSError:  # just gone, or hidden from us
        return False
    return int(stat[_BEGAN]) != int(named["began"]) or stat[_STATE] in ENDED


def _here() -> tuple[str, int]:
    """Tell which boot of the kernel and which process namespace this is."""
    return (PROC / "sys/kernel/random/boot_id").read_text().strip(), (PROC / "self/ns/pid").stat().st_ino


def _is_there(pid: int) -> bool:
    """Ask the kernel, for /proc may hide other users' processes."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True


def _stat(pid: int) -> list[str]:
    return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
