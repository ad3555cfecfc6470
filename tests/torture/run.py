"""One run after another on one ground: publish, do harm, let it settle, judge."""

import base64
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import islice
from pathlib import Path
from threading import Event, Thread
from typing import Final

import redis
from confluent_kafka import Producer

from agents import admin, clients
from agents.serving_rebuild import rebuild
from agents.topic_log import TopicLog, Writer
from deploy.demo.generator import Piece
from schemas import brands, envelope, rules, topics
from schemas.brands import Registration
from sinks.redis import STANDING
from streams.rules_check import check
from tests.integration.account import account
from tests.integration.crew import Crew, eventually
from tests.integration.findings import Account, Former, Kind, Terms
from tests.integration.read_back import published
from tests.oracle import rules as oracle_rules
from tests.torture import judge, money, plants
from tests.torture.faults import Faults
from tests.torture.ground import Ground
from tests.torture.plan import EVENTS, SECONDS, Plan, pieces
from tests.torture.samples import CHANGELOG, Sampler
from tests.torture.till import Till
from tests.torture.worker import MARK

RULES: Final = Path(__file__).parents[2] / "deploy" / "demo" / "rules"
ALLIANCE: Final = """\
alliance: true
timezone: Asia/Shanghai
engagement: {half_life: 5d, weights: {click: 1, share: 2, order.paid: 5}}
tags:
  active: {count: {events: [click, share, order.paid], within: 7d, at_least: 4}}
  warm: {engagement: {at_least: 6}}
"""
STAGES: Final = (("control", 1), ("intake", 2), ("members", 2), ("shares", 1), ("budgets", 2))
EVENT_PARTITIONS: Final = 3
CRM_PARTITIONS: Final = 2
HELD_BACK: Final = EVENTS // 15
SETTLE_S: Final = 90.0
PROBES: Final = 12
POLL_S: Final = 0.05
_CAMPAIGNS: Final = "\ncampaigns:\n"


@dataclass
class Outcome:
    """What a run came to."""

    plan: Plan
    found: Account
    records: int
    recovery_s: float
    held_ms: tuple[int, int] | None
    seconds: float
    ended: list[str] = field(default_factory=list)

    @property
    def fine(self) -> bool:
        """Tell whether nothing was found."""
        return not self.found.findings


class Publisher(Thread):
    """Publishes a run's records evenly; the last ones only when the harm is over.  *wait_for* holds back what follows it."""

    def __init__(self, ground: Ground, told: Iterator[Piece]) -> None:
        super().__init__(name="shops")
        self._ground, self._told = ground, told
        self.calm = Event()
        self.bulk = Event()
        self.records = 0
        self.failed: BaseException | None = None

    def run(self) -> None:
        try:
            self._run()
        except Exception as bug:  # noqa: BLE001 - told in the main thread
            self.failed = bug
        finally:
            self.bulk.set()

    def _run(self) -> None:
        began = time.monotonic()
        with Writer(self._ground.settings) as writer:
            for number, piece in enumerate(islice(self._told, EVENTS - HELD_BACK)):
                self._send(writer, piece)
                ahead = began + SECONDS * number / EVENTS - time.monotonic()
                if ahead > 0.02:
                    time.sleep(ahead)
            writer.flush()
            self.bulk.set()
            self.calm.wait()
            for piece in self._told:
                self._send(writer, piece)

    def _send(self, writer: Writer, piece: Piece) -> None:
        writer.send(topics.events(piece.brand), piece.value, piece.key, piece.headers)
        self.records += 1


