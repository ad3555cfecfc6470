"""Note the classes that Kafka loads while it starts, so that it starts in half of the time from then on; ``make setup`` runs it.

Run: ``python -m deploy.kafka.classes``
"""

import os
import signal
import sys
import tempfile
from pathlib import Path

from agents.servers import CLASSES, LIBS, start_kafka


def main() -> None:
    """Start Kafka once and end it in order; what it writes then takes its name when it is whole."""
    part = LIBS / f"{CLASSES}.part"
    for former in (part, LIBS / CLASSES):
        former.unlink(missing_ok=True)
    os.environ["JDK_JAVA_OPTIONS"] = f'"-XX:ArchiveClassesAtExit={part}"'
    with tempfile.TemporaryDirectory() as folder, start_kafka(Path(folder)) as kafka:
        kafka.stop()
        if kafka.process.returncode == -signal.SIGKILL or not part.exists():
            print(f"Kafka did not write its classes; it works without, and starts more slowly:\n{kafka.last_lines()}", file=sys.stderr)
            return
    part.rename(LIBS / CLASSES)


if __name__ == "__main__":
    main()
