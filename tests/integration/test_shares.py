"""Shares through the real workers on the real Kafka, with those of shares and members killed on the way.

Ann shares, Ben and Cem visit and buy: what Ann's CRM is told is exact.  Then
everybody does, at random: in the end tags are those that the oracle finds.
"""

import json
import time
from collections.abc import Iterator
from random import Random
from typing import Any, Final

import pytest

from agents import admin, key_file, lag
from agents.servers import start_kafka
from agents.settings import Settings
from agents.topic_log import TopicLog, Writer
from schemas import envelope, topics
from schemas.brands import Registration
from streams.keys import Keys
from tests.integration.command import huiliu
from tests.integration.crew import Crew, eventually
from tests.oracle import rules as oracle_rules
from tests.oracle.brand import zulu
from tests.oracle.places import places
from tests.oracle.recount import Probe, recount
from tests.oracle.wire import Published
from tests.property.test_sharing_recount import RULES as RECOUNTED
from tests.property.test_sharing_recount import Wild

PARTITIONS: Final = 4
RULES: Final = """
brand: tea
timezone: Asia/Shanghai
tags:
  opened: {count: {events: share.visited, within: 30d, at_least: 1}}
  popular: {count: {events: share.visited, within: 30d, at_least: 2}}
  seller: {count: {events: share.ordered, within: 30d, at_least: 1}}
  star: {count: {events: share.ordered, within: 30d, at_least: 2}}
campaigns:
  trail:
    state: live
    trigger: {event: share.visited}
    beneficiary: sharer
    reward: {points: 20}
    once_per: share
    budget: {grants: 1000}
"""


INPUTS: Final = {"huiliu-members": [topics.MEMBERS], "huiliu-shares": [topics.SHARES]}


class Tea:
    """The brand: publishes, and reads what its CRM is told."""

    def __init__(self, crew: Crew) -> None:
        self.crew, self.settings, self.events = crew, crew.settings, 0
        self.keys = Keys(key_file.read(self.settings.keys))

    def publish(self, member: str, kind: str, **data: Any) -> None:
        self.events += 1
        event = {
            "specversion": "1.0", "id": f"e{self.events}", "source": "/brand/tea/shop", "type": f"cn.huiliu.{kind}.v1",
            "time": zulu(int(time.time() * 1000)), "data": {"identities": [{"type": "brand_member", "id": member}], **data},
        }  # fmt: skip
        with Writer(self.settings) as writer:
            writer.send(topics.events("tea"), json.dumps(event).encode(), member.encode(), [])

    def click(self, member: str, share_id: str = "s1") -> None:
        self.publish(member, "click", page="/p", share_id=share_id)

    def order(self, member: str, order_id: str, status: str = "paid", version: int = 1, **more: Any) -> None:
        order = {"order_id": order_id, "status": status, "status_version": version, "currency": "CNY", "total": "100.00"}
        self.publish(member, "order", **order, **more)

    def told(self, member: str) -> list[str]:
        """What the CRM is told of a member's tags."""
        name = self.keys.pairwise("tea", self.keys.member("brand_member", "tea", member))
        return [sign + tag for who, sign, tag in changes(self.settings, "tea") if who == name]

    def await_told(self, member: str, *changes: str) -> None:
        def came() -> bool:
            self.crew.tend()
            return self.told(member) == list(changes)

        eventually(came, f"{member}: {' '.join(changes)}; came: {self.told(member)}", 40)

    def share(self, share_id: str) -> Any:
        """What `huiliu share` says."""
        shown = huiliu("share", "tea", share_id, "--json", kafka=self.settings.bootstrap(), environment=environment(self.settings))
        assert shown.status == 0, shown
        return shown.document


@pytest.fixture(scope="module")
def tea(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tea]:
    with start_kafka() as server:
        data = tmp_path_factory.mktemp("shares")
        settings = Settings(kafka=server.bootstrap, data=data, partitions=PARTITIONS, tick_s=1, session_timeout_s=2, commit_interval_s=0.1)
        with Crew(settings) as crew:
            publish_rules(settings, "tea", RULES)
            crew.start("control", "intake", "members", "shares")
            crew.wait_until_ready()
            await_rules(settings, 1)
            yield Tea(crew)


def publish_rules(settings: Settings, brand: str, text: str) -> None:
    admin.add_brand(settings, Registration(brand, brand, admin.now()))
    file = settings.data_dir / f"{brand}.yaml"
    file.write_text(text)
    assert huiliu("rules", "publish", str(file), kafka=settings.bootstrap(), environment=environment(settings)).status == 0


