"""What a share makes of visits, orders and other shares.  Ann, Ben, Cem share; their friends visit; ids are tea's."""

import pytest

from schemas.shares import EXACT, KEPT, LINEAGE, Moved
from streams.share_memory import visitors
from tests.sharing import Shares, bought, order, shared, visit, who


@pytest.fixture
def stage() -> Shares:
    return Shares()


def test_a_visit_is_told_to_the_sharer_once_a_member(stage: Shares) -> None:
    stage.ask("s", shared("ann"))
    for member in ("ben", "ben", "cem"):
        stage.ask("s", visit(member))
    stage.settle()
    assert stage.words() == ["ann: visit of s", "ann: visit of s"]
    assert visitors(stage.share("s")) == 2


def test_what_is_told_says_when_and_by_which_event_and_what_was_shared(stage: Shares) -> None:
    stage.ask("s", shared("ann"))
    stage.ask("s", visit("ben", at_ms=1_000, event="click-9"))
    stage.settle()
    ((key, told),) = stage.told
    assert (key, told.brand, told.share_id, told.depth, told.sku, told.category) == (who("ann"), "tea", "s", 1, "sku-1", "oolong")
    assert told.now is not None
    assert (told.now.time_ms, told.now.id, told.revocable) == (1_000, "click-9", False)


def test_the_first_in_log_order_is_the_sharer(stage: Shares) -> None:
    stage.ask("s", shared("ann"))
    stage.ask("s", shared("ben"))
    stage.ask("s", visit("cem"))
    stage.settle()
    assert stage.words() == ["ann: visit of s"]


def test_ones_own_visit_and_order_earn_nothing(stage: Shares) -> None:
    stage.ask("s", shared("ann"))
    stage.ask("s", visit("ann"))
    stage.ask("s", order("ann", "o1", None, bought()))
    stage.settle()
    assert stage.words() == []
    assert stage.share("s").refused == {"self_share": 2}
    assert stage.refused == {("tea", "self_share"): 2}
    assert visitors(stage.share("s")) == 0


def test_a_visit_from_the_sharers_device_earns_nothing(stage: Shares) -> None:
    stage.ask("s", shared("ann", device=b"phone"))
    stage.ask("s", visit("ann-again", device=b"phone"))
    stage.ask("s", visit("ben", device=b"other"))
    stage.ask("s", visit("cem"))
    stage.settle()
    assert stage.words() == ["ann: visit of s"] * 2


def test_no_device_is_not_the_same_device(stage: Shares) -> None:
    stage.ask("s", shared("ann"))
    stage.ask("s", visit("ben", device=b"phone"))
    stage.settle()
    assert stage.words() == ["ann: visit of s"]


def test_visits_of_an_unknown_share_are_told_when_it_becomes_known(stage: Shares) -> None:
    for number in range(KEPT + 3):
        stage.ask("s", visit(f"m{number}"))
    stage.ask("s", visit("m0"))
    stage.settle()
    assert stage.words() == []
    assert stage.share("s").refused == {"unknown_share": 3}
    stage.ask("s", shared("ann"))
    stage.settle()
    assert stage.words() == ["ann: visit of s"] * KEPT
    assert stage.share("s").deeds == []


def test_ones_own_visit_before_ones_share_earns_nothing(stage: Shares) -> None:
    stage.ask("s", visit("ann"))
    stage.ask("s", shared("ann"))
    stage.settle()
    assert stage.words() == []
    assert stage.share("s").refused == {"self_share": 1}


def test_an_order_of_an_unknown_share_is_told_as_it_stands_when_it_becomes_known(stage: Shares) -> None:
    stage.ask("s", order("ben", "o1", None, bought()))
    stage.ask("s", order("ben", "o1", bought(), bought(refunded=2_000)))
    stage.ask("s", order("ben", "o2", None, bought()))
    stage.ask("s", order("ben", "o2", bought(), None))
    stage.ask("s", shared("ann"))
    stage.settle()
    assert stage.words() == ["ann: order o1 of s"]
    assert stage.told[0][1].now == bought(refunded=2_000)
    assert stage.share("s").orders == 1


