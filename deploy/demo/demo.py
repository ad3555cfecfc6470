"""The demo: Kafka, Redis and every stage on this machine, three brands, forty seconds of a busy street, and the reckoning.

It ends by itself, leaves nothing running and nothing behind, and its exit
status is 0 only if everything adds up.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Final, NamedTuple

from rich.console import Console
from rich.live import Live

from agents import admin, crm_records, lag
from agents.rules_folder import publish_all, read_folder
from agents.servers import start_kafka, start_redis
from agents.settings import Settings
from deploy.demo.follower import Follower
from deploy.demo.generator import DUPLICATE, Piece, street
from deploy.demo.money import Account, accounts, table_of_money
from deploy.demo.publisher import Publisher
from deploy.demo.screen import Screen
from deploy.demo.shops import SHOPS
from deploy.demo.summary import Reckoning, reckon, table_of
from schemas import stages
from schemas.brands import Registration

RULES: Final = Path(__file__).parent / "rules"
SEED: Final = 20261124
SECONDS: Final = 40
RATE: Final = 1_000
READY_S: Final = 60.0
SETTLE_S: Final = 30.0
STOP_S: Final = 20.0


class DemoFailed(Exception):
    """The demo can't go on; the message says why."""


class Asked(NamedTuple):
    """How long to stream, how many records a second, and which story."""

    seconds: int
    rate: int
    seed: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; 0 if everything adds up, 1 if not, 2 if it could not run, 130 if it was stopped by Ctrl-C."""
    parser = ArgumentParser(prog="python -m deploy.demo", description="Three brands on this machine, and whether it all adds up.")
    parser.add_argument("--seconds", type=int, default=SECONDS, help="how long to publish")
    parser.add_argument("--rate", type=int, default=RATE, help="records a second")
    parser.add_argument("--seed", type=int, default=SEED, help="another seed tells another story")
    asked = Asked(**vars(parser.parse_args(arguments)))
    console = Console()
    # The demo's own: nothing that is set for another Huiliu shall reach it.
    for name in [name for name in os.environ if name.startswith("HUILIU_")]:
        del os.environ[name]
    try:
        with tempfile.TemporaryDirectory(prefix="huiliu-demo-") as folder:
            return _demo(asked, Path(folder), console)
    except DemoFailed as failure:
        console.print(str(failure), markup=False)
        return 2
    except KeyboardInterrupt:
        console.print("Stopped; nothing is left running.")
        return 130


def _demo(asked: Asked, folder: Path, console: Console) -> int:
    console.print("Kafka and Redis start …")
    with start_kafka(folder / "kafka") as kafka, start_redis(folder / "redis") as redis:
        settings = Settings(kafka=kafka.bootstrap, redis=redis.url, data=folder, tick_s=2)
        for shop in SHOPS:
            admin.add_brand(settings, Registration(shop.slug, shop.name, admin.now(), format=shop.format))
        publish_all(settings, read_folder(RULES), lambda text: console.print(text, markup=False, highlight=False))
        tills = SimpleQueue[Piece]()
        follower = Follower(settings, [shop.slug for shop in SHOPS], tills)
        with _in_thread(follower), _stages(settings, console):
            publisher = _show(asked, settings, follower, tills, console)
        reckonings = _reckon(settings, follower, publisher)
        money = accounts(settings, {shop.slug: follower.received[shop.slug].money for shop in SHOPS})
    return _tell(reckonings, money, publisher, console)


@contextmanager
def _stages(settings: Settings, console: Console) -> Iterator[None]:
    """Run ``huiliu up`` on the servers that are there; it must end well."""
    environment = {"KAFKA": settings.kafka, "REDIS": settings.redis, "DATA": settings.data_dir, "TICK_S": settings.tick_s}
    process = subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", "--", sys.executable, "-m", "agents", "up"],
        env=os.environ | {f"HUILIU_{name}": str(value) for name, value in environment.items()},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        _wait_until_ready(process, console)
        yield
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=STOP_S)
        if process.returncode:
            raise DemoFailed(f"the stages did not end well:\n{output}")
    finally:
        process.kill()
        process.wait()


def _wait_until_ready(process: "subprocess.Popen[str]", console: Console) -> None:
    deadline = time.monotonic() + READY_S
    assert process.stdout is not None
    for line in process.stdout:
        console.print(line.rstrip(), markup=False, highlight=False)
        if line.startswith("ready:"):
            return
        if time.monotonic() > deadline:
            break
    raise DemoFailed(f"the stages were not ready within {READY_S:.0f} s")


@contextmanager
def _in_thread(follower: Follower) -> Iterator[None]:
    """Let the CRMs read, until everything has been read."""
    thread = Thread(target=follower.run, name="crm")
    thread.start()
    try:
        yield
    finally:
        follower.stop = True
        thread.join()


def _show(asked: Asked, settings: Settings, follower: Follower, tills: SimpleQueue[Piece], console: Console) -> Publisher:
    """Publish, and draw until everything came back or the time to wait for it is over."""
    end_ms = int((time.time() + asked.seconds) * 1000)
    publisher = Publisher(settings, street(asked.seed, asked.seconds * asked.rate, end_ms), asked.rate, tills)
    thread = Thread(target=publisher.run, name="shops")
    screen = Screen(settings, publisher, follower, console)
    thread.start()
    latest = time.monotonic() + asked.seconds + SETTLE_S
    try:
        with Live(console=console, auto_refresh=False, transient=True) as live:
            said = 0.0
            while time.monotonic() < latest and not _all_over(publisher, follower, tills, settings):
                if console.is_terminal:
                    live.update(screen.draw(), refresh=True)
                elif time.monotonic() > said + 5:
                    said = time.monotonic()
                    console.print(screen.line(), highlight=False)
                time.sleep(0.5)
    finally:
        publisher.closed.set()
        thread.join()
    return publisher


def _all_over(publisher: Publisher, follower: Follower, tills: SimpleQueue[Piece], settings: Settings) -> bool:
    """Tell whether the street is quiet: all was published, all came back, and nobody waits for anything."""
    return publisher.over and tills.empty() and _all_back(publisher, follower) and _all_answered(settings)


def _all_back(publisher: Publisher, follower: Follower) -> bool:
    """Tell whether all came back that is to; duplicates never do."""
    return all(
        follower.received[shop.slug].accounted() >= publisher.count(shop.slug) - publisher.expected[shop.slug][DUPLICATE] for shop in SHOPS
    )


def _all_answered(settings: Settings) -> bool:
    """Tell whether no stage has anything to hear from another."""
    asked = {stage.app_id: [stage.topic] for stage in (stages.MEMBERS, stages.SHARES, stages.BUDGETS)}
    return all(each.records == 0 for stage in lag.look(settings, asked).values() for each in stage.input)


def _reckon(settings: Settings, follower: Follower, publisher: Publisher) -> list[Reckoning]:
    """Audit each brand's topics, as ``huiliu crm BRAND --verify`` does."""
    return [reckon(shop, crm_records.audit(settings, shop.slug), follower.received[shop.slug], publisher) for shop in SHOPS]


def _tell(reckonings: list[Reckoning], money: list[Account], publisher: Publisher, console: Console) -> int:
    console.print(table_of(reckonings))
    console.print(table_of_money(money))
    problems = [*publisher.failed, *(f"{one.shop.slug}: {problem}" for one in reckonings for problem in one.problems)]
    problems += [f"{one.campaign}: {problem}" for one in money for problem in one.problems]
    for problem in problems:
        console.print(problem, markup=False, highlight=False)
    total = sum(one.report.published for one in reckonings)
    console.print("SOMETHING DOES NOT ADD UP" if problems else f"Everything adds up: {total:,} events of {len(reckonings)} brands.")
    return 1 if problems else 0