class Series:
    """Runs on one ground, whose workers go on from one to the next.  Use as a context."""

    def __init__(self, ground: Ground, plans: Sequence[Plan], plant: str | None = None) -> None:
        self.ground, self.plans = ground, plans
        self.settings = ground.settings
        self._planted = {plants.ENV: plant} if plant else {}
        self.crew = Crew(self.settings, lambda stage, told, log: ground.launch(stage, {**told, **self._planted}, log))
        self.rules = {shop.slug: _rules_of(shop.slug) for plan in plans for shop in plan.shops}
        self.registered = {
            shop.slug: Registration(shop.slug, shop.name, admin.now(), EVENT_PARTITIONS, CRM_PARTITIONS, shop.format)
            for plan in plans
            for shop in plan.shops
        }

    def open(self) -> None:
        """Register every brand of the series, start the workers, and return when all rules stand in every partition."""
        wanted = [topic for brand in self.registered.values() for topic in admin.brand_topics(brand)]
        admin.ensure(self.settings, wanted)
        with Writer(self.settings) as writer:
            for slug, brand in self.registered.items():
                writer.send(topics.BRANDS, brands.encode(brand), slug.encode())
            for text in [ALLIANCE, *self.rules.values()]:
                found = check(text)
                assert not isinstance(found, list), found
                writer.send(topics.RULES, rules.encode(found), found.owner.encode())
        for stage, count in STAGES:
            self.crew.start(*[stage] * count)
        self.crew.wait_until_ready()
        wanted_sets = (1 + len(self.rules)) * self.settings.partitions
        eventually(lambda: self._sets() >= wanted_sets, "rules in every partition")

    def _sets(self) -> int:
        self.crew.tend()
        with TopicLog(self.settings, topics.MEMBERS) as log:
            return len(
                {
                    (entry.partition, told.version)
                    for entry in log.read()
                    if isinstance(told := envelope.decode(entry.value or b""), envelope.RulesSet)
                }
            )

    def run(self, plan: Plan) -> Outcome:
        """Carry *plan* out; that something did not come within its time is a finding, too."""
        began, ended = time.monotonic(), len(self.crew.ended)
        try:
            return self._run(plan)
        except AssertionError as stuck:
            return self.stuck(plan, stuck, time.monotonic() - began, ended)

    def stuck(self, plan: Plan, why: AssertionError, seconds: float = 0.0, ended: int = 0) -> Outcome:
        """Make the outcome of a run that came to a stop."""
        found = Account()
        found.find(Kind.LOST, "it came to a stop", " ".join(str(why).split()))
        return Outcome(plan, found, 0, float("inf"), None, seconds, self.crew.ended[ended:])

    def _run(self, plan: Plan) -> Outcome:
        began = time.monotonic()
        self._ensure_two()
        since, changelog_since = self._ends(topics.MEMBERS), self._ends(CHANGELOG)
        began_ms = int(time.time() * 1000)  # no tick before *since* tells a later time
        slugs = [shop.slug for shop in plan.shops]
        sampler = Sampler(self.settings, dict.fromkeys(slugs, (EVENT_PARTITIONS, CRM_PARTITIONS)))
        faults = Faults(self.ground, self.crew, plan, self.registered, self.rules)
        ended = len(self.crew.ended)
        sampler.start()
        try:
            records, former = self._harm(plan, faults, sampler)
            drained = self._settle(sampler, faults)
            self._serve_again()
        finally:
            sampler.stop()
        durable, kept = judge.read_changelog(self.settings, changelog_since), money.read(self.settings, slugs)
        found = self._judge(
            plan, Terms(since, began_ms, _crashing, self._later(faults), former, frozenset(faults.cut), PROBES, vouched=drained)
        )
        judge.compare_durable(found, durable)
        money.compare(found, kept)
        judge.compare_samples(found, sampler.samples, durable.markers)
        judge.compare_served(found, self.ground.redis.url)
        took_s = judge.recovery_s(sampler.samples, faults.began)
        if not drained:
            left = sampler.samples[-1].left if sampler.samples else "unknown"
            found.find(Kind.LOST, f"not all was folded within {SETTLE_S:.0f} s after the last fault; left", left)
        elif took_s > judge.RECOVERED_S:
            found.find(Kind.WRONG, f"recovery took {took_s:.1f} s")
        if sum(count.total() for count in found.ends.values()) != records:
            found.find(Kind.LOST, f"{records} records were published; places are known of", found.ends)
        held = judge.held_ms(found) if not faults.began else None
        if held is not None and held[0] > held[1] + judge.HELD_MS:
            found.find(Kind.WRONG, f"behind a bad record another was held for {held[0]} ms; others took {held[1]} ms")
        return Outcome(plan, found, records, took_s, held, time.monotonic() - began, self.crew.ended[ended:])

    def _ensure_two(self) -> None:
        """Begin with as many of each stage as ``STAGES`` says."""
        self.crew.tend()
        for stage, count in STAGES:
            staying = self.crew.staying(stage)
            for worker in staying[count:]:
                worker.ask_to_stop()
            self.crew.start(*[stage] * (count - len(staying)))

    def _ends(self, topic: str) -> dict[int, int]:
        with TopicLog(self.settings, topic) as log:
            return {partition: extent.end for partition, extent in log.extents().items()}

    def _harm(self, plan: Plan, faults: Faults, sampler: Sampler) -> tuple[int, dict[str, Former]]:
        """Publish, and do what is planned meanwhile."""
        told = pieces(plan, int(time.time() * 1000))
        kept: list[Piece] = []
        anew = plan.shops[-1].slug if any(fault.name == "events anew" for fault in plan.faults) else None
        if anew:
            every = list(told)
            own = [piece for piece in every if piece.brand == anew]
            kept = own[len(own) // 2 :]
            told = iter([piece for piece in every if piece.brand != anew] + own[: len(own) // 2])
        publisher = Publisher(self.ground, told)
        slugs = [shop.slug for shop in plan.shops]
        till = Till(self.settings, slugs, CRM_PARTITIONS, {f"{slug}/{money.RUSH}" for slug in slugs})
        faults.arm()
        publisher.start()
        till.start()
        began, waiting = time.monotonic(), [fault for fault in plan.faults if not fault.halts]
        try:
            while waiting or not publisher.bulk.is_set() or not faults.over():
                faults.tend()
                if waiting and time.monotonic() >= began + waiting[0].at_s:
                    faults.do(waiting.pop(0))
                time.sleep(POLL_S)
        finally:
            publisher.calm.set()
            publisher.join()
            redeemed = till.close()
        if publisher.failed is not None:
            raise publisher.failed
        faults.disarm()
        self._ensure_two()
        former = self._publish_anew(anew, kept, sampler, faults) if anew else {}
        return publisher.records + faults.published + redeemed + len(kept), former

    def _publish_anew(self, brand: str, kept: Sequence[Piece], sampler: Sampler, faults: Faults) -> dict[str, Former]:
        """Delete the events topic of *brand*, all of which is decided on, make it again, and publish the rest."""
        sampler.wait_until_drained(SETTLE_S, faults.tend)
        records = published(self.settings, brand)
        with TopicLog(self.settings, topics.events(brand)) as log:
            topic_id = log.topic_id()
        former = Former(topic_id, records, self._ends(topics.crm(brand)))
        events = admin.brand_topics(self.registered[brand])[0]
        with clients.admin(self.settings) as client:
            client.delete_topics([events.name])
        eventually(lambda: self._made(events), f"{events.name} made again")
        with TopicLog(self.settings, events.name) as log:
            sampler.made_again[events.name] = base64.urlsafe_b64decode(f"{log.topic_id()}==").hex()
        with Writer(self.settings) as writer:
            for piece in kept:
                writer.send(events.name, piece.value, piece.key, piece.headers)
        return {brand: former}

    def _made(self, topic: admin.Topic) -> bool:
        return bool(admin.ensure(self.settings, [topic]))

    def _settle(self, sampler: Sampler, faults: Faults) -> bool:
        """Wait until all is folded, let the ticks end, have all vouched for, and wait again: the clock stands."""
        drained = sampler.wait_until_drained(SETTLE_S, faults.tend)
        self.crew.stop("control", fenced=True)  # one that was frozen may find out only now
        self._ask_for_manifests()
        return drained and sampler.wait_until_at_rest(SETTLE_S, faults.tend)

    def _ask_for_manifests(self) -> None:
        """Ask as a worker does that stops."""
        producer = Producer(clients.librdkafka(self.settings))
        for partition in range(self.settings.partitions):
            producer.produce(topics.MEMBERS, envelope.encode(envelope.ManifestRequest()), partition=partition)
        assert not producer.flush(SETTLE_S), "manifests could not be asked for"

    def _serve_again(self) -> None:
        """Do what an operator does when the serving copy says that it is stale."""
        with redis.Redis.from_url(self.ground.redis.url) as client:
            stale = client.hexists(STANDING, "stale_since")
        if stale:
            rebuild(self.settings, lambda *_: None)

    def _later(self, faults: Faults) -> list[oracle_rules.Rules]:
        return [oracle_rules.read(text) for text in faults.later.values()]

    def _judge(self, plan: Plan, terms: Terms) -> Account:
        sets = [
            _rules_to_judge_by("alliance"),
            *(replace(_rules_to_judge_by(shop.slug.rpartition("-")[0]), owner=shop.slug) for shop in plan.shops),
        ]
        return account(self.settings, [shop.slug for shop in plan.shops], sets, terms, lambda: self.crew.start("control"))

    def keep_logs(self, folder: Path) -> None:
        """Copy what the workers wrote to *folder*."""
        folder.mkdir(parents=True, exist_ok=True)
        for log in self.settings.data_dir.glob("*.log"):
            shutil.copy(log, folder)


def _crashing(record: object) -> bool:
    return MARK in (getattr(record, "value", None) or b"")


def _rules_of(slug: str) -> str:
    name = slug.rpartition("-")[0]
    text = (RULES / f"{name}.yaml").read_text().replace(f"brand: {name}", f"brand: {slug}")
    return f"{text.replace(_CAMPAIGNS, _CAMPAIGNS + money.CAMPAIGNS)}{money.TAGS}"


@cache
def _rules_to_judge_by(name: str) -> oracle_rules.Rules:
    """Read the rules of a kind of shop as the oracle does: once, for it takes a second."""
    return oracle_rules.read(ALLIANCE if name == "alliance" else _rules_of(f"{name}-0"))


def scratch() -> Path:
    """Make a folder for the logs of runs that found something."""
    return Path(tempfile.mkdtemp(prefix="huiliu-torture-logs-"))
