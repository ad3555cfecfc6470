"""What the pipeline is measured with: the street's events in JSON, and rule sets of as many tags as are asked for."""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from agents.rules_folder import read_folder
from deploy.demo.generator import DEAD_LETTER, Piece
from schemas import rules
from schemas.effects import Effect
from schemas.envelope import RulesSet, encode
from schemas.rules import RuleSet
from streams.control import told

TAGS: Final = 20
MEMBERS: Final = 20_000
SEED: Final = 20261124
RULES: Final = Path(__file__).parents[1] / "deploy" / "demo" / "rules"
MORE_TAGS: Final = (
    "clicks-often:  {count: {events: click, within: 7d, at_least: 6}}",
    "spends:        {sum: {of: order.paid, within: 90d, at_least: '2000.00', currency: CNY}}",
    "browses:       {distinct: {of: category, events: [click, share], within: 14d, at_least: 3}}",
    "talks:         {count: {events: [chat.in, chat.out], within: 7d, at_least: 4}}",
    "urgent:        {keywords: {any_of: [马上, 尽快, 着急], within: 12h}}",
    "away:          {silent: {for: 3d}}",
    "core:          {all: [{tag: clicks-often}, {any: [{tag: spends}, {tag: talks}]}]}",
    "orders-often:  {count: {events: order.placed, within: 30d, at_least: 3}}",
)
"""What the demo's rule sets are filled up with: one of each kind."""


PAID_CAMPAIGN: Final = "paid"
PAID: Final = (
    f"  {PAID_CAMPAIGN}:\n"
    """\
    state: live
    trigger: {event: order.paid}
    reward: {coupon: {value: "1.00", currency: CNY, valid_for: 7d}}
    once_per: order
    budget: {money: "1000000.00"}
"""
)
"""A campaign that rewards every paid order, out of a budget that nobody empties."""


def rule_sets(campaign: str = "") -> list[RuleSet]:
    """Fill the demo's rule sets up to 20 tags; *campaign* is put before their own."""
    with tempfile.TemporaryDirectory() as folder:
        for file in RULES.glob("*.yaml"):
            text = file.read_text().replace("\ncampaigns:\n", f"\ncampaigns:\n{campaign}")
            lacking = TAGS - len(text.split("\ntags:\n")[1].strip().splitlines())
            (Path(folder) / file.name).write_text(text + "".join(f"  {line}\n" for line in MORE_TAGS[:lacking]))
        sets = read_folder(Path(folder))
    for one in sets:
        if len(one.tags) != TAGS:
            raise ValueError(f"{one.owner}: {len(one.tags)} tags came; expected {TAGS}")
    return sets


def told_rules(sets: Sequence[RuleSet], partitions: int) -> Iterator[Effect]:
    """Word *sets* as control does."""
    for version, one in enumerate(sets):
        yield from told(encode(RulesSet(one.owner, version, rules.encode(one))), partitions)


def in_json(piece: Piece) -> tuple[bytes, tuple[tuple[str, bytes], ...]]:
    """Word a sound event as structured JSON, however the street told it; what is broken stays as it is."""
    if piece.place == DEAD_LETTER:
        return piece.value, piece.headers
    headers = dict(piece.headers)
    packed = piece.value[0] >= 0x80 and not piece.value.startswith(b"\xef\xbb\xbf")
    content = msgspec.msgpack.decode(piece.value) if packed else msgspec.json.decode(piece.value.removeprefix(b"\xef\xbb\xbf"))
    attributes = {name.removeprefix("ce_"): value.decode() for name, value in headers.items() if name.startswith("ce_")}
    event = {**attributes, "data": content} if attributes else content
    return msgspec.json.encode(event), (("content-type", b"application/cloudevents+json"),)
