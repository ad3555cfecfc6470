"""Start and end a real Kafka and a real Redis on this machine: for ``huiliu up``, tests and benchmarks.

Both listen on loopback alone, on free ports, keep their data in a temporary
folder unless told otherwise, and are ended by process id.  They are killed by
the kernel when the *thread* that started them ends, however it ends, so start
them from one that lives on (the main thread).
"""

import base64
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import redis
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

HOST: Final = "127.0.0.1"
DEPLOY: Final = Path(__file__).parent.parent / "deploy" / "kafka"
LIBS: Final = DEPLOY / "libs"
CLASSES: Final = "classes.jsa"
"""Beside the jars: the classes that Kafka loads, as the JVM keeps them; whole, or the JVM crashes."""
READY_S: Final = 60
CORES: Final = len(os.sched_getaffinity(0))
# Below the kernel's ephemeral range: no outgoing connection can take the port between our look and the server's bind.
PORTS: Final = range(20_000, 32_000)
POLL_S: Final = 0.02
_given: Final[deque[int]] = deque(maxlen=1_000)
"""Ports that this process was given lately."""


class ServerFailed(Exception):
    """A server that did not start; the message ends with the last lines of its log."""


class Server:
    """A running process with its folder.  Leaving it as a context ends it."""

    def __init__(self, name: str, command: list[str], folder: Path, *, temporary: bool) -> None:
        self.name, self.folder, self.temporary = name, folder, temporary
        self.log = folder / f"{name}.log"
        with self.log.open("ab") as log:
            # A session of its own: Ctrl-C at the terminal is for the parent, which stops its workers first.
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *command],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def wait_until(self, ready: Callable[[], bool]) -> None:
        """Return when *ready*; raise ``ServerFailed`` if the process ends or 60 s pass before."""
        deadline = time.monotonic() + READY_S
        while not ready():
            if self.process.poll() is not None:
                raise ServerFailed(f"{self.name} ended with status {self.process.returncode} while starting:\n{self.last_lines()}")
            if time.monotonic() > deadline:
                raise ServerFailed(f"{self.name} was not ready after {READY_S} s:\n{self.last_lines()}")
            time.sleep(POLL_S)

    def last_lines(self, count: int = 20) -> str:
        """Read the end of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])

    def stop(self, grace_s: float = 20) -> None:
        """End the process, gracefully if its data stays, and remove a temporary folder.  Doing it twice is fine."""
        if self.process.poll() is None and not self.temporary:
            self.process.terminate()
            try:
                self.process.wait(grace_s)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.kill()

    def kill(self) -> None:
        """End the process at once, as ``kill -9`` does; data in a folder of the caller's stays."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        if self.temporary:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()


class Kafka(Server):
    """One broker that is its own controller.  *bootstrap* is its address; *behind* the ports that proxies lead to."""

    bootstrap: str
    behind: list[int]


class Redis(Server):
    """One Redis.  *url* is its address."""

    url: str


def start_kafka(folder: Path | None = None, *, jars: Path = LIBS, tuned: bool = False, proxies: Sequence[int] = ()) -> Kafka:
    """Start Kafka on the data in *folder* (made if absent) and return when it serves.

    The port is the folder's former one, if that is still free.  *tuned* lets
    the JVM compile fully: slower to start, right for benchmarks.  Each of
    *proxies* is a port on which somebody else listens: who comes through it
    to the listener behind is told of that port alone.  Raises ``ServerFailed``.
    """
    if not any(jars.glob("kafka_*.jar")):
        raise ServerFailed(f"no Kafka in {jars}: run `make setup`, or name a running one in HUILIU_KAFKA")
    home, temporary = _home(folder, "kafka")
    port, controller, *behind = _port(home), *(free_port() for _ in range(1 + len(proxies)))
    properties = home / "server.properties"
    properties.write_text(_properties(home / "log", port, controller, dict(zip(behind, proxies, strict=True))))
    java = _java(jars, tuned=tuned)
    if not (home / "log" / "meta.properties").exists():
        _format(java, properties)
    server = Kafka("kafka", [*java, "kafka.Kafka", str(properties)], home, temporary=temporary)
    server.bootstrap, server.behind = f"{HOST}:{port}", behind
    with ExitStack() as undo:
        undo.callback(server.stop)
        server.wait_until(lambda: _listens(port))
        admin = AdminClient({"bootstrap.servers": server.bootstrap, "log_level": 0})
        server.wait_until(lambda: _has_broker(admin))
        undo.pop_all()
    return server


