"""What all tests share: one real Kafka and one real Redis a session, started when first asked for."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from agents import compiled
from agents.servers import start_kafka, start_redis

if os.environ.get("HUILIU_TEST_COMPILED") and not compiled.activate():
    pytest.exit("streams are not compiled as they are now: python -m agents.compiled", returncode=2)

# An example may take long on a machine that others use: how long says nothing of the code.
settings.register_profile("huiliu", deadline=None)
settings.load_profile("huiliu")


LONGEST = ("test_torture.py", "test_benchmarks.py", "test_up.py", "test_engine_kafka.py", "test_shares.py", "test_engine_stateless.py")
"""Files that take minutes: last, one of them would go on alone."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files."""
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """Give the address of a Kafka; topics are the test's own to make."""
    with start_kafka() as server:
        yield server.bootstrap


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """Give the address of a Redis, empty at first."""
    with start_redis() as server:
        yield server.url
