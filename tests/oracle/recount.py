"""Tags, engagement, orders and spend of members, counted again from the accepted events by ``recount.sql``."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import duckdb

from tests.oracle.facts import fill, folded, load, who_text
from tests.oracle.identity import Identity
from tests.oracle.places import Verdict
from tests.oracle.rules import Rules, buckets, duration_ms, grain, threshold
from tests.oracle.validity import digits

KEPT_VALUES: Final = 64
BUCKET: Final = """
CREATE MACRO bucket(t, grain, zone) AS CASE grain WHEN 'minute' THEN t // 60000 WHEN 'hour' THEN t // 3600000
    ELSE datediff('day', DATE '1970-01-01', timezone(zone, timezone('UTC', epoch_ms(t)))::DATE) END;
CREATE MACRO inside(t, clock, grain, n, zone) AS
    bucket(clock, grain, zone) - bucket(t, grain, zone) >= 0 AND bucket(clock, grain, zone) - bucket(t, grain, zone) < n;
"""


class Probe(NamedTuple):
    """A question: what is *who* at *brand*, by the log up to and with position *upto*, when the clock says *clock_ms*?"""

    brand: str
    who: Identity
    upto: int
    clock_ms: int


@dataclass
class Member:
    """The answer.  *engagement* is rounded to 6 decimals, *spend* in decimal strings, times in milliseconds."""

    tags: list[str] = field(default_factory=list)
    engagement: dict[str, float] = field(default_factory=dict)
    orders: int = 0
    spend: dict[str, str] = field(default_factory=dict)
    first_seen: int | None = None
    last: dict[str, int] = field(default_factory=dict)


def recount(
    verdicts: Sequence[Verdict],
    rules: Sequence[Rules],
    probes: Sequence[Probe],
    tags_by_default: Mapping[str, bool] | None = None,
) -> dict[Probe, Member]:
    """Answer *probes*.  *tags_by_default*: what a brand's registration says of the purpose ``tags`` (else yes)."""
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as database:
        database.execute(BUCKET)
        load(database, Path(folder), verdicts)
        asked = _everywhere(verdicts, probes)
        sharing = [one for one in rules if one.shares]
        buyers = _buyers(verdicts) if sharing else []
        rows = [
            {"probe": number, "brand": probe.brand, "who": who_text(probe.who), "upto": probe.upto, "clock": probe.clock_ms}
            for number, probe in enumerate([*asked, *buyers])
        ]
        fill(database, Path(folder), "probe", rows)
        database.execute((Path(__file__).parent / "recount.sql").read_text())
        if sharing:
            told = [{"brand": one.owner, "within": one.sharing_ms, "depth": one.sharing_depth} for one in rules]
            fill(database, Path(folder), "sharing_rule", told)
            database.execute("CREATE TABLE buyer AS SELECT * FROM probe WHERE probe >= ?", [len(asked)])
            database.execute((Path(__file__).parent / "sharing.sql").read_text())
        members = _members(database, len(rows))[: len(probes)]
        for one in rules:
            for number, tags, engagement in _Set(database, one).answers(probes):
                members[number].tags.extend(tags)
                members[number].engagement |= engagement
        _withhold(database, probes, members, tags_by_default or {})
    return {probe: members[number] for number, probe in enumerate(probes)}


def _buyers(verdicts: Sequence[Verdict]) -> list[Probe]:
    """Ask of everybody who ordered, at the end: what they came to is their sharers' to count."""
    ordered = {(v.record.brand, v.said.who) for v in verdicts if v.said is not None and v.said.kind == "order"}
    return [Probe(brand, who, len(verdicts), 0) for brand, who in sorted(ordered)]


def _everywhere(verdicts: Sequence[Verdict], probes: Sequence[Probe]) -> list[Probe]:
    """Add to *probes* the same questions at every other brand that knows the member: what the alliance's score is made of."""
    brands: dict[Identity, set[str]] = {}
    for verdict in verdicts:
        if verdict.said is not None:
            brands.setdefault(verdict.said.who, set()).add(verdict.record.brand)
    asked = set(probes)
    others = {probe._replace(brand=brand) for probe in probes for brand in brands.get(probe.who, ())}
    return [*probes, *sorted(others - asked)]


