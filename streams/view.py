"""A member as one brand sees them.

Source: CONTRACT 3 and 5, RULES 3 and 4.
"""

from msgspec import UNSET, UnsetType

from schemas.crm import Engagement, Last, MemberView
from schemas.envelope import Terms
from schemas.member_state import BrandState, Member
from schemas.scalars import instant_text, minor_text
from streams import consent, engagement
from streams.ruleset import Plan


def view(member: Member, brand: str, pairwise: str, plan: Plan, terms: Terms, clock_ms: int, at: str) -> MemberView:
    """Show *member* to *brand* at the clock, whose text is *at*: what the brand itself has seen, and no more.

    Only ``engagement.alliance`` crosses brands, with consent.  Without consent
    to tags there are none, and no engagement.
    """
    state = member.brands[brand]
    allowed = consent.allows_tags(state.consent, terms)
    return MemberView(
        pairwise,
        at,
        instant_text(state.first_ms),
        sorted(state.tags) if allowed else [],
        scores(member, brand, plan, clock_ms) if allowed else Engagement(),
        state.order_count,
        {currency: minor_text(net, currency) for currency, net in state.spend.items()},
        _last(state),
    )


def scores(member: Member, brand: str, plan: Plan, clock_ms: int) -> Engagement:
    """Give the brand's score, where its rules have one, and the alliance's, where the member allows it to cross."""
    state = member.brands[brand]
    own: float | UnsetType = UNSET
    shared: float | UnsetType = UNSET
    if plan.brand is not None and plan.brand.decay is not None:
        own = engagement.at(state.score, clock_ms, plan.brand.decay)
    if plan.alliance is not None and plan.alliance.decay is not None and consent.crosses(state, brand, brand):
        decay = plan.alliance.decay
        found = (engagement.raw(s.alliance, clock_ms, decay) for b, s in member.brands.items() if consent.crosses(s, b, brand))
        shared = engagement.rounded(sum(found))
    return Engagement(own, shared)


def _last(state: BrandState) -> Last:
    return Last(
        instant_text(state.click_ms) if state.click_ms else UNSET,
        instant_text(state.share_ms) if state.share_ms else UNSET,
        instant_text(state.order_ms) if state.order_ms else UNSET,
        instant_text(state.chat_ms) if state.chat_ms else UNSET,
    )
