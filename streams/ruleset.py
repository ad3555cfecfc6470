"""Rule sets made ready for the fold: counters with ids, tags in the order in which they can be evaluated.

A brand's members are judged by the brand's own set and by the alliance's,
whose tags are written ``alliance/<name>``.  A counter is known by a hash of
what it counts, thresholds left out, so a publish that only moves a threshold
keeps every count.

Source: RULES 2 and 3.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

import msgspec

from schemas import rules as written
from schemas.member_state import BrandState
from schemas.rules import ALLIANCE, RuleSet, SharingRules
from schemas.state import CounterEntry, Rules
from streams.counters import Counter
from streams.engagement import Decay
from streams.keywords import NO_WORDS, Matcher
from streams.offers import Offer, Offers, offers_of
from streams.tags import AnyValues, AtLeast, Combined, Engaged, Every, Leader, Negated, Refers, Silence, Some, Step, Tag, Test
from streams.windows import window

HALF_LIVES: Final = 16
DEFAULT: Final = SharingRules()
ACTIVE: Final = frozenset(
    {"click", "share", "order.placed", "order.paid", "chat.in", "coupon.claimed", "coupon.redeemed"},
)
"""What a member does here of their own accord: the events that end ``silent``."""

Counting = written.Count | written.Sum | written.Top | written.Distinct | written.Keywords


@dataclass(frozen=True, slots=True)
class SetPlan:
    """One owner's rules.  *decay* is None where nothing is scored, else what was folded after *scored_since* is."""

    owner: str
    version: int
    decay: Decay | None
    weights: dict[str, float]
    scored_since: int
    counters: tuple[Counter, ...]
    since_ms: dict[int, int]


@dataclass(frozen=True, slots=True)
class Plan:
    """All that holds for a brand's members, indexed by what happens.

    *steps* are the tags, each after those it refers to; *touched* those that
    an event name can change; *by_event* the counters of an event name;
    *evidence* the names whose latest ids are worth keeping; *of_newcomers*
    those that can hold for somebody of whom nothing is known; *welcoming*
    these and those of *touched*; *sharing* is the brand's, else the alliance's.
    *offers* are the campaigns, None without any.
    """

    brand: SetPlan | None
    alliance: SetPlan | None
    steps: tuple[Step, ...] = ()
    by_event: dict[str, tuple[Counter, ...]] = field(default_factory=dict)
    keywords: tuple[Counter, ...] = ()
    touched: dict[str, tuple[Step, ...]] = field(default_factory=dict)
    evidence: frozenset[str] = frozenset()
    matcher: Matcher = NO_WORDS
    counters: frozenset[int] = frozenset()
    of_newcomers: frozenset[str] = frozenset()
    welcoming: dict[str, tuple[Step, ...]] = field(default_factory=dict)
    sharing: SharingRules = DEFAULT
    offers: Offers | None = None

    def tag(self, name: str) -> Tag:
        """Find the tag that a member holds as *name*: a ``top`` tag with its value."""
        base = name.partition(":")[0]
        return next(one.tag for one in self.steps if one.name == base)

    def steps_for(self, names: Collection[str]) -> tuple[Step, ...]:
        """Give the tags that one of the events *names* can change."""
        if len(names) == 1:
            return self.touched.get(next(iter(names)), ())
        return tuple(one for one in self.steps if not one.tag.events.isdisjoint(names))

    def steps_of_newcomer(self, names: Collection[str]) -> tuple[Step, ...]:
        """Give the tags that can hold for a member whose first events here are *names*."""
        if len(names) == 1:
            return self.welcoming.get(next(iter(names)), ())
        return tuple(one for one in self.steps if one.name in self.of_newcomers or not one.tag.events.isdisjoint(names))


NOTHING: Final = Plan(None, None)


def leaves(rule: written.Clause) -> Iterable[written.Clause]:
    """Walk the leaves of a rule."""
    match rule:
        case written.All(of=clauses) | written.AnyOf(of=clauses):
            for clause in clauses:
                yield from leaves(clause)
        case written.Not(of=clause):
            yield from leaves(clause)
        case _:
            yield rule


def definition(leaf: Counting, timezone: str) -> bytes:
    """Hash what *leaf* counts: events, window, value, zone of its days; not its threshold."""
    match leaf:
        case written.Count(events=events):
            what: tuple[object, ...] = ("count", events)
        case written.Sum(of=of, currency=currency):
            what = ("sum", of, currency)
        case written.Keywords(any_of=words):
            what = ("keywords", tuple(sorted(words)))
        case _:
            what = ("values", leaf.of, leaf.events)
    zone = timezone if written.granularity_ms(leaf.within_ms) == written.DAY_MS else "UTC"
    return blake2b(msgspec.json.encode((what, leaf.within_ms, zone)), digest_size=8).digest()


