"""What is done to a run.  Each fault is a method by its name; it leaves the servers running, and somebody at work in each stage."""

import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from random import Random
from typing import Final

import redis

from agents import clients
from agents.cli.rules import publish_set
from agents.topic_log import Writer
from schemas import topics
from schemas.brands import Registration
from streams.rules_check import check
from tests.integration.crew import Crew, Worker, eventually
from tests.torture.ground import WIRES, Ground
from tests.torture.plan import PUBLISHERS, Fault, Plan, crowd, moved_rules
from tests.torture.points import ENV, HALT

FROZEN_S: Final = 3.0
HALTED_S: Final = 6.0  # past the session, and until others have gone on
CUT_S: Final = (0.5, 1.5, 4.0)
OFF_S: Final = 1.5
CHURN_S: Final = 3.5


class Faults:
    """Does what a plan names.

    *began* are the times (monotonic) from which a recovery counts: when
    something began, or when a broker that was away serves again; *armed* who is
    to die, or stop, of itself; *published* counts the records of publishers of its own.
    """

    def __init__(self, ground: Ground, crew: Crew, plan: Plan, registered: dict[str, Registration], rules: dict[str, str]) -> None:
        self.ground, self.crew, self.plan, self.registered, self.rules = ground, crew, plan, registered, rules
        self.random = Random(f"faults of {plan.seed}")
        self.began: list[float] = []
        self.armed: list[Worker] = []
        self._halting: list[Worker] = []
        self.later: dict[str, str] = {}
        self.cut: set[str] = set()
        self.published = 0
        self.anew: str | None = None
        self._undo: list[tuple[float, Callable[[], object]]] = []

    def arm(self) -> None:
        """Start who is to stop by itself, and return when it is at work, or stopped already: zombies are made of workers that had work."""
        for fault in self.plan.faults:
            if fault.halts:
                said, _, stage = fault.name.removeprefix(HALT).rpartition(" ")
                self._halting += self.crew.start(stage, **{ENV: HALT + said})
        self.armed += self._halting
        eventually(self._are_at_work, "a worker that is to stop by itself is at work")

    def _are_at_work(self) -> bool:
        self.tend()
        return all(worker.process.poll() is not None or _is_stopped(worker) or worker.ready() for worker in self.armed)

    def do(self, fault: Fault) -> None:
        """Begin *fault*, which is none of those that ``arm`` has seen to."""
        name, _, rest = fault.name.partition(" ")
        self.began.append(time.monotonic())
        match name, rest:
            case "kill", "all members":
                self._kill_all()
            case "kill", stage:
                self._one_of(stage).kill()
                self.crew.start(stage)
            case "point", where:
                said, _, stage = where.rpartition(" ")
                self.armed += self.crew.start(stage, **{ENV: said})
            case "SIGTERM", stage:
                self._one_of(stage).ask_to_stop()
                self.crew.start(stage)
            case "freeze", stage:
                self._freeze(self._one_of(stage))
            case _:
                getattr(self, f"_{name}_{rest.replace(' ', '_')}".rstrip("_"))()

    def tend(self) -> None:
        """Do what has become due, and start again who ended."""
        now = time.monotonic()
        for due in [each for each in self._undo if each[0] <= now]:
            self._undo.remove(due)
            due[1]()
        for worker in [each for each in self._halting if _is_stopped(each)]:
            self._halting.remove(worker)
            self.began.append(now)
            self._after(HALTED_S, partial(worker.process.send_signal, signal.SIGCONT))
        self.crew.tend()

    def over(self) -> bool:
        """Tell whether nothing is to be done or undone any more."""
        return not self._undo

    def disarm(self) -> None:
        """End who was to die of itself and did not."""
        for worker in self.armed:
            if worker.process.poll() is None:
                worker.kill()
                self.crew.start(worker.stage)

    def _after(self, seconds: float, undo: Callable[[], object]) -> None:
        self._undo.append((time.monotonic() + seconds, undo))

    def _one_of(self, stage: str) -> Worker:
        if not self.crew.running(stage):
            self.crew.start(stage)
        return self.random.choice(self.crew.running(stage))

    # Processes

    def _kill_all(self) -> None:
        for worker in self.crew.running("members"):
            worker.kill()
        self.crew.start("members", "members")

    def _freeze(self, worker: Worker) -> None:
        worker.process.send_signal(signal.SIGSTOP)
        self._after(FROZEN_S, lambda: worker.process.send_signal(signal.SIGCONT))

    def _churn(self) -> None:
        """Let workers come and go, about one a second."""
        until = time.monotonic() + CHURN_S

        def turn() -> None:
            stage = self.random.choice(("members", "members", "intake", "budgets"))
            staying = self.crew.staying(stage)
            if len(staying) > 2:
                self.random.choice(staying).ask_to_stop()
            else:
                self.crew.start(stage)
            if time.monotonic() < until:
                self._after(self.random.uniform(0.7, 1.2), turn)

        turn()

    # Servers and wires

    def _broker(self) -> None:
        self.ground.kafka.kill()
        time.sleep(self.random.choice((0.0, 1.0, 3.0)))  # how long it is away is part of the fault
        self._start_kafka()

    def _disk_full(self) -> None:
        """Give Kafka no room: it ends by itself, as a broker does whose only disk failed."""
        self.ground.fill_disk()
        deadline = time.monotonic() + 10
        while self.ground.kafka.process.poll() is None and time.monotonic() < deadline:
            self.crew.tend()
            time.sleep(0.1)
        self.ground.kafka.kill()
        self.ground.free_disk()
        self._start_kafka()

    def _start_kafka(self) -> None:
        """Start Kafka again; how long it reads its logs, on a machine that others use, is nobody's recovery, of whatever fault."""
        self.ground.start_kafka()
        self.began = [time.monotonic()] * len(self.began)

    def _wire_cut(self) -> None:
        wire = self.random.randrange(WIRES)
        self.ground.cut(wire)
        self._after(self.random.choice(CUT_S), lambda: self.ground.mend(wire))

    def _wire_reset(self) -> None:
        self.ground.lay(self.random.randrange(WIRES))

    def _redis_killed(self) -> None:
        self.ground.redis.kill()
        self._after(OFF_S, self.ground.start_redis)

    def _redis_emptied(self) -> None:
        with self._redis() as client:
            client.flushall()

    def _redis_slow(self) -> None:
        with self._redis() as client:
            client.client_pause(int(OFF_S * 1000))

    def _redis(self) -> redis.Redis:
        """Connect, as soon as a Redis that was killed is back."""
        eventually(self._redis_is_there, "Redis")
        return redis.Redis.from_url(self.ground.redis.url)

    def _redis_is_there(self) -> bool:
        self.tend()
        return self.ground.redis.process.poll() is None

    # Publishers, topics and rules

    def _crowd(self) -> None:
        """Let many systems of the first brand publish at once."""
        with ThreadPoolExecutor(PUBLISHERS) as pool:
            self.published += sum(pool.map(self._publish, range(PUBLISHERS)))

    def _publish(self, publisher: int) -> int:
        pieces = list(crowd(self.plan, publisher, int(time.time() * 1000)))
        with Writer(self.ground.settings) as writer:
            for piece in pieces:
                writer.send(topics.events(piece.brand), piece.value, piece.key, piece.headers)
        return len(pieces)

    def _crm_deleted(self) -> None:
        """Delete a CRM topic; the workers make it again."""
        brand = self.plan.shops[-1].slug
        self.cut.add(brand)
        with clients.admin(self.ground.settings) as client:
            client.delete_topics([topics.crm(brand)])

    def _events_anew(self) -> None:
        """Let the last brand's events topic be deleted and made again once all that it holds is decided on."""
        self.anew = self.plan.shops[-1].slug

    def _rules(self) -> None:
        """Publish another edition of the first brand's rules."""
        brand = self.plan.shops[0].slug
        self.later[brand] = moved_rules(self.rules[brand])
        found = check(self.later[brand])
        assert not isinstance(found, list), found
        publish_set(self.ground.settings, found)


def _is_stopped(worker: Worker) -> bool:
    """Tell whether a worker has stopped itself."""
    stat = Path(f"/proc/{worker.process.pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] == "T"
    except FileNotFoundError:
        return False