def start_redis(folder: Path | None = None) -> Redis:
    """Start Redis on the data in *folder* (made if absent) and return when it serves.  Raises ``ServerFailed``."""
    program = shutil.which("redis-server")
    if program is None:
        raise ServerFailed("no redis-server on PATH: run `make setup`, or name a running one in HUILIU_REDIS")
    home, temporary = _home(folder, "redis")
    port = _port(home)
    kept = "no" if temporary else "yes"
    options = ["--bind", HOST, "--port", str(port), "--dir", str(home), "--save", "", "--appendonly", kept]
    server = Redis("redis", [program, *options], home, temporary=temporary)
    server.url = f"redis://{HOST}:{port}/0"
    with ExitStack() as undo:
        undo.callback(server.stop)
        server.wait_until(lambda: _answers(server.url))
        undo.pop_all()
    return server


def free_port() -> int:
    """Find a loopback port that nobody listens on, outside the range of outgoing connections.

    What a process was given lately it is not given again: nobody may listen there yet.
    """
    port = next(port for port in random.sample(PORTS, len(PORTS)) if port not in _given and _free(port))
    _given.append(port)
    return port


def _home(folder: Path | None, name: str) -> tuple[Path, bool]:
    if folder is None:
        return Path(tempfile.mkdtemp(prefix=f"huiliu-{name}-")), True
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve(), False


def _port(home: Path) -> int:
    """Choose the port that was used on this folder before, if it is free, so that clients find it again."""
    noted = home / "port.json"
    former = json.loads(noted.read_text()) if noted.exists() else None
    if former is not None and _free(former):
        _given.append(former)
        return int(former)
    port = free_port()
    noted.write_text(json.dumps(port))
    return port


def _free(port: int) -> bool:
    with socket.socket() as probe:
        # as servers do: a connection of a former run that lingers is no obstacle
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def _has_broker(admin: AdminClient) -> bool:
    try:
        return bool(admin.list_topics(timeout=1).brokers)
    except KafkaException:
        return False


def _answers(url: str) -> bool:
    with redis.Redis.from_url(url, socket_timeout=1) as client:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False


def _java(jars: Path, *, tuned: bool) -> list[str]:
    """Give the command of Kafka's programs.  Huge pages: an eighth to a fifth of the CPU of a broker that is asked little at a time."""
    quick = [] if tuned else ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
    logging = f"-Dlog4j2.configurationFile={DEPLOY / 'log4j2.properties'}"
    heap = ["-Xms128m", "-Xmx1g" if tuned else "-Xmx512m", "-XX:+UseTransparentHugePages"]
    classes = [f"-XX:SharedArchiveFile={jars / CLASSES}"] if (jars / CLASSES).exists() else []
    return ["java", *heap, *quick, *classes, logging, "-cp", f"{jars}/*"]


def _format(java: list[str], properties: Path) -> None:
    # Kafka's own ids never begin with a dash, which its tools would take for an option.
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "_")
    tool = [*java, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(properties)]
    done = subprocess.run(tool, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise ServerFailed(f"Kafka's data folder could not be formatted:\n{done.stdout}{done.stderr}")


def _properties(log: Path, port: int, controller: int, proxied: Mapping[int, int]) -> str:
    """Write the broker's settings.  *proxied*: further ports, and what clients are told in their stead.

    Voters are named here, not in the metadata log (as ``--standalone`` would),
    so that the same data starts again on other ports.
    """
    open_at = [f"PLAINTEXT://{HOST}:{port}", *(f"P{at}://{HOST}:{at}" for at in proxied)]
    plain = [f"P{at}:PLAINTEXT" for at in proxied]
    return "\n".join(
        f"{name}={setting}"
        for name, setting in {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@{HOST}:{controller}",
            "listeners": ",".join([*open_at, f"CONTROLLER://{HOST}:{controller}"]),
            "advertised.listeners": ",".join([f"PLAINTEXT://{HOST}:{port}", *(f"P{at}://{HOST}:{told}" for at, told in proxied.items())]),
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "listener.security.protocol.map": ",".join(["CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT", *plain]),
            "num.io.threads": CORES,  # more would only hand small requests from one to the other
            "num.network.threads": max(1, CORES // 2),
            "auto.create.topics.enable": "false",
            "log.message.timestamp.type": "LogAppendTime",
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 4,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            "group.initial.rebalance.delay.ms": 0,
            "group.min.session.timeout.ms": 1000,  # tests of take-overs would wait for 6 s else
            "log.cleaner.dedupe.buffer.size": 4194304,
            "log.dirs": log,
        }.items()
    )  # fmt: skip


__all__ = ["HOST", "LIBS", "Kafka", "Redis", "Server", "ServerFailed", "free_port", "start_kafka", "start_redis"]
