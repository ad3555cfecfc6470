"""Does a brand have everything?  Its events, what its CRM received and its dead letters, put side by side.

Every offset of the brand's topic is in exactly one of three places: enriched,
dead letter, duplicate.  The first two are there to be read; how many
duplicates there were is stated by manifests, which also vouch for the
sequence of all records.

Source: DESIGN 2 (law 5), CONTRACT 3.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, NamedTuple

from schemas.crm import MANIFEST, Manifest
from schemas.refusals import Reason
from schemas.scalars import Instant, parse_instant

NAMED: Final = 5

Place = tuple[int, int]
"""(partition, offset) of the brand's events topic."""


class Received(NamedTuple):
    """A record of the CRM topic; *manifest* is its value if it is one, *origin* the place of an enriched event."""

    type: str
    id: str
    partition: int
    epoch: int
    sequence: int
    origin: Place | None = None
    manifest: Manifest | None = None


@dataclass(slots=True)
class Run:
    """The records of one partition in one epoch, as a reader keeps them: what is not above the last sequence is dropped."""

    last: int = 0
    chained: int = 0
    chain: bytes = bytes(32)
    whole: bool = True
    settled_ms: Instant = 0
    duplicates: int = 0
    crashed: int = 0
    manifests: int = 0
    origins: set[Place] = field(default_factory=set)


class Report(NamedTuple):
    """What came of it.  *unstated*: offsets that no manifest vouches for yet; *problems* are empty when all adds up."""

    published: int
    enriched: int
    dead_letters: dict[str, int]
    duplicates: int
    unstated: int
    received: dict[str, int]
    repeats: int
    manifests: int
    problems: list[str]


class Audit:
    """Takes records in, CRM partitions in their own order, and tells what adds up.

    *cut* says that old records of the CRM topic or of the events topic were
    deleted already, so that beginnings and totals can't be compared.
    """

    def __init__(self, *, cut: bool = False) -> None:
        """Begin with nothing."""
        self._cut = cut
        self._runs: dict[Place, Run] = {}
        self._published: dict[Place, Instant] = {}
        self._letters: dict[Place, str] = {}
        self._received: Counter[str] = Counter()
        self._repeats = 0
        self._problems: list[str] = []

    def published(self, place: Place, appended_ms: Instant) -> None:
        """Note an event of the brand."""
        self._published[place] = appended_ms

    def refused(self, place: Place, reason: str) -> None:
        """Note a dead letter; the same one may come again."""
        self._letters[place] = reason

    def received(self, record: Received) -> None:
        """Note a record that the CRM received."""
        run = self._runs.setdefault((record.partition, record.epoch), Run())
        if record.sequence <= run.last:
            self._repeats += 1
            return
        self._follow(run, record)
        self._received[record.type] += 1
        if record.manifest is not None:
            self._check_manifest(run, record, record.manifest)
            return
        run.chain = sha256(run.chain + record.id.encode()).digest()
        run.chained += 1
        if record.origin is not None:
            if record.origin in run.origins:
                self._problems.append(
                    f"{_name(record)}: offset {record.origin[1]} of partition {record.origin[0]} is enriched a second time"
                )
            run.origins.add(record.origin)

    def report(self) -> Report:
        """Put everything side by side."""
        latest = self._latest()
        enriched = {place for run in self._runs.values() for place in run.origins}
        self._check_once(enriched)
        missing = {place: at for place, at in self._published.items() if place not in enriched and place not in self._letters}
        stated = sum(run.duplicates for run in latest)
        self._check_missing(missing, stated, latest)
        self._check_crashed(latest)
        return Report(
            len(self._published),
            sum(place in enriched for place in self._published),
            dict(sorted(Counter(reason for place, reason in self._letters.items() if place in self._published).items())),
            len(missing),
            max(0, len(missing) - stated),
            dict(sorted(self._received.items())),
            self._repeats,
            sum(run.manifests for run in self._runs.values()),
            self._problems,
        )

    def _follow(self, run: Run, record: Received) -> None:
        expected = run.last + 1
        if record.sequence != expected and not (self._cut and run.last == 0):
            self._problems.append(f"{_name(record)}: sequence {expected} is missing; {record.sequence} came")
        run.whole = run.whole and record.sequence == expected
        run.last = record.sequence

    def _check_manifest(self, run: Run, record: Received, manifest: Manifest) -> None:
        """Compare a manifest with what came since the one before it."""
        run.manifests += 1
        run.duplicates += manifest.duplicates
        run.crashed += manifest.crashed
        run.settled_ms = parse_instant(manifest.at) or 0
        if run.whole:
            came = (record.sequence - run.chained, record.sequence - 1, run.chained, run.chain.hex())
            stated = (manifest.first, manifest.last, manifest.count, manifest.sha256)
            for what, here, there in zip(("first", "last", "count", "sha256"), came, stated, strict=True):
                if here != there:
                    self._problems.append(f"{_name(record)}: the manifest states {what} {there}; {here} came")
        run.chain, run.chained, run.whole = bytes(32), 0, True

    def _latest(self) -> list[Run]:
        """Give each partition's run of the highest epoch: a rebuild states everything anew."""
        epochs = dict(sorted(self._runs))
        return [self._runs[place] for place in epochs.items()]

    def _check_once(self, enriched: set[Place]) -> None:
        for partition, offset in sorted(enriched & self._letters.keys()):
            reason = self._letters[partition, offset]
            self._problems.append(f"offset {offset} of partition {partition} is enriched, and a dead letter ({reason}) too")

    def _check_missing(self, missing: dict[Place, Instant], stated: int, latest: list[Run]) -> None:
        """What is in neither place must be a duplicate that a manifest states, once the manifests are later than it."""
        if self._cut:
            return
        if stated > len(missing):
            self._problems.append(f"manifests state {stated} duplicates; only {len(missing)} offsets are neither enriched nor dead letters")
        settled_ms = min((run.settled_ms for run in latest), default=0)
        settled = sorted(place for place, appended_ms in missing.items() if appended_ms < settled_ms)
        if len(settled) > stated:
            named = ", ".join(f"{partition}:{offset}" for partition, offset in settled[:NAMED])
            self._problems.append(
                f"{len(settled)} offsets are neither enriched nor dead letters, manifests state {stated} duplicates; the first are {named}"
            )

    def _check_crashed(self, latest: list[Run]) -> None:
        stated, came = sum(run.crashed for run in latest), sum(reason == Reason.CRASHED for reason in self._letters.values())
        if stated > came and not self._cut:
            self._problems.append(f"manifests state {stated} crashed; {came} such dead letters came")


def headers_of(record: Iterable[tuple[str, bytes | None]]) -> dict[str, str]:
    """Give a record's headers by name."""
    return {name: (text or b"").decode("utf-8", "replace") for name, text in record}


def _name(record: Received) -> str:
    kind = "manifest" if record.type == MANIFEST else "record"
    return f"partition {record.partition}, epoch {record.epoch}, {kind} {record.sequence}"
