"""What `huiliu rules check` accepts and what it says."""

import pytest

from schemas.rules import (
    DAY_MS,
    EVENT_NAMES,
    HOUR_MS,
    MINUTE_MS,
    All,
    AnyOf,
    Clause,
    Count,
    Distinct,
    Engaged,
    EngagementRules,
    Keywords,
    Not,
    RuleSet,
    SharingRules,
    Silent,
    Sum,
    TagRef,
    Top,
)
from streams.rules_check import check, told

EXAMPLE = """\
brand: acme
timezone: Asia/Shanghai
engagement: {half_life: 7d, weights: {click: 1, share: 5, order.paid: 10, chat.in: 2}}
tags:
  regular:       {count: {events: order.paid, within: 90d, at_least: 3}}
  big-spender:   {sum: {of: order.paid, within: 30d, at_least: "1000.00", currency: CNY}}
  browsing:      {count: {events: [click, chat.in], within: 2h, at_least: 5}}
  interested-in: {top: {of: category, events: [click, order.paid], within: 30d, at_least: 3}}
  explorer:      {distinct: {of: sku, events: click, within: 7d, at_least: 10}}
  upset:         {keywords: {any_of: [投诉, 退货, 差评], within: 3d}}
  sleeping:      {silent: {for: 30d}}
  hot:           {engagement: {at_least: 20}}
  win-back:      {all: [{tag: sleeping}, {not: {tag: upset}}, {any: [{tag: regular}, {tag: big-spender}]}]}
  advocate:      {count: {events: share.visited, within: 30d, at_least: 5}}
"""


def errors(text: str) -> list[str]:
    found = check(text)
    assert isinstance(found, list), found
    return told(found, "acme.yaml")


def one_tag(rule: str) -> str:
    return f"brand: acme\ntags:\n  t: {rule}\n"


def tag(rule: str) -> Clause:
    rules = check(one_tag(rule))
    assert isinstance(rules, RuleSet), rules
    return rules.tags["t"]


def error(rule: str) -> str:
    (only,) = errors(one_tag(rule))
    return only.removeprefix("acme.yaml:3: tags.t.")


def test_the_example_of_the_rules_is_read_whole() -> None:
    assert check(EXAMPLE) == RuleSet(
        owner="acme",
        timezone="Asia/Shanghai",
        engagement=EngagementRules(half_life_ms=7 * DAY_MS, weights={"click": 1.0, "share": 5.0, "order.paid": 10.0, "chat.in": 2.0}),
        tags={
            "regular": Count(events=("order.paid",), within_ms=90 * DAY_MS, at_least=3),
            "big-spender": Sum(of="order.paid", within_ms=30 * DAY_MS, at_least_minor=100_000, currency="CNY"),
            "browsing": Count(events=("chat.in", "click"), within_ms=2 * HOUR_MS, at_least=5),
            "interested-in": Top(of="category", events=("click", "order.paid"), within_ms=30 * DAY_MS, at_least=3),
            "explorer": Distinct(of="sku", events=("click",), within_ms=7 * DAY_MS, at_least=10),
            "upset": Keywords(any_of=("差评", "投诉", "退货"), within_ms=3 * DAY_MS),
            "sleeping": Silent(for_ms=30 * DAY_MS),
            "hot": Engaged(at_least=20.0),
            "win-back": All(
                of=(TagRef(tag="sleeping"), Not(of=TagRef(tag="upset")), AnyOf(of=(TagRef(tag="regular"), TagRef(tag="big-spender"))))
            ),
            "advocate": Count(events=("share.visited",), within_ms=30 * DAY_MS, at_least=5),
        },
    )


def test_the_alliance_owns_a_set_of_its_own() -> None:
    rules = check("alliance: true\n")
    assert isinstance(rules, RuleSet)
    assert rules.owner == "alliance"


def test_sharing_says_a_window_and_a_depth() -> None:
    written = [("{window: 3d, depth: 2}", 72, 2), ("{depth: 1}", 168, 1), ("{window: 36h}", 36, 1)]
    for text, hours, depth in written:
        rules = check(f"brand: acme\nsharing: {text}\n")
        assert isinstance(rules, RuleSet)
        assert rules.sharing == SharingRules(hours * HOUR_MS, depth)


