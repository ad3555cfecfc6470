from collections.abc import Iterator

import pytest
from kafka.admin import ConfigResource, ConfigResourceType

from agents import admin
from agents.clients import admin as connect
from agents.clients import latest, send
from agents.servers import free_port, start_kafka
from agents.settings import BadSettings, Settings
from schemas.brands import ConsentDefaults, Registration
from tests.integration.command import huiliu

DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def settings() -> Iterator[Settings]:
    with start_kafka() as kafka:  # its own: brands are listed whole, and other tests add theirs
        yield Settings(kafka=kafka.bootstrap, partitions=8)


def configured(settings: Settings, topic: str, name: str) -> str:
    with connect(settings) as client:
        asked = ConfigResource(ConfigResourceType.TOPIC, topic, [name])
        return str(client.describe_configs([asked], config_filter="all")["topic"][topic][name]["value"])


def test_no_brand_before_the_first(settings: Settings) -> None:
    assert admin.list_brands(settings) == []


def test_a_brand_gets_its_topics_as_the_contract_has_them(settings: Settings) -> None:
    made = admin.add_brand(settings, Registration("acme", "Acme", "2026-01-01T00:00:00Z", 3, 2))
    assert {"huiliu.acme.events", "huiliu.acme.crm", "huiliu.acme.dead-letters", "huiliu.internal.members"} <= set(made)
    with connect(settings) as client:
        counts = {each["name"]: len(each["partitions"]) for each in client.describe_topics(made)}
    assert [counts[f"huiliu.acme.{each}"] for each in ("events", "crm", "dead-letters")] == [3, 2, 3]
    assert counts["huiliu-members-states-changelog"] == counts["huiliu.internal.members"] == 8
    assert {configured(settings, topic, "message.timestamp.type") for topic in made} == {"LogAppendTime"}
    assert configured(settings, "huiliu.acme.events", "retention.ms") == str(7 * DAY_MS)
    assert configured(settings, "huiliu.acme.dead-letters", "retention.ms") == str(30 * DAY_MS)
    events, dead = (int(configured(settings, f"huiliu.acme.{each}", "max.message.bytes")) for each in ("events", "dead-letters"))
    assert dead - events == 64 * 1024
    assert configured(settings, "huiliu.internal.rules", "cleanup.policy") == "compact"


def test_a_registration_is_read_back_and_the_last_one_stands(settings: Settings) -> None:
    first = Registration("bolt", "Bolt", "2026-01-01T00:00:00Z")
    admin.add_brand(settings, first)
    assert first in admin.list_brands(settings)
    second = Registration("bolt", "博尔特", "2026-01-02T00:00:00Z", format="msgpack", consent=ConsentDefaults(tags=False))
    assert admin.add_brand(settings, second) == []
    assert [each for each in admin.list_brands(settings) if each.brand == "bolt"] == [second]


def test_adding_a_brand_again_writes_nothing(settings: Settings) -> None:
    admin.add_brand(settings, Registration("calm", "Calm", "2026-01-01T00:00:00Z"))
    before = latest(settings, "huiliu.internal.brands")[b"calm"].offset()
    admin.add_brand(settings, Registration("calm", "Calm", "2026-01-02T00:00:00Z"))
    assert latest(settings, "huiliu.internal.brands")[b"calm"].offset() == before


def test_another_number_of_partitions_is_refused(settings: Settings) -> None:
    admin.add_brand(settings, Registration("duo", "Duo", "2026-01-01T00:00:00Z"))
    with pytest.raises(BadSettings, match=r"huiliu\.duo\.events: has 4 partitions, not 5"):
        admin.add_brand(settings, Registration("duo", "Duo", "2026-01-01T00:00:00Z", 5))


def test_a_topic_with_other_settings_is_refused(settings: Settings) -> None:
    with connect(settings) as client:
        client.create_topics({"huiliu.echo.crm": {"num_partitions": 4, "configs": {"retention.ms": "1000"}}})
    with pytest.raises(BadSettings, match=r"huiliu\.echo\.crm: retention\.ms is 1000, not 604800000"):
        admin.add_brand(settings, Registration("echo", "Echo", "2026-01-01T00:00:00Z"))
    assert "echo" not in {each.brand for each in admin.list_brands(settings)}


def test_crm_partitions_must_divide_the_internal_ones(settings: Settings) -> None:
    with pytest.raises(BadSettings, match="3 does not divide 8"):
        admin.add_brand(settings, Registration("foxy", "Foxy", "2026-01-01T00:00:00Z", crm_partitions=3))


@pytest.mark.parametrize("slug", ["internal", "alliance", "A", "a", "has_underscore", "1st", "x" * 33, ""])
def test_a_name_that_is_no_slug_is_refused(settings: Settings, slug: str) -> None:
    with pytest.raises(BadSettings, match=r"not a brand|reserved"):
        admin.add_brand(settings, Registration(slug, "?", "2026-01-01T00:00:00Z"))


def test_a_key_that_was_deleted_is_gone(settings: Settings) -> None:
    admin.ensure(settings, [admin.Topic("tables", 1, {"cleanup.policy": "compact"})])
    for key, value in ((b"a", b"1"), (b"b", b"2"), (b"a", None), (b"b", b"3")):
        send(settings, "tables", key, value)
    assert {key: message.value() for key, message in latest(settings, "tables").items()} == {b"b": b"3"}


def test_a_kafka_that_is_not_there_is_named() -> None:
    with pytest.raises(BadSettings, match="does not answer"):
        admin.ensure(Settings(kafka=f"127.0.0.1:{free_port()}"), [])


def test_the_command_line_adds_and_lists(settings: Settings) -> None:
    environment = {"HUILIU_PARTITIONS": "8"}
    added = huiliu(
        "brands", "add", "gala", "--name", "咖啦", "--format", "msgpack", "--no-tags", kafka=settings.bootstrap(), environment=environment
    )
    assert (added.status, "huiliu.gala.events" in added.out, "huiliu.gala.crm" in added.out) == (0, True, True)
    listed = huiliu("brands", "list", "--json", kafka=settings.bootstrap(), environment=environment).document
    gala = next(each for each in listed if each["brand"] == "gala")
    assert (gala["name"], gala["format"], gala["consent"]) == ("咖啦", "msgpack", {"tags": False, "rewards": True})
    assert "咖啦" in huiliu("brands", "list", kafka=settings.bootstrap(), environment=environment).out


def test_status_finds_stages_without_a_worker(settings: Settings) -> None:
    admin.ensure(settings, admin.internal_topics(8))
    found = huiliu("status", "--json", kafka=settings.bootstrap())
    assert found.status == 1
    workers = {name: stage["workers"] for name, stage in found.document["stages"].items()}
    assert workers == dict.fromkeys(("intake", "members", "shares", "budgets", "control"), 0)
    assert found.document["stages"]["members"]["partitions"] == 8