def test_an_order_is_told_changed_and_taken_back(stage: Shares) -> None:
    stage.ask("s", shared("ann"))
    stage.ask("s", order("ben", "o1", None, bought()))
    stage.ask("s", order("ben", "o1", bought(), bought(refunded=2_000)))
    stage.ask("s", order("ben", "o1", bought(refunded=2_000), None))
    stage.settle()
    assert stage.words() == ["ann: order o1 of s", "ann: order o1 of s changed", "ann: order o1 of s taken back"]
    assert len({told.cause for _, told in stage.told}) == 1
    assert stage.share("s").orders == 0


def test_two_brands_may_use_the_same_share_id(stage: Shares) -> None:
    stage.ask("s", shared("ann"))
    stage.ask("s", shared("ben", brand="silk"), brand="silk")
    stage.ask("s", visit("cem", brand="silk"), brand="silk")
    stage.settle()
    assert stage.words() == ["ben: visit of s"]


def test_a_replay_changes_nothing(stage: Shares) -> None:
    stage.ask("s", shared("ann"))
    stage.ask("s", order("ben", "o1", None, bought()))
    stage.settle()
    before = stage.share("s")
    stage.again("s")
    stage.again("s", 3)
    stage.settle()
    assert stage.words() == ["ann: order o1 of s"]
    assert stage.share("s") == before


def test_rewarding_visits_stops_at_a_thousand_and_counting_does_not(stage: Shares) -> None:
    stage.ask("s", shared("ann"))
    for number in range(3 * EXACT):
        stage.ask("s", visit(f"m{number}"))
        stage.ask("s", visit(f"m{number}"))
    stage.settle()
    assert len(stage.told) == EXACT
    assert stage.refused == {("tea", "full"): 4 * EXACT}
    assert abs(visitors(stage.share("s")) - 3 * EXACT) < 0.1 * EXACT


def test_orders_go_on_where_visits_stop(stage: Shares) -> None:
    stage.ask("s", shared("ann"))
    for number in range(EXACT + 1):
        stage.ask("s", visit(f"m{number}"))
    stage.ask("s", order(f"m{EXACT}", "o1", None, bought()))
    stage.settle()
    assert stage.words()[-1] == "ann: order o1 of s"


def test_without_consent_another_brands_share_earns_nothing(stage: Shares) -> None:
    stage.ask("s", shared("ann", allowed=False))
    stage.ask("s", visit("ben"))
    stage.settle()
    assert stage.words() == []
    assert stage.share("s").refused == {"consent": 1}


def test_what_comes_to_a_moved_share_goes_to_its_owners(stage: Shares) -> None:
    stage.ask("s", visit("ben"))
    stage.ask("s", Moved("silk"))
    stage.ask("s", shared("ann"), brand="silk")
    stage.ask("s", visit("ben"))
    stage.ask("s", visit("cem"))
    stage.ask("s", visit("ben", brand="silk"), brand="silk")
    stage.settle()
    assert sorted(stage.words()) == ["ann: visit of s"] * 2
    assert visitors(stage.share("s", "silk")) == 2


def test_two_brands_that_name_each_other_as_owner_send_nothing_in_circles(stage: Shares) -> None:
    stage.ask("s", Moved("silk"))
    stage.ask("s", Moved("tea"), brand="silk")
    stage.ask("s", visit("ben"))
    stage.settle()
    assert stage.words() == []


def test_another_brands_event_id_is_not_told(stage: Shares) -> None:
    stage.ask("s", shared("ann", brand="tea"), brand="silk")
    stage.ask("s", visit("ben", brand="silk", event="silks-own"), brand="silk")
    stage.settle()
    assert stage.told[0][1].now is not None
    assert stage.told[0][1].now.id == "s"


# Chains


