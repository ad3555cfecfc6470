"""One member as one brand sees them, with what speaks for each tag: for a person who asks why.

Source: DESIGN 8 (``huiliu member``), CONTRACT 3 and 5, RULES 2 and 3.
"""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from schemas.crm import Engagement, Last
from schemas.envelope import Terms
from schemas.member_state import BrandState, Member
from schemas.rules import DAY_MS, HOUR_MS, MINUTE_MS
from schemas.scalars import instant_text, minor_text
from streams import consent, tags
from streams.counters import Counter
from streams.reward_card import Explained, RewardsCard, rewards_card
from streams.ruleset import Plan, SetPlan
from streams.tags import AnyValues, AtLeast, Change, Every, Leader, Negated, Some, Tag, Test
from streams.view import view

_UNITS: Final = ((DAY_MS, "d"), (HOUR_MS, "h"), (MINUTE_MS, "m"))


class ConsentCard(Struct, frozen=True):
    """What holds for this member at this brand; *stated* is None where it is the registration's word alone."""

    tags: bool
    rewards: bool
    alliance: bool
    recipients: tuple[str, ...]
    version: int | None
    stated: str | None


class TagCard(Struct, frozen=True):
    """A tag that holds *since* a clock: what was found, the latest events that count, the rules' version."""

    tag: str
    since: str
    value: int | float | str | bool
    events: tuple[str, ...]
    rules: int


class RuleCard(Struct, frozen=True):
    """A rule: whether it holds now, and what was found.  *counted_since*: from when on all that it counts is known.

    That is None for a rule that was there from the partition's beginning, or
    that counts nothing.
    """

    tag: str
    holds: bool
    value: int | float | str | bool
    counted_since: str | None


class CounterCard(Struct, frozen=True):
    """Something that is counted for *owner*'s rules, in a window *within*, *since* a clock; None: from the beginning."""

    owner: str
    counts: str
    within: str
    since: str | None


class MemberCard(Struct, frozen=True):
    """A member at *brand*, at the clock *as_of*.  Without consent to tags there are no tags, rules and scores."""

    brand: str
    id: str
    as_of: str
    first_seen: str
    consent: ConsentCard
    tags: list[TagCard]
    rules: list[RuleCard]
    counters: list[CounterCard]
    engagement: Engagement
    orders: int
    spend: dict[str, str]
    last: Last
    rewards: RewardsCard
    explained: Explained | None = None


def card(member: Member, brand: str, pairwise: str, plan: Plan, terms: Terms, clock_ms: int) -> MemberCard:
    """Show *member* to *brand* at the clock; KeyError if the brand never saw them."""
    state = member.brands[brand]
    shown = view(member, brand, pairwise, plan, terms, clock_ms, instant_text(clock_ms))
    allowed = consent.allows_tags(state.consent, terms)
    return MemberCard(
        brand,
        pairwise,
        shown.as_of,
        shown.first_seen,
        _consent(state, terms),
        [_held(name, state, plan, clock_ms) for name in shown.tags],
        _rules(state, plan, clock_ms) if allowed else [],
        [_counter(counter, owned) for owned in _sets(plan) for counter in owned.counters],
        shown.engagement,
        shown.orders,
        shown.spend,
        shown.last,
        rewards_card(state),
    )


def _consent(state: BrandState, terms: Terms) -> ConsentCard:
    stated = state.consent
    if stated is None:
        return ConsentCard(terms.tags, terms.rewards, False, (), None, None)
    return ConsentCard(
        terms.tags if stated.tags is None else stated.tags,
        terms.rewards if stated.rewards is None else stated.rewards,
        stated.alliance is True,
        stated.recipients,
        stated.version,
        instant_text(stated.at_ms),
    )


def _held(name: str, state: BrandState, plan: Plan, clock_ms: int) -> TagCard:
    found = tags.describe(plan.tag(name), name, True, state, clock_ms)
    return TagCard(name, instant_text(state.tags[name]), _worded(found), found.events, found.version)


def _rules(state: BrandState, plan: Plan, clock_ms: int) -> list[RuleCard]:
    """List every rule, by name."""
    since_ms = {number: at for owned in _sets(plan) for number, at in owned.since_ms.items()}
    found = []
    for tag in sorted((step.tag for step in plan.steps), key=lambda tag: tag.name):
        whole_ms = max((since_ms[counter.id] for counter in _counters(tag.test)), default=0)
        value = _worded(tags.describe(tag, tag.name, True, state, clock_ms))
        found.append(RuleCard(tag.name, _holds(tag, state), value, _since(whole_ms)))
    return found


def _holds(tag: Tag, state: BrandState) -> bool:
    if isinstance(tag.test, Leader):
        return any(name.startswith(f"{tag.name}:") for name in state.tags)
    return tag.name in state.tags


def _worded(found: Change) -> int | float | str | bool:
    """Give the evidence as the CRM is told it: an amount in its currency."""
    if found.currency is not None and isinstance(found.value, int):
        return minor_text(found.value, found.currency)
    return found.value


def _counters(test: Test) -> Iterable[Counter]:
    """List what *test* itself counts; a tag that it refers to has its own card."""
    match test:
        case AtLeast(counter=counter) | AnyValues(counter=counter) | Leader(counter=counter):
            yield counter
        case Every(clauses=clauses) | Some(clauses=clauses):
            for clause in clauses:
                yield from _counters(clause)
        case Negated(clause=clause):
            yield from _counters(clause)


def _counter(counter: Counter, owned: SetPlan) -> CounterCard:
    what = f"{counter.kind} of {', '.join(counter.events)}"
    if counter.currency is not None:
        what += f" in {counter.currency}"
    elif counter.dimension is not None:
        what = f"{counter.dimension} of {', '.join(counter.events)}"
    elif counter.words:
        what = f"{', '.join(counter.words)} in {', '.join(counter.events)}"
    return CounterCard(owned.owner, what, _span(counter), _since(owned.since_ms[counter.id]))


def _span(counter: Counter) -> str:
    within_ms = counter.window.width * counter.window.clock.grain_ms
    size_ms, unit = next(each for each in _UNITS if within_ms % each[0] == 0)
    return f"{within_ms // size_ms}{unit}"


def _since(at_ms: int) -> str | None:
    return instant_text(at_ms) if at_ms else None


def _sets(plan: Plan) -> Iterable[SetPlan]:
    return [owned for owned in (plan.brand, plan.alliance) if owned is not None]