def publish(standing: Rules | None, version: int, document: bytes | None, offset: int, clock_ms: int) -> Rules:
    """Let a published set take the place of *standing*, at *offset* and *clock_ms* of the partition.

    Counters whose definition stands go on under their id; new ones begin here.
    """
    before = standing or Rules(0, None, {}, [])
    after = Rules(version, document, {}, [], before.next_id)
    if document is None:
        return after
    rules = written.decode(document)
    for rule in _rules(rules):
        for leaf in leaves(rule):
            if isinstance(leaf, Counting):
                key = definition(leaf, rules.timezone)
                if key not in before.counters and key not in after.counters:
                    after.counters[key] = CounterEntry(after.next_id, offset, clock_ms)
                    after.next_id += 1
                elif key in before.counters:
                    after.counters[key] = before.counters[key]
    if rules.engagement is not None:
        after.half_lives = before.half_lives[-HALF_LIVES:]
        after.scored_since = before.scored_since if before.half_lives else offset
        if not after.half_lives or after.half_lives[-1][1] != rules.engagement.half_life_ms:
            after.half_lives.append((clock_ms, rules.engagement.half_life_ms))
    return after


def plan(brand: Rules | None, alliance: Rules | None) -> Plan:
    """Make ready what holds for a brand; counters of the two sets have ids of their own (even, odd)."""
    tags: list[Tag] = []
    offers: list[Offer] = []
    sets: dict[str, SetPlan | None] = {}
    sharing: SharingRules | None = None
    for owner, standing in (("brand", brand), (ALLIANCE, alliance)):
        sets[owner] = None
        if standing is not None and standing.document is not None:
            rules = written.decode(standing.document)
            sets[owner], of_set, offered = _plan_set(standing, rules)
            tags += of_set
            offers += offered
            sharing = sharing or rules.sharing
    counters = [c for s in sets.values() if s is not None for c in s.counters]
    steps = tuple(Step(tag) for tag in tags)
    of_newcomers = frozenset(one.name for one in steps if one.silence or one.referring or one.test.holds(BrandState(), 0))
    return Plan(
        sets["brand"],
        sets[ALLIANCE],
        steps,
        {name: tuple(c for c in counters if name in c.events and c.kind != "keywords") for name in written.EVENT_NAMES},
        tuple(c for c in counters if c.kind == "keywords"),
        {name: tuple(one for one in steps if name in one.tag.events) for name in written.EVENT_NAMES},
        frozenset(name for tag in tags for name in _evidence(tag.test)),
        Matcher({c.id: c.words for c in counters if c.kind == "keywords"}),
        frozenset(c.id for c in counters),
        of_newcomers,
        {name: tuple(one for one in steps if one.name in of_newcomers or name in one.tag.events) for name in written.EVENT_NAMES},
        sharing or DEFAULT,
        Offers(offers) if offers else None,
    )


def drop_unplanned(state: BrandState, plan: Plan) -> None:
    """Drop what *state* has counted for rules that stand no longer."""
    for number in state.counts.keys() - plan.counters:
        del state.counts[number]
    for number in state.values.keys() - plan.counters:
        del state.values[number]
        del state.value_events[number]
    for key in state.recent.keys() - plan.counters - plan.evidence:
        del state.recent[key]
    if plan.brand is None or plan.brand.decay is None:
        state.score = None
    if plan.alliance is None or plan.alliance.decay is None:
        state.alliance = None


def _rules(rules: RuleSet) -> Iterable[written.Clause]:
    """List all that counts: tags, and the conditions of campaigns."""
    yield from rules.tags.values()
    for campaign in rules.campaigns.values():
        if campaign.condition is not None:
            yield campaign.condition


def _plan_set(standing: Rules, rules: RuleSet) -> tuple[SetPlan, list[Tag], Sequence[Offer]]:
    shared = rules.owner == ALLIANCE
    counters: dict[bytes, Counter] = {}
    for rule in _rules(rules):
        for leaf in leaves(rule):
            if isinstance(leaf, Counting):
                key = definition(leaf, rules.timezone)
                entry = standing.counters[key]
                counters[key] = _counter(leaf, 2 * entry.id + shared, entry.since_offset, rules.timezone)
    owned = SetPlan(
        rules.owner,
        standing.version,
        Decay(standing.half_lives) if rules.engagement is not None else None,
        rules.engagement.weights if rules.engagement is not None else {},
        standing.scored_since,
        tuple(counters.values()),
        {2 * entry.id + shared: entry.since_ms for entry in standing.counters.values()},
    )
    builder = _Builder(rules, owned, counters, f"{ALLIANCE}/" if shared else "")
    for name in rules.tags:
        builder.tag(name)
    return owned, list(builder.tags.values()), offers_of(rules, standing.version, builder.test)


