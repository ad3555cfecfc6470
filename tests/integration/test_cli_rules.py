"""`huiliu rules` on the real Kafka."""

from pathlib import Path

import pytest

from agents.settings import BadSettings, Settings
from agents.topic_log import TopicLog
from schemas import rules, topics
from tests.integration.command import huiliu

GOOD = "brand: {brand}\ntags:\n  regular: {{count: {{events: order.paid, within: 90d, at_least: 3}}}}\n"
WRONG = "brand: {brand}\ntags:\n  regular: {{count: {{events: order.pad, within: 90 days, at_least: 3}}}}\n"


@pytest.fixture
def brand(kafka: str, request: pytest.FixtureRequest) -> str:
    """Register a brand of the test's own."""
    slug: str = "r-" + request.node.name.replace("_", "-")[5:34].strip("-")
    assert huiliu("brands", "add", slug, kafka=kafka).status == 0
    return slug


def written(folder: Path, text: str, brand: str) -> str:
    file = folder / "rules.yaml"
    file.write_text(text.format(brand=brand))
    return str(file)


def records(kafka: str, brand: str) -> list[tuple[int, bytes | None]]:
    with TopicLog(Settings(kafka=kafka), topics.RULES) as log:
        return [(entry.offset, entry.value) for entry in log.read() if entry.key == brand.encode()]


def test_the_version_of_a_set_is_its_offset(kafka: str, brand: str, tmp_path: Path) -> None:
    ran = huiliu("rules", "publish", written(tmp_path, GOOD, brand), "--json", kafka=kafka)
    assert ran.status == 0
    ((offset, value),) = records(kafka, brand)
    assert ran.document == {"owner": brand, "version": offset, "changed": True, "tags": ["regular"]}
    assert rules.decode(value or b"").owner == brand


def test_what_is_published_is_shown(kafka: str, brand: str, tmp_path: Path) -> None:
    huiliu("rules", "publish", written(tmp_path, GOOD, brand), kafka=kafka)
    ran = huiliu("rules", "show", brand, kafka=kafka)
    assert ran.status == 0
    assert "3 or more of order.paid within 90d" in ran.out


def test_the_same_set_again_is_no_new_version(kafka: str, brand: str, tmp_path: Path) -> None:
    file = written(tmp_path, GOOD, brand)
    first = huiliu("rules", "publish", file, "--json", kafka=kafka).document
    second = huiliu("rules", "publish", file, "--json", kafka=kafka).document
    assert second == first | {"changed": False}
    assert len(records(kafka, brand)) == 1


def test_nothing_of_a_wrong_file_is_published(kafka: str, brand: str, tmp_path: Path) -> None:
    ran = huiliu("rules", "publish", written(tmp_path, WRONG, brand), kafka=kafka)
    assert ran.status == 1
    assert 'tags.regular.count.within: "90 days" is not a duration; write 90d' in ran.out
    assert "did you mean order.paid?" in ran.out
    assert records(kafka, brand) == []


def test_rules_of_a_brand_that_nobody_registered_are_not_published(kafka: str, tmp_path: Path) -> None:
    ran = huiliu("rules", "publish", written(tmp_path, GOOD, "nobody"), kafka=kafka)
    assert ran.status == 1
    assert "huiliu brands add nobody" in ran.out
    assert records(kafka, "nobody") == []


def test_an_owner_without_rules_is_status_1(kafka: str, brand: str) -> None:
    assert huiliu("rules", "show", brand, kafka=kafka).status == 1


def test_a_file_that_is_not_there_is_status_2(tmp_path: Path) -> None:
    ran = huiliu("rules", "check", str(tmp_path / "none.yaml"))
    assert ran.status == 2
    assert "No such file" in ran.err


def test_a_file_that_is_no_utf8_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "gbk.yaml"
    file.write_bytes("brand: acme\ntags:\n  # 投诉\n".encode("gbk"))
    ran = huiliu("rules", "check", str(file))
    assert ran.status == 1
    assert ran.out.strip().endswith("gbk.yaml:3: not UTF-8; save the file as UTF-8")


def test_a_kafka_that_is_away_is_no_traceback(tmp_path: Path) -> None:
    with pytest.raises(BadSettings):
        huiliu("rules", "publish", written(tmp_path, GOOD, "acme"), kafka="127.0.0.1:1")
