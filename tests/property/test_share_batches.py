"""Where a batch of shares begins, ends or is given up is of no account: the same words, the same states."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import topics
from schemas.effects import Effect
from schemas.fold import Home
from schemas.shares import EXACT, key_of, unpack
from streams.share_memory import visitors
from streams.shares_fold import SharesFold
from tests.property.pipeline import Written
from tests.property.test_share_graphs import random_telling
from tests.sharing import PARTITIONS, SHARES_ID, Shares, shared, visit


def whole() -> list[Written]:
    """The fullest log of a stage that has seen twenty graphs, and a share that more opened than are known one by one."""
    stage, random = Shares(), Random(3)
    for graph in range(20):
        for share, word in random_telling(Random(graph)):
            stage.ask(f"{graph}-{share}", word, partition=random.randrange(4))
        stage.settle()
    stage.ask("hot", shared("ann"))
    for number in range(EXACT + 400):
        stage.ask("hot", visit(f"m{number}"), partition=number % 4)
    stage.settle()
    return stage.logs[topics.keyed_partition(key_of("tea", "hot"), PARTITIONS)]


def folded(log: list[Written], sizes: list[int], given_up: Random | None = None) -> tuple[list[Effect], dict[bytes, bytes]]:
    effects: list[Effect] = []
    table: dict[bytes, bytes] = {}
    fold = restored(log, table)
    at = 0
    for size in sizes:
        if given_up is not None and given_up.random() < 0.2:
            fold.begin()
            for record in log[at : at + size + 5]:
                fold.fold(record)
            fold.abort()
        fold.begin()
        for record in log[at : at + size]:
            fold.fold(record)
        done = fold.commit()
        effects += done.effects
        table |= {key: packed for key, packed in done.states.items() if packed is not None}
        at += size
        if given_up is not None and given_up.random() < 0.2:
            fold = restored(log, table)
    return effects, table


def restored(log: list[Written], table: dict[bytes, bytes]) -> SharesFold:
    fold = SharesFold({})
    fold.restore(Home(topics.SHARES, SHARES_ID, log[0].partition, PARTITIONS, 1), table, 0)
    return fold


LOG = whole()
AT_ONCE = folded(LOG, [len(LOG)])


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32))
def test_batches_of_any_size_given_up_or_restored_between_come_to_the_same(seed: int) -> None:
    random = Random(seed)
    sizes: list[int] = []
    while sum(sizes) < len(LOG):
        sizes.append(random.choice([1, 2, 7, 40, 200]))
    assert folded(LOG, sizes, random) == AT_ONCE


def test_the_crowd_goes_on_the_same_after_a_restore() -> None:
    _, table = folded(LOG, [700] * (len(LOG) // 700 + 1), Random(1))
    hot = unpack(table[key_of("tea", "hot")])
    assert hot.crowd
    assert abs(visitors(hot) - EXACT - 400) < 100
