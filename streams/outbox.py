"""What a batch of members comes to: records for brands, words to other stages of ours, what is to be counted; in order.

A brand's records are numbered here, and chained for its manifests.

Source: CONTRACT 3, DESIGN 2 (law 4).
"""

from collections.abc import Callable, Collection
from hashlib import sha256

import msgspec

from schemas import budgets, crm, topics
from schemas.budgets import Word
from schemas.crm import CrmRecord, Enriched, Evidence, Manifest, TagChanged, Value
from schemas.decisions import Decision, Noted
from schemas.effects import Effect
from schemas.envelope import Origin
from schemas.fold import Home
from schemas.member_state import Member
from schemas.scalars import minor_text
from schemas.state import Book
from streams.arrival import Arrival
from streams.keys import Keys
from streams.partition import Partition
from streams.rewarding import Ask, Saying, Tell
from streams.ruleset import Plan
from streams.tags import Change
from streams.view import view


class Live:
    """A member in the batch's working set."""

    __slots__ = ("due_ms", "key", "names", "offset", "state")

    def __init__(self, key: bytes, state: Member, due_ms: int) -> None:
        self.key, self.state, self.due_ms = key, state, due_ms
        self.offset = -1
        self.names: dict[str, str] = {}


class Outbox:
    """Collects the *decisions* of a batch of *partition*; *at* is the text of its clock.

    *asked* counts what the record folded last tells other stages of ours.
    """

    home: Home

    def __init__(self, keys: Keys, partition: Partition) -> None:
        self._keys = keys
        self._partition = partition
        self.decisions: list[Decision] = []
        self.at = ""
        self.asked = 0

    def note(self, what: str, brand: str, times: int = 1) -> None:
        """Let *what* be counted."""
        self.decisions.append(Noted(what, brand, times))

    def enriched(self, live: Live, event: Arrival, plan: Plan, book: Book) -> None:
        """Return *event* to its brand, with the member as of after it."""
        brand, origin = event.brand, event.origin
        member = view(live.state, brand, self.name(live, brand), plan, book.terms, self._partition.clock_ms, self.at)
        whole = event.event.event
        value = Enriched(msgspec.Raw(event.event.value if whole is None else whole), member)
        self.tell(live, brand, book, crm.ENRICHED, "enriched", origin, value, f"{origin.partition}:{origin.offset}")

    def changes(self, live: Live, brand: str, changes: Collection[Change], origin: Origin) -> None:
        """Tell *brand* of tags that *origin* made a member enter or leave."""
        book = self._partition.book(brand)
        for change in changes:
            value = change.value
            if change.currency is not None and isinstance(value, int):
                value = minor_text(value, change.currency)
            evidence = Evidence(value, change.events, change.version)
            record_type = crm.TAG_ENTERED if change.entered else crm.TAG_EXITED
            effect = f"{'entered' if change.entered else 'exited'}:{change.tag}"
            told = TagChanged(self.name(live, brand), change.tag, self.at, evidence)
            self.tell(live, brand, book, record_type, effect, origin, told)

    def tell(
        self,
        live: Live,
        brand: str,
        book: Book,
        record_type: str,
        effect: str,
        origin: Origin,
        value: Value,
        brands_origin: str | None = None,
    ) -> None:
        """Give *value* the next number of the brand's sequence, and an id that a replay gives it again."""
        record_id = self.numbered(live.key, brand, book, effect, origin)
        self.decisions.append(self._record(brand, book, record_type, record_id, self.name(live, brand), value, brands_origin))

    def numbered(self, member: bytes, brand: str, book: Book, effect: str, origin: Origin) -> str:
        """Count a record in *book*, and chain it for the manifest; gives its id."""
        record_id = self._keys.record_id(origin, member, f"{brand}:{effect}")
        book.sequence += 1
        book.chain = sha256(book.chain + record_id.encode()).digest()
        return record_id

    def manifests(self, offset: int) -> None:
        """State to each brand what it was sent since its last manifest, if there was anything."""
        for brand in self._partition.brands():
            book = self._partition.book(brand)
            if book.sequence < book.first and not book.duplicates and not book.crashed:
                continue
            value = Manifest(
                self.home.partition,
                self.home.epoch,
                book.first,
                book.sequence,
                book.sequence - book.first + 1,
                book.chain.hex(),
                book.duplicates,
                book.crashed,
                self.at,
            )
            record_id = self._keys.record_id(self.here(offset), b"", f"{brand}:manifest")
            book.sequence += 1
            book.first, book.chain, book.duplicates, book.crashed = book.sequence + 1, bytes(32), 0, 0
            self.decisions.append(self._record(brand, book, crm.MANIFEST, record_id, None, value, None))

    def _record(
        self,
        brand: str,
        book: Book,
        record_type: str,
        record_id: str,
        member: str | None,
        value: Value,
        origin: str | None,
    ) -> CrmRecord:
        home = self.home
        return CrmRecord(
            brand, book.terms, record_type, record_id, self.at, home.partition, home.epoch, book.sequence, member, value, origin
        )

    def say(self, live: Live, brand: str, said: Collection[Saying], origin: Origin) -> None:
        """Hand on what was decided of rewards: to the brand, to budgets, to whoever counts."""
        book = self._partition.book(brand)
        for one in said:
            if isinstance(one, Tell):
                self.tell(live, brand, book, one.type, one.effect, origin, one.value)
            elif isinstance(one, Ask):
                self._ask_budgets(one.campaign, one.word)
            else:
                self.decisions.append(one)

    def _ask_budgets(self, campaign: str, word: Word) -> None:
        self.ask(topics.BUDGETS, campaign.encode(), lambda here, index: budgets.encode(budgets.Ask(here, index, campaign, word)))

    def ask(self, topic: str, key: bytes, word: Callable[[Origin, int], bytes]) -> None:
        """Tell the holder of *key* at another stage something: *word* packs it with this record as its origin and its running number."""
        value = word(self.here(self._partition.offset), self.asked)
        self.asked += 1
        self.decisions.append(Effect(topic, topics.keyed_partition(key, self.home.partitions), key, value))

    def name(self, live: Live, brand: str) -> str:
        """Name a member towards *brand*."""
        name = live.names.get(brand)
        if name is None:
            name = live.names[brand] = self._keys.pairwise(brand, live.key)
        return name

    def here(self, offset: int) -> Origin:
        """Name a record of this partition as the origin of what it brings about."""
        return Origin(self.home.topic_id, self.home.partition, offset)
