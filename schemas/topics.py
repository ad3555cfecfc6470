"""Every topic: its name, and which partition of it a key belongs to.

Source: CONTRACT 1.
"""

import re
import zlib
from typing import Final

BRANDS: Final = "huiliu.internal.brands"
RULES: Final = "huiliu.internal.rules"
MEMBERS: Final = "huiliu.internal.members"
SHARES: Final = "huiliu.internal.shares"
BUDGETS: Final = "huiliu.internal.budgets"
INTERNAL: Final = "internal"
SLUG: Final = re.compile(r"[a-z][a-z0-9-]{1,31}")
EVENTS_TOPIC: Final = re.compile(rf"huiliu\.({SLUG.pattern})\.events")


def is_slug(text: str) -> bool:
    """Tell whether *text* may name a brand."""
    return text != INTERNAL and SLUG.fullmatch(text) is not None


def events(brand: str) -> str:
    """Name the topic that *brand* publishes to."""
    return f"huiliu.{brand}.events"


def crm(brand: str) -> str:
    """Name the topic that the CRM of *brand* subscribes to."""
    return f"huiliu.{brand}.crm"


def dead_letters(brand: str) -> str:
    """Name the topic of the records of *brand* that were refused."""
    return f"huiliu.{brand}.dead-letters"


def changelog(app_id: str, table: str) -> str:
    """Name the topic that *table* of *app_id* is rebuilt from."""
    return f"{app_id}-{table}-changelog"


def brand_of(topic: str) -> str | None:
    """Name the brand that owns the events topic *topic*; None for any other topic."""
    match = EVENTS_TOPIC.fullmatch(topic)
    return match[1] if match and is_slug(match[1]) else None


def member_partition(member: bytes, partitions: int) -> int:
    """Choose the partition of a member from the member key's own bytes, a uniform hash already."""
    return int.from_bytes(member[:8], "big") % partitions


def keyed_partition(key: bytes, partitions: int) -> int:
    """Choose the partition of a share or a campaign: their keys are names, which have to be hashed first."""
    return zlib.crc32(key) % partitions
