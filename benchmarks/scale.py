"""How much is measured."""

from enum import StrEnum


class Scale(StrEnum):
    """*full* for figures; *quick* to see them within minutes; *short* only to see that every part runs and is right."""

    FULL = "full"
    QUICK = "quick"
    SHORT = "short"


FULL, QUICK, SHORT = Scale.FULL, Scale.QUICK, Scale.SHORT
__all__ = ["FULL", "QUICK", "SHORT", "Scale"]
