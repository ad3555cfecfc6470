"""`huiliu publish` on the real Kafka."""

import gzip
import os
import subprocess
import sys
import time
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agents.settings import Settings
from agents.topic_log import Entry, TopicLog
from schemas import topics
from schemas.scalars import instant_text, parse_instant
from tests.integration.command import huiliu

COMMAND = [sys.executable, "-c", "from agents.cli import main; main()"]


@pytest.fixture
def brand(kafka: str, request: pytest.FixtureRequest) -> str:
    slug = "p-" + blake2b(request.node.name.encode(), digest_size=8).hexdigest()
    assert huiliu("brands", "add", slug, kafka=kafka).status == 0
    return slug


def event(brand: str, number: int, **changed: Any) -> bytes:
    made = {
        "specversion": "1.0",
        "id": f"e-{number}",
        "source": f"/brand/{brand}/shop",
        "type": "cn.huiliu.click.v1",
        "time": instant_text(time.time_ns() // 1_000_000 - 60_000 + number),
        "data": {"identities": [{"type": "brand_member", "id": f"M{number % 3}"}], "page": "/"},
    }
    return msgspec.json.encode(made | changed)


def written(folder: Path, lines: list[bytes]) -> str:
    file = folder / "events.jsonl"
    file.write_bytes(b"\n".join(lines) + b"\n")
    return str(file)


def published(kafka: str, brand: str) -> list[Entry]:
    with TopicLog(Settings(kafka=kafka), topics.events(brand)) as log:
        return list(log.read())


def test_every_line_is_a_record_as_it_was_written(kafka: str, brand: str, tmp_path: Path) -> None:
    lines = [event(brand, number) for number in range(50)]
    ran = huiliu("publish", brand, written(tmp_path, lines), "--json", kafka=kafka)
    assert (ran.status, ran.document) == (0, {"brand": brand, "published": 50, "bad": []})
    entries = published(kafka, brand)
    assert sorted(entry.value or b"" for entry in entries) == sorted(lines)
    assert {entry.headers for entry in entries} == {(("content-type", b"application/cloudevents+json"),)}


def test_a_members_events_stay_in_one_partition_in_order(kafka: str, brand: str, tmp_path: Path) -> None:
    lines = [event(brand, number) for number in range(30)]
    huiliu("publish", brand, written(tmp_path, lines), kafka=kafka)
    for member in range(3):
        of_member = [entry for entry in published(kafka, brand) if entry.key == b"brand_member:M%d" % member]
        assert len({entry.partition for entry in of_member}) == 1
        assert [entry.value for entry in sorted(of_member, key=lambda entry: entry.offset)] == lines[member::3]


def test_nothing_is_published_of_a_file_with_a_bad_line(kafka: str, brand: str, tmp_path: Path) -> None:
    file = written(tmp_path, [event(brand, 1), b"", b"{", event(brand, 2, source="/brand/other/shop")])
    ran = huiliu("publish", brand, file, kafka=kafka)
    assert ran.status == 1
    assert "line 3: undecodable: " in ran.out
    assert "line 4: wrong_brand: source: " in ran.out
    assert published(kafka, brand) == []


def test_the_rest_is_published_with_skip_bad(kafka: str, brand: str, tmp_path: Path) -> None:
    file = written(tmp_path, [event(brand, 1), b"{", event(brand, 2)])
    ran = huiliu("publish", brand, file, "--skip-bad", "--json", kafka=kafka)
    assert ran.status == 1
    assert (ran.document["published"], [bad["line"] for bad in ran.document["bad"]]) == (2, [2])
    assert len(published(kafka, brand)) == 2


def test_a_run_goes_on_from_a_line(kafka: str, brand: str, tmp_path: Path) -> None:
    lines = [event(brand, number) for number in range(10)]
    huiliu("publish", brand, written(tmp_path, lines), "--from", "8", kafka=kafka)
    assert sorted(entry.value or b"" for entry in published(kafka, brand)) == lines[7:]


def test_shifted_events_end_now_and_keep_their_distances(kafka: str, brand: str, tmp_path: Path) -> None:
    lines = [event(brand, 1, time="2020-05-01T00:00:00Z"), event(brand, 2, time="2020-05-01T08:00:10+08:00")]
    before_ms = time.time_ns() // 1_000_000
    ran = huiliu("publish", brand, written(tmp_path, lines), "--shift-to-now", kafka=kafka)
    assert ran.status == 0, ran.out
    times = sorted(parse_instant(msgspec.json.decode(entry.value or b"")["time"]) or 0 for entry in published(kafka, brand))
    assert times[1] - times[0] == 10_000
    assert before_ms <= times[1] <= time.time_ns() // 1_000_000


def test_a_rate_is_kept(kafka: str, brand: str, tmp_path: Path) -> None:
    began = time.monotonic()
    huiliu("publish", brand, written(tmp_path, [event(brand, number) for number in range(11)]), "--rate", "20", kafka=kafka)
    assert time.monotonic() - began >= 0.5


@pytest.mark.parametrize("packed", [False, True])
def test_standard_input_is_published_until_its_first_bad_line(kafka: str, brand: str, packed: bool) -> None:
    text = b"\n".join([event(brand, 1), event(brand, 2), b"{", event(brand, 3)])
    ran = subprocess.run(
        [*COMMAND, "publish", brand, "-"],
        input=gzip.compress(text) if packed else text,
        env=os.environ | {"HUILIU_KAFKA": kafka},
        capture_output=True,
        check=False,
    )
    assert ran.returncode == 1, ran.stderr
    assert b"line 3: undecodable" in ran.stdout
    assert len(published(kafka, brand)) == 2


def test_a_brand_that_is_not_there_is_status_2(kafka: str, tmp_path: Path) -> None:
    ran = subprocess.run(
        [*COMMAND, "publish", "nobody", written(tmp_path, [b"{}"])],
        env=os.environ | {"HUILIU_KAFKA": kafka},
        capture_output=True,
        check=False,
    )
    assert ran.returncode == 2
    assert b"huiliu.nobody.events" in ran.stderr
