import pytest

from streams.keywords import NO_WORDS, Matcher, fold

MATCHER = Matcher({4: ("投诉", "退货"), 2: ("REFUND",), 6: ("退货单", "straße")})


@pytest.mark.parametrize(
    ("one", "other"),
    [("REFUND", "refund"), ("ｒｅｆｕｎｄ", "refund"), ("Straße", "STRASSE"), ("ﬁne", "FINE"), ("①", "1"), ("ﾊﾝｶｸ", "ハンカク")],
)
def test_case_width_and_compatibility_forms_do_not_count(one: str, other: str) -> None:
    assert fold(one) == fold(other)


def test_other_letters_stay_others() -> None:
    assert fold("退货") != fold("退貨")


@pytest.mark.parametrize(
    ("text", "counters"),
    [
        ("", ()),
        ("我很满意", ()),
        ("我要投诉", (4,)),
        ("投诉!投诉!退货!", (4,)),
        ("我的退货单呢", (4, 6)),
        ("STRASSE, Refund, 投诉", (2, 4, 6)),
    ],
)
def test_every_counter_one_of_whose_words_is_there_is_found_once(text: str, counters: tuple[int, ...]) -> None:
    assert MATCHER.match(text) == counters


def test_a_word_of_two_counters_is_found_for_both() -> None:
    assert Matcher({8: ("tea",), 3: ("Tea", "silk")}).match("green TEA") == (3, 8)


def test_without_words_nothing_is_found() -> None:
    assert NO_WORDS.match("投诉") == ()
