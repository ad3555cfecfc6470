"""``python -m deploy.demo``: what ``make demo`` runs."""

import sys

from deploy.demo.demo import main

if __name__ == "__main__":
    sys.exit(main())
