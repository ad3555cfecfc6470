"""The folds as machine code: ``streams``, their states and the CRM sink, compiled by mypyc from the very sources that are tested.

``make setup`` builds a copy of the packages (``python -m agents.compiled``) in
a folder named after a digest of the sources; ``huiliu`` puts it before them on
the path when the digest is that of the sources as they are now, and else runs
the sources themselves.  So what was edited is never masked by what was
compiled before.  Twice as fast (``make bench``); the tests of the folds run on
both.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Final

FOLDER: Final = ".compiled"
STREAMS: Final = (
    "acts arrival attribution backtest budgets campaigns cloudevent conditions consent counters decode dedupe engagement evidence facts "
    "flaws identity intake invalid keys keywords member offers orders outbox packed partition rewarding rewards ruleset share_memory "
    "shares shares_fold tags undoing view windows"
).split()
MODULES: Final = (*(f"streams/{module}.py" for module in STREAMS), "schemas/member_state.py", "schemas/scalars.py", "sinks/crm.py")
"""What runs for each event; rule files are read too seldom to matter."""
PACKAGES: Final = ("schemas", "sinks", "streams")
"""What is compiled, and what that is compiled against."""

_BUILD: Final = """
import sys
from mypyc.build import mypycify
from setuptools import setup
setup(name="folds", packages=[], ext_modules=mypycify(sys.argv.pop(1).split(), opt_level="3", debug_level="0"))
"""


def activate() -> bool:
    """Let imports find the compiled packages, if they are of the present sources; call it before the first of them."""
    folder = _folder()
    if not folder.is_dir():
        return False
    sys.path.insert(0, str(folder))
    return True


def build() -> None:
    """Compile, unless it is done; raises CalledProcessError with the compiler's words."""
    folder = _folder()
    if folder.is_dir():
        return
    folder.parent.mkdir(exist_ok=True)
    root = folder.parents[1]
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        work = Path(temporary) / "work"
        for package in PACKAGES:
            shutil.copytree(root / package, work / package, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
        command = [sys.executable, "-c", _BUILD, " ".join(MODULES), "build_ext", "--inplace", "--quiet"]
        subprocess.run(command, cwd=work, check=True, stdout=subprocess.PIPE, env={**os.environ, "CFLAGS": "-g0"})
        shutil.rmtree(work / "build")
        for stale in folder.parent.iterdir():
            if stale != Path(temporary):
                shutil.rmtree(stale)
        work.rename(folder)


def _folder() -> Path:
    found = find_spec("streams")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("streams is not installed")
    root = Path(found.origin).parents[1]
    digest = hashlib.blake2b(f"{sysconfig.get_config_var('SOABI')}\n".encode(), digest_size=8)
    for package in PACKAGES:
        for source in sorted((root / package).glob("*.py")):
            digest.update(source.name.encode() + b"\0" + source.read_bytes())
    digest.update(Path(__file__).read_bytes())
    return root / FOLDER / digest.hexdigest()


if __name__ == "__main__":
    build()