def chain(stage: Shares, *names: str, settle: bool = True) -> None:
    """Let each of *names* pass on what the one before shared: shares s0, s1, …"""
    for number, name in enumerate(names):
        stage.ask(f"s{number}", shared(name, f"s{number - 1}" if number else None))
    if settle:
        stage.settle()


def test_only_the_sharer_of_the_very_share_is_rewarded(stage: Shares) -> None:
    chain(stage, "ann", "ben", "cem")
    stage.ask("s2", visit("dan"))
    stage.settle()
    assert stage.words() == ["cem: visit of s2"]
    assert stage.share("s2").depth == 3


def test_depth_two_where_the_rules_allow_it_and_never_deeper(stage: Shares) -> None:
    chain(stage, "ann", "ben", "cem")
    stage.ask("s2", visit("dan", depth=2))
    stage.ask("s2", visit("eve", depth=3))
    stage.settle()
    assert stage.words() == ["cem: visit of s2", "ben: visit of s2 at depth 2"] * 2


def test_a_cycle_earns_nothing(stage: Shares) -> None:
    chain(stage, "ann", "ben", "cem")
    for name in ("ann", "ben", "cem"):
        stage.ask("s2", visit(name, depth=2))
    stage.settle()
    assert stage.words() == []
    assert stage.share("s2").refused == {"self_share": 3}


def test_a_visit_before_the_parent_answered_waits_for_it(stage: Shares) -> None:
    chain(stage, "ann", "ben", settle=False)
    stage.ask("s1", visit("ann"))
    stage.ask("s1", visit("dan"))
    stage.settle()
    assert stage.words() == ["ben: visit of s1"]


def test_a_share_whose_parent_nobody_knows_is_rewarded(stage: Shares) -> None:
    stage.ask("s1", shared("ben", "s0"))
    stage.ask("s1", visit("dan"))
    stage.settle()
    assert stage.words() == ["ben: visit of s1"]
    assert stage.told[0][1].revocable


def test_a_cycle_that_shows_later_is_taken_back(stage: Shares) -> None:
    stage.ask("s1", shared("ben", "s0"))
    stage.ask("s1", visit("ann"))
    stage.ask("s1", order("ann", "o1", None, bought()))
    stage.settle()
    stage.ask("s0", shared("ann"))
    stage.settle()
    assert stage.words() == [
        "ben: visit of s1",
        "ben: order o1 of s1",
        "ben: visit of s1 taken back",
        "ben: order o1 of s1 taken back",
    ]
    assert stage.share("s1").orders == 0
    assert stage.share("s1").deeds == []


def test_depth_two_is_told_when_the_parent_becomes_known(stage: Shares) -> None:
    stage.ask("s1", shared("ben", "s0"))
    stage.ask("s1", visit("dan", depth=2))
    stage.settle()
    stage.ask("s0", shared("ann"))
    stage.settle()
    assert stage.words() == ["ben: visit of s1", "ann: visit of s1 at depth 2"]


def test_who_passes_on_their_own_share_is_rewarded_once(stage: Shares) -> None:
    chain(stage, "ann", "ann")
    stage.ask("s1", visit("dan", depth=2))
    stage.settle()
    assert stage.words() == ["ann: visit of s1"]


def test_chains_are_cut_beyond_the_bound(stage: Shares) -> None:
    names = [f"m{number}" for number in range(LINEAGE + 3)]
    chain(stage, *names)
    last = stage.share(f"s{LINEAGE + 2}")
    assert last.above is not None
    assert [one.member for one in last.above] == [who(name) for name in reversed(names[2:-1])]


def test_shares_that_are_each_others_parent_come_to_rest(stage: Shares) -> None:
    stage.ask("s0", shared("ann", "s1"))
    stage.ask("s1", shared("ben", "s0"))
    stage.ask("s2", shared("cem", "s2"))
    for share in ("s0", "s1", "s2"):
        stage.ask(share, visit("ann"))
        stage.ask(share, visit("dan"))
    stage.settle()
    assert sorted(stage.words()) == ["ann: visit of s0", "ben: visit of s1", "cem: visit of s2", "cem: visit of s2"]
