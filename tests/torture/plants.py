"""Every bug that can be planted, to see that the harness finds them: those of engine, intake, members and sinks here, others by import.

Bugs that need a schedule of the engine rather than a fold are planted in
``tests/simulation/mutants.py``.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from confluent_kafka import Consumer

from agents import intake_fold
from agents.engine import changelog, engine, folding, keyed, ledger
from agents.engine.keyed import KeyedBackend
from agents.engine.pipeline import Place, Transaction
from agents.engine.stateless import StatelessBackend
from agents.members_fold import RenderedFold
from schemas.dead_letters import REASON
from schemas.effects import Effect
from schemas.envelope import Terms
from schemas.fold import Folded, Home, PartitionFold, Record
from schemas.refusals import Reason
from schemas.state import RING
from sinks import dead_letters, serving_scripts
from sinks import redis as serving
from streams import (
    acts,
    consent,
    counters,
    dedupe,
    engagement,
    intake,
    keywords,
    member,
    orders,
    outbox,
    partition,
    windows,
)
from streams.arrival import Arrival
from streams.keys import Keys
from tests.torture import points, reward_plants  # noqa: F401 - enters its bugs
from tests.torture.planting import ENV, PLANTS, Plant, bug, listed, put

__all__ = ["ENV", "PLANTS", "Plant", "listed"]

KILLS: Final = ("kill members", "kill members")
INTAKE: Final = ("kill intake", "kill intake", "kill intake")
FROZEN: Final = ("freeze members", "freeze members")


# The engine


@bug("commit before effects", "point before effects:3 members", "point before effects:5 members")
def _() -> None:
    async def fold(self: engine.Engine, work: engine.Work) -> None:
        if self.ledger.accepts(work.pipeline, work.generation, work.begins):
            done = self.backend.fold(work.pipeline.place, work.records)
            batch = self.ledger.folded(work.pipeline, work.ends, done.clock_ms, done.states, 0, len(work.records), work.size)
            while work.pipeline.durable < work.ends and not self.ledger.broken:  # noqa: ASYNC110 - the engine has no event for it
                await asyncio.sleep(0.01)
            await self.writer.send(done.effects, batch)

    put(engine.Engine, "fold", fold)


# Halted workers are there before the input is, so that they do commit; the first commits may be those of a take-over.
@bug("position outside the transaction", *[f"halt after commit:{nth} members" for nth in (5, 6, 8, 9)])
def _() -> None:
    commit = KeyedBackend._commit  # noqa: SLF001

    async def torn(self: KeyedBackend, place: Any, transaction: Transaction) -> None:
        table = self.tables[place.partition]
        await self._in_thread(self._changelog.commit, table.producer, place.partition, transaction.states)
        await commit(self, place, transaction)

    put(KeyedBackend, "_commit", torn)


@bug("take-over without fencing", *FROZEN, *KILLS)
def _() -> None:
    class Unfenced(points.Transactional):
        def __init__(self, told: dict[str, Any]) -> None:
            super().__init__({**told, "transactional.id": f"{told['transactional.id']}-{secrets.token_hex(4)}"})

    put(changelog, "Producer", Unfenced)


@bug("restore of uncommitted records", *KILLS, *KILLS)
def _() -> None:
    class Hasty(Consumer):
        def __init__(self, told: dict[str, Any]) -> None:
            super().__init__({**told, "isolation.level": "read_uncommitted"})

    put(changelog, "Consumer", Hasty)


@bug("take-over begins where the log ends", *KILLS)
def _() -> None:
    carry_out = KeyedBackend._carry_out  # noqa: SLF001

    async def at_the_end(self: KeyedBackend, number: int, goes_on: Callable[[], bool]) -> Any:
        start = await carry_out(self, number, goes_on)
        log = await self._inspect(Place(self._stage.topic, number))
        return start._replace(position=log.end)

    put(KeyedBackend, "_carry_out", at_the_end)


@bug("group told of what is not durable")
def _() -> None:
    committed = ledger.Ledger.committed

    def boastful(self: ledger.Ledger, pipeline: Any) -> Transaction:
        done = committed(self, pipeline)
        pipeline.durable = pipeline.position + 5
        return done

    put(ledger.Ledger, "committed", boastful)


@bug("intake commits what it has read", *INTAKE)
def _() -> None:
    async def fold(self: engine.Engine, work: engine.Work) -> None:
        if self.ledger.accepts(work.pipeline, work.generation, work.begins):
            done = self.backend.fold(work.pipeline.place, work.records)
            stateless = isinstance(self.backend, StatelessBackend)
            waiting = 0 if stateless else len(done.effects)
            batch = self.ledger.folded(work.pipeline, work.ends, done.clock_ms, done.states, waiting, len(work.records), work.size)
            if stateless:
                await asyncio.sleep(0.5)
            await self.writer.send(done.effects, batch)

    put(engine.Engine, "fold", fold)


@bug("record acknowledged on exception")
def _() -> None:
    def fold_batch(fold: PartitionFold, records: Sequence[Record], on_crash: folding.OnCrash) -> Folded:
        good = []
        for record in records:
            fold.begin()
            try:
                fold.fold(record)
            except Exception as raised:  # noqa: BLE001 - the bug
                on_crash(record, raised)
            else:
                good.append(record)
            fold.abort()
        fold.begin()
        for record in good:
            fold.fold(record)
        return fold.commit()

    _for_keyed(fold_batch)


@bug("half-folded state kept after an exception")
def _() -> None:
    def fold_batch(fold: PartitionFold, records: Sequence[Record], on_crash: folding.OnCrash) -> Folded:
        fold.begin()
        for record in records:
            try:
                fold.fold(record)
            except Exception as raised:  # noqa: BLE001 - the bug
                on_crash(record, raised)
                fold.refuse(record, raised)
        return fold.commit()

    _for_keyed(fold_batch)


def _for_keyed(fold_batch: Callable[..., Folded]) -> None:
    put(keyed, "fold_batch", fold_batch)


@bug("re-created topic taken for a replay", "events anew")
def _() -> None:
    enlist = intake.Intake.enlist

    def by_name(self: intake.Intake, brand: str, terms: Terms, topic_id: bytes) -> None:
        enlist(self, brand, terms, brand.encode().ljust(16)[:16])

    put(intake.Intake, "enlist", by_name)


@bug("intake leaves out what is undecodable")
def _() -> None:
    call = intake_fold.IntakeFold.__call__
    undecodable = (REASON, Reason.UNDECODABLE.encode())

    def silent(self: intake_fold.IntakeFold, record: Record) -> list[Effect]:
        return [effect for effect in call(self, record) if undecodable not in effect.headers]

    put(intake_fold.IntakeFold, "__call__", silent)


# Duplicates


@bug("dedupe by id alone over brands")
def _() -> None:
    put(Keys, "event_id", lambda self, source, identifier: self.natural("id", identifier))  # noqa: ARG005
    repeated = member.MembersFold._repeated  # noqa: SLF001

    def anywhere(self: member.MembersFold, state: Any, event: Arrival) -> Any:
        for live in self._live.values():
            if state in live.state.brands.values():
                for other in live.state.brands.values():
                    if dedupe.body_of(other.ids, event.id_hash) is not None:
                        return True
        return repeated(self, state, event)

    put(member.MembersFold, "_repeated", anywhere)


@bug("no duplicates by natural key")
def _() -> None:
    put(acts, "copy_of", lambda *_: False)


@bug("only the last eight ids are remembered", odd=("duplicates 20 %", "one member has half"))
def _() -> None:
    put(dedupe, "push", lambda ring, entry: (ring + entry)[-RING // 8 * len(entry) :])


# The clock, and restores


@bug("windows by arrival time")
def _() -> None:
    add = counters.add
    put(counters, "add", lambda counter, counts, _, now_ms, amount: add(counter, counts, now_ms, now_ms, amount))


@bug("windows a bucket too wide", odd=("late by a week",))
def _() -> None:
    put(windows.Window, "oldest", lambda self, now_ms: self.clock.bucket(now_ms) - self.width)


@bug("clock from the wall", *KILLS)
def _() -> None:
    advance = member.MembersFold._advance  # noqa: SLF001
    put(member.MembersFold, "_advance", lambda self, _, offset: advance(self, time.time_ns() // 1_000_000, offset))


@bug("tick lost on restore", *KILLS)
def _() -> None:
    restore = RenderedFold.restore

    def forgetful(self: RenderedFold, home: Home, states: Mapping[bytes, bytes], clock_ms: int) -> None:
        restore(self, home, states, clock_ms - 60_000)

    put(RenderedFold, "restore", forgetful)


@bug("deadline heap not rebuilt", "kill all members", "kill all members")
def _() -> None:
    restore = partition.Partition.restore

    def forgetful(self: partition.Partition, states: Mapping[bytes, bytes], clock_ms: int) -> None:
        restore(self, states, clock_ms)
        self.deadlines = partition.Deadlines()

    put(partition.Partition, "restore", forgetful)


@bug("sequences begin anew on restore", *KILLS)
def _() -> None:
    restore = partition.Partition.restore

    def forgetful(self: partition.Partition, states: Mapping[bytes, bytes], clock_ms: int) -> None:
        restore(self, {key: state for key, state in states.items() if not key.startswith(b"\0book:")}, clock_ms)

    put(partition.Partition, "restore", forgetful)


@bug("a record's id is drawn by lot", *KILLS)
def _() -> None:
    put(Keys, "record_id", lambda self, origin, key, effect: secrets.token_hex(16))  # noqa: ARG005


# What counts


@bug("refund counted twice")
def _() -> None:
    refunded = orders.refunded_minor
    put(orders, "refunded_minor", lambda order, currency: 2 * refunded(order, currency))


@bug("a cancelled order goes on to count")
def _() -> None:
    put(orders, "CANCELLED", "")


@bug("a lower version of an order takes the place of a higher", odd=("shuffled by an hour",))
def _() -> None:
    take = orders.take

    def last_wins(order: Any, facts: Any, record: Any) -> None:
        order.statuses.pop(facts.status, None)
        take(order, facts, record)

    put(orders, "take", last_wins)


@bug("a recalled message goes on to count")
def _() -> None:
    put(acts.Acts, "_recall", lambda self, state, talk, key, direction: None)  # noqa: ARG005


@bug("a withdrawn consent is not heard")
def _() -> None:
    put(consent, "allows_tags", lambda *_: True)


@bug("keywords as they are written")
def _() -> None:
    put(keywords, "fold", lambda text: text)


@bug("the half-life of a score is a tenth longer")
def _() -> None:
    factor = engagement.Decay.factor
    put(engagement.Decay, "factor", lambda self, from_ms, to_ms: factor(self, from_ms, from_ms + (to_ms - from_ms) * 10 // 11))


@bug("a member is as old as the first event that came")
def _() -> None:
    apply = acts.Acts.apply

    def first_wins(self: acts.Acts, state: Any, event: Arrival) -> None:
        first_ms = state.first_ms
        apply(self, state, event)
        state.first_ms = first_ms or state.first_ms

    put(acts.Acts, "apply", first_wins)


@bug("manifests go on with the former's chain", "SIGTERM members", "SIGTERM members", "SIGTERM members")
def _() -> None:
    manifests = outbox.Outbox.manifests

    def chained(self: outbox.Outbox, offset: int) -> None:
        partition = self._partition
        chains = {brand: partition.book(brand).chain for brand in partition.brands()}
        manifests(self, offset)
        for brand, chain in chains.items():
            partition.book(brand).chain = chain

    put(outbox.Outbox, "manifests", chained)


# Those who are told


@bug("Redis version check off", "halt before serving:1 members", "halt before serving:2 members", "halt before serving:3 members")
def _() -> None:
    script = serving_scripts.WRITE.replace("if not at_epoch or", "if true or")
    assert script != serving_scripts.WRITE
    put(serving, "WRITE", script)


@bug("a dead letter without its key")
def _() -> None:
    record = dead_letters.record

    def bare(letter: Any) -> Effect:
        return record(letter._replace(key=None))

    put(dead_letters, "record", bare)
