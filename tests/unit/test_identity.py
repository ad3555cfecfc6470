import pytest

from schemas.events import Identity
from streams.identity import RANKING, Identified, device_of, identify, normalised

ID = "x-1"


def who(*stated: Identity) -> Identified | None:
    return identify(stated, "acme")


def of(kind: str, identity: str = ID, *, verified: bool | None = None) -> Identity:
    return Identity(kind, identity, verified)


@pytest.mark.parametrize("kind", RANKING)
def test_of_verified_identities_the_strongest_decides_wherever_it_stands(kind: str) -> None:
    weaker = [of(other, verified=True) for other in RANKING[RANKING.index(kind) + 1 :]]
    scope = "" if kind in ("wx_unionid", "mobile") else "acme"
    identity = "1" if kind == "mobile" else ID
    assert who(*weaker, of(kind, verified=True)) == who(of(kind, verified=True), *weaker) == Identified(kind, scope, identity)


@pytest.mark.parametrize("kind", ["wx_unionid", "wecom_external_userid", "brand_member", "wx_openid"])
def test_what_a_platform_vouches_for_is_verified_unless_said_otherwise(kind: str) -> None:
    assert who(of("mobile", "13800138000"), of(kind)) == Identified(kind, "" if kind == "wx_unionid" else "acme", ID)


def test_a_number_typed_into_a_form_reaches_nobody() -> None:
    typed, proven = who(of("mobile", "13800138000")), who(of("mobile", "13800138000", verified=True))
    assert typed == Identified("mobile", "acme/unverified", "13800138000")
    assert proven == Identified("mobile", "", "13800138000")
    assert identify([of("mobile", "13800138000")], "bloom") != typed


@pytest.mark.parametrize("kind", ["device", "cookie"])
def test_a_device_decides_before_a_number_that_nobody_verified(kind: str) -> None:
    assert who(of("mobile", "13800138000"), of(kind)) == Identified(kind, "acme", ID)
    assert who(of("wx_unionid", verified=False), of(kind)) == Identified(kind, "acme", ID)


def test_a_verified_number_decides_before_a_device() -> None:
    assert who(of("device"), of("mobile", "13800138000", verified=True)) == Identified("mobile", "", "13800138000")


def test_a_verified_cookie_decides_before_an_unverified_membership() -> None:
    assert who(of("brand_member", verified=False), of("cookie", verified=True)) == Identified("cookie", "acme", ID)
    assert who(of("brand_member", verified=False), of("cookie")) == Identified("brand_member", "acme", ID)


def test_of_one_type_the_first_that_is_not_junk_counts() -> None:
    assert who(of("cookie", "null"), of("cookie", "a"), of("cookie", "b", verified=True)) == Identified("cookie", "acme", "a")


def test_an_unknown_type_identifies_nobody() -> None:
    assert who(of("passport")) is None
    assert who(of("passport"), of("cookie")) == Identified("cookie", "acme", ID)


@pytest.mark.parametrize(
    "junk",
    [
        "",
        " ",
        "0",
        "0000",
        "-",
        "-1",
        "null",
        "NULL",
        "None",
        "undefined",
        "NaN",
        "Anonymous",
        " null\t",
        "x" * 257,
        "茶" * 86,
        "00000000-0000-0000-0000-000000000000",
    ],
)
def test_junk_is_nobody(junk: str) -> None:
    assert normalised(False, junk) == ""
    assert normalised(True, junk) == ""


@pytest.mark.parametrize("identity", ["x" * 256, "茶" * 85, "1", "nobody", "Null1", "0a", "--a"])
def test_what_only_looks_like_junk_is_somebody(identity: str) -> None:
    assert normalised(False, identity) == identity


@pytest.mark.parametrize(
    "number",
    [
        "13800138000",
        " 138 0013 8000 ",
        "+8613800138000",
        "008613800138000",
        "+86 138-0013-8000",
        "8613800138000",
        "(86)13800138000",
        "１３８００１３８０００",
    ],
)
def test_one_number_is_one_member_however_it_is_written(number: str) -> None:
    assert normalised(True, number) == "13800138000"


@pytest.mark.parametrize(("number", "digits"), [("+1 415 555 0100", "14155550100"), ("86138", "86138"), ("0049 30 1234", "49301234")])
def test_a_foreign_number_keeps_its_country(number: str, digits: str) -> None:
    assert normalised(True, number) == digits


@pytest.mark.parametrize("number", ["abc", "+", "+00", "(0)", "0000-0000"])
def test_a_number_without_digits_is_junk(number: str) -> None:
    assert normalised(True, number) == ""


def test_other_identities_stay_exactly_as_they_are() -> None:
    assert normalised(False, " oABC+86 1 ") == "oABC+86 1"


def test_a_masked_mobile_identifies_nobody() -> None:
    assert identify([of("mobile", "138****8000", verified=True)], "acme") is None
    assert who(of("mobile", "138****8000", verified=True), of("cookie")) == Identified("cookie", "acme", ID)


def test_the_device_is_the_first_that_is_not_junk_whoever_the_member_is() -> None:
    assert device_of([of("wx_unionid"), of("device", "000-000"), of("device", " d1 "), of("device", "d2")]) == "d1"
    assert device_of([of("wx_unionid"), of("cookie")]) == ""
