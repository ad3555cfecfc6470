"""A worker of a stateless stage that hands on what it reads, run as a process by the tests.

Its topics are the lines of a file, which may change while it runs.
"""

import argparse
import logging
import sys
from pathlib import Path

from agents.engine.app import create_app
from agents.engine.options import Options
from agents.engine.stage import StatelessStage
from agents.engine.worker import run
from schemas.effects import Effect
from schemas.fold import OversizedBatch, Record
from tests.shell.toy_worker import Loud


class Lines:
    """A ``TopicSource``: the lines of a file."""

    def __init__(self, file: Path) -> None:
        self._file = file

    async def current(self) -> frozenset[str]:
        return frozenset(self._file.read_text().split())


class Echo:
    """One record in, one out, with its origin."""

    def __init__(self, output: str) -> None:
        self._output = output
        self.ids: dict[str, bytes] = {}

    def opened(self, topic: str, topic_id: bytes) -> None:
        self.ids[topic] = topic_id

    def __call__(self, record: Record) -> list[Effect]:
        if record.value == b"boom":
            raise RuntimeError("boom")
        if isinstance(record.value, OversizedBatch):
            return [self._out(record, b"%d to %d" % (record.value.first, record.value.last), b"oversized")]
        return [self._out(record, record.value, b"read")]

    def refuse(self, record: Record, bug: BaseException) -> list[Effect]:  # noqa: ARG002 - the protocol's
        return [self._out(record, record.value, b"refused")]

    def _out(self, record: Record, value: bytes | None, how: bytes) -> Effect:
        origin = f"{record.topic} {self.ids[record.topic].hex()} {record.partition} {record.offset}"
        return Effect(self._output, record.partition % 2, record.key, value, (("origin", origin.encode()), ("how", how)))


class LouderStill(Loud):
    def set_aside(self, topic: str, partition: int, problem: str) -> None:
        print(f"set aside {topic} {partition}: {problem}", flush=True)

    def refused_start(self, problem: str) -> None:
        print(f"refused {problem}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser()
    for name in ("servers", "app", "anchor", "sources", "output", "data", "routing"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--refresh", type=float, default=1.0)
    parser.add_argument("--session", type=float, default=6.0)
    args = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    echo = Echo(args.output)
    stage = StatelessStage(args.app, args.anchor, Lines(Path(args.sources)), echo, args.routing, echo.opened)
    options = Options(args.servers, Path(args.data), session_timeout_s=args.session, refresh_s=args.refresh)
    return run(lambda: create_app(stage, options, LouderStill()))


if __name__ == "__main__":
    sys.exit(main())
