"""A worker of the toy stage, run as a process by the tests."""

import argparse
import logging
import sys
from pathlib import Path

from agents.engine.app import create_app
from agents.engine.observer import Quiet
from agents.engine.options import Options
from agents.engine.stage import KeyedStage
from agents.engine.worker import run
from tests.shell.toy import ToyFold


class Loud(Quiet):
    def restored(self, partition: int, states: int, size: int, seconds: float) -> None:
        print(f"restored {partition} {states} {size} {seconds:.3f}", flush=True)

    def failed(self, problem: str) -> None:
        print(f"failed {problem}", flush=True)

    def stopped(self, clean: bool) -> None:
        print(f"stopped clean={clean}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser()
    for name in ("servers", "app", "topic", "output", "data"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--session", type=float, default=6.0)
    args = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    stage = KeyedStage(args.app, args.topic, "toy", lambda: ToyFold(args.output, 2))
    options = Options(args.servers, Path(args.data), session_timeout_s=args.session)
    return run(lambda: create_app(stage, options, Loud()))


if __name__ == "__main__":
    sys.exit(main())
