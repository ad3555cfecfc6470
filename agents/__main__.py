"""``python -m agents``: the command ``huiliu``, for a supervisor that starts workers with its own interpreter."""

from agents.cli import main

if __name__ == "__main__":
    main()
