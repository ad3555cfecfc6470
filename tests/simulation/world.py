"""One schedule: workers that crash, stall past their session and wake up again, rebalances, errors of every call.

Whatever can happen next is drawn from one seed, so a failure is repeated by
its number.
"""

from random import Random

from tests.simulation.kafka import Kafka, Refused, Violation
from tests.simulation.oracle import BOOM, Input
from tests.simulation.worker import Parts, Worker

CHAOS = 160
PATIENCE = 4_000


def some_input(random: Random, partition: int) -> list[Input]:
    values = [b"1"] * 12 + [BOOM]
    return [
        Input("in", partition, offset, 0, b"key-%d" % random.randint(0, 4), random.choice(values))
        for offset in range(random.randint(5, 25))
    ]


class World:
    """The group, its members as Kafka sees them, and those that it has given up but that run on."""

    def __init__(self, seed: int, parts: Parts) -> None:
        self.random = random = Random(seed)
        self.parts = parts
        self.partitions = random.randint(1, 3)
        self.kafka = Kafka([some_input(random, partition) for partition in range(self.partitions)])
        self.members: list[Worker] = []
        self.zombies: list[Worker] = []
        self.error_rate = random.choice((0.0, 0.0, 0.01, 0.05))
        self.generation = 0

    def run(self) -> None:
        """Chaos first; then quiet, until all is folded; then judgement."""
        for _ in range(CHAOS):
            self._happen()
        self.error_rate = 0.0
        for _ in range(PATIENCE):
            if self._settled():
                break
            self._go_on()
        else:
            raise Violation("the workers came to no end")
        self.kafka.judge_end()

    # -- chaos

    def _happen(self) -> None:
        draw = self.random.random()
        if draw < 0.10:
            self._append()
        elif draw < 0.12:
            self._crash()
        elif draw < 0.14:
            self._lose_session()
        elif draw < 0.17:
            self._rebalance()
        elif draw < 0.19:
            self._wake()
        elif draw < 0.22:
            self._arrive_late()
        elif len(self.members) < 2 and draw < 0.30:
            self._start()
        else:
            self._step(self.members + self.zombies)

    def _append(self) -> None:
        partition = self.random.randrange(self.partitions)
        self.kafka.visible[partition] = min(len(self.kafka.inputs[partition]), self.kafka.visible[partition] + self.random.randint(1, 8))

    def _start(self) -> None:
        self.members.append(Worker(self.kafka, self.random, self.parts))
        self._rebalance()

    def _crash(self) -> None:
        """A process ends between any two steps; the group notices."""
        running = self.members + self.zombies
        if running:
            self._bury(self.random.choice(running))

    def _bury(self, worker: Worker) -> None:
        worker.die()
        if worker in self.zombies:
            self.zombies.remove(worker)
        else:
            self.members.remove(worker)
            self._rebalance()

    def _lose_session(self) -> None:
        """A worker goes unheard of; its partitions go to others, and it knows nothing of that."""
        if self.members:
            self.zombies.append(self.members.pop(self.random.randrange(len(self.members))))
            self._rebalance()

    def _wake(self) -> None:
        """A worker that was given up hears of it, and joins again."""
        if self.zombies:
            self.members.append(self.zombies.pop(self.random.randrange(len(self.zombies))))
            self._rebalance()

    def _rebalance(self) -> None:
        """All members stop reading, have some time to finish, and are told what is theirs."""
        for worker in self.members:
            worker.revoked()
        for _ in range(self.random.randint(0, 25)):
            self._step(self.members + self.zombies, rebalance=False)
        self.members = [worker for worker in self.members if not worker.ledger.broken]
        owners = {partition: self.random.choice(self.members) for partition in range(self.partitions)} if self.members else {}
        for worker in self.members:
            worker.assigned([partition for partition, owner in owners.items() if owner is worker])

    def _step(self, workers: list[Worker], *, rebalance: bool = True) -> None:
        """Some process does its next step, which may fail; the first failure ends it."""
        if not workers:
            return
        worker = self.random.choice(workers)
        can = worker.steps()
        if can:
            worker.error_rate = self.error_rate
            try:
                self.random.choice(can)()
            except Refused as bug:
                worker.fail(bug)
        if worker.ledger.broken and rebalance:
            self._bury(worker)

    def _arrive_late(self) -> None:
        """Something that a dead process had sent arrives only now."""
        waiting = [sent for sent in self.kafka.late if sent]
        if waiting:
            self.kafka.deliver(self.random.choice(waiting).popleft())

    # -- quiet

    def _settled(self) -> bool:
        return (
            bool(self.members)
            and not self.zombies
            and not any(self.kafka.late)
            and all(seen == len(log) for seen, log in zip(self.kafka.visible, self.kafka.inputs, strict=True))
            and not any(worker.steps() for worker in self.members)
        )

    def _go_on(self) -> None:
        self.kafka.visible = [len(log) for log in self.kafka.inputs]
        if self.zombies:
            self._wake()
        elif not self.members:
            self._start()
        elif any(self.kafka.late):
            self._arrive_late()
        else:
            self._step([worker for worker in self.members if worker.steps()])
