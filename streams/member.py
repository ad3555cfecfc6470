"""The members fold: a brand's trusted event in, what everyone is told out.

One event, from top to bottom (``MembersFold._event``): had before? - repeated
by its publisher? - the clock moves, and who became due is judged - the event
counts - its member is judged again - the brand is told.

Pure: told the time by the log, touching nothing.  States are decoded once a
batch and edited in place (7 µs an event less than frozen ones), and packed at
``commit``; ``abort`` drops them.

Source: DESIGN 3 and 4, RULES 1, CONTRACT 2, 3 and 5.
"""

from collections.abc import Collection, Mapping
from functools import partial

from schemas import decisions, envelope, shares, topics
from schemas.dead_letters import dead_letter_of
from schemas.decisions import Decided
from schemas.envelope import Answer, Envelope, Event, ManifestRequest, Origin, RulesSet, ShareTold, Tick
from schemas.fold import Home, Record
from schemas.member_state import NEVER, BrandState, Member, due_of, pack_member, unpack_member
from schemas.refusals import Reason, Refused
from schemas.rules import ALLIANCE, HOUR_MS
from schemas.scalars import instant_text
from streams import acts, attribution, consent, dedupe, rewards, ruleset, tags
from streams.arrival import Arrival
from streams.keys import Keys
from streams.orders import Contradiction
from streams.outbox import Live, Outbox
from streams.partition import MEMBER_KEY, Partition
from streams.rewarding import Voice
from streams.ruleset import Plan
from streams.tags import Change


