import json
import logging
from collections.abc import Iterator
from io import StringIO
from threading import Thread

import pytest
import structlog

from sinks import logs


@pytest.fixture
def lines() -> Iterator[StringIO]:
    stream = StringIO()
    logs.configure("info", stream, stage="members")
    yield stream
    structlog.reset_defaults()


def said(stream: StringIO) -> list[str]:
    return [json.loads(line)["event"] for line in stream.getvalue().splitlines()]


def tell(message: str, at: float, *details: object, name: str = "aiokafka") -> None:
    record = logging.LogRecord(name, logging.ERROR, __file__, 1, message, details, None)
    record.created = at
    logging.getLogger(name).handle(record)


def test_what_a_library_repeats_is_said_once_in_ten_seconds(lines: StringIO) -> None:
    for tenth in range(95):
        tell("no connection to node %s", 1000 + tenth / 10, 1)
    assert said(lines) == ["no connection to node 1"]
    tell("no connection to node %s", 1010, 1)
    assert said(lines)[1:] == ["no connection to node 1 (and 94 times more since it was said last)"]


def test_another_line_is_said_at_once(lines: StringIO) -> None:
    tell("no connection to node %s", 1000, 1)
    tell("no connection to node %s", 1000.1, 2)
    tell("no connection to node %s", 1000.2, 1, name="aiokafka.consumer")
    assert len(said(lines)) == 3


def test_ten_thousand_different_lines_are_not_all_remembered(lines: StringIO) -> None:
    for number in range(10_000):
        tell("%s", 1000, number)
    assert len(said(lines)) == 10_000
    remembered = next(one for one in logging.getLogger().handlers[0].filters if isinstance(one, logs.Once))
    assert len(remembered._said) <= 1_000  # noqa: SLF001 - what is bounded can be seen nowhere else


def test_whoever_debugs_hears_everything() -> None:
    stream = StringIO()
    logs.configure("debug", stream)
    for _ in range(3):
        tell("again", 1000)
    structlog.reset_defaults()
    assert said(stream) == ["again"] * 3


def test_a_line_from_another_thread_names_the_stage_too(lines: StringIO) -> None:
    thread = Thread(target=tell, args=("from elsewhere", 1000))
    thread.start()
    thread.join()
    assert json.loads(lines.getvalue())["stage"] == "members"
