"""The public sets through the real workers on the real Kafka: all order lines, clicks and chats.

Every record is in exactly one of three places, and tags and engagement of
every member, after every event and at the end, equal the recount in SQL.
"""

import json
import time
from collections import Counter, defaultdict
from pathlib import Path

from agents import admin
from agents.rules_folder import publish_all
from agents.servers import start_kafka
from agents.settings import Settings
from agents.topic_log import TopicLog, Writer
from schemas import envelope, topics
from schemas.brands import Registration
from schemas.rules import RuleSet
from streams.rules_check import check
from tests.integration.account import account
from tests.integration.crew import Crew, eventually
from tests.integration.findings import Account
from tests.integration.records_compared import stated
from tests.oracle import rules as oracle_rules
from tests.real.adapters import Sent, records
from tests.real.rules import rules_of


def test_every_record_has_its_place_and_every_member_equals_the_recount(data_folder: Path, tmp_path: Path) -> None:
    sent = list(records(data_folder, int(time.time() * 1000)))
    texts = _rules(sent)
    with start_kafka() as server:
        settings = Settings(kafka=server.bootstrap, data=tmp_path, partitions=4, tick_s=1)
        found = _through(settings, sent, texts)
    assert not found.findings, "\n".join(found.findings[:20])
    ends = sum(found.ends.values(), Counter[str]())
    assert ends.total() == len(sent)
    assert set(ends) == {"enriched", "dead-letter", "duplicate"}
    assert stated(found, "duplicates").total() == ends["duplicate"]
    assert sum(one.lines for one in sent) == 84_711
    assert sum("tag" in told.value for told in found.told) > 1_000


def _rules(sent: list[Sent]) -> dict[str, str]:
    kinds: dict[str, set[str]] = defaultdict(set)
    for one in sent:
        kinds[one.brand].add(json.loads(one.value)["type"].split(".")[2])
    return {brand: rules_of(brand, frozenset(found)) for brand, found in kinds.items()}


def _through(settings: Settings, sent: list[Sent], texts: dict[str, str]) -> Account:
    """Let the workers have it all, end them, and take stock."""
    with Crew(settings) as crew:
        for brand in texts:
            admin.add_brand(settings, Registration(brand, brand, admin.now(), events_partitions=2, crm_partitions=1))
        publish_all(settings, [_checked(text) for text in texts.values()], _unsaid)
        crew.start("control", "intake", "members")
        crew.wait_until_ready()
        eventually(lambda: _rules_in_the_log(settings) == len(texts) * settings.partitions, "rules in every partition")
        with Writer(settings) as writer:
            for one in sent:
                writer.send(topics.events(one.brand), one.value, one.key)
        crew.wait_until_drained(texts)
        crew.stop("intake")
        crew.stop("control")
        crew.wait_until_drained(texts)
        crew.stop("members")
    return account(settings, list(texts), [oracle_rules.read(text) for text in texts.values()])


def _checked(text: str) -> RuleSet:
    rules = check(text)
    assert isinstance(rules, RuleSet), rules
    return rules


def _unsaid(_: str) -> None:
    """Fifty lines that nobody needs."""


def _rules_in_the_log(settings: Settings) -> int:
    with TopicLog(settings, topics.MEMBERS) as log:
        return sum(isinstance(envelope.decode(entry.value or b""), envelope.RulesSet) for entry in log.read())
