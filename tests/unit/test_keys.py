from hashlib import blake2b

from streams.keys import Keys, Secrets
from tests.published import SECRETS

KEYS = Keys(SECRETS)
MEMBER = KEYS.member("wx_unionid", "", "oUnion-1")


def test_a_member_key_is_the_keyed_hash_of_type_scope_and_identity() -> None:
    assert blake2b(b"wx_unionid\0\0oUnion-1", key=b"m" * 32, digest_size=16).digest() == MEMBER
    assert KEYS.member("cookie", "acme", "1") != KEYS.member("cookie", "bloom", "1")


def test_brands_know_a_member_by_names_that_do_not_join() -> None:
    hashed = blake2b(b"acme\0" + MEMBER, key=b"p" * 32, digest_size=16)
    assert KEYS.pairwise("acme", MEMBER) == hashed.hexdigest()
    assert KEYS.pairwise("acme", MEMBER) != KEYS.pairwise("bloom", MEMBER)


def test_another_secret_is_another_member() -> None:
    assert Keys(Secrets(b"n" * 32, b"p" * 32, b"d" * 32)).member("wx_unionid", "", "oUnion-1") != MEMBER


def test_an_events_id_counts_within_its_source() -> None:
    assert len(KEYS.event_id("/brand/acme/shop", "1")) == 6
    assert KEYS.event_id("/brand/acme/shop", "1") != KEYS.event_id("/brand/acme/pos", "1")
    assert KEYS.event_id("/brand/acme/shop", "11") != KEYS.event_id("/brand/acme/shop1", "1")


def test_secrets_are_not_printed() -> None:
    assert "m" * 32 not in repr(SECRETS)
