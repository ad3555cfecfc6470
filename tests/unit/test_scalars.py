from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.currencies import DIGITS
from schemas.scalars import MOST_DIGITS, instant_text, minor_text, parse_instant, parse_minor

MOST = 10**MOST_DIGITS - 1


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("129.90", "CNY", 12990),
        ("129.9", "CNY", 12990),
        ("129", "CNY", 12900),
        ("0.01", "CNY", 1),
        ("-0.05", "CNY", -5),
        ("-0", "CNY", 0),
        ("007.50", "CNY", 750),
        ("1200", "JPY", 1200),
        ("1.234", "KWD", 1234),
        ("1.2345", "CLF", 12345),
        ("9999999999999.99", "CNY", MOST),
    ],
)
def test_money_is_counted_in_the_currencys_smallest_unit(amount: str, currency: str, minor: int) -> None:
    assert parse_minor(amount, DIGITS[currency]) == minor


@pytest.mark.parametrize(
    ("amount", "currency"),
    [
        ("1.001", "CNY"),
        ("1.0", "JPY"),
        ("1.", "JPY"),
        ("1.2345", "KWD"),
        ("10000000000000.00", "CNY"),
        ("-10000000000000.00", "CNY"),
        ("9" * 5000, "CNY"),
        ("0" * 5000, "CNY"),
    ],
)
def test_too_many_digits_are_no_money(amount: str, currency: str) -> None:
    assert parse_minor(amount, DIGITS[currency]) is None


@pytest.mark.parametrize(
    "amount",
    [
        "",
        "-",
        ".",
        "1.",
        ".5",
        "-.5",
        "+1",
        "1e3",
        "1E3",
        "1,5",
        "1_0",
        " 1",
        "1 ",
        "1\n",
        "--1",
        "1.-5",
        "1..5",
        "0x1",
        "NaN",
        "Infinity",
        "１",
        "1.٥",
        1,
        1.5,
        True,
        None,
        [],
        {},
        b"1",
    ],
)
def test_nothing_but_a_decimal_string_is_money(amount: object) -> None:
    assert parse_minor(amount, 2) is None


@given(st.integers(-MOST, MOST), st.sampled_from(sorted(DIGITS)))
def test_money_survives_being_written(minor: int, currency: str) -> None:
    assert parse_minor(minor_text(minor, currency), DIGITS[currency]) == minor


@pytest.mark.parametrize(("minor", "text"), [(-5, "-0.05"), (0, "0.00"), (-123, "-1.23"), (12990, "129.90")])
def test_money_is_written_with_all_its_digits(minor: int, text: str) -> None:
    assert minor_text(minor, "CNY") == text
    assert minor_text(minor, "JPY") == str(minor)


EPOCH_2026 = 1_767_225_600_000


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-01-01T00:00:00Z", EPOCH_2026),
        ("2026-01-01t00:00:00z", EPOCH_2026),
        ("2026-01-01T08:00:00+08:00", EPOCH_2026),
        ("2025-12-31T19:30:00-04:30", EPOCH_2026),
        ("2026-01-01T00:00:00-00:00", EPOCH_2026),
        ("2026-01-01T00:00:00.1Z", EPOCH_2026 + 100),
        ("2026-01-01T00:00:00.9999999999999999+00:00", EPOCH_2026 + 999),
        ("2016-12-31T23:59:60Z", 1_483_228_800_000),
        ("2017-01-01T07:59:60.250+08:00", 1_483_228_800_250),
        ("1969-12-31T23:59:59.999Z", -1),
    ],
)
def test_a_time_with_a_zone_is_an_instant(text: str, instant: int) -> None:
    assert parse_instant(text) == instant


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-18T11:06:40.",
        "",
        "now",
        "2026-01-01",
        "2026-01-01T00:00:00",
        "2026-01-01T00:00:00.000000",
        "2026-01-01 00:00:00Z",
        "2026-01-01T00:00Z",
        "2026-01-01T00:00:00+0800",
        "2026-01-01T00:00:00+08",
        "2026-01-01T00:00:00+08:00:00",
        "2026-01-01T00:00:00+24:00",
        "2026-01-01T00:00:00.Z",
        "2026-01-01T00:00:00,5Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:00:60Z",
        "2026-02-30T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "20260101T000000.000Z",
        "2026-W01-4T00:00:00Z",
        "2026-001T00:00:00.0Z",
        "２026-01-01T00:00:00Z",
        "2026-01-01T00:00:00Z ",
        "2026-01-01T00:00:00é",
        "0000-01-01T00:00:00Z",
        "1767225600000",
    ],
)
def test_anything_else_is_not(text: str) -> None:
    assert parse_instant(text) is None


@given(st.datetimes(timezones=st.timezones()))
def test_a_written_instant_is_the_same_instant(moment: datetime) -> None:
    moment = moment.astimezone(UTC) if 1 < moment.year < 9999 else moment.replace(year=2026, tzinfo=UTC)
    instant = parse_instant(moment.isoformat())
    assert instant is not None
    assert abs(instant - moment.timestamp() * 1000) < 1.001
    assert parse_instant(instant_text(instant)) == instant


@given(st.text(alphabet="0123456789-+:.TZtz é", min_size=18, max_size=36))
def test_no_text_raises(text: str) -> None:
    assert parse_instant(text) is None or text[10] in "Tt"


def test_an_instant_is_written_in_utc_with_milliseconds() -> None:
    assert instant_text(EPOCH_2026 + 7) == "2026-01-01T00:00:00.007Z"
