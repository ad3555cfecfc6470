from tests.oracle.identity import Identity, identity_of


def who(*listed: tuple[str, str] | tuple[str, str, bool]) -> Identity:
    identities = [dict(zip(("type", "id", "verified"), entry, strict=False)) for entry in listed]
    return identity_of("tea", {"identities": identities})


def test_the_strongest_verified_identity_stands_for_the_member() -> None:
    assert who(("cookie", "c"), ("brand_member", "b"), ("wx_unionid", "u")) == Identity("wx_unionid", "", "u")
    assert who(("wx_unionid", "u", False), ("wx_openid", "o")) == Identity("wx_openid", "tea", "o")


def test_a_typed_number_reaches_nobody() -> None:
    assert who(("mobile", "13800138000"), ("cookie", "c")) == Identity("cookie", "tea", "c")
    assert who(("mobile", "13800138000")) == Identity("mobile", "tea unverified", "13800138000")
    assert who(("mobile", "13800138000", True)) == Identity("mobile", "", "13800138000")


def test_a_mobile_is_its_digits() -> None:
    for written in ("+86 138-0013-8000", "008613800138000", " 13800138000 ", "8613800138000"):
        assert who(("mobile", written, True)).id == "13800138000"


def test_of_one_type_the_first_that_is_not_junk_stands() -> None:
    assert who(("brand_member", "0000"), ("brand_member", "b2"), ("brand_member", "b3")).id == "b2"
