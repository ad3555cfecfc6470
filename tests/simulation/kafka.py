"""A fake Kafka: logs, transactions that are fenced by epoch and may be left open, groups; and laws, judged on every write."""

from collections import deque
from typing import NamedTuple

from agents.engine.pipeline import Place
from agents.engine.takeover import MARKER, Marker, Restored, highest_applied, unpack
from schemas.effects import Effect
from tests.simulation import oracle
from tests.simulation.messages import BUDGETS, BUDGETS_ID, EVENTS, MEMBERS, MEMBERS_ID, Answer, Ask, Event, From, Input, decode


class Violation(AssertionError):
    """A law was broken."""


class Refused(Exception):
    """Kafka did not do it, or did and the answer was lost."""


class FencedOff(Refused):
    """Another has the transactional id."""


class Topic:
    """A topic's id and the logs of its partitions."""

    def __init__(self, topic_id: bytes, partitions: int) -> None:
        self.id = topic_id
        self.logs: list[list[Input]] = [[] for _ in range(partitions)]


class Transaction:
    """What was written under one epoch; *state* is open, committed or aborted."""

    def __init__(self, epoch: int | None, records: dict[bytes, bytes | None]) -> None:
        self.epoch, self.records = epoch, records
        self.state = "open"


class Said(NamedTuple):
    """A brand's record that was published, with the topic that it is in now."""

    brand: str
    origin: From
    repeats: bool
    boom: bool


