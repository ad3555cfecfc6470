"""The shares stage without Kafka: its partitions as lists, folded in batches of any size, each by a fold that was just restored."""

from dataclasses import dataclass, field
from random import Random
from typing import Any

from schemas import envelope, shares, topics
from schemas.effects import Effect
from schemas.envelope import Facts, Happened, Origin, ShareTold
from schemas.fold import Home
from schemas.shares import Ask, Deed, Share, Shared, Sharer, Word
from streams.shares_fold import SharesFold
from tests.property.pipeline import Written
from tests.unit.one_partition import Log, Told

PARTITIONS = 4
NOON = 1_764_043_200_000
MEMBERS_ID, SHARES_ID = b"members".ljust(16, b"."), b"shares".ljust(16, b".")


def who(name: str) -> bytes:
    """Make a member's key of a name."""
    return name.encode().ljust(16, b".")


def visit(member: str, *, brand: str = "tea", device: bytes | None = None, depth: int = 1, at_ms: int = NOON, event: str = "") -> Deed:
    now = Happened(at_ms, at_ms, event or f"click of {member}")
    return Deed(who(member), brand, (device,) if device else (), depth, "", None, now)


def bought(total: int = 10_000, refunded: int = 0, at_ms: int = NOON, event: str = "paid") -> Happened:
    return Happened(at_ms, at_ms, event, "CNY", total, refunded)


def order(member: str, order_id: str, was: Happened | None, now: Happened | None, *, brand: str = "tea", depth: int = 1) -> Deed:
    return Deed(who(member), brand, (), depth, order_id, was, now)


def shared(member: str, parent: str | None = None, *, brand: str = "tea", device: bytes | None = None, allowed: bool = True) -> Shared:
    return Shared(Sharer(who(member), brand, device, allowed), parent, "sku-1", "oolong")


@dataclass
class Shares:
    """All partitions; what members ask comes from one partition of theirs unless said otherwise."""

    logs: list[list[Written]] = field(default_factory=lambda: [[] for _ in range(PARTITIONS)])
    tables: list[dict[bytes, bytes]] = field(default_factory=lambda: [{} for _ in range(PARTITIONS)])
    folded: list[int] = field(default_factory=lambda: [0] * PARTITIONS)
    effects: list[Effect] = field(default_factory=list)
    told: list[tuple[bytes, ShareTold]] = field(default_factory=list)
    refused: dict[tuple[str, str], int] = field(default_factory=dict)
    asked: int = 0

    def ask(self, share_id: str, word: Word, *, brand: str = "tea", partition: int = 0) -> None:
        """Append what a member's partition asks."""
        self.asked += 1
        self.append(shares.key_of(brand, share_id), shares.encode(Ask(Origin(MEMBERS_ID, partition, self.asked), 0, word)))

    def append(self, key: bytes, value: bytes) -> None:
        partition = topics.keyed_partition(key, PARTITIONS)
        log = self.logs[partition]
        log.append(Written(topics.SHARES, partition, len(log), NOON, key, value))

    def again(self, share_id: str, back: int = 1) -> None:
        """Append once more the record that came *back* records ago in the share's partition, as a replay does."""
        log = self.logs[topics.keyed_partition(shares.key_of("tea", share_id), PARTITIONS)]
        had = log[-back]
        self.append(had.key or b"", had.value or b"")

    def settle(self, random: Random | None = None, *, copies: bool = False) -> None:
        """Fold until nothing is left: partitions by turns, or at *random* in random batches; with *copies*, effects arrive again."""
        while waiting := [at for at in range(PARTITIONS) if self.folded[at] < len(self.logs[at])]:
            partition = random.choice(waiting) if random else waiting[0]
            size = random.randint(1, 4) if random else len(self.logs[partition])
            sent = self._fold(partition, size)
            for effect in sent:
                self._deliver(effect)
            if copies and random and random.random() < 0.3:
                for effect in sent:
                    self._deliver(effect, copy=True)

    def _fold(self, partition: int, size: int) -> list[Effect]:
        fold = SharesFold(self.refused)
        fold.restore(Home(topics.SHARES, SHARES_ID, partition, PARTITIONS, 1), self.tables[partition], 0)
        fold.begin()
        batch = self.logs[partition][self.folded[partition] : self.folded[partition] + size]
        for record in batch:
            fold.fold(record)
        done = fold.commit()
        for key, packed in done.states.items():
            assert packed is not None
            self.tables[partition][key] = packed
        self.folded[partition] += len(batch)
        self.effects += done.effects
        return done.effects

    def _deliver(self, effect: Effect, *, copy: bool = False) -> None:
        if effect.topic == topics.SHARES:
            self.append(effect.key or b"", effect.value or b"")
        elif not copy:
            word = envelope.decode(effect.value or b"")
            assert isinstance(word, ShareTold)
            self.told.append((effect.key or b"", word))

    def share(self, share_id: str, brand: str = "tea") -> Share:
        """What is remembered of a share."""
        key = shares.key_of(brand, share_id)
        return shares.unpack(self.tables[topics.keyed_partition(key, PARTITIONS)][key])

    def words(self) -> list[str]:
        """Say what sharers were told, one by one."""
        said = []
        for key, word in self.told:
            name = key.decode().rstrip(".")
            what = f"order {word.order_id}" if word.order_id else "visit"
            change = {(False, True): "", (True, False): " taken back", (True, True): " changed"}[word.was is not None, word.now is not None]
            said.append(f"{name}: {what} of {word.share_id}{change}" + (f" at depth {word.depth}" if word.depth > 1 else ""))
        return said

    def standing(self) -> dict[tuple[bytes, str, int, bytes], Happened]:
        """What each sharer was told and still holds: by member, share, depth and cause."""
        held: dict[tuple[bytes, str, int, bytes], Happened] = {}
        for key, word in self.told:
            name = (key, f"{word.brand}/{word.share_id}", word.depth, word.cause)
            assert (word.was is not None) == (name in held), f"{name} was {word.was}, but {held.get(name)} was told"
            if word.now is None:
                del held[name]
            else:
                held[name] = word.now
        return held


@dataclass
class Street:
    """Members and shares, joined: each event is folded, its shares hear of it, and their sharers hear of that."""

    log: Log = field(default_factory=Log)
    shares: Shares = field(default_factory=Shares)
    sent: int = 0
    heard: int = 0

    def event(self, facts: Facts, at_ms: int | None = None, **how: Any) -> list[str]:
        """Let it happen; tells the tags that changed on the way, of whomever."""
        before = len(self.log.stage.decisions)
        self.log.event(facts, at_ms, **how)
        self.flow()
        return Told(self.log.stage.decisions[before:]).changes

    def flow(self) -> None:
        """Carry words to and fro until there are none."""
        while self.sent < len(self.log.stage.decisions) or self.heard < len(self.shares.told):
            for decision in self.log.stage.decisions[self.sent :]:
                if isinstance(decision, Effect):
                    self.shares.append(decision.key or b"", decision.value or b"")
            self.sent = len(self.log.stage.decisions)
            self.shares.settle()
            for member, told in self.shares.told[self.heard :]:
                self.log.stage.append(member, envelope.encode(told), self.log.now_ms)
            self.heard = len(self.shares.told)
            self.log.fold()
