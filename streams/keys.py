"""Keyed hashes: who a member is inside, and outside at each brand; what a duplicate is known by.

Source: CONTRACT 2, 3 and 4.
"""

from base64 import b32decode, b32encode
from hashlib import blake2b, sha256
from typing import Final

from msgspec import Struct

from schemas.envelope import Origin
from schemas.scalars import MemberKey

MEMBER_BYTES: Final = 16
ID_BYTES: Final = 6
BODY_BYTES: Final = 4
SHA256_BLOCK: Final = 64
REWARD_BYTES: Final = 15
COUPON_BYTES: Final = 10
PPM: Final = 1_000_000


class Secrets(Struct, frozen=True):
    """Three secrets of 32 bytes each.  Another member secret is another set of members."""

    member: bytes
    pairwise: bytes
    dedupe: bytes

    def __repr__(self) -> str:
        """Never print a secret."""
        return "Secrets(…)"


class Keys:
    """The hashes under one set of secrets.  Each is begun once and copied: that is cheaper than keying it anew."""

    def __init__(self, secrets: Secrets) -> None:
        """Take *secrets* for good."""
        self._member = blake2b(key=secrets.member, digest_size=MEMBER_BYTES)
        self._pairwise = blake2b(key=secrets.pairwise, digest_size=MEMBER_BYTES)
        self._id = blake2b(key=secrets.dedupe, digest_size=ID_BYTES, person=b"huiliu-id")
        self._natural = blake2b(key=secrets.dedupe, digest_size=ID_BYTES, person=b"huiliu-natural")
        self._record = blake2b(key=secrets.pairwise, digest_size=MEMBER_BYTES, person=b"huiliu-record")
        self._reward = blake2b(key=secrets.pairwise, digest_size=REWARD_BYTES, person=b"huiliu-reward")
        self._coupon = blake2b(key=secrets.pairwise, digest_size=COUPON_BYTES, person=b"huiliu-coupon")
        self._holdout = blake2b(key=secrets.dedupe, digest_size=8, person=b"huiliu-holdout")
        self._body = sha256(b"huiliu-body".ljust(SHA256_BLOCK - len(secrets.dedupe), b"\0") + secrets.dedupe)

    def member(self, kind: str, scope: str, identity: str) -> MemberKey:
        """Key the member that *identity* of type *kind* belongs to within *scope* (empty = everywhere)."""
        digest = self._member.copy()
        digest.update(f"{kind}\0{scope}\0{identity}".encode())
        return digest.digest()

    def pairwise(self, brand: str, member: MemberKey) -> str:
        """Name *member* towards *brand*; two brands can't join by it."""
        digest = self._pairwise.copy()
        digest.update(brand.encode() + b"\0" + member)
        return digest.hexdigest()

    def event_id(self, source: str, identifier: str) -> bytes:
        """Hash (brand, source, id); the brand is part of *source*, which holds no NUL."""
        digest = self._id.copy()
        digest.update(f"{source}\0{identifier}".encode())
        return digest.digest()

    def body(self, canonical: bytes) -> bytes:
        """Hash an event's canonical encoding.

        SHA-256 behind a block that holds the secret, cut short (so nothing can
        be appended): over half a kilobyte it takes a third of BLAKE2b's time,
        for processors have instructions for it.
        """
        digest = self._body.copy()
        digest.update(canonical)
        return digest.digest()[:BODY_BYTES]

    def natural(self, *parts: str) -> bytes:
        """Hash a natural key: conversation and message, reward and status."""
        digest = self._natural.copy()
        digest.update("\0".join(parts).encode())
        return digest.digest()

    def reward(self, campaign: str, once_key: str, member: MemberKey) -> bytes:
        """Key the reward of *campaign* that *member* can have once for *once_key*; asking twice is asking once (RULES 5)."""
        digest = self._reward.copy()
        digest.update(f"{campaign}\0{once_key}\0".encode() + member)
        return digest.digest()

    def coupon_code(self, reward_id: bytes) -> str:
        """Give the code of a reward's coupon: 16 letters and digits, not to be guessed from the id that is told."""
        digest = self._coupon.copy()
        digest.update(reward_id)
        return b32encode(digest.digest()).decode()

    def held_out(self, campaign: str, member: MemberKey, ppm: int) -> bool:
        """Tell whether *member* is one of the *ppm* of a million whom *campaign* decides on, but does not reward."""
        if not ppm:
            return False
        digest = self._holdout.copy()
        digest.update(campaign.encode() + b"\0" + member)
        return int.from_bytes(digest.digest(), "big") % PPM < ppm

    def record_id(self, origin: Origin, member: bytes, effect: str) -> str:
        """Name what *effect* sends on account of the record at *origin*: the same again after any replay.

        Source: DESIGN 2 (law 4).
        """
        digest = self._record.copy()
        digest.update(origin.topic_id + f"{origin.partition}:{origin.offset}:".encode() + member + effect.encode())
        return digest.hexdigest()


def reward_text(reward_id: bytes) -> str:
    """Spell a reward's id as it is told: base32, 24 letters and digits."""
    return b32encode(reward_id).decode()


def reward_of(text: str) -> bytes | None:
    """Read what ``reward_text`` wrote, in whatever case; None for anything else."""
    try:
        found = b32decode(text, casefold=True)
    except ValueError:
        return None
    return found if len(found) == REWARD_BYTES else None