def _members(database: duckdb.DuckDBPyConnection, probes: int) -> list[Member]:
    members = [Member() for _ in range(probes)]
    names = ("click", "share", "order", "chat")
    for number, first_seen, *last in database.sql('SELECT probe, first_seen, click, share, "order", chat FROM seen_member').fetchall():
        members[number].first_seen = first_seen
        members[number].last = {name: at for name, at in zip(names, last, strict=True) if at is not None}
    for number, orders in database.sql("SELECT probe, count(*) FROM bought GROUP BY probe").fetchall():
        members[number].orders = orders
    for number, currency, net in database.sql("SELECT probe, currency, net FROM spent").fetchall():
        members[number].spend[currency] = _major(net, digits(currency))
    return members


def _major(net: int, places: int) -> str:
    text = str(int(net)).rjust(places + 1, "0")
    return f"{text[:-places]}.{text[-places:]}" if places else text


def _withhold(
    database: duckdb.DuckDBPyConnection, probes: Sequence[Probe], members: list[Member], tags_by_default: Mapping[str, bool]
) -> None:
    stated = dict(database.sql("SELECT probe, tags FROM standing").fetchall())
    for number, probe in enumerate(probes):
        allowed = stated.get(number)
        if not (tags_by_default.get(probe.brand, True) if allowed is None else allowed):
            members[number].tags, members[number].engagement = [], {}
        members[number].tags.sort()


