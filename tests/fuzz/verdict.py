"""What became of every hostile record, read back from the topics and held against the oracle."""

import re
from base64 import urlsafe_b64decode
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime

from agents.settings import Settings
from agents.topic_log import Entry, TopicLog
from schemas import topics
from tests.oracle.places import DEAD_LETTER, DUPLICATE, ENRICHED, places
from tests.oracle.wire import LARGEST_RECORD, Published

OURS = ("huiliu-reason", "huiliu-detail", "huiliu-topic", "huiliu-topic-id", "huiliu-partition", "huiliu-offset", "huiliu-at")
BATCH = re.compile(r"batch: offsets (\d+) to (\d+) ")
IDENTITY = re.compile(r"\bb-\d{1,6}\b|oUnion-1|138-?0013")
SHOWN = 300

Origin = tuple[int, int]


@dataclass
class Verdict:
    """What is wrong, and how many records ended where."""

    findings: list[str] = field(default_factory=list)
    ends: Counter[str] = field(default_factory=Counter)

    def find(self, what: str, *about: object) -> None:
        self.findings.append(f"{what}: {' '.join(str(one)[:SHOWN] for one in about)}")


def judge_all(settings: Settings, brand: str) -> Verdict:
    """Each record in exactly one place, for the right reason, with the right headers; CRM sequences without a gap."""
    found = Verdict()
    published = read(settings, topics.events(brand))
    records = [Published(brand, one.partition, one.offset, one.appended_ms, one.value, tuple(one.headers), one.key) for one in published]
    enriched, letters = _enriched(found, settings, brand), _letters(found, settings, brand)
    for verdict in places(records):
        record = verdict.record
        origin = record.partition, record.offset
        letter = letters.pop(origin, None)
        came = [ENRICHED] * enriched.pop(origin, 0) + [DEAD_LETTER] * (letter is not None) or [DUPLICATE]
        reason = _header(letter, "huiliu-reason") if letter else None
        found.ends[verdict.reason or verdict.place] += 1
        if (came, reason) != ([verdict.place], verdict.reason):
            detail = _header(letter, "huiliu-detail") if letter else ""
            found.find("wrong place", origin, came, reason, detail, "expected", verdict.place, verdict.reason, record.value, record.headers)
        elif letter:
            _judge_letter(found, record, letter)
    if enriched or letters:
        found.find("of records that nobody published", list(enriched)[:3], list(letters)[:3])
    return found


def read(settings: Settings, topic: str) -> list[Entry]:
    with TopicLog(settings, topic) as log:
        return sorted(log.read(), key=lambda entry: (entry.partition, entry.offset))


def _enriched(found: Verdict, settings: Settings, brand: str) -> Counter[Origin]:
    """Count the enriched records by origin; no worker ended, so none may come twice and no number may be left out."""
    last: dict[tuple[bytes | None, bytes | None], int] = {}
    origins = Counter[Origin]()
    for entry in read(settings, topics.crm(brand)):
        headers = dict(entry.headers)
        stream, number = (headers["ce_huiliupartition"], headers["ce_huiliuepoch"]), int(headers["ce_huiliusequence"] or b"0")
        if number != last.get(stream, 0) + 1:
            found.find("sequence", stream, "after", last.get(stream, 0), "came", number)
        last[stream] = number
        partition, _, offset = (headers.get("ce_huiliuorigin") or b"").partition(b":")
        if offset:
            origins[int(partition), int(offset)] += 1
    return origins


def _letters(found: Verdict, settings: Settings, brand: str) -> dict[Origin, Entry]:
    """Collect the dead letters by origin; one of a whole batch stands for each of its records."""
    letters: dict[Origin, Entry] = {}
    for entry in read(settings, topics.dead_letters(brand)):
        partition, offset = int(_header(entry, "huiliu-partition")), int(_header(entry, "huiliu-offset"))
        batch = BATCH.match(_header(entry, "huiliu-detail"))
        first = int(batch[1]) if batch else offset
        for each in range(first, offset + 1):
            if (partition, each) in letters:
                found.find("two dead letters", (partition, each))
            letters[partition, each] = entry
    return letters


def _header(entry: Entry, name: str) -> str:
    return next((value or b"").decode() for header, value in reversed(entry.headers) if header == name)


def _judge_letter(found: Verdict, record: Published, letter: Entry) -> None:
    """The record as it came, with its own headers but ours; and ours say why and where."""
    where = record.partition, record.offset
    detail = _header(letter, "huiliu-detail")
    batch = BATCH.match(detail)
    own = [] if batch else [header for header in record.headers if header[0] not in OURS]
    if batch:
        if not letter.value or len(letter.value) > LARGEST_RECORD:
            found.find("not the batch as it came", where)
    elif (letter.key, letter.value) != (record.key, record.value):
        found.find("not the record as it came", where, letter.key, letter.value)
    if [header for header in letter.headers if header[0] not in OURS] != own or [name for name, _ in letter.headers[-7:]] != list(OURS):
        found.find("headers", where, letter.headers, "of", record.headers)
    at = datetime.fromtimestamp(record.append_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    stated = [_header(letter, name) for name in ("huiliu-topic", "huiliu-partition")]
    if stated != [topics.events(record.brand), str(record.partition)] or (not batch and _header(letter, "huiliu-at") != at):
        found.find("where it was", where, letter.headers)
    if not detail or IDENTITY.search(detail) or len(urlsafe_b64decode(_header(letter, "huiliu-topic-id") + "==")) != 16:
        found.find("detail", where, detail)