def environment(settings: Settings) -> dict[str, str]:
    return {"HUILIU_DATA": str(settings.data_dir), "HUILIU_PARTITIONS": str(PARTITIONS)}


def await_rules(settings: Settings, sets: int) -> None:
    with TopicLog(settings, topics.MEMBERS) as log:
        wanted = PARTITIONS * sets
        eventually(lambda: sum(_is_rules(entry.value) for entry in log.read()) == wanted, "the rules in every partition")


def changes(settings: Settings, brand: str) -> list[tuple[str, str, str]]:
    """Member, + or -, and tag of each change, as a receiver has them that drops what is not above what it has."""
    signs, last, found = {"cn.huiliu.tag.entered.v1": "+", "cn.huiliu.tag.exited.v1": "-"}, dict[tuple[str, str], int](), []
    with TopicLog(settings, topics.crm(brand)) as log:
        listed = sorted(log.read(), key=lambda entry: (entry.partition, entry.offset))
    for entry in listed:
        headers = {name: (value or b"").decode() for name, value in entry.headers}
        stream, number = (headers["ce_huiliupartition"], headers["ce_huiliuepoch"]), int(headers["ce_huiliusequence"])
        if number <= last.get(stream, 0):
            continue
        assert number == last.get(stream, 0) + 1, f"{stream}: after {last.get(stream, 0)} came {number}"
        last[stream] = number
        if headers["ce_type"] in signs:
            value = json.loads(entry.value or b"")
            found.append((value["member"], signs[headers["ce_type"]], value["tag"]))
    return found


def _is_rules(value: bytes | None) -> bool:
    return isinstance(envelope.decode(value or b""), envelope.RulesSet)


def kill(crew: Crew, stage: str) -> None:
    for worker in crew.running(stage):
        worker.kill()


def test_what_a_share_brings_is_told_once_whoever_is_killed(tea: Tea) -> None:
    crew = tea.crew
    tea.publish("ann", "share", share_id="s1", via="wecom", item={"sku": "tea-1"})
    tea.click("ben")
    tea.click("ann")
    tea.await_told("ann", "+opened")

    kill(crew, "shares")
    tea.click("cem")
    tea.click("ben")
    tea.order("ben", "o1")
    crew.start("shares")
    tea.await_told("ann", "+opened", "+popular", "+seller")

    tea.order("cem", "o2", share_id="s1")
    kill(crew, "shares")
    kill(crew, "members")
    tea.order("ben", "o1", "refunded", 2, refund_id="r1", refund={"amount": "40.00"})
    crew.start("members", "shares")
    tea.await_told("ann", "+opened", "+popular", "+seller", "+star")

    tea.order("ben", "o1", "refunded", 3, refund_id="r2", refund={"amount": "60.00"})
    kill(crew, "members")
    crew.start("members")
    tea.await_told("ann", "+opened", "+popular", "+seller", "+star", "-star")
    tea.order("cem", "o2", "cancelled", 4)
    tea.await_told("ann", "+opened", "+popular", "+seller", "+star", "-star", "-seller")

    settled(tea.crew, ["tea"])
    shown = tea.share("s1")
    assert (shown["visitors"], shown["exact"], shown["orders"], shown["refused"]) == (2, True, 0, {"self_share": 1})
    assert shown["sharer"] == tea.keys.pairwise("tea", tea.keys.member("brand_member", "tea", "ann"))
    asked = ("member", "tea", "brand_member:ann", "--explain", "trail", "--json")
    explained = huiliu(*asked, kafka=tea.settings.bootstrap(), environment=environment(tea.settings)).document["explained"]
    assert [(one["share"], one["reason"], one["times"], one["trigger"]) for one in explained["shares"]] == [("s1", "self_share", 1, "e3")]
    assert huiliu("share", "tea", "unheard-of", kafka=tea.settings.bootstrap()).status == 1
    assert (tea.told("ben"), tea.told("cem")) == ([], [])


def test_shares_that_begin_anew_tell_nobody_anything_twice(tea: Tea) -> None:
    tea.publish("dan", "share", share_id="s2", via="qr")
    tea.click("ann", "s2")
    tea.click("eve", "s2")
    tea.order("eve", "o3")
    tea.await_told("dan", "+opened", "+popular", "+seller")
    settled(tea.crew, ["tea"])
    before = tea.share("s2")
    tea.crew.stop("shares")
    servers, keys = tea.settings.bootstrap(), environment(tea.settings)
    assert huiliu("reset", "shares", "--yes", kafka=servers, environment=keys).status == 0
    tea.crew.start("shares")
    tea.click("fay", "s2")
    settled(tea.crew, ["tea"])
    assert tea.told("dan") == ["+opened", "+popular", "+seller"]
    assert tea.share("s2") == before | {"visitors": 3}


