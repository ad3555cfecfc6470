"""What all tests share: one real Kafka and one real Redis a session, started when first asked for."""

from collections.abc import Iterator

import pytest

from agents.servers import start_kafka, start_redis


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