@pytest.mark.parametrize(
    ("sharing", "told"),
    [
        ("{depth: 3}", "depth: 3 levels are pyramid selling, which the law forbids; expected 1 or 2"),
        ("{depth: 0}", "depth: 0; expected 1 or 2"),
        ("{depth: yes}", 'depth: "yes"; expected 1 or 2'),
        ("{window: a week}", 'window: "a week" is not a duration; write a whole number and m, h, d or w, such as 90d'),
    ],
)
def test_a_third_level_is_refused_and_so_is_what_is_no_number(sharing: str, told: str) -> None:
    assert errors(f"brand: acme\nsharing: {sharing}\n") == [f"acme.yaml:2: sharing.{told}"]


def test_a_set_without_a_time_zone_counts_days_of_utc() -> None:
    rules = check("brand: acme\n")
    assert isinstance(rules, RuleSet)
    assert rules.timezone == "UTC"


def test_every_mistake_is_told_at_once_with_its_line() -> None:
    text = """\
brand: Acme
timezone: Asia/Shanghia
tags:
  regular:
    count:
      events: order.pad
      within: 90 days
      at_least: 0
  Big Spender: {sum: {of: order.paid, within: 30d, at_least: 1000, currency: RMB}}
  hot: {engagement: {at_least: 20}}
  back: {tag: reguler}
campaigns: []
"""
    assert errors(text) == [
        'acme.yaml:1: brand: "Acme" is not a brand\'s name; expected 2 to 32 of a-z, 0-9 and -, a letter first',
        (
            'acme.yaml:2: timezone: "Asia/Shanghia" is not a time zone (did you mean Asia/Shanghai?); '
            "expected an IANA name such as Asia/Shanghai"
        ),
        (
            'acme.yaml:6: tags.regular.count.events: "order.pad" is not an event (did you mean order.paid?); '
            f"expected one of {', '.join(EVENT_NAMES)}"
        ),
        'acme.yaml:7: tags.regular.count.within: "90 days" is not a duration; write 90d',
        "acme.yaml:8: tags.regular.count.at_least: 0; expected a whole number from 1 to 1000000000",
        (
            'acme.yaml:9: tags.Big Spender: "Big Spender" can\'t name a tag; expected 1 to 64 of a-z, 0-9 and -, a letter first, '
            "such as big-spender"
        ),
        'acme.yaml:9: tags.Big Spender.sum.currency: "RMB" is not a currency of ISO 4217; expected a code such as CNY',
        'acme.yaml:9: tags.Big Spender.sum.at_least: 1000 is not money; write it in quotes: "1000"',
        "acme.yaml:10: tags.hot.engagement: there is no score; expected an engagement: section with half_life and weights",
        (
            'acme.yaml:11: tags.back.tag: "reguler" is not a tag of this set (did you mean regular?); '
            "expected one of regular, Big Spender, hot, back"
        ),
        "acme.yaml:12: campaigns: a list; expected a mapping of names to campaigns",
    ]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "acme.yaml:1: the file is empty; expected brand: and tags:"),
        ("tags: {}\n", "acme.yaml:1: nothing says whose rules these are; expected brand: and the brand's name, or alliance: true"),
        ("brand: acme\nalliance: true\n", "acme.yaml:2: alliance: both brand and alliance; a set has one owner"),
        ("brand: alliance\n", 'acme.yaml:1: brand: "alliance" is not a brand\'s name; write alliance: true'),
        ("alliance: no\n", 'acme.yaml:1: alliance: "no"; expected true, or brand: and the brand\'s name'),
        (
            "brand: on\nbrnad: x\n",
            (
                'acme.yaml:2: brnad: "brnad" is not expected (did you mean brand?); expected brand, alliance, '
                "timezone, engagement, tags, sharing or campaigns"
            ),
        ),
        ("brand: acme\ntags: [a]\n", "acme.yaml:2: tags: a list; expected a mapping of tag names to rules"),
        (
            "brand: acme\ntimezone: localtime\n",
            'acme.yaml:2: timezone: "localtime" is not a time zone; expected an IANA name such as Asia/Shanghai',
        ),
        ("brand: acme\ntimezone: 8\n", "acme.yaml:2: timezone: 8 is not a time zone; expected an IANA name such as Asia/Shanghai"),
        (
            "brand: acme\ntimezone: ../UTC\n",
            ('acme.yaml:2: timezone: "../UTC" is not a time zone; expected an IANA name such as Asia/Shanghai'),
        ),
        ("brand: acme\nengagement: {half_life: 7d}\n", "acme.yaml:2: engagement: weights is missing; expected half_life and weights"),
        (
            "brand: acme\nengagement: {half_life: 7d, weights: {clicks: 1}}\n",
            (
                'acme.yaml:2: engagement.weights.clicks: "clicks" is not an '
                f"event (did you mean click?); expected one of {', '.join(EVENT_NAMES)}"
            ),
        ),
        (
            "brand: acme\nengagement: {half_life: 7d, weights: {click: -1}}\n",
            ("acme.yaml:2: engagement.weights.click: -1; expected a number from 0 to 1000000000"),
        ),
        (
            "brand: acme\nengagement: {half_life: 7d, weights: {}}\n",
            ("acme.yaml:2: engagement.weights: an empty mapping; expected a mapping of events to numbers, such as {click: 1}"),
        ),
    ],
)
def test_a_set_that_is_wrong_says_how(text: str, what: str) -> None:
    assert errors(text) == [what]


