"""How one worker runs: plain values, made once from the settings of the process."""

from dataclasses import dataclass
from pathlib import Path

MIB = 1024 * 1024


@dataclass(frozen=True)
class Options:
    """What the engine may be told.  Times are seconds, sizes bytes.

    *session_timeout_s* bounds how long a dead worker keeps its partitions, how
    long a revoked one may take to finish, and how long a worker that hears
    nothing from Kafka may send.  *commit_interval_s* bounds what a crash
    repeats, not latency.  *pending_records* and *pending_bytes* bound what is
    read and not yet durable, whatever is slow behind.
    """

    servers: str
    data_dir: Path
    session_timeout_s: float = 10.0
    commit_interval_s: float = 0.5
    batch_records: int = 2_000
    pending_records: int = 100_000
    pending_bytes: int = 64 * MIB
    fetch_bytes: int = 1 * MIB
    decompressed_bytes: int = 16 * MIB
    record_bytes: int = 1 * MIB
    short_linger_ms: int = 1
    long_linger_ms: int = 100
    watchdog_s: float = 60.0
    refresh_s: float = 5.0
    stop_s: float = 10.0

    def __post_init__(self) -> None:
        """Refuse values with which the guarantees would not hold."""
        if not 0 < self.commit_interval_s < self.session_timeout_s:
            raise ValueError(
                f"commit_interval_s: {self.commit_interval_s} is not above 0 and below session_timeout_s, {self.session_timeout_s}"
            )
        if self.batch_records < 1 or self.pending_records < self.batch_records:
            raise ValueError(f"pending_records: {self.pending_records} does not hold one batch of {self.batch_records}")
