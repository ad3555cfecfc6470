"""Whether the process that a client's id names is dead, by real processes."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from agents.engine.process import client_id, is_dead
from tests.integration.crew import eventually

NAME_AND_WAIT = "from agents.engine.process import client_id; print(client_id(), flush=True); input()"


@pytest.fixture
def other() -> "Iterator[subprocess.Popen[str]]":
    with subprocess.Popen([sys.executable, "-c", NAME_AND_WAIT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def named(other: "subprocess.Popen[str]") -> str:
    assert other.stdout is not None
    return other.stdout.readline().strip()


def test_who_lives_is_not_dead(other: "subprocess.Popen[str]") -> None:
    assert not is_dead(client_id())
    assert not is_dead(named(other))


def test_who_was_killed_is_dead_even_before_the_parent_has_heard(other: "subprocess.Popen[str]") -> None:
    client = named(other)
    other.kill()
    assert other.stdout is not None
    assert other.stdout.read() == "", "the end of its output: it runs no more"
    eventually(lambda: is_dead(client), "the kernel to end what closed its files a moment ago")
    other.wait()
    assert is_dead(client)


def test_a_process_id_that_another_has_now_is_dead() -> None:
    whole, _, began = client_id().rpartition(".")
    assert is_dead(f"{whole}.{int(began) - 1}")


@pytest.mark.parametrize("what", ["boot", "space"])
def test_of_another_kernel_or_namespace_nothing_can_be_told(what: str) -> None:
    host, _, process = client_id().rpartition("#")
    boot, space, _, began = process.split(".")
    boot, space = ("0" * len(boot), space) if what == "boot" else (boot, "1")
    assert not is_dead(f"{host}#{boot}.{space}.999999999.{began}")


@pytest.mark.parametrize("client", ["", "faust-0.15.3", "lab#1.2.3", "lab#x.1.2.3", "a.b.c.d"])
def test_of_a_client_that_is_none_of_ours_nothing_can_be_told(client: str) -> None:
    assert not is_dead(client)