def settled(crew: Crew, brands: list[str]) -> None:
    """Return when all that was published, asked and answered is folded and durable, and nothing more comes of it."""
    inputs = {"huiliu-intake": [topics.events(brand) for brand in brands], **INPUTS}
    before: list[int] = []

    def quiet() -> bool:
        crew.tend()
        looked = [waiting for stage in lag.look(crew.settings, inputs).values() for waiting in stage.input]
        counts = [one.end for one in looked if one.topic != topics.MEMBERS]  # the ticks go on
        same, before[:] = counts == before, counts
        return same and not any(one.records for one in looked)

    eventually(quiet, "nothing left to fold")


@pytest.mark.parametrize("seed", [1, 2])
def test_in_the_end_tags_are_the_recounts_whoever_is_killed(tea: Tea, seed: int) -> None:
    crew, random = tea.crew, Random(seed)
    sharing = {f"tea-{seed}": "{window: 2d, depth: 2}", f"silk-{seed}": "{window: 12h}"}
    wild = Wild(seed, 250, sharing, int(time.time() * 1000))
    texts = [RECOUNTED % brand for brand in wild.brands.items()]
    for brand, text in zip(wild.brands, texts, strict=True):
        publish_rules(tea.settings, brand, text)
    await_rules(tea.settings, 1 + 2 * seed)
    with Writer(tea.settings) as writer:
        for number, record in enumerate(wild.records):
            writer.send(topics.events(record.brand), record.value, record.key, [])
            if number % 150 == 149:
                stage = random.choice(("shares", "members"))
                kill(crew, stage)
                crew.start(stage)
    settled(crew, [*wild.brands])
    crew.stop("control")  # its last tick is the clock at which all are judged
    settled(crew, [*wild.brands])
    clocks = clocks_of(tea.settings)
    verdicts = places(published(tea.settings, wild))
    held = {brand: tags_of(tea.settings, brand) for brand in wild.brands}
    probes: dict[Probe, set[str]] = {}
    for brand, who in {(one.record.brand, one.said.who) for one in verdicts if one.said is not None}:
        member = tea.keys.member(who.type, who.scope, who.id)
        clock_ms = clocks[topics.member_partition(member, PARTITIONS)]
        probes[Probe(brand, who, len(verdicts), clock_ms)] = held[brand].get(tea.keys.pairwise(brand, member), set())
    found = recount(verdicts, [oracle_rules.read(text) for text in texts], list(probes))
    assert {probe: set(found[probe].tags) for probe in probes} == probes
    assert sum(map(len, probes.values())) > 10
    crew.start("control")
    for brand in wild.brands:
        verified = huiliu("crm", brand, "--verify", "--json", kafka=tea.settings.bootstrap())
        assert verified.status == 0, verified


def tags_of(settings: Settings, brand: str) -> dict[str, set[str]]:
    held: dict[str, set[str]] = {}
    for member, sign, tag in changes(settings, brand):
        tags = held.setdefault(member, set())
        assert (tag in tags) == (sign == "-"), f"{member}: {sign}{tag}, but held were {tags}"
        tags.symmetric_difference_update({tag})
    return held


def published(settings: Settings, wild: Wild) -> list[Published]:
    """What the brands' topics hold, as the oracle reads it."""
    records = []
    for brand in wild.brands:
        with TopicLog(settings, topics.events(brand)) as log:
            listed = sorted(log.read(), key=lambda entry: (entry.partition, entry.offset))
        records += [Published(brand, one.partition, one.offset, one.appended_ms, one.value, tuple(one.headers), one.key) for one in listed]
    return records


def clocks_of(settings: Settings) -> dict[int, int]:
    """Each partition's clock at the end: the largest effective time in it."""
    clocks: dict[int, int] = {}
    with TopicLog(settings, topics.MEMBERS) as log:
        for entry in log.read():
            match envelope.decode(entry.value or b""):
                case envelope.Event(time_ms=at_ms):
                    pass
                case envelope.Tick(time_ms=told_ms):
                    at_ms = min(told_ms, entry.appended_ms)
                case _:
                    continue
            clocks[entry.partition] = max(clocks.get(entry.partition, 0), at_ms)
    return clocks
