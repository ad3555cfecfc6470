"""Log lines: one JSON object a line, ours and the libraries' alike.

A library that says the same ten times a second, as aiokafka does while a
broker is away, is let through once in ``QUIET_S``.
"""

import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Final, TextIO

import structlog

QUIET_S: Final = 10.0
_REMEMBERED: Final = 1_000


class Once(logging.Filter):
    """Lets a line through, and the same line again after ``QUIET_S`` only, with how often it came meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Judge by the time that *record* was made."""
        said = record.name, record.getMessage()
        at, more = self._said.get(said, (0.0, 0))
        if record.created - at < QUIET_S:
            self._said[said] = at, more + 1
            return False
        if len(self._said) >= _REMEMBERED:
            self._said.clear()
        self._said[said] = record.created, 0
        if more:
            record.msg, record.args = f"{said[1]} (and {more} times more since it was said last)", ()
        return True


def configure(level: str, stream: TextIO | None = None, **always: Any) -> None:
    """Write lines of at least *level* to *stream* (stderr), each with *always* (the stage, say); libraries' from warning on."""
    stream = stream or sys.stderr

    def told(_logger: object, _method: str, line: MutableMapping[str, Any]) -> Mapping[str, Any]:
        return {**always, **line}

    shared: list[Any] = [
        told,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(ensure_ascii=False)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=False,
    )
    lines = logging.StreamHandler(stream)
    if level != "debug":
        lines.addFilter(Once())
    render: list[Any] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, structlog.processors.JSONRenderer(ensure_ascii=False)]
    lines.setFormatter(
        structlog.stdlib.ProcessorFormatter(processors=render, foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name])
    )
    logging.basicConfig(handlers=[lines], level=logging.DEBUG if level == "debug" else logging.WARNING, force=True)