class _Set:
    """One rule set, asked of all probes at once."""

    def __init__(self, database: duckdb.DuckDBPyConnection, rules: Rules) -> None:
        self.database = database
        self.rules = rules
        self.engaged = self._engaged()
        self.tops = {name: self._top(tag["top"]) for name, tag in rules.tags.items() if "top" in tag}
        self.holding: dict[str, set[int]] = {}

    def answers(self, probes: Sequence[Probe]) -> list[tuple[int, list[str], dict[str, float]]]:
        """Give each probe of the set's brand its tags and engagement."""
        prefix = "alliance/" if self.rules.owner == "alliance" else ""
        shared = self._shared() if prefix else {}
        holding = {name: self._holds(tag) for name, tag in self.rules.tags.items() if "top" not in tag}
        found = []
        for number, probe in enumerate(probes):
            if prefix or probe.brand == self.rules.owner:
                tags = [prefix + name for name, numbers in holding.items() if number in numbers]
                tags += [f"{prefix}{name}:{top[number]}" for name, top in self.tops.items() if number in top]
                found.append((number, tags, self._score(number, shared)))
        return found

    def _score(self, number: int, shared: Mapping[int, float]) -> dict[str, float]:
        if self.rules.half_life_ms is None:
            return {}
        if self.rules.owner == "alliance":
            return {"alliance": round(shared[number], 6)} if number in shared else {}
        return {"brand": round(self.engaged.get(number, 0.0), 6)}

    def _shared(self) -> dict[int, float]:
        """Add up, for each probe whose own brand may share, the scores of the brands that let it see theirs (CONTRACT 5)."""
        question = """
            SELECT own.probe, list(other.probe) FROM probe own JOIN standing mine ON mine.probe = own.probe AND mine.alliance
            JOIN probe other ON other.who = own.who AND other.upto = own.upto AND other.clock = own.clock
            JOIN standing theirs ON theirs.probe = other.probe AND theirs.alliance
             AND (other.brand = own.brand OR list_contains(theirs.recipients, own.brand)) GROUP BY own.probe"""
        return {
            number: sum(self.engaged.get(other, 0.0) for other in set(others)) for number, others in self.database.sql(question).fetchall()
        }

    def _holds(self, clause: dict[str, Any]) -> set[int]:
        """Find the probes for which *clause* holds."""
        ((word, says),) = clause.items()
        match word:
            case "all":
                return set.intersection(*(self._holds(part) for part in says))
            case "any":
                return set.union(*(self._holds(part) for part in says))
            case "not":
                everyone = {number for (number,) in self.database.sql("SELECT probe FROM probe").fetchall()}
                return everyone - self._holds(says)
            case "tag":
                return set(self.tops[says]) if says in self.tops else self._holds(self.rules.tags[says])
            case "engagement":
                return {number for number, score in self.engaged.items() if round(score, 6) >= float(says["at_least"])}
            case "silent":
                return self._silent(duration_ms(says["for"]))
        return self._counted(word, says)

    def _counted(self, word: str, says: dict[str, Any]) -> set[int]:
        """Ask one of the windowed questions."""
        if word == "keywords":
            words = [folded(one) for one in says["any_of"]]
            condition = "name = 'chat.in' AND len(list_filter($words, lambda w: contains(text, w))) > 0"
            return self._ask("counted", condition, "count(*) >= 1", says, {"words": words})
        if word == "sum":
            return self._ask(
                "counted",
                "name = $of AND currency = $currency",
                "sum(net) >= $least",
                says,
                {"of": says["of"], "currency": says["currency"], "least": threshold(says)},
            )
        parameters: dict[str, Any] = {"events": _listed(says["events"]), "least": threshold(says)}
        if word == "distinct":
            having = f"least({KEPT_VALUES}, count(DISTINCT value)) >= $least"
            condition = "list_contains($events, name) AND dimension = $of"
            return self._ask("counted_value", condition, having, says, {**parameters, "of": says["of"]})
        assert word == "count", word
        return self._ask("counted", "list_contains($events, name)", "count(*) >= $least", says, parameters)

    def _ask(self, table: str, condition: str, having: str, says: dict[str, Any], parameters: dict[str, Any]) -> set[int]:
        question = f"SELECT probe FROM {table} WHERE {condition} AND {self._inside(says)} GROUP BY probe HAVING {having}"
        return {number for (number,) in self.database.execute(question, parameters).fetchall()}

    def _inside(self, says: dict[str, Any]) -> str:
        window_ms = duration_ms(says["within"])
        return f"inside(t, clock, '{grain(window_ms)}', {buckets(window_ms)}, '{self.rules.timezone}')"

    def _top(self, says: dict[str, Any]) -> dict[int, str]:
        question = f"""
            SELECT probe, value FROM (
                SELECT probe, value, count(DISTINCT position) AS n FROM counted_value
                WHERE list_contains($events, name) AND dimension = $of AND {self._inside(says)} GROUP BY probe, value
                HAVING n >= $least)
            QUALIFY row_number() OVER (PARTITION BY probe ORDER BY n DESC, value) = 1"""
        parameters = {"events": _listed(says["events"]), "of": says["of"], "least": threshold(says)}
        return dict(self.database.execute(question, parameters).fetchall())

    def _silent(self, for_ms: int) -> set[int]:
        by, zone = grain(for_ms), self.rules.timezone
        gap = f"bucket(clock, '{by}', '{zone}') - bucket(acted, '{by}', '{zone}')"
        question = f"SELECT probe FROM seen_member WHERE acted IS NOT NULL AND {gap} >= {buckets(for_ms)}"
        return {number for (number,) in self.database.sql(question).fetchall()}

    def _engaged(self) -> dict[int, float]:
        if self.rules.half_life_ms is None:
            return {}
        names, weights = list(self.rules.weights), list(self.rules.weights.values())
        question = f"""
            SELECT probe, sum(weight * pow(2.0, -(clock - t)::DOUBLE / {self.rules.half_life_ms}))
            FROM counted JOIN (SELECT unnest($names) AS name, unnest($weights) AS weight) USING (name) GROUP BY probe"""
        return dict(self.database.execute(question, {"names": names, "weights": weights}).fetchall())


def _listed(events: str | list[str]) -> list[str]:
    return [events] if isinstance(events, str) else list(events)
