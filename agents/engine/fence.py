"""Whether Kafka still counts this worker as alive: by its last heartbeat that was answered without an error.

The clock is CLOCK_BOOTTIME, which goes on while a machine sleeps or a process
is stopped.

Source: DESIGN 4 (fence for effects).
"""

import time


def boot_s() -> float:
    """Read the clock that no suspend stops."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Fenced(Exception):
    """Another worker may own the partitions by now: nothing may be sent."""


class HeartbeatFence:
    """Open for *timeout_s* after each heartbeat that was sent at *beat*'s time and answered without an error."""

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self.last_s = float("-inf")

    def beat(self, sent_s: float) -> None:
        """Note a heartbeat by the time at which it was *sent*: the broker counts from no earlier."""
        self.last_s = max(self.last_s, sent_s)

    def is_open(self, now_s: float) -> bool:
        """Tell whether the broker can't have given the partitions to another yet."""
        return now_s - self.last_s < self.timeout_s
