"""Ten seeded runs of the real workers on the real Kafka, killed, stopped and joined while brands publish.

Against the oracle, which shares no code with ``streams/``: every record in
exactly one place, none lost, none wrong, and for a receiver that drops what is
not above what it has no duplicate, no inversion, no gap.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from threading import Thread

import pytest

from agents import admin
from agents.servers import start_kafka
from agents.settings import Settings
from agents.topic_log import TopicLog, Writer
from deploy.demo.generator import Mix, street
from deploy.demo.shops import SHOPS, Shop
from schemas import envelope, topics
from schemas.brands import Registration
from tests.integration.account import Account, account
from tests.integration.command import huiliu
from tests.integration.crew import Crew, Worker, eventually
from tests.oracle import rules as oracle_rules

RULES = Path(__file__).parents[2] / "deploy" / "demo" / "rules"
EVENTS = 2_500
SECONDS = 4.5
FAULTS = 5
WILD = Mix(duplicates=0.02, refused=0.01, late=0.05, shuffled=0.1, old=0.02)


@pytest.fixture(scope="module")
def crew(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crew]:
    """Give a crew on a Kafka of its own: nobody else's records, and fewer partitions than others have."""
    data = tmp_path_factory.mktemp("faults")
    with start_kafka() as kafka:
        settings = Settings(kafka=kafka.bootstrap, data=data, partitions=8, tick_s=0.5, session_timeout_s=2, commit_interval_s=0.1)
        yield from working_crew(settings)


def working_crew(settings: Settings) -> Iterator[Crew]:
    with Crew(settings) as working:
        working.start("control", "intake", "intake", "members", "members")
        working.wait_until_ready()
        yield working
        working.wait_until_ready()
        for stage in ("intake", "control", "members"):
            working.stop(stage)


class Street:
    """Shops of their own for one run, with the demo's rules."""

    def __init__(self, crew: Crew, seed: int) -> None:
        self.crew, self.settings = crew, crew.settings
        self.shops = tuple(shop._replace(slug=f"{shop.slug}-{seed}") for shop in SHOPS[seed % 3 :][:2])
        self.slugs = [shop.slug for shop in self.shops]
        self.rules = [_rules_of(shop).replace(f"brand: {shop.slug.rsplit('-', 1)[0]}", f"brand: {shop.slug}") for shop in self.shops]
        self.seed = seed

    def open(self, folder: Path) -> None:
        """Register the shops and publish their rules; return when these stand in every partition."""
        before = self._ends()
        for shop, text in zip(self.shops, self.rules, strict=True):
            admin.add_brand(self.settings, Registration(shop.slug, shop.name, admin.now(), format=shop.format))
            file = folder / f"{shop.slug}.yaml"
            file.write_text(text)
            environment = {"HUILIU_DATA": str(self.settings.data_dir), "HUILIU_PARTITIONS": str(self.settings.partitions)}
            ran = huiliu("rules", "publish", str(file), kafka=self.settings.bootstrap(), environment=environment)
            assert ran.status == 0, ran
        wanted = len(self.shops) * self.settings.partitions
        eventually(lambda: self._rules_since(before) == wanted, "rules in every partition")

    def publish(self) -> None:
        """Publish evenly over the run's seconds."""
        now_ms, began = int(time.time() * 1000), time.monotonic()
        with Writer(self.settings) as writer:
            for number, piece in enumerate(street(self.seed, EVENTS, now_ms, members=300, shops=self.shops, mix=WILD)):
                writer.send(topics.events(piece.brand), piece.value, piece.key, piece.headers)
                ahead = began + SECONDS * number / EVENTS - time.monotonic()
                if ahead > 0.02:
                    time.sleep(ahead)

    def _ends(self) -> dict[int, int]:
        with TopicLog(self.settings, topics.MEMBERS) as log:
            return {partition: extent.end for partition, extent in log.extents().items()}

    def _rules_since(self, before: dict[int, int]) -> int:
        self.crew.tend()
        with TopicLog(self.settings, topics.MEMBERS) as log:
            new = [entry for partition, end in before.items() for entry in log.read(partition, end)]
        return sum(isinstance(envelope.decode(entry.value or b""), envelope.RulesSet) for entry in new)


def _rules_of(shop: Shop) -> str:
    return (RULES / f"{shop.slug.rsplit('-', 1)[0]}.yaml").read_text()


class Faults:
    """What is done to the workers, one thing after another."""

    def __init__(self, crew: Crew, seed: int) -> None:
        self.crew, self.random = crew, Random(seed)
        self.done: list[str] = []

    def one(self) -> None:
        """Do one of all, so that a worker of each stage goes on or comes."""
        ways: tuple[Callable[[], str], ...] = (self._kill, self._kill, self._stop, self._join, self._kill_all)
        self.done.append(self.random.choice(ways)())

    def _stage(self) -> str:
        return self.random.choice(("members", "members", "members", "intake", "intake", "control"))

    def _kill(self) -> str:
        stage = self._stage()
        self._one_of(stage).kill()
        self.crew.start(stage)
        return f"kill -9 {stage}"

    def _stop(self) -> str:
        stage = self._stage()
        self._one_of(stage).ask_to_stop()
        self.crew.start(stage)
        return f"SIGTERM {stage}"

    def _join(self) -> str:
        stage = "members" if len(self.crew.running("members")) < 4 else "intake"
        self.crew.start(stage)
        return f"join {stage}"

    def _kill_all(self) -> str:
        for worker in self.crew.running("members"):
            worker.kill()
        self.crew.start("members", "members")
        return "kill -9 all members"

    def _one_of(self, stage: str) -> Worker:
        return self.random.choice(self.crew.running(stage))


def _ensure_two(crew: Crew) -> None:
    """Begin and end a run with two of each, and with nobody who leaves."""
    for stage in ("intake", "members"):
        running = crew.running(stage)
        for worker in running[2:]:
            worker.ask_to_stop()
        crew.start(*[stage] * (2 - len(running)))


@pytest.mark.parametrize("seed", range(10))
def test_nothing_is_lost_wrong_twice_or_out_of_order(crew: Crew, seed: int, tmp_path: Path) -> None:
    shops, faults = Street(crew, seed), Faults(crew, seed)
    shops.open(tmp_path)
    publishing = Thread(target=shops.publish)
    publishing.start()
    for _ in range(FAULTS):
        time.sleep(faults.random.uniform(0.2, 2 * SECONDS / FAULTS - 0.2))
        faults.one()
    publishing.join()
    _ensure_two(crew)
    crew.wait_until_drained(shops.slugs)
    result = _settled(crew, shops)
    assert not result.findings, "\n".join([f"{len(result.findings)} after {faults.done}", *result.findings[:20], *crew.ended])
    assert sum(result.ends[slug].total() for slug in shops.slugs) == EVENTS


def _settled(crew: Crew, shops: Street) -> Account:
    """End the ticks, so that the clock stands, and take stock."""
    crew.stop("control")
    try:
        crew.wait_until_drained(shops.slugs)
        return account(crew.settings, shops.slugs, [oracle_rules.read(text) for text in shops.rules])
    finally:
        crew.start("control")
