"""A brand's registration: the value of ``huiliu.internal.brands``, keyed by brand, as JSON.

Source: CONTRACT 1 and 5, DESIGN 6.
"""

from typing import Literal

import msgspec
from msgspec import Struct


class ConsentDefaults(Struct, frozen=True):
    """What holds for a member who never stated anything; ``alliance`` is always no."""

    tags: bool = True
    rewards: bool = True


class Registration(Struct, frozen=True):
    """A brand as it was registered.  *registered_at* is RFC 3339 in UTC."""

    brand: str
    name: str
    registered_at: str
    events_partitions: int = 4
    crm_partitions: int = 4
    format: Literal["json", "msgpack"] = "json"
    consent: ConsentDefaults = ConsentDefaults()


_decoder: msgspec.json.Decoder[Registration] = msgspec.json.Decoder(Registration)


def encode(registration: Registration) -> bytes:
    """Write a value of ``huiliu.internal.brands``."""
    return msgspec.json.encode(registration)


def decode(value: bytes) -> Registration:
    """Read a value of ``huiliu.internal.brands``; raises ``msgspec.DecodeError`` on anything else."""
    return _decoder.decode(value)
