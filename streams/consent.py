"""Consent: which statement stands, and what it allows.

The highest (version, time) stands whole, whatever the order of arrival; of
equals the first.  What it does not say is as never stated: ``tags`` and
``rewards`` as the brand's registration says, ``alliance`` no.

Source: CONTRACT 5.
"""

from schemas.envelope import Consent, Terms
from schemas.member_state import BrandState


def state(standing: Consent | None, stated: Consent) -> Consent:
    """Choose between the statement that stands and a new one."""
    if standing is None or (stated.version, stated.at_ms) > (standing.version, standing.at_ms):
        return stated
    return standing


def allows_tags(standing: Consent | None, terms: Terms) -> bool:
    """Tell whether tags and engagement may be told."""
    return terms.tags if standing is None or standing.tags is None else standing.tags


def allows_rewards(standing: Consent | None, terms: Terms) -> bool:
    """Tell whether rewards may be given."""
    return terms.rewards if standing is None or standing.rewards is None else standing.rewards


def crosses(state: BrandState, brand: str, to: str) -> bool:
    """Tell whether what *brand* has seen of a member may enter the alliance score that *to* is shown.

    The statement must say ``alliance`` and name the recipient: nobody else's
    score moves by a consent that does not name them.
    """
    consent = state.consent
    return consent is not None and consent.alliance is True and (brand == to or to in consent.recipients)
