"""Random graphs of shares, with cycles, self-shares, unknown parents and chains of ten, told in any order and more than once.

Whatever the order, what sharers hold in the end is what a walk up the finished
graph says: nothing beyond the allowed depth, nothing to oneself.
"""

from collections import Counter
from random import Random

import pytest

from schemas.envelope import Happened
from schemas.shares import Deed, Shared
from tests.sharing import Shares, bought, order, shared, visit, who

GRAPHS = 10_000
CHUNKS = 20
Graph = dict[str, Shared]
Telling = list[tuple[str, Shared | Deed]]


def random_telling(random: Random) -> Telling:
    """Shares of a few members who pass on each other's; visits and orders of them by the same and others."""
    members = [f"m{number}" for number in range(random.randint(2, 8))]
    shares = [f"s{number}" for number in range(random.randint(1, 12))]
    devices = [None, None, b"d0", b"d1"]
    telling: Telling = []
    for number, share in enumerate(shares):
        parent = random.choice([None, shares[number - 1], shares[number - 1], random.choice(shares), "nobody's"])
        telling.append((share, shared(random.choice(members), parent, device=random.choice(devices))))
        if random.random() < 0.1:
            telling.append((share, shared(random.choice(members))))
    for _ in range(random.randint(1, 15)):
        deed = visit(random.choice(members), device=random.choice(devices), depth=random.choice((1, 1, 2, 10)))
        telling.append((random.choice([*shares, "nobody's"]), deed))
    random.shuffle(telling)
    for number in range(random.randint(0, 4)):
        share, buyer, depth = random.choice(shares), random.choice(members), random.choice((1, 2))
        course: list[Happened | None] = [None, *random.sample([bought(), bought(refunded=1_000)], random.randint(1, 2))]
        course += [None] * random.randint(0, 1)
        places = sorted(random.randint(0, len(telling)) for _ in course[1:])
        for shift, (place, was, now) in enumerate(zip(places, course, course[1:], strict=False)):
            telling.insert(place + shift, (share, order(buyer, f"o{number}", was, now, depth=depth)))
    return telling


def expected(telling: Telling) -> Counter[tuple[bytes, str, int]]:
    """Count what each sharer should hold by share and depth: a walk up the finished graph, deed by deed."""
    graph: Graph = {}
    for share, word in telling:
        if isinstance(word, Shared):
            graph.setdefault(share, word)
    held: dict[tuple[str, bytes, str], list[tuple[bytes, str, int]]] = {}
    visited: set[tuple[str, bytes]] = set()
    for share, word in telling:
        if isinstance(word, Shared) or share not in graph:
            continue
        above = lineage(graph, share)
        own = any(one.sharer.member == word.member or one.sharer.device in word.devices for one in above)
        deed = (share, word.member, word.order_id)
        if word.order_id and word.now is None:
            held.pop(deed, None)
        elif not own and deed not in held and (word.order_id or deed[:2] not in visited):
            held[deed] = [(above[0].sharer.member, share, 1)]
            if word.depth > 1 and len(above) > 1 and above[1].sharer.member != above[0].sharer.member:
                held[deed].append((above[1].sharer.member, share, 2))
        if not word.order_id:
            visited.add(deed[:2])
    return Counter(one for ones in held.values() for one in ones)


def lineage(graph: Graph, share: str) -> list[Shared]:
    """The share and at most ten above it."""
    found = [graph[share]]
    while len(found) < 11 and found[-1].parent in graph and found[-1].parent != share:
        share = found[-1].parent or ""
        found.append(graph[share])
    return found


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_sharers_hold_what_a_walk_up_the_graph_says(chunk: int) -> None:
    for seed in range(chunk * GRAPHS // CHUNKS, (chunk + 1) * GRAPHS // CHUNKS):
        random = Random(seed)
        telling = random_telling(random)
        stage = Shares()
        for share, word in telling:
            stage.ask(share, word)
        stage.settle(random, copies=True)
        standing = stage.standing()
        held = Counter((member, share.removeprefix("tea/"), depth) for member, share, depth, _ in standing)
        assert held == expected(telling), f"seed {seed}: {telling}"
        assert not [depth for _, _, depth in held if depth > 2], f"seed {seed}"


def test_a_chain_of_ten_pays_its_last_alone() -> None:
    stage = Shares()
    for number in range(10):
        stage.ask(f"s{number}", shared(f"m{number}", f"s{number - 1}" if number else None))
    stage.settle()
    for number in range(11):
        stage.ask("s9", visit(f"m{number}"))
    stage.settle()
    assert [key for key, _ in stage.told] == [who("m9")]
