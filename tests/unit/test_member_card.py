from collections.abc import Callable

import msgspec
import pytest

from schemas.envelope import Consent, Terms
from schemas.member_state import Member, unpack_member
from schemas.scalars import instant_text
from streams.member_card import MemberCard, card
from streams.partition import MEMBER_KEY
from tests.oracle.brand import DAY, NOON, Brand
from tests.property.pipeline import KEYS, Pipeline, Stage
from tests.property.test_recount import read

RULES = """
brand: tea
timezone: Asia/Shanghai
engagement: {half_life: 7d, weights: {click: 1}}
tags:
  regular: {count: {events: order.paid, within: 90d, at_least: 2}}
  spender: {sum: {of: order.paid, within: 30d, at_least: "150.00", currency: CNY}}
  likes: {top: {of: category, events: click, within: 30d, at_least: 2}}
  loyal: {all: [{tag: regular}, {tag: spender}]}
"""
LATER = RULES + "  browsing: {count: {events: click, within: 2h, at_least: 9}}\n"


def lin(brand: Brand, *later: str) -> tuple[Stage, Callable[..., MemberCard]]:
    """Publish what *brand* did under RULES, then other rules; gives Lin's card."""
    pipeline = Pipeline()
    pipeline.publish_rules([read(RULES)], NOON)
    pipeline.publish(brand.records)
    pipeline.publish_rules([read(text) for text in later], NOON, first_version=7)
    pipeline.fold()
    stage = next(stage for stage in pipeline.stages if any(len(key) == MEMBER_KEY for key in stage.table))
    key = next(key for key in stage.table if len(key) == MEMBER_KEY)

    def shown(change: Callable[[Member], None] | None = None, terms: Terms | None = None) -> MemberCard:
        partition, member = stage.restored().partition, unpack_member(stage.table[key])
        if change is not None:
            change(member)
        plan = partition.plan("tea")
        return card(member, "tea", KEYS.pairwise("tea", key), plan, terms or partition.terms("tea"), stage.clock_ms)

    return stage, shown


def busy() -> Brand:
    brand = Brand().click(NOON - 3 * DAY).click(NOON - 2 * DAY)
    return brand.order(NOON - DAY, "paid", 1, "99.50", order="o1").order(NOON - 1000, "paid", 1, "60.00", order="o2")


def test_a_tag_is_shown_with_the_events_that_speak_for_it_and_since_when_it_holds() -> None:
    _, shown = lin(busy())
    tags = {tag.tag: tag for tag in shown().tags}
    assert sorted(tags) == ["likes:green", "loyal", "regular", "spender"]
    assert (tags["regular"].value, tags["regular"].events) == (2, ("e2", "e3"))
    assert (tags["spender"].value, tags["spender"].events) == ("159.50", ("e2", "e3"))
    assert (tags["likes:green"].value, tags["likes:green"].events) == (2, ("e0", "e1"))
    assert tags["loyal"].value is True
    assert {tag.since for name, tag in tags.items() if name != "likes:green"} == {instant_text(NOON - 1000)}
    assert tags["likes:green"].since == instant_text(NOON - 2 * DAY)


def test_every_rule_says_what_was_found_whether_it_holds_or_not() -> None:
    _, shown = lin(Brand().order(NOON, "paid", 1, "99.50"))
    found = {rule.tag: (rule.holds, rule.value) for rule in shown().rules}
    assert found == {"likes": (False, 0), "loyal": (False, False), "regular": (False, 1), "spender": (False, "99.50")}


def test_a_counter_says_from_when_on_it_counts() -> None:
    _, shown = lin(busy(), LATER)
    counted = {rule.tag: rule.counted_since for rule in shown().rules}
    assert counted == {"browsing": instant_text(NOON - 1000), "likes": None, "loyal": None, "regular": None, "spender": None}
    counters = {counter.counts: (counter.within, counter.since) for counter in shown().counters}
    assert counters == {
        "count of order.paid": ("90d", None),
        "sum of order.paid in CNY": ("30d", None),
        "category of click": ("30d", None),
        "count of click": ("2h", instant_text(NOON - 1000)),
    }


def test_without_consent_to_tags_nothing_of_them_is_shown() -> None:
    _, shown = lin(busy())

    def withdraw(member: Member) -> None:
        member.brands["tea"].consent = Consent(False, None, True, ("cafe",), 3, NOON)

    found = shown(withdraw)
    assert (found.tags, found.rules, msgspec.to_builtins(found.engagement)) == ([], [], {})
    assert (found.orders, found.spend) == (2, {"CNY": "159.50"})
    given = found.consent
    assert (given.tags, given.rewards, given.alliance, given.recipients, given.version) == (False, True, True, ("cafe",), 3)


@pytest.mark.parametrize("tags", [True, False])
def test_who_never_stated_consent_is_shown_as_the_registration_says(tags: bool) -> None:
    _, shown = lin(busy())
    found = shown(terms=Terms(tags=tags))
    assert (found.consent.tags, found.consent.stated, bool(found.tags)) == (tags, None, tags)


def test_a_member_of_another_brand_is_not_shown() -> None:
    stage, _ = lin(busy())
    member = unpack_member(next(packed for key, packed in stage.table.items() if len(key) == MEMBER_KEY))
    with pytest.raises(KeyError):
        card(member, "cafe", "m", stage.restored().partition.plan("cafe"), Terms(), NOON)
