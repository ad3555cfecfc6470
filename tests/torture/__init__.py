"""Torture: the real workers on the real servers, seeded input, seeded faults, and an oracle that shares no code with ``streams/``."""

from typing import Final

PLAIN: Final = "TORTURE_PLAIN"
"""Set in the environment, workers run the folds as plain Python: what mypyc compiled can't be changed."""