class MembersFold:
    """The fold of one partition of ``huiliu.internal.members``; see ``schemas.fold.PartitionFold`` for how it is called."""

    def __init__(self, keys: Keys, outbox: type[Outbox] = Outbox) -> None:
        self.keys = keys
        self.culprit: bytes | None = None
        self.partition = Partition()
        self.out = outbox(keys, self.partition)
        self._states: Mapping[bytes, bytes] = {}
        self._live: dict[bytes, Live] = {}
        self._skip: Collection[tuple[int, bytes]] = ()
        self._judged: list[Change] = []

    def restore(self, home: Home, states: Mapping[bytes, bytes], clock_ms: int) -> None:
        """Begin from what was committed."""
        self.home = self.out.home = home
        self._states = states
        self.partition.restore(states, clock_ms)
        self.out.at = instant_text(clock_ms)

    def begin(self, skip: Collection[tuple[int, bytes]] = ()) -> None:
        """Open a batch."""
        self._skip = skip
        self._live = {}
        self.out.decisions = []
        self.culprit = None
        self.partition.begin()

    def fold(self, record: Record) -> None:
        """Fold one record.  Raises for a bug only, or for a record that no stage of ours wrote."""
        self.take(record, envelope.decode(record.value or b""))

    def take(self, record: Record, told: Envelope) -> None:
        """Fold what *record* holds, decoded already: *told*."""
        self.partition.offset = record.offset
        self.out.asked = 0
        match told:
            case Event() as event:
                self._event(record, Arrival(event))
            case Tick(time_ms=time_ms):
                self._advance(min(time_ms, record.timestamp), record.offset)
            case RulesSet() as rules:
                self._publish(record, rules)
            case ManifestRequest():
                self.out.manifests(record.offset)
            case ShareTold() as told:
                self._credit(record, told)
            case Answer() as answer:
                self._answered(self._load(record.key or b"", record.offset), answer)

    @property
    def asked(self) -> int:
        """Count what the record folded last tells other stages of ours."""
        return self.out.asked

    def refuse(self, record: Record, bug: BaseException) -> None:
        """In place of an event whose fold raised: the dead letter ``crashed``; it counts as had."""
        self.partition.offset = record.offset
        match envelope.decode(record.value or b""):
            case Event() as event:
                live = self._load(record.key or b"", record.offset)
                if not dedupe.passed(live.state.marks, self.partition.origin(event.origin), event.origin.offset):
                    self.partition.book(event.brand, event.terms).crashed += 1
                    detail = f"a bug of ours in stage members: {type(bug).__name__}"
                    self.out.decisions.append(dead_letter_of(event, Refused(Reason.CRASHED, detail)))
            case _:
                raise RuntimeError(f"a record of our own can't be folded, at offset {record.offset}") from bug

    def commit(self) -> Decided:
        """Close the batch: what was decided, and the states that changed, packed."""
        states: dict[bytes, bytes | None] = {}
        for key, live in self._live.items():
            states[key] = pack_member(live.offset, live.due_ms, live.state)
        states.update(self.partition.commit())
        return Decided(self.out.decisions, states, self.partition.clock_ms)

    def abort(self) -> None:
        """Forget the batch."""
        self.partition.abort()
        self._live = {}
        self.out.decisions = []
        self.out.at = instant_text(self.partition.clock_ms)

    # One event

    def _event(self, record: Record, event: Arrival) -> None:
        live = self._load(record.key or b"", record.offset)
        if dedupe.passed(live.state.marks, self.partition.origin(event.origin), event.origin.offset):
            self.out.note(decisions.REPLAYED, event.brand)
            return
        book = self.partition.book(event.brand, event.terms)
        state = live.state.brands.get(event.brand)
        if state is not None and (repeated := self._repeated(state, event)):
            if isinstance(repeated, Refused):
                self.out.decisions.append(dead_letter_of(event.event, repeated))
            else:
                book.duplicates += 1
                self.out.note(decisions.DUPLICATE, event.brand)
            return
        self._advance(event.time_ms, record.offset)
        plan = self.partition.plan(event.brand)
        changes = self._apply(live, record.offset, event, plan)
        self.out.enriched(live, event, plan, book)
        if changes:
            self.out.changes(live, event.brand, changes, event.origin)
        state = live.state.brands[event.brand]
        if attribution.concerns(state, event):
            for key, word in attribution.asks(live.key, state, event, plan.sharing):
                self.out.ask(topics.SHARES, key, partial(shares.packed, word))
        if plan.offers is not None or state.has_earned():
            self._reward(live, event, plan, state)

    def _repeated(self, state: BrandState, event: Arrival) -> bool | Refused:
        """Tell whether the publisher sent *event* before: by its id, then by its natural key (CONTRACT 2)."""
        body = dedupe.body_of(state.ids, event.id_hash)
        if body is not None:
            if body == event.body_hash:
                return True
            return Refused(Reason.INVALID_DATA, "id: another event came under the same id before; expected a new id or the same event")
        copied = acts.copy_of(state, event, self.keys)
        if isinstance(copied, Contradiction):
            detail = f"data: {copied.came} came; the same order's version or refund was {copied.known} before"
            return Refused(Reason.INVALID_DATA, detail)
        return copied

    def _apply(self, live: Live, offset: int, event: Arrival, plan: Plan) -> list[Change]:
        """Count *event* for its member; returns the tags that it changed."""
        brand, now_ms = event.brand, self.partition.clock_ms
        state = live.state.brands.get(brand)
        is_new = state is None
        if state is None:
            state = live.state.brands[brand] = BrandState()
        state.ids = dedupe.push(state.ids, event.id_hash + event.body_hash)
        if event.consent is not None:
            state.consent = consent.state(state.consent, event.consent)
        applied = acts.Acts(plan, now_ms, offset, self.keys)
        applied.apply(state, event)
        self._note(brand, applied)
        if is_new or applied.first_act:
            return self._settle(live, brand, plan, tags.judge(plan.steps_of_newcomer(applied.counted), state, now_ms))
        steps = plan.steps_for(applied.counted)
        judged = tags.judge_more(steps, state, now_ms) if applied.only_more else tags.judge(steps, state, now_ms)
        return self._settle(live, brand, plan, judged)

    def _note(self, brand: str, applied: acts.Acts) -> None:
        if applied.orphans:
            self.out.note(decisions.REFUND_WITHOUT_ORDER, brand, applied.orphans)
        if applied.forgotten:
            self.out.note(decisions.VALUES_FORGOTTEN, brand, applied.forgotten)

    # The clock, and who is due

    def _advance(self, t_ms: int, offset: int) -> None:
        """Move the clock to *t_ms*, if that is later, and judge once, by key, each member that became due.

        Who raised is passed over until an event or a restore brings them back:
        asked again at every clock, they would hold up all others.
        """
        before = self.partition.clock_ms
        if t_ms <= before:
            return
        self.partition.clock_ms = t_ms
        self.out.at = instant_text(t_ms)
        if before and t_ms // HOUR_MS != before // HOUR_MS:
            self.out.manifests(offset)
        for due_ms, key in self.partition.due(t_ms):
            if (offset, key) in self._skip or self._due_of(key) != due_ms:
                continue
            self.culprit = key
            live = self._load(key, offset)
            live.due_ms = NEVER
            self._judge_all(live, self.out.here(offset))
            self.culprit = None

    def _due_of(self, key: bytes) -> int:
        live = self._live.get(key)
        if live is not None:
            return live.due_ms
        packed = self._states.get(key)
        return due_of(packed) if packed is not None else NEVER

    def _judge_all(self, live: Live, here: Origin, brands: Collection[str] | None = None) -> None:
        """Judge every tag of a member at *brands* (None = all), and tell what changed."""
        for brand in sorted(live.state.brands):
            if brands is None or brand in brands:
                plan = self.partition.plan(brand)
                judged = tags.judge(plan.steps, live.state.brands[brand], self.partition.clock_ms)
                self.out.changes(live, brand, self._settle(live, brand, plan, judged), here)
                self._reward_by_clock(live, brand, plan, here)

    def _settle(self, live: Live, brand: str, plan: Plan, judged: tuple[list[Change], int]) -> list[Change]:
        """Note when the member is due again; returns what the CRM is to be told, in the contract's order."""
        changes, due_ms = judged
        self._judged = changes
        self._note_due(live, due_ms)
        state = live.state.brands[brand]
        withheld = not consent.allows_tags(state.consent, self.partition.terms(brand))
        if withheld or state.withheld:
            changes = self._under_consent(state, plan, changes, withheld)
        if len(changes) > 1:
            changes.sort(key=lambda change: (change.tag.partition(":")[0], change.entered))
        return changes

    def _note_due(self, live: Live, due_ms: int) -> None:
        if due_ms < live.due_ms or live.due_ms <= self.partition.clock_ms:  # the latter: who was passed over
            live.due_ms = due_ms
            if due_ms < NEVER:
                self.partition.deadlines.put(due_ms, live.key)

    def _under_consent(self, state: BrandState, plan: Plan, changes: Collection[Change], withheld: bool) -> list[Change]:
        """Exit what the CRM was told of when consent goes; enter what holds when it returns."""
        now_ms = self.partition.clock_ms
        told_none, state.withheld = state.withheld, withheld
        if withheld and not told_none:
            entered = {change.tag for change in changes if change.entered}
            exited = {change.tag for change in changes if not change.entered}
            told = (state.tags.keys() - entered) | (exited - entered)
            return [tags.describe(plan.tag(name), name, False, state, now_ms) for name in told]
        if told_none and not withheld:
            state.tags = dict.fromkeys(state.tags, now_ms)
            return [tags.describe(plan.tag(name), name, True, state, now_ms) for name in state.tags]
        return []

    # Rewards

    def _reward(self, live: Live, event: Arrival, plan: Plan, state: BrandState) -> None:
        """Let *event* redeem, take back and earn, where it may; the rest pays a look-up."""
        brand, offers = event.brand, plan.offers
        if rewards.concerns(offers, state, event, self._judged):
            said = rewards.on_event(offers, state, event, self._judged, self._voice(live, brand), self._allows(state, brand))
            self.out.say(live, brand, said, event.origin)
        if state.expires_ms:
            self._note_due(live, state.expires_ms)

    def _reward_share(self, live: Live, told: ShareTold, plan: Plan, state: BrandState, counted: bool, here: Origin) -> None:
        """Let what a share brought, which is *counted* anew or not, take back and earn."""
        voice, changes = self._voice(live, told.brand), self._judged if counted else []
        said = rewards.on_share(plan.offers, state, told, counted, changes, voice, self._allows(state, told.brand))
        self.out.say(live, told.brand, said, here)
        if state.expires_ms:
            self._note_due(live, state.expires_ms)

    def _reward_by_clock(self, live: Live, brand: str, plan: Plan, here: Origin) -> None:
        """Let expire what is due at *brand*, and tags that the clock entered earn."""
        state, offers, clock_ms = live.state.brands[brand], plan.offers, self.partition.clock_ms
        entered = offers is not None and bool(offers.by_tag) and any(change.entered for change in self._judged)
        if entered or (state.expires_ms and state.expires_ms <= clock_ms):
            said = rewards.on_clock(offers, state, self._judged, self._voice(live, brand), self._allows(state, brand))
            self.out.say(live, brand, said, here)
        if state.expires_ms:
            self._note_due(live, state.expires_ms)

    def _answered(self, live: Live, answer: Answer) -> None:
        state = live.state.brands.get(answer.brand)
        if self._hear(live, answer.origin, answer.index) and state is not None:
            said = rewards.on_answer(state, answer, self._voice(live, answer.brand))
            self.out.say(live, answer.brand, said, self.out.here(self.partition.offset))
            if state.expires_ms:
                self._note_due(live, state.expires_ms)

    def _voice(self, live: Live, brand: str) -> Voice:
        return Voice(self.keys, brand, live.key, self.out.name(live, brand), self.partition.clock_ms, self.out.at)

    def _allows(self, state: BrandState, brand: str) -> bool:
        return consent.allows_rewards(state.consent, self.partition.terms(brand))

    # Rules

    def _publish(self, record: Record, published: RulesSet) -> None:
        """Let a rule set stand from here on, and judge every member whom it concerns, by key."""
        standing = self.partition.rules(published.owner)
        if standing is not None and standing.version >= published.version:
            return
        document, clock_ms = published.document, self.partition.clock_ms
        rules = ruleset.publish(standing, published.version, document, record.offset, clock_ms)
        self.partition.publish(published.owner, rules)
        here = self.out.here(record.offset)
        brands = None if published.owner == ALLIANCE else (published.owner,)
        for key in sorted(self._states.keys() | self._live.keys()):
            if len(key) != MEMBER_KEY or (record.offset, key) in self._skip:
                continue
            self.culprit = key
            state = self._live[key].state if key in self._live else unpack_member(self._states[key])
            if brands is None or published.owner in state.brands:
                self._rejudge(self._load(key, record.offset), brands, published.version, here)
            self.culprit = None

    def _rejudge(self, live: Live, brands: Collection[str] | None, version: int, here: Origin) -> None:
        """Judge a member under new rules: what is no longer counted goes, tags no longer in the rules exit."""
        for brand in sorted(live.state.brands):
            if brands is not None and brand not in brands:
                continue
            state, plan = live.state.brands[brand], self.partition.plan(brand)
            ruleset.drop_unplanned(state, plan)
            told = not state.withheld
            planned = {one.tag.name: isinstance(one.tag.test, tags.Leader) for one in plan.steps}
            gone = [name for name in sorted(state.tags) if planned.get(name.partition(":")[0]) is not (":" in name)]
            for name in gone:
                del state.tags[name]
            if told:
                exits = [Change(name, False, False, None, (), version) for name in gone]
                self.out.changes(live, brand, exits, here)
            if state.has_earned():
                self.out.say(live, brand, rewards.on_rules(plan.offers, state, self._voice(live, brand)), here)
        live.due_ms = NEVER
        self._judge_all(live, here)

    # Other stages of ours

    def _credit(self, record: Record, told: ShareTold) -> None:
        """Count what a share brought its sharer, as of when it happened, and judge them again."""
        live = self._load(record.key or b"", record.offset)
        if not self._hear(live, told.origin, told.index):
            return
        if told.now is not None:
            self._advance(told.now.time_ms, record.offset)
        state = live.state.brands.get(told.brand)
        if state is None:  # its log began after they shared
            return
        plan = self.partition.plan(told.brand)
        applied = acts.Acts(plan, self.partition.clock_ms, record.offset, self.keys)
        applied.credit(state, told)
        here = self.out.here(record.offset)
        if applied.counted:
            self._judge_credit(live, told, plan, applied, here)
        if plan.offers is not None or state.has_earned():
            self._reward_share(live, told, plan, state, bool(applied.counted), here)

    def _judge_credit(self, live: Live, told: ShareTold, plan: Plan, applied: acts.Acts, here: Origin) -> None:
        state = live.state.brands[told.brand]
        ordered = decisions.SHARE_ORDERED if told.order_id else decisions.SHARE_VISITED
        self.out.note(ordered if told.now is not None else decisions.SHARE_TAKEN_BACK, told.brand)
        self._note(told.brand, applied)
        judge = tags.judge_more if applied.only_more else tags.judge
        judged = judge(plan.steps_for(applied.counted), state, self.partition.clock_ms)
        self.out.changes(live, told.brand, self._settle(live, told.brand, plan, judged), here)

    def _hear(self, live: Live, origin: Origin, index: int) -> bool:
        """Tell whether a word from another stage is new to its member; one that was had before is counted.

        Each partition of shares and of budgets is remembered: a visit has no
        other name by which it could be known again.
        """
        if dedupe.heard(live.state.heard, self.partition.origin(origin), origin.offset, index, 2 * self.home.partitions):
            self.out.note(decisions.REPLAYED, topics.INTERNAL)
            return False
        return True

    # The working set

    def _load(self, key: bytes, offset: int) -> Live:
        live = self._live.get(key)
        if live is None:
            if len(key) != MEMBER_KEY:
                raise ValueError(f"a member key has {MEMBER_KEY} bytes; {len(key)} came")
            packed = self._states.get(key)
            live = Live(key, Member(), NEVER) if packed is None else Live(key, unpack_member(packed), due_of(packed))
            self._live[key] = live
        live.offset = offset
        return live