@pytest.mark.parametrize(
    ("within", "length_ms"),
    [("1m", MINUTE_MS), ("120m", 2 * HOUR_MS), ("3h", 3 * HOUR_MS), ("72h", 3 * DAY_MS), ("2w", 14 * DAY_MS), ("400d", 400 * DAY_MS)],
)
def test_a_window_is_a_number_and_a_unit(within: str, length_ms: int) -> None:
    assert tag(f"{{silent: {{for: {within}}}}}") == Silent(for_ms=length_ms)


@pytest.mark.parametrize(
    ("within", "what"),
    [
        ("90 days", '"90 days" is not a duration; write 90d'),
        ("2 Hours", '"2 Hours" is not a duration; write 2h'),
        ("45s", '"45s" is not a duration; write whole minutes, such as 1m'),
        ("90", "90 is not a duration; write 90d (or 90m, 90h, 90w)"),
        ("1.5h", '"1.5h" is not a duration; write a whole number and m, h, d or w, such as 90d'),
        ("-1d", '"-1d" is not a duration; write a whole number and m, h, d or w, such as 90d'),
        ("true", "true is not a duration; write a whole number and m, h, d or w, such as 90d"),
        ("[1d]", "a list is not a duration; write a whole number and m, h, d or w, such as 90d"),
        ("", "nothing is not a duration; write a whole number and m, h, d or w, such as 90d"),
        ("0m", '"0m" is too short; expected 1m to 400d'),
        ("401d", '"401d" is too long; expected 1m to 400d'),
        ("121m", '"121m" is not whole: between 2h and 3d a window is counted by the hour; write 2h or 3h'),
        ("73h", '"73h" is not whole: above 3d a window is counted by the day; write 3d or 4d'),
    ],
)
def test_a_window_that_cannot_be_counted_says_what_to_write(within: str, what: str) -> None:
    assert error(f"{{silent: {{for: {within}}}}}") == f"silent.for: {what}"


@pytest.mark.parametrize(
    ("amount", "currency", "minor"), [("1000", "CNY", 100_000), ("0.01", "CNY", 1), ("500", "JPY", 500), ("1.234", "KWD", 1234)]
)
def test_money_has_its_currencys_digits(amount: str, currency: str, minor: int) -> None:
    rule = f'{{sum: {{of: order.paid, within: 1d, at_least: "{amount}", currency: {currency}}}}}'
    assert tag(rule) == Sum(of="order.paid", within_ms=DAY_MS, at_least_minor=minor, currency=currency)


@pytest.mark.parametrize(
    ("amount", "currency", "what"),
    [
        ('"1.5"', "JPY", '"1.5" is not money in JPY; expected a decimal string above 0, such as "1000"'),
        ('"0"', "CNY", '"0" is not money in CNY; expected a decimal string above 0, such as "1000.00"'),
        ('"-5.00"', "CNY", '"-5.00" is not money in CNY; expected a decimal string above 0, such as "1000.00"'),
        ('"1,000"', "CNY", '"1,000" is not money in CNY; expected a decimal string above 0, such as "1000.00"'),
        ("1000.50", "CNY", '1000.50 is not money; write it in quotes: "1000.50"'),
    ],
)
def test_what_is_not_money_is_refused(amount: str, currency: str, what: str) -> None:
    assert error(f"{{sum: {{of: order.paid, within: 1d, at_least: {amount}, currency: {currency}}}}}") == f"sum.at_least: {what}"


