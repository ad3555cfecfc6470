from schemas.state import MARKS, RING
from streams.dedupe import body_of, find, heard, passed, push


def entry(number: int) -> bytes:
    """An id hash of six bytes and a body hash of four."""
    return number.to_bytes(6, "big") + (number + 1_000).to_bytes(4, "big")


def test_an_offset_is_had_once_and_so_is_what_came_before_it() -> None:
    marks: dict[int, int] = {}
    assert [passed(marks, 0, offset) for offset in (0, 5, 5, 4, 6, 0)] == [False, False, True, True, False, True]
    assert marks == {0: 6}


def test_each_origin_has_its_own_mark() -> None:
    marks: dict[int, int] = {}
    assert [passed(marks, origin, 5) for origin in (1, 2, 3)] == [False, False, False]


def test_the_origin_used_longest_ago_is_forgotten() -> None:
    marks: dict[int, int] = {}
    for origin in range(MARKS):
        passed(marks, origin, 5)
    passed(marks, 0, 6)
    passed(marks, MARKS, 5)
    assert sorted(marks) == [0, *range(2, MARKS + 1)]


def test_an_effect_is_had_once_and_so_are_those_before_it_in_its_record() -> None:
    marks: dict[int, tuple[int, int]] = {}
    came = [(5, 0), (5, 2), (5, 1), (5, 2), (6, 0), (5, 3)]
    assert [heard(marks, 0, offset, index) for offset, index in came] == [False, False, True, True, False, True]
    assert marks == {0: (6, 0)}


def test_of_effects_too_the_origin_used_longest_ago_is_forgotten() -> None:
    marks: dict[int, tuple[int, int]] = {}
    for origin in (1, 2, 1, 3):
        heard(marks, origin, 5 + len(marks), 0, most=2)
    assert list(marks) == [1, 3]


def test_a_ring_keeps_the_last_64() -> None:
    ring = b""
    for number in range(RING + 1):
        ring = push(ring, entry(number))
    assert len(ring) == RING * 10
    assert body_of(ring, entry(0)[:6]) is None
    assert body_of(ring, entry(1)[:6]) == entry(1)[6:]
    assert body_of(ring, entry(RING)[:6]) == entry(RING)[6:]


def test_nothing_is_in_an_empty_ring() -> None:
    assert body_of(b"", b"abcdef") is None


def test_bytes_across_two_entries_are_nobodys_key() -> None:
    ring = push(push(b"", b"aaaaaabcde"), b"fghijkllll")
    assert find(ring, 10, b"bcdefg") == -1
    assert find(ring, 10, b"fghijk") == 10
    assert find(ring, 10, b"aaaaaa") == 0


def test_a_key_behind_the_same_bytes_in_the_middle_of_another_is_found() -> None:
    ring = push(push(b"", b"..xyzxyz.."), b"xyzxyz....")
    assert find(ring, 10, b"xyzxyz") == 10
