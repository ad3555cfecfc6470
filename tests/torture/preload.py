"""All that a worker imports, once, in the process that workers are forked from: a start costs a tenth, and the code is the same.

The folds are compiled as in production, unless bugs are planted: what mypyc
compiled can't be changed.
"""

import importlib
import os

from agents import compiled
from tests.torture import PLAIN

STAGES = ("intake", "members", "control", "shares", "budgets")

if not os.environ.get(PLAIN):
    compiled.activate()

for module in (f"agents.{stage}" for stage in STAGES):
    importlib.import_module(module)

importlib.import_module("tests.torture.worker").die_with_parent()
