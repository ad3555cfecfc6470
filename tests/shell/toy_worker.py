"""A worker of the toy stage, run as a process by the tests."""

import argparse
import logging
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor

from agents.engine.app import EngineApp, create_app
from agents.engine.keyed import KeyedBackend
from agents.engine.observer import Quiet
from agents.engine.options import Options
from agents.engine.stage import KeyedStage
from agents.engine.worker import run
from schemas import topics
from tests.shell.toy import ToyFold


class Loud(Quiet):
    def restored(self, partition: int, states: int, size: int, seconds: float) -> None:
        print(f"restored {partition} {states} {size} {seconds:.3f}", flush=True)

    def failed(self, problem: str) -> None:
        print(f"failed {problem}", flush=True)

    def stopped(self, clean: bool) -> None:
        print(f"stopped clean={clean}", flush=True)


def assign_blindly_once() -> None:
    """Let the group's leader assign for the first time from metadata without topics, as a broker gives that is just back."""
    assign = StickyPartitionAssignor.assign

    def blind(cluster: Any, members: Mapping[str, Any]) -> Any:
        StickyPartitionAssignor.assign = assign
        cluster._partitions = {}  # noqa: SLF001 - as aiokafka leaves it when a broker names no topic
        return assign(cluster, members)

    StickyPartitionAssignor.assign = blind


def get_stuck(app: EngineApp) -> None:
    """Let a thread of the worker's wait for an answer that does not come."""
    assert isinstance(app.engine.backend, KeyedBackend)
    app.engine.backend._threads.submit(time.sleep, 120)  # noqa: SLF001 - nothing else makes one wait at will


def main() -> int:
    parser = argparse.ArgumentParser()
    for name in ("servers", "app", "topic", "output", "data"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--session", type=float, default=6.0)
    parser.add_argument("--blind", action="store_true")
    parser.add_argument("--stuck", action="store_true")
    args = parser.parse_args()
    if args.blind:
        assign_blindly_once()
    logging.basicConfig(level=logging.WARNING)
    stage = KeyedStage(args.app, args.topic, topics.changelog(args.app, "toy"), lambda: ToyFold(args.output, 2))
    options = Options(args.servers, Path(args.data), session_timeout_s=args.session)

    def make() -> EngineApp:
        app = create_app(stage, options, Loud())
        if args.stuck:
            get_stuck(app)
        return app

    return run(make)


if __name__ == "__main__":
    sys.exit(main())