@pytest.mark.parametrize(
    ("rule", "what"),
    [
        ("{}", "an empty mapping; expected one of top, count, sum, distinct, keywords, silent, engagement, all, any, not, tag"),
        (
            "{cuont: 1}",
            (
                '"cuont" is not a rule (did you mean count?); expected one of top, count, sum, distinct, keywords, silent, '
                "engagement, all, any, not, tag"
            ),
        ),
        ("[]", "a list; expected a rule: a mapping of one of top, count, sum, distinct, keywords, silent, engagement, all, any, not, tag"),
        ("{count: {events: click, within: 1d}}", "at_least is missing; expected events, within and at_least"),
        (
            "{count: {events: click, within: 1d, at_least: 1, atleast: 2}}",
            ('"atleast" is not expected (did you mean at_least?); expected events, within or at_least'),
        ),
        ("{count: {events: [], within: 1d, at_least: 1}}", "an empty list; expected an event's name or a list of them"),
        ("{count: {events: click, within: 1d, at_least: 1.5}}", "1.5; expected a whole number from 1 to 1000000000"),
        ("{count: {events: click, within: 1d, at_least: true}}", "true; expected a whole number from 1 to 1000000000"),
        (
            "{sum: {of: order.refunded, within: 1d, at_least: '1', currency: CNY}}",
            (
                '"order.refunded" is not an event that can be summed; '
                "expected one of order.completed, order.paid, order.placed, order.shipped"
            ),
        ),
        (
            "{top: {of: brand, events: click, within: 1d, at_least: 1}}",
            ('"brand" is not something that is counted by value; expected one of category, sku'),
        ),
        ("{distinct: {of: sku, events: click, within: 1d, at_least: 65}}", "65; expected a whole number from 1 to 64"),
        ("{keywords: {any_of: [110], within: 1d}}", '110 is not text; write it in quotes: "110"'),
        ("{keywords: {any_of: ['  '], within: 1d}}", '"  "; expected a word, 1 to 64 characters'),
        ("{all: []}", "an empty list; expected a list of rules"),
        ("{all: {silent: {for: 1d}}}", "a mapping; expected a list of rules"),
        (
            "{not: {top: {of: sku, events: click, within: 1d, at_least: 1}}}",
            ("top gives a tag of its own and can't be part of another; define it under tags and write {tag: its-name}"),
        ),
        (
            "{silent: {for: 1d}, not: {silent: {for: 1d}}}",
            "2 rules in one place (silent, not); expected one, or all: [...] / any: [...] of them",
        ),
    ],
)
def test_a_rule_that_is_wrong_says_how(rule: str, what: str) -> None:
    assert [line.partition(": ")[2].partition(": ")[2] for line in errors(one_tag(rule))] == [what]


def test_a_rule_refers_to_a_top_tag_whatever_its_value() -> None:
    text = "brand: acme\ntags:\n  likes: {top: {of: sku, events: click, within: 1d, at_least: 1}}\n  t: {tag: %s}\n"
    assert isinstance(check(text % "likes"), RuleSet)
    assert errors(text % "likes:shoes") == [
        'acme.yaml:4: tags.t.tag: "likes:shoes" names one value; write likes, which holds whatever the value is'
    ]


def test_a_tag_that_refers_to_itself_is_refused() -> None:
    assert error("{not: {tag: t}}") == "acme.yaml:3: tags.t: refers to itself (t -> t); expected tags that lead to no circle"


def test_each_circle_is_told_once_at_its_first_tag() -> None:
    tags = ("a: {tag: b}", "b: {any: [{tag: c}, {tag: d}]}", "c: {not: {tag: a}}", "d: {silent: {for: 1d}}", "e: {tag: e}")
    text = "brand: acme\ntags:\n" + "".join(f"  {each}\n" for each in tags)
    assert errors(text) == [
        "acme.yaml:3: tags.a: refers to itself (a -> b -> c -> a); expected tags that lead to no circle",
        "acme.yaml:7: tags.e: refers to itself (e -> e); expected tags that lead to no circle",
    ]


def test_a_thousand_tags_in_a_row_are_no_circle() -> None:
    chain = "".join(f"  t{n}: {{tag: t{n + 1}}}\n" for n in range(1000))
    assert isinstance(check(f"brand: acme\ntags:\n{chain}  t1000: {{silent: {{for: 1d}}}}\n"), RuleSet)
