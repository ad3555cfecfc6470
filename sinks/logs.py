"""Log lines: one JSON object a line, ours and the libraries' alike."""

import logging
import sys
from typing import Any, TextIO

import structlog


def configure(level: str, stream: TextIO | None = None, **always: Any) -> None:
    """Write lines of at least *level* to *stream* (stderr), each with *always* (the stage, say); libraries' from warning on."""
    stream = stream or sys.stderr
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
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
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(**always)
    lines = logging.StreamHandler(stream)
    render: list[Any] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, structlog.processors.JSONRenderer(ensure_ascii=False)]
    lines.setFormatter(
        structlog.stdlib.ProcessorFormatter(processors=render, foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name])
    )
    logging.basicConfig(handlers=[lines], level=logging.DEBUG if level == "debug" else logging.WARNING, force=True)
