"""Rules for the brands of the public sets: every kind of tag, on what those sets have."""

ORDERS = """
brand: {brand}
timezone: Europe/London
engagement: {{half_life: 7d, weights: {{order.paid: 10}}}}
tags:
  regular:     {{count: {{events: order.paid, within: 14d, at_least: 3}}}}
  this-hour:   {{count: {{events: order.paid, within: 3d, at_least: 1}}}}
  wholesale:   {{sum: {{of: order.paid, within: 21d, at_least: "1000.00", currency: GBP}}}}
  likes:       {{top: {{of: category, events: order.paid, within: 30d, at_least: 2}}}}
  broad:       {{distinct: {{of: sku, events: order.paid, within: 30d, at_least: 40}}}}
  gave-back:   {{count: {{events: order.refunded, within: 30d, at_least: 1}}}}
  silent:      {{silent: {{for: 10d}}}}
  hot:         {{engagement: {{at_least: 12.5}}}}
  lost:        {{all: [{{tag: silent}}, {{any: [{{tag: regular}}, {{tag: wholesale}}]}}, {{not: {{tag: gave-back}}}}]}}
"""
CLICKS = """
brand: {brand}
timezone: Asia/Tokyo
engagement: {{half_life: 1d, weights: {{click: 1.5}}}}
tags:
  looks:       {{count: {{events: click, within: 7d, at_least: 2}}}}
  likes:       {{top: {{of: category, events: click, within: 30d, at_least: 1}}}}
  wide:        {{distinct: {{of: sku, events: click, within: 7d, at_least: 2}}}}
  warm:        {{engagement: {{at_least: 0.75}}}}
  gone:        {{silent: {{for: 3d}}}}
"""
CHATS = """
brand: {brand}
timezone: Asia/Shanghai
engagement: {{half_life: 12h, weights: {{chat.in: 2, chat.out: 0.125}}}}
tags:
  talks:       {{count: {{events: chat.in, within: 2d, at_least: 4}}}}
  just-now:    {{count: {{events: [chat.in, chat.out], within: 2h, at_least: 2}}}}
  upset:       {{keywords: {{any_of: [REFUND, hacked, "doesn't work", 退款, 投诉], within: 30d}}}}
  hungry:      {{keywords: {{any_of: [餐馆, 美食, 烤鸭], within: 3d}}}}
  engaged:     {{engagement: {{at_least: 6}}}}
  waits:       {{all: [{{not: {{count: {{events: chat.out, within: 400d, at_least: 1}}}}}}, {{any: [{{tag: talks}}, {{tag: upset}}]}}]}}
  gone:        {{silent: {{for: 36h}}}}
"""


def rules_of(brand: str, kinds: frozenset[str]) -> str:
    """Write the rules of *brand*, of whose events there are *kinds*."""
    return (ORDERS if "order" in kinds else CLICKS if "click" in kinds else CHATS).format(brand=brand)
