"""What the workers stand on: Kafka on a small disk of its own, Redis, and the wires between workers and Kafka."""

import itertools
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from agents.servers import HOST, Kafka, Redis, free_port, start_kafka, start_redis
from agents.settings import Settings
from tests.integration.crew import Process, start_alone
from tests.torture import proxy
from tests.torture.worker import APART, Forked, fork, launch

DISK_MIB: Final = 768
WIRES: Final = 2
ALONE: Final = 5


class Ground:
    """Servers of one series of runs; leaving it as a context ends them.

    *disk* tells whether Kafka has a disk of its own, which the machine must
    allow.  Workers reach Kafka through one of two wires, by turns; the harness
    reaches it directly.
    """

    def __init__(self) -> None:
        self._stack = ExitStack()
        self.folder = Path(tempfile.mkdtemp(prefix="huiliu-torture-"))
        self._stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.disk = self._mount(self.folder / "disk")
        self.ports = [free_port() for _ in range(WIRES)]
        self.wires: list[Forked] = []
        self._turns = itertools.count()
        self.kafka: Kafka
        self.redis: Redis

    def __enter__(self) -> Self:
        try:
            self._stack.callback(self._end)
            self.start_kafka()
            self.start_redis()
        except BaseException:
            self._stack.close()
            raise
        self.settings = Settings(
            kafka=self.kafka.bootstrap, redis=self.redis.url, data=self.folder / "data",
            partitions=6, tick_s=0.5, session_timeout_s=2, commit_interval_s=0.1, log_level="warning",
        )  # fmt: skip
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()

    def _mount(self, disk: Path) -> bool:
        disk.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "huiliu-torture", str(disk)]
        try:
            mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
        except OSError:
            return False
        if mounted:
            self._stack.callback(subprocess.run, ["umount", "--lazy", str(disk)], check=False)
        return mounted

    def _end(self) -> None:
        for wire in self.wires:
            wire.kill()
        for server in (getattr(self, "kafka", None), getattr(self, "redis", None)):
            if server is not None:
                server.kill()

    def start_kafka(self) -> None:
        """Start Kafka on its data, and the wires to it."""
        self.kafka = start_kafka(self.folder / "disk" / "kafka", proxies=self.ports)
        for wire in range(WIRES):
            self.lay(wire)

    def start_redis(self) -> None:
        """Start Redis on its data."""
        self.redis = start_redis(self.folder / "redis")

    def lay(self, wire: int) -> None:
        """Lay *wire* anew; every connection over the former one is reset."""
        if wire < len(self.wires):
            self.wires[wire].kill()
            self.wires[wire].wait(10)
            del self.wires[wire]
        self.wires.insert(wire, fork(proxy.forward, self.ports[wire], self.kafka.behind[wire]))

    def cut(self, wire: int) -> None:
        """Swallow all that goes over *wire*."""
        self.wires[wire].send_signal(signal.SIGSTOP)

    def mend(self, wire: int) -> None:
        """Let it through again, what was under way with it."""
        self.wires[wire].send_signal(signal.SIGCONT)

    def launch(self, stage: str, environment: Mapping[str, str], log: Path) -> Process:
        """Start a worker at the end of a wire; one in several by itself, every other as on a machine of its own."""
        turn = next(self._turns)
        told = {**environment, "HUILIU_KAFKA": f"{HOST}:{self.ports[turn % WIRES]}"}
        if turn // WIRES % 2:  # of each wire's every other
            told[APART] = "yes"
        if turn % ALONE == ALONE - 1:
            return start_alone(["-m", "tests.torture.alone", stage], told, log)
        return launch(stage, told, log)

    def fill_disk(self) -> None:
        """Leave Kafka no room at all."""
        with (self.folder / "disk" / "ballast").open("wb", buffering=0) as ballast:
            try:
                while True:
                    ballast.write(bytes(1024 * 1024))
            except OSError:
                return

    def free_disk(self) -> None:
        """Give the room back."""
        (self.folder / "disk" / "ballast").unlink()
