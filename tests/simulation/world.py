"""One schedule: publishers, the clock, and three stages of workers that crash, stall past their session and wake up again.

Whatever can happen next is drawn from one seed, so a failure is repeated by
its number.  Chaos first; then quiet, until all is folded; then judgement.
"""

from collections.abc import Callable

from agents.engine.pipeline import Place
from agents.engine.standing import parse
from agents.engine.takeover import CannotStart
from tests.simulation.draws import Draws
from tests.simulation.group import Group
from tests.simulation.kafka import Kafka, Refused, Said, Violation
from tests.simulation.messages import BRANDS, BUDGETS, EVENTS, KEYS, MEMBERS, From, Stated, Tick, encode
from tests.simulation.worker import SESSION_S, Parts, Worker

CHAOS = 240
PATIENCE = 400
PASS = 4
STAGES = ("intake", "members", "budgets")
MOST_WORKERS = 2
DRAIN_STEPS = 25
EVERY = 8


class World:
    """What goes on around the workers.

    In some worlds *clocks lie*: a worker whose session is over believes itself
    alive.  Nothing may be lost or doubled even then; only where no clock lies
    may the routing change, for a clean stop relies on the fence.
    """

    def __init__(self, draws: Draws, parts: Parts) -> None:
        self.draws, self.parts = draws, parts
        brand_partitions = {brand: draws.between(1, 2) for brand in BRANDS}
        self.kafka = kafka = Kafka(brand_partitions, draws.between(1, 3), draws.between(1, 2))
        self.groups = {
            "intake": Group(kafka, tuple(EVENTS.values()), keyed=False),
            "members": Group(kafka, (MEMBERS,), keyed=True),
            "budgets": Group(kafka, (BUDGETS,), keyed=True),
        }
        self.error_mille = (0, 0, 10, 40)[draws.below(4)]
        self.clocks_lie = draws.below(3) == 2
        self.routing = 0
        self.made_again = False
        self.now_s = 0.0
        self.started = 0
        self.numbers: list[tuple[str, int, bytes, int]] = []

    def run(self) -> None:
        for _ in range(CHAOS):
            self._happen()
        self.error_mille = 0
        for _ in range(PATIENCE):
            if not self._goes_on():
                break
        else:
            raise Violation("the workers came to no end")
        self.kafka.judge_end()

    # -- chaos

    def _happen(self) -> None:
        self._pass_time()
        draw, group = self.draws.below(1000), self.groups[self.draws.choice(STAGES)]
        if draw < 780:
            if len(group.members) < 1 + self.draws.below(MOST_WORKERS):
                self._start(group)
            else:
                self._step(self._everybody())
        elif draw < 860:
            self._publish()
        elif draw < 880:
            self._tick()
        else:
            self._disturb(draw, group)

    def _disturb(self, draw: int, group: Group) -> None:
        if draw < 900:
            self._crash(group)
        elif draw < 920:
            self._lose_session(group)
        elif draw < 940:
            self._rebalance(group)
        elif draw < 955:
            self._wake(group)
        elif draw < 980:
            self._arrive_late()
        elif draw < 990:
            self._stop(group)
        elif draw < 996:
            self._route_anew()
        else:
            self._make_again()

    def _everybody(self) -> list[Worker]:
        return [worker for group in self.groups.values() for worker in (*group.members, *group.zombies)]

    def _pass_time(self) -> None:
        """A second; heartbeats are answered, but for whom Kafka has given up."""
        self.now_s += 1
        self.kafka.now_ms += 1
        for group in self.groups.values():
            for worker in (*group.members, *group.zombies):
                worker.now_s = self.now_s
        if self.now_s % EVERY == 0:
            self._beat()

    def _beat(self) -> None:
        """Members' heartbeats are answered; where clocks lie, those believe so, too, that are none any more."""
        for group in self.groups.values():
            for worker in (*group.members, *(group.zombies if self.clocks_lie else ())):
                worker.beat(self.now_s)

    def _publish(self) -> None:
        """A brand's record; one in eight says again what was said, one in ten makes the fold raise."""
        brand = self.draws.choice(BRANDS)
        key, number = self.draws.choice(KEYS), len(self.numbers)
        topic = self.kafka.topics[EVENTS[brand]]
        partition = KEYS.index(key) % len(topic.logs)
        mine = [one for one in self.numbers if (one[0], one[2]) == (brand, key)]
        repeats = bool(mine) and self.draws.happens(125)
        if repeats:
            number = self.draws.choice(mine)[1]
        stated = Stated(number, self.kafka.now_ms - self.draws.below(20), self.draws.happens(100))
        offset = self.kafka.append(EVENTS[brand], partition, key, encode(stated))
        self.kafka.note(brand, "publishes", key, stated, "at", partition, offset)
        self.numbers.append((brand, number, key, partition))
        self.kafka.said.append(Said(brand, From(topic.id, partition, offset), repeats, stated.boom))

    def _tick(self) -> None:
        """Control tells every partition of members the time, and time may have gone far."""
        self.kafka.now_ms += self.draws.choice((1, 30, 80))
        for partition in range(len(self.kafka.topics[MEMBERS].logs)):
            self.kafka.append(MEMBERS, partition, None, encode(Tick(self.kafka.now_ms)))
        self.kafka.note("control", "ticks", self.kafka.now_ms)

    def _start(self, group: Group) -> Worker:
        stage = STAGES[list(self.groups.values()).index(group)]
        self.started += 1
        kind = self.parts.worker or Worker
        worker = kind(f"{stage}-{self.started}", self.kafka, group, self.draws, self.parts, self.routing)
        worker.now_s = self.now_s
        worker.note("starts")
        group.members.append(worker)
        self._rebalance(group)
        return worker

    def _crash(self, group: Group) -> None:
        """A process ends between any two steps; the group notices."""
        running = group.members + group.zombies
        if running:
            worker = self.draws.choice(running)
            worker.note("is killed")
            self._bury(worker)

    def _bury(self, worker: Worker) -> None:
        worker.die()
        group = worker.group
        if worker in group.zombies:
            group.zombies.remove(worker)
        elif worker in group.members:
            group.members.remove(worker)
            self._rebalance(group)

    def _lose_session(self, group: Group) -> None:
        """A worker goes unheard of; its partitions go to others, and it knows nothing of that."""
        if group.members:
            worker = group.members.pop(self.draws.below(len(group.members)))
            worker.note("loses its session")
            group.zombies.append(worker)
            self.now_s += SESSION_S + EVERY - self.now_s % EVERY
            self._pass_time()
            self._beat()
            self._rebalance(group)

    def _wake(self, group: Group) -> None:
        """A worker that was given up hears of it, and joins again."""
        if group.zombies:
            worker = group.zombies.pop(self.draws.below(len(group.zombies)))
            worker.note("wakes up")
            group.members.append(worker)
            self._rebalance(group)

    def _stop(self, group: Group) -> None:
        """SIGTERM to one worker, which has some time to finish."""
        if group.members:
            self._end(self.draws.choice(group.members), self.draws.between(0, 40))

    def _end(self, worker: Worker, steps: int) -> None:
        worker.note("is told to stop")
        worker.stop()
        for _ in range(steps):
            if worker.stopped or worker.ledger.broken:
                break
            self._step([worker], bury=False)
        worker.note("has stopped" if worker.stopped else "is out of time")
        self._bury(worker)

    def _route_anew(self) -> None:
        """All of intake stop, in time or not, and one worker with another routing starts: more only when it has begun."""
        group = self.groups["intake"]
        if self.clocks_lie or group.zombies:
            return
        for worker in list(group.members):
            self._end(worker, self.draws.between(0, 60))
        former, self.routing = self.routing, self.routing + 1
        worker = self._start(group)
        for _ in range(PATIENCE):
            if worker.positions or worker.ledger.broken:
                break
            self._step([worker], bury=False)
        if not worker.positions:
            self.routing = former
            self._bury(worker)

    def _make_again(self) -> None:
        """A brand's topic is deleted and made again, once all that was in it had been taken."""
        topic = EVENTS[self.draws.choice(BRANDS)]
        commits = self.groups["intake"].commits
        places = [Place(topic, number) for number in range(len(self.kafka.topics[topic].logs))]
        if not self.made_again and all(place in commits and commits[place].offset == self.kafka.end(place) for place in places):
            self.made_again = True
            self.kafka.note("Kafka", "makes again", topic)
            self.kafka.make_again(topic)

    def _rebalance(self, group: Group) -> None:
        """All members stop reading, have some time to finish, and are told what is theirs."""
        for worker in group.members:
            worker.revoked()
        for _ in range(self.draws.between(0, DRAIN_STEPS)):
            self._step(self._everybody(), bury=False)
        for worker in group.members:
            self._guarded(worker, worker.finish_settling)
        group.members = [worker for worker in group.members if not worker.ledger.broken]
        group.assignment = {place: self.draws.choice(group.members) for place in group.places()} if group.members else {}
        for worker in group.members:
            mine = [place for place, owner in group.assignment.items() if owner is worker]
            worker.note("is assigned", *mine)
            worker.beat(self.now_s)
            worker.assigned(mine)
        if self.draws.happens(100):
            self._rebalance(group)  # the next one, before anybody has looked at this

    def _step(self, workers: list[Worker], *, bury: bool = True) -> None:
        """Some process does its next step, which may fail; the first failure ends it."""
        if not workers:
            return
        worker = self.draws.choice(workers)
        can = worker.steps()
        if can:
            self._guarded(worker, self.draws.choice(can))
        if worker.ledger.broken and bury:
            self._bury(worker)

    def _guarded(self, worker: Worker, step: Callable[[], None]) -> None:
        worker.error_mille = self.error_mille
        try:
            step()
        except CannotStart as refusal:
            worker.fail(refusal)
            self._route_as_told()
        except Refused as bug:
            worker.fail(bug)
        except (LookupError, AttributeError, ValueError, TypeError) as bug:
            raise Violation(f"{worker.name}: a bug: {bug!r}") from bug

    def _route_as_told(self) -> None:
        """Whoever operates it starts the version that the refusal names."""
        for committed in self.groups["intake"].commits.values():
            standing = parse(committed.metadata)
            if standing is not None and not standing.clean:
                self.routing = int(standing.routing)

    def _arrive_late(self) -> None:
        """Something that a dead process had sent arrives only now."""
        waiting = [sent for sent in self.kafka.late if sent]
        if waiting:
            effect = self.draws.choice(waiting).popleft()
            self.kafka.note("late arrives", effect)
            self.kafka.deliver(effect)

    # -- quiet

    def _goes_on(self) -> bool:
        """Do what is left to do, without a fault; tell whether there was anything."""
        self._pass_time()
        for group in self.groups.values():
            if group.zombies:
                self._wake(group)
                return True
            if not group.members:
                self._start(group)
                return True
        if any(self.kafka.late):
            self._arrive_late()
            return True
        busy = [worker for worker in self._everybody() if worker.ledger.broken or worker.steps()]
        for worker in busy:
            for _ in range(PASS):
                self._step([worker])
        return bool(busy)
