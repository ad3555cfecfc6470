"""``python -m tests.torture.alone STAGE``: a worker that is not forked, and so orders its sets by a hash seed of its own."""

import sys

from tests.torture import preload
from tests.torture.worker import work

if __name__ == "__main__":
    assert sys.argv[1] in preload.STAGES, sys.argv
    sys.exit(work(sys.argv[1]))
