"""Topics and brands: made with exactly the settings that the contract names, or checked against them.

Source: CONTRACT 1, DESIGN 6.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import msgspec
from kafka.admin import ConfigResource, ConfigResourceType

from agents.clients import admin, latest, send
from agents.settings import BadSettings, Settings
from schemas import brands, stages, topics
from schemas.brands import Registration

DAY_MS: Final = 24 * 3600 * 1000
EVENTS_BYTES: Final = 1_048_588
DEAD_LETTERS_BYTES: Final = EVENTS_BYTES + 64 * 1024
# An envelope holds the brand's record, its headers and, in another format, the event once more.
INSIDE_BYTES: Final = 4 * 1024 * 1024
TOPIC_EXISTS: Final = 36
ALLIANCE: Final = "alliance"


class Topic(NamedTuple):
    """A topic as it must be."""

    name: str
    partitions: int
    settings: dict[str, str]


def internal_topics(partitions: int) -> list[Topic]:
    """List the topics between the stages, and what the stages' tables are rebuilt from."""
    return [
        Topic(topics.MEMBERS, partitions, _kept(7, INSIDE_BYTES)),
        Topic(topics.SHARES, partitions, _kept(7, INSIDE_BYTES)),
        Topic(topics.BUDGETS, partitions, _kept(7, INSIDE_BYTES)),
        Topic(topics.RULES, 1, _compacted()),
        Topic(topics.BRANDS, 1, _compacted()),
        Topic(stages.MEMBERS.changelog, partitions, _compacted()),
        Topic(stages.SHARES.changelog, partitions, _compacted()),
        Topic(stages.BUDGETS.changelog, partitions, _compacted()),
        Topic(stages.CONTROL.changelog, 1, _compacted()),
    ]


def brand_topics(brand: Registration) -> list[Topic]:
    """List the topics of one brand."""
    return [
        Topic(topics.events(brand.brand), brand.events_partitions, _kept(7, EVENTS_BYTES)),
        Topic(topics.crm(brand.brand), brand.crm_partitions, _kept(7, INSIDE_BYTES)),
        Topic(topics.dead_letters(brand.brand), brand.events_partitions, _kept(30, DEAD_LETTERS_BYTES)),
    ]


def ensure(settings: Settings, wanted: Sequence[Topic]) -> list[str]:
    """Make the topics that are missing and return their names; raise ``BadSettings`` if one that is there is not as it must be."""
    with admin(settings) as client:
        asked = {
            each.name: {"num_partitions": each.partitions, "replication_factor": settings.replication, "configs": each.settings}
            for each in wanted
        }
        answer = client.create_topics(asked, raise_errors=False)
        errors = {each["name"]: each for each in answer["topics"] if each["error_code"]}
        _raise_if([f"{name}: not made: {each['error_message']}" for name, each in errors.items() if each["error_code"] != TOPIC_EXISTS])
        _raise_if(_mismatches(client, [each for each in wanted if each.name in errors]))
        made = [each.name for each in wanted if each.name not in errors]
        if made:
            client.wait_for_topics(made)
        return made


def check_slug(slug: str) -> None:
    """Raise ``BadSettings`` unless *slug* may name a brand."""
    if slug == ALLIANCE:
        raise BadSettings(f"{slug}: reserved for the alliance's own rules")
    if not topics.is_slug(slug):
        raise BadSettings(f"{slug}: not a brand; expected 2 to 32 of a-z, 0-9 and -, a letter first, and not `internal`")


def add_brand(settings: Settings, wanted: Registration) -> list[str]:
    """Make the brand's topics, then register it; returns the topics made.

    Done twice it checks; another name, format or consent default replaces the
    former, another number of partitions is a ``BadSettings``.
    """
    check_slug(wanted.brand)
    if settings.partitions % wanted.crm_partitions:
        raise BadSettings(
            f"crm partitions: {wanted.crm_partitions} does not divide {settings.partitions}, the partitions of {topics.MEMBERS}"
        )
    made = ensure(settings, [*internal_topics(settings.partitions), *brand_topics(wanted)])
    former = {each.brand: each for each in list_brands(settings)}.get(wanted.brand)
    if former is None or msgspec.structs.replace(former, registered_at=wanted.registered_at) != wanted:
        send(settings, topics.BRANDS, wanted.brand.encode(), brands.encode(wanted))
    return made


def list_brands(settings: Settings) -> list[Registration]:
    """Read all registrations, by brand."""
    found = latest(settings, topics.BRANDS)
    return sorted((brands.decode(message.value() or b"") for message in found.values()), key=lambda each: each.brand)


def now() -> str:
    """Tell the time as a registration writes it."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _kept(days: int, message_bytes: int) -> dict[str, str]:
    return {
        "message.timestamp.type": "LogAppendTime", "cleanup.policy": "delete",
        "retention.ms": str(days * DAY_MS), "max.message.bytes": str(message_bytes),
    }  # fmt: skip


def _compacted() -> dict[str, str]:
    return {
        "message.timestamp.type": "LogAppendTime", "cleanup.policy": "compact", "max.message.bytes": str(INSIDE_BYTES),
        # The segment being written is never compacted: small ones keep restores short.
        "segment.bytes": str(64 * 1024 * 1024), "min.cleanable.dirty.ratio": "0.2",
    }  # fmt: skip


def _mismatches(client: Any, wanted: Sequence[Topic]) -> list[str]:
    if not wanted:
        return []
    counts = _partitions(client, [each.name for each in wanted])
    asked = [ConfigResource(ConfigResourceType.TOPIC, each.name, list(each.settings)) for each in wanted]
    found = client.describe_configs(asked, config_filter="all")["topic"]
    wrong = []
    for each in wanted:
        if counts[each.name] != each.partitions:
            wrong.append(
                f"{each.name}: has {counts[each.name]} partitions, not {each.partitions}; ask for {counts[each.name]}, or delete the topic"
            )
        for name, expected in each.settings.items():
            if (came := found[each.name][name]["value"]) != expected:
                wrong.append(f"{each.name}: {name} is {came}, not {expected}; set it with kafka-configs, or delete the topic")
    return wrong


def _partitions(client: Any, names: Sequence[str]) -> dict[str, int]:
    """Count the partitions of topics that are there: the broker that is asked may hear of a new one later than the controller."""
    while True:
        counts = {each["name"]: len(each["partitions"]) for each in client.describe_topics(names)}
        unheard = [name for name, count in counts.items() if not count]
        if not unheard:
            return counts
        client.wait_for_topics(unheard)


def _raise_if(problems: list[str]) -> None:
    if problems:
        raise BadSettings("\n".join(problems))