class _Builder:
    """Makes the tags of one set, each after those it refers to."""

    def __init__(self, rules: RuleSet, owned: SetPlan, counters: dict[bytes, Counter], prefix: str) -> None:
        self.rules, self.owned, self.counters, self.prefix = rules, owned, counters, prefix
        self.tags: dict[str, Tag] = {}

    def tag(self, name: str) -> Tag:
        """Give the tag *name*, making first what it refers to; the check has refused cycles."""
        if name not in self.tags:
            rule = self.rules.tags[name]
            found = list(leaves(rule))
            referred = [self.tag(leaf.tag) for leaf in found if isinstance(leaf, written.TagRef)]
            events = {event for leaf in found for event in names(leaf, self.owned)}
            self.tags[name] = Tag(
                self.prefix + name,
                self.test(rule),
                self.owned.version,
                frozenset(events.union(*(tag.events for tag in referred))),
                rule.currency if isinstance(rule, written.Sum) else None,
            )
        return self.tags[name]

    def test(self, rule: written.Clause) -> Test:
        """Turn a clause as written into a test of a state."""
        match rule:
            case written.All(of=clauses):
                return Every(tuple(self.test(clause) for clause in clauses))
            case written.AnyOf(of=clauses):
                return Some(tuple(self.test(clause) for clause in clauses))
            case written.Not(of=clause):
                return Negated(self.test(clause))
            case written.TagRef(tag=tag):
                return Refers(self.prefix + tag, isinstance(self.rules.tags[tag], written.Top))
            case written.Silent(for_ms=for_ms):
                return Silence(window(for_ms, self.rules.timezone), tuple(sorted(ACTIVE)))
            case written.Engaged(at_least=least):
                return self._engaged(rule, least)
            case written.Amount() | written.FirstOrder() | written.AtBrand() | written.ByChannel():
                raise ValueError(f"{self.rules.owner}: a clause asks for a trigger, and a tag has none")
            case _:
                return self._counted(rule, self.counters[definition(rule, self.rules.timezone)])

    def _engaged(self, rule: written.Engaged, least: float) -> Test:
        if self.owned.decay is None:
            raise ValueError(f"{self.rules.owner}: a rule asks for engagement, but none is scored")
        return Engaged(self.owned.decay, self.owned.scored_since, self.owned.owner == ALLIANCE, least, tuple(names(rule, self.owned)))

    def _counted(self, rule: Counting, counter: Counter) -> Test:
        match rule:
            case written.Count(at_least=least):
                return AtLeast(counter, least)
            case written.Sum(at_least_minor=least):
                return AtLeast(counter, least)
            case written.Keywords():
                return AtLeast(counter, 1)
            case written.Top(at_least=least):
                return Leader(counter, least)
            case written.Distinct(at_least=least):
                return AnyValues(counter, least)


def names(leaf: written.Clause, owned: SetPlan) -> Iterable[str]:
    """List the events that can change *leaf*."""
    match leaf:
        case written.Count(events=events) | written.Top(events=events) | written.Distinct(events=events):
            return events
        case written.Sum(of=of):
            return (of,)
        case written.Keywords():
            return ("chat.in",)
        case written.Silent():
            return sorted(ACTIVE)
        case written.Engaged():
            return [name for name, weight in owned.weights.items() if weight]
        case _:
            return ()


def _evidence(test: Test) -> Iterable[str]:
    """List the event names whose latest ids speak for *test*."""
    match test:
        case AtLeast(counter=counter) if counter.kind == "count":
            return counter.events
        case Silence(events=events) | Engaged(events=events):
            return events
        case Combined(clauses=clauses):
            return [name for clause in clauses for name in _evidence(clause)]
        case _:
            return ()


def _counter(leaf: Counting, number: int, since_offset: int, timezone: str) -> Counter:
    inside = window(leaf.within_ms, timezone)
    match leaf:
        case written.Count(events=events):
            return Counter(number, "count", events, inside, since_offset)
        case written.Sum(of=of, currency=currency):
            return Counter(number, "sum", (of,), inside, since_offset, currency=currency)
        case written.Keywords(any_of=words):
            return Counter(number, "keywords", ("chat.in",), inside, since_offset, words=words)
        case written.Top() | written.Distinct():
            return Counter(number, "values", leaf.events, inside, since_offset, dimension=leaf.of)
