"""A rules file, checked: its rule set, or everything that is wrong with it.

Pure: text in, values out.  Reading the file is the command line's.

Source: RULES.
"""

import re
from collections.abc import Sequence
from typing import Final

from schemas import topics
from schemas.rules import ALLIANCE, Campaign, Clause, EngagementRules, RuleSet, SharingRules
from schemas.shares import DEEPEST
from streams import rules_units as units
from streams.rules_campaign_checks import check_campaign, check_shadows
from streams.rules_campaigns import campaign
from streams.rules_clauses import tag_rule
from streams.rules_cursor import Cursor, Findings, quoted
from streams.rules_references import check_references
from streams.yaml_tree import Mistake, load

OWNERS: Final = ("brand", "alliance")
SECTIONS: Final = (*OWNERS, "timezone", "engagement", "tags", "sharing", "campaigns")
TAG_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,63}")


def check(text: str) -> RuleSet | list[Mistake]:
    """Read the rule set that *text* writes down, or all of its mistakes, by line."""
    root, mistakes = load(text)
    if root is None:
        return mistakes or [Mistake(1, "", "the file is empty; expected brand: and tags:")]
    findings = Findings(mistakes)
    rules = _rule_set(Cursor(findings, root, root.line, ""))
    return sorted(findings.mistakes, key=lambda mistake: mistake.line) or rules


def told(mistakes: Sequence[Mistake], file: str) -> list[str]:
    """Say each mistake as ``file:line: path: what came; what was expected``."""
    return [mistake.told(file) for mistake in mistakes]


def _rule_set(at: Cursor) -> RuleSet:
    fields = dict(at.fields((), SECTIONS))
    owner, timezone = _owner(at, fields), units.timezone(fields["timezone"]) if "timezone" in fields else "UTC"
    engagement = _engagement(fields["engagement"]) if "engagement" in fields else None
    places, tags = _tags(fields["tags"]) if "tags" in fields else ({}, {})
    sharing = _sharing(fields["sharing"]) if "sharing" in fields else None
    campaigns = _campaigns(fields["campaigns"], owner, timezone, sharing or SharingRules()) if "campaigns" in fields else {}
    check_references(at.findings.references, places, tags)
    rules = RuleSet(owner, timezone, engagement, tags, sharing, campaigns)
    if rules.engagement is None:
        for scored in at.findings.scored:
            scored.wrong("there is no score; expected an engagement: section with half_life and weights")
    return rules


def _owner(at: Cursor, fields: dict[str, Cursor]) -> str:
    """Read who the set belongs to: ``brand: acme`` or ``alliance: true``."""
    brand, alliance = fields.get("brand"), fields.get("alliance")
    if brand and alliance:
        alliance.wrong("both brand and alliance; a set has one owner")
    elif alliance:
        if alliance.value is not True:
            alliance.wrong(f"{alliance.came}; expected true, or brand: and the brand's name")
        return ALLIANCE
    elif brand is None and isinstance(at.value, dict):
        at.wrong("nothing says whose rules these are; expected brand: and the brand's name, or alliance: true")
    if brand is None:
        return ALLIANCE
    if isinstance(brand.value, str) and topics.is_slug(brand.value) and brand.value != ALLIANCE:
        return brand.value
    hint = "write alliance: true" if brand.value == ALLIANCE else "expected 2 to 32 of a-z, 0-9 and -, a letter first"
    brand.wrong(f"{brand.came} is not a brand's name; {hint}")
    return ALLIANCE


def _engagement(at: Cursor) -> EngagementRules:
    fields = at.fields(("half_life", "weights"))
    expected = "a mapping of events to numbers, such as {click: 1}"
    weights: dict[str, float] = {}
    for name, weight in fields["weights"].named(expected):
        units.event_key(weight, name)
        weights[name] = units.number(weight, 0)
    if fields["weights"].value == {}:
        fields["weights"].wrong(f"an empty mapping; expected {expected}")
    return EngagementRules(half_life_ms=units.duration(fields["half_life"]), weights=weights)


def _sharing(at: Cursor) -> SharingRules:
    """Read how orders are attributed and how far up a chain is rewarded; three levels are what the law calls pyramid selling."""
    fields = at.fields((), ("window", "depth"))
    read = SharingRules(window_ms=units.duration(fields["window"])) if "window" in fields else SharingRules()
    if "depth" not in fields:
        return read
    depth = fields["depth"]
    if type(depth.value) is int and 1 <= depth.value <= DEEPEST:
        return SharingRules(read.window_ms, depth.value)
    beyond = type(depth.value) is int and depth.value > DEEPEST
    depth.wrong(f"{depth.came}{' levels are pyramid selling, which the law forbids' if beyond else ''}; expected 1 or {DEEPEST}")
    return read


def _tags(at: Cursor) -> tuple[dict[str, Cursor], dict[str, Clause]]:
    places = _named(at, "tag", "a mapping of tag names to rules")
    return places, {name: tag_rule(place) for name, place in places.items()}


def _campaigns(at: Cursor, owner: str, timezone: str, sharing: SharingRules) -> dict[str, Campaign]:
    places = _named(at, "campaign", "a mapping of names to campaigns")
    made: dict[str, Campaign] = {}
    for name, place in places.items():
        made[name] = campaign(place, timezone)
        check_campaign(place, made[name], owner, sharing)
    check_shadows(places, made)
    return made


def _named(at: Cursor, what: str, expected: str) -> dict[str, Cursor]:
    """Step into a mapping whose keys name tags or campaigns."""
    places = dict(at.named(expected))
    for name, place in places.items():
        if TAG_NAME.fullmatch(name) is None:
            place.wrong(f"{quoted(name)} can't name a {what}; expected 1 to 64 of a-z, 0-9 and -, a letter first{_like(name)}")
    return places


def _like(name: str) -> str:
    """Suggest the nearest name that a tag may have."""
    near = re.sub(r"[^a-z0-9]+", "-", name.casefold()).strip("-")
    return f", such as {near}" if TAG_NAME.fullmatch(near) else ""
