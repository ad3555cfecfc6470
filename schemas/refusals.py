"""Why a record becomes a dead letter.

Source: CONTRACT 2.
"""

from enum import StrEnum
from typing import NamedTuple


class Reason(StrEnum):
    """The closed list; also a metric's label.  The order is the contract's: of several, the first applies."""

    TOO_LARGE = "too_large"
    UNDECODABLE = "undecodable"
    NOT_CLOUDEVENT = "not_cloudevent"
    WRONG_BRAND = "wrong_brand"
    UNKNOWN_TYPE = "unknown_type"
    BAD_TIME = "bad_time"
    NO_IDENTITY = "no_identity"
    INVALID_DATA = "invalid_data"
    BAD_MONEY = "bad_money"
    CRASHED = "crashed"


class Refused(NamedTuple):
    """A record that is not let in.  *detail* says where, what came and what was expected; never the value of an identity."""

    reason: Reason
    detail: str