class Kafka:
    """Everything that outlives the workers.  Whatever is written is judged at once."""

    def __init__(self, brand_partitions: dict[str, int], members: int, budgets: int) -> None:
        self.topics = {
            EVENTS[brand]: Topic(f"{brand}-1".encode().ljust(16, b"."), partitions) for brand, partitions in brand_partitions.items()
        }
        self.topics[MEMBERS], self.topics[BUDGETS] = Topic(MEMBERS_ID, members), Topic(BUDGETS_ID, budgets)
        self.expected: dict[Place, oracle.Partition] = {
            Place(MEMBERS, number): oracle.Members(number, budgets, log) for number, log in enumerate(self.topics[MEMBERS].logs)
        }
        self.expected |= {Place(BUDGETS, number): oracle.Budgets(number, log) for number, log in enumerate(self.topics[BUDGETS].logs)}
        self.changelogs: dict[Place, list[Transaction]] = {place: [] for place in self.expected}
        self.committed: dict[Place, dict[bytes, bytes]] = {place: {} for place in self.expected}
        self.epochs = dict.fromkeys(self.expected, 0)
        self.arrived: set[Effect] = set()
        self.crm: dict[tuple[str, int], list[bytes]] = {}
        self.said: list[Said] = []
        self.late: list[deque[Effect]] = []
        self.fenced = self.repeated = 0
        self.now_ms = 1
        self.made_again = False
        self.trace: list[tuple[object, ...]] = []

    def note(self, *happened: object) -> None:
        """Note what happened; it is put into words only if somebody asks."""
        self.trace.append(happened)

    # -- logs

    def append(self, topic: str, partition: int, key: bytes | None, value: bytes | None) -> int:
        log = self.topics[topic].logs[partition]
        log.append(Input(topic, partition, len(log), self.now_ms, key, value))
        return len(log) - 1

    def durable(self, place: Place) -> int:
        """Tell the position that is committed of *place*; -1 without any."""
        packed = self.committed[place].get(MARKER)
        return -1 if packed is None else unpack(packed).position

    def end(self, place: Place) -> int:
        return len(self.topics[place.topic].logs[place.partition])

    def make_again(self, topic: str) -> None:
        """Delete a topic and make it again: another id, empty logs."""
        old = self.topics[topic]
        self.made_again = True
        name, number = old.id.rstrip(b".").split(b"-")
        self.topics[topic] = Topic(b"%s-%d" % (name, int(number) + 1) + b"." * (16 - len(name) - 2), len(old.logs))

    def deliver(self, effect: Effect) -> None:
        self.repeated += effect in self.arrived
        self.arrived.add(effect)
        if effect.topic in self.topics:
            self.append(effect.topic, effect.partition, effect.key, effect.value)
        else:
            self._judge_receiver(effect)

    def _judge_receiver(self, effect: Effect) -> None:
        """A CRM sees 1, 2, 3 … and drops what is not above what it has; copies are the same bytes."""
        log = self.crm.setdefault((effect.topic, effect.partition), [])
        number, value = int(effect.key or b"0"), effect.value or b""
        where = f"{effect.topic} [{effect.partition}] {number}"
        if number > len(log) + 1:
            raise Violation(f"{where}: a gap after {len(log)}")
        if number <= len(log):
            if log[number - 1] != value:
                raise Violation(f"{where}: {value!r} came, and before it {log[number - 1]!r}")
            return
        log.append(value)
        expected = self.expected[Place(MEMBERS, effect.partition)]
        assert isinstance(expected, oracle.Members)
        expected.at(len(expected.log))
        wanted = expected.crm[effect.topic[4:]]
        if number > len(wanted) or wanted[number - 1] != value:
            raise Violation(f"{where}: {value!r} came, expected {wanted[number - 1] if number <= len(wanted) else None!r}")

    # -- changelogs

    def fence(self, place: Place) -> int:
        """Give a new epoch; what was open is aborted."""
        self.epochs[place] += 1
        self.note("Kafka", "fences", place, "epoch", self.epochs[place])
        for transaction in self.changelogs[place]:
            if transaction.state == "open":
                transaction.state = "aborted"
        return self.epochs[place]

    def write(self, place: Place, epoch: int | None, records: dict[bytes, bytes | None]) -> Transaction:
        """Append to an open transaction; without an epoch, to none: a plain write, which nothing stops."""
        self._check(place, epoch)
        transaction = Transaction(epoch, records)
        self.changelogs[place].append(transaction)
        if epoch is None:
            self._apply(place, transaction)
        return transaction

    def commit(self, place: Place, transaction: Transaction) -> None:
        """All of it, or nothing; only from whoever fenced last."""
        if transaction.epoch is not None:
            self._check(place, transaction.epoch)
            self._apply(place, transaction)

    def _check(self, place: Place, epoch: int | None) -> None:
        if epoch is not None and epoch != self.epochs[place]:
            self.fenced += 1
            raise FencedOff(f"{place.topic} [{place.partition}]: fenced")

    def _apply(self, place: Place, transaction: Transaction) -> None:
        transaction.state = "committed"
        _apply(self.committed[place], transaction.records)
        if MARKER in transaction.records:
            states = dict(self.committed[place])
            marker = unpack(states.pop(MARKER) or b"")
            self._judge_order(place, marker.position)
            self.judge_states(place, marker, states)

    def _judge_order(self, place: Place, position: int) -> None:
        """Law 3: effects are in the log before the position that stands for them."""
        for effect in self.expected[place].before(position):
            if effect not in self.arrived:
                raise Violation(f"{place.topic} [{place.partition}]: {position} was committed before {effect.value!r} was delivered")

    def restore(self, place: Place, *, committed_only: bool = True) -> Restored:
        states = dict(self.committed[place])
        if not committed_only:
            states = {}
            for transaction in self.changelogs[place]:
                _apply(states, transaction.records)
        packed = states.pop(MARKER, None)
        restored = Restored(states, unpack(packed) if packed is not None else None, highest_applied(states))
        self.judge_states(place, restored.marker, states)
        return restored

    def judge_states(self, place: Place, marker: Marker | None, states: dict[bytes, bytes]) -> None:
        """Law 1: whenever it is read, what was committed is the fold of the log up to the marker's position."""
        position = marker.position if marker else 0
        expected = self.expected[place]
        clock_ms, wanted = expected.at(position)
        found = expected.read(states)
        where = f"{place.topic} [{place.partition}]"
        if found != wanted:
            odd = [(key, found.get(key), wanted.get(key)) for key in sorted({*found, *wanted}) if found.get(key) != wanted.get(key)]
            raise Violation(f"{where}: states are not the fold of the first {position} records: {odd[0]}")
        if marker and place.topic == MEMBERS and marker.clock_ms != clock_ms:
            raise Violation(f"{where}: the clock at {position} is {marker.clock_ms}, expected {clock_ms}")

    # -- the end

    def judge_end(self) -> None:
        """Everything is folded and durable, and everything was had once: brands' records, asks, answers."""
        for place, expected in self.expected.items():
            restored = self.restore(place)
            if restored.marker is None or restored.marker.position != len(expected.log):
                raise Violation(f"{place.topic} [{place.partition}]: not all was folded")
        self._judge_once({(said.brand, said.origin) for said in self.said}, self._had(MEMBERS, Event), "a brand's record")
        self._judge_once({(place, ask) for place, ask in self._sent(MEMBERS, Ask)}, self._had(BUDGETS, Ask), "an ask")
        self._judge_once({(place, answer) for place, answer in self._sent(BUDGETS, Answer)}, self._had(MEMBERS, Answer), "an answer")
        self._judge_crm()

    def _judge_once(self, wanted: set[tuple[str, From]], had: list[tuple[str, From]], what: str) -> None:
        if len(had) != len(set(had)):
            twice = next(one for one in had if had.count(one) > 1)
            raise Violation(f"{what} counted twice: {twice}")
        if set(had) != wanted:
            raise Violation(
                f"{what} was lost: {sorted(wanted - set(had), key=repr)[:1]}, or is nobody's: {sorted(set(had) - wanted, key=repr)[:1]}"
            )

    def _had(self, topic: str, kind: type[Event] | type[Ask] | type[Answer]) -> list[tuple[str, From]]:
        """List what receivers of *topic* counted, over all partitions."""
        found: dict[tuple[str, int, bytes, From], tuple[str, From]] = {}
        for place, expected in self.expected.items():
            if place.topic == topic:
                for record in expected.log:
                    message = decode(record.value or b"")
                    if isinstance(message, kind):
                        about = message.brand if isinstance(message, Event) else (record.key or b"").decode()
                        found[(topic, place.partition, record.key or b"", message.origin)] = (about, message.origin)
        return list(found.values())

    def _sent(self, topic: str, kind: type[Ask] | type[Answer]) -> list[tuple[str, From]]:
        """List what the stage of *topic* must have sent."""
        found = []
        for place, expected in self.expected.items():
            if place.topic == topic:
                for effect in expected.before(len(expected.log)):
                    if effect.topic in self.topics:
                        message = decode(effect.value or b"")
                        assert isinstance(message, kind)
                        found.append(((effect.key or b"").decode(), message.origin))
        return found

    def _judge_crm(self) -> None:
        for place, expected in self.expected.items():
            if isinstance(expected, oracle.Members):
                for brand, wanted in expected.crm.items():
                    came = self.crm.get((f"crm-{brand}", place.partition), [])
                    if came != wanted:
                        raise Violation(f"crm-{brand} [{place.partition}]: {len(came)} of {len(wanted)} records came")


def _apply(states: dict[bytes, bytes], records: dict[bytes, bytes | None]) -> None:
    for key, value in records.items():
        if value is None:
            states.pop(key, None)
        else:
            states[key] = value


__all__ = ["FencedOff", "Kafka", "Refused", "Said", "Topic", "Transaction", "Violation"]
