"""What the engine tells whoever watches: one method for each occurrence, none of which may block or raise."""

from typing import Protocol


class Observer(Protocol):
    """Telemetry of one worker.  Times are seconds; labels are topics, partitions and closed words only."""

    def folded(self, topic: str, partition: int, records: int, seconds: float) -> None:
        """A batch of *records* was folded."""

    def committed(self, topic: str, partition: int, states: int, seconds: float) -> None:
        """A transaction of *states* became durable."""

    def lag(self, topic: str, partition: int, records: int, seconds: float) -> None:
        """So much is waiting in the log; *seconds* since the last record folded was appended, 0 without lag."""

    def restoring(self, partition: int, states: int) -> None:
        """A restore goes on and has read so many changelog records."""

    def restored(self, partition: int, states: int, size: int, seconds: float) -> None:
        """A partition was taken over: *states* members of *size* bytes."""

    def size(self, partition: int, states: int, size: int) -> None:
        """A table holds *states* of *size* bytes."""

    def crashed(self, topic: str, partition: int, offset: int, bug: BaseException) -> None:
        """A record raised in the fold and became a dead letter."""

    def refused_start(self, problem: str) -> None:
        """The worker must not start; *problem* says what was found and which command decides."""

    def set_aside(self, topic: str, partition: int, problem: str) -> None:
        """One partition of an untrusted topic is not read, so that the others are."""

    def waiting(self, topic: str, seconds: float) -> None:
        """A write to *topic* has not been delivered for so long."""

    def arrived(self, topic: str) -> None:
        """What was *waiting* for *topic* is delivered."""

    def fence(self, is_open: bool) -> None:
        """The worker may send, or has not heard from Kafka for a session timeout."""

    def failed(self, problem: str) -> None:
        """The first failed write, or a bug: nothing more is sent and the worker exits."""

    def stopped(self, clean: bool) -> None:
        """The worker ended; *clean* when all that was folded is durable."""


class Quiet:
    """An observer that keeps everything to itself."""

    def folded(self, topic: str, partition: int, records: int, seconds: float) -> None:
        """Say nothing."""

    def committed(self, topic: str, partition: int, states: int, seconds: float) -> None:
        """Say nothing."""

    def lag(self, topic: str, partition: int, records: int, seconds: float) -> None:
        """Say nothing."""

    def restoring(self, partition: int, states: int) -> None:
        """Say nothing."""

    def restored(self, partition: int, states: int, size: int, seconds: float) -> None:
        """Say nothing."""

    def size(self, partition: int, states: int, size: int) -> None:
        """Say nothing."""

    def crashed(self, topic: str, partition: int, offset: int, bug: BaseException) -> None:
        """Say nothing."""

    def refused_start(self, problem: str) -> None:
        """Say nothing."""

    def set_aside(self, topic: str, partition: int, problem: str) -> None:
        """Say nothing."""

    def waiting(self, topic: str, seconds: float) -> None:
        """Say nothing."""

    def arrived(self, topic: str) -> None:
        """Say nothing."""

    def fence(self, is_open: bool) -> None:
        """Say nothing."""

    def failed(self, problem: str) -> None:
        """Say nothing."""

    def stopped(self, clean: bool) -> None:
        """Say nothing."""
