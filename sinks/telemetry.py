"""What an operator sees: one function for each occurrence gives the log line and the metric.

Labels are brands, event types, reasons, topics and partitions: all bounded.
No identity, and no text of a brand's, is ever in one.  A ``Telemetry`` is one
worker's; it is also the engine's observer.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

from schemas import decisions as noted
from schemas.crm import (
    ENRICHED,
    MANIFEST,
    REWARD_GRANTED,
    REWARD_PROGRESS,
    REWARD_REFUSED,
    REWARD_REVERSED,
    TAG_ENTERED,
    TAG_EXITED,
    CrmRecord,
)
from schemas.dead_letters import DeadLetter
from schemas.decisions import Answered, Decision, Noted, Rewarded

LATENCY_S: Final = (0.005, 0.01, 0.015, 0.02, 0.025, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600)
SHORT_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
LONG_S: Final = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
Tally = dict[tuple[str, str], int]
PLACE: Final = ("topic", "partition")
MOST_CAMPAIGNS: Final = 1_000
OTHERS: Final = "others"


class Telemetry:
    """Metrics and log lines of one worker."""

    def __init__(self, stage: str) -> None:
        self.registry = CollectorRegistry()
        self.log: Any = structlog.get_logger().bind(stage=stage)
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._campaigns: set[str] = set()
        self._tallies: list[tuple[Tally, Callable[[str, str, int], None]]] = []
        self._make_of_brands()
        self._make_of_engine()
        self._make_of_serving()

    def watch_intake(self, admitted: Tally, refused: Tally) -> None:
        """Count what intake tallies, by (brand, type) and (brand, reason), whenever the page is asked for: it runs on the hot path."""
        self._tallies = [(admitted, self.accepted), (refused, self.refused)]

    def watch_shares(self, refused: Tally) -> None:
        """Count what earned sharers nothing, by (brand, reason), whenever the page is asked for."""
        self._tallies = [(refused, self.share_refused)]

    def page(self) -> bytes:
        """Write all metrics for Prometheus."""
        for tally, count in self._tallies:
            while tally:
                (brand, kind), times = tally.popitem()
                count(brand, kind, times)
        return generate_latest(self.registry)

    # -- brands

    def accepted(self, brand: str, kind: str, times: int = 1) -> None:
        """Intake let events of type *kind* in."""
        self._events.labels(brand, kind).inc(times)
        self.log.debug("accepted", brand=brand, type=kind, times=times)

    def enriched(self, brand: str, times: int = 1) -> None:
        """Events went to the brand's CRM."""
        self._enriched.labels(brand).inc(times)
        self.log.debug("enriched", brand=brand, times=times)

    def reached_crm(self, brand: str, seconds: float) -> None:
        """Tell how long an event took from the brand's topic to the CRM's."""
        self._latency.labels(brand).observe(seconds)

    def refused(self, brand: str, reason: str, times: int = 1) -> None:
        """Records became dead letters."""
        self._refusals.labels(brand, reason).inc(times)
        self.log.debug("refused", brand=brand, reason=reason, times=times)

    def duplicate(self, brand: str, times: int = 1) -> None:
        """The publisher's own copies were dropped."""
        self._duplicates.labels(brand, "publisher").inc(times)
        self.log.debug("duplicate", brand=brand, times=times)

    def replayed(self, brand: str, times: int = 1) -> None:
        """Copies that our own replays made were dropped."""
        self._duplicates.labels(brand, "replay").inc(times)
        self.log.debug("replayed", brand=brand, times=times)

    def refund_without_order(self, brand: str, times: int = 1) -> None:
        """A refund came whose order this member has not: the brand sends other identities with it, or it is too old."""
        self._warnings.labels(brand, "refund_without_order").inc(times)
        self.log.info("refund without order", brand=brand, times=times)

    def values_forgotten(self, brand: str, times: int = 1) -> None:
        """A counter of distinct values was full and forgot its least: the tag may be lower than the truth."""
        self._warnings.labels(brand, "values_forgotten").inc(times)
        self.log.info("values forgotten", brand=brand, times=times)

    def share_visited(self, brand: str, times: int = 1) -> None:
        """Visits counted for those who shared."""
        self._share_credits.labels(brand, "visited").inc(times)
        self.log.debug("share visited", brand=brand, times=times)

    def share_ordered(self, brand: str, times: int = 1) -> None:
        """Orders counted for those who shared."""
        self._share_credits.labels(brand, "ordered").inc(times)
        self.log.debug("share ordered", brand=brand, times=times)

    def share_taken_back(self, brand: str, times: int = 1) -> None:
        """Orders that are no more, or visits in a cycle, were taken back from those who shared."""
        self._share_credits.labels(brand, "taken_back").inc(times)
        self.log.debug("share taken back", brand=brand, times=times)

    def share_refused(self, brand: str, reason: str, times: int = 1) -> None:
        """Visits or orders earned their sharer nothing."""
        self._share_refusals.labels(brand, reason).inc(times)
        self.log.debug("share refused", brand=brand, reason=reason, times=times)

    def tag_entered(self, brand: str, times: int = 1) -> None:
        """Members entered tags."""
        self._tags.labels(brand, "entered").inc(times)
        self.log.debug("tags entered", brand=brand, times=times)

    def tag_exited(self, brand: str, times: int = 1) -> None:
        """Members left tags."""
        self._tags.labels(brand, "exited").inc(times)
        self.log.debug("tags exited", brand=brand, times=times)

    def brand_added(self, brand: str) -> None:
        """Intake took a brand up."""
        self._brands.inc()
        self.log.info("brand taken up", brand=brand)

    def decided(self, decisions: Sequence[Decision]) -> None:
        """The members fold came to *decisions*: count a batch in one pass, for it runs on the hot path.

        The latency is the last enriched record's of each brand: from the clock
        that it carries, which its own append time set or was behind, to now.
        """
        counts: dict[tuple[str, str], int] = {}
        rewarded: dict[Rewarded, int] = {}
        last: dict[str, str] = {}
        now = datetime.now(UTC)
        for decision in decisions:
            if type(decision) is CrmRecord:
                what = decision.type
                if what == ENRICHED:
                    last[decision.brand] = decision.at
                key = (what, decision.brand)
                counts[key] = counts.get(key, 0) + 1
            elif type(decision) is Noted:
                key = (decision.what, decision.brand)
                counts[key] = counts.get(key, 0) + decision.times
            elif type(decision) is DeadLetter:
                self.refused(decision.brand, decision.refused.reason)
            elif type(decision) is Rewarded:
                rewarded[decision] = rewarded.get(decision, 0) + 1
            elif type(decision) is Answered:
                self.reward_decided(decision.brand, max(0.0, now.timestamp() - decision.asked_ms / 1000))
        for (campaign, outcome), times in rewarded.items():
            self.rewarded(campaign, outcome, times)
        for (what, brand), times in counts.items():
            COUNTED[what](self, brand, times)
        for brand, at in last.items():
            self.reached_crm(brand, max(0.0, (now - datetime.fromisoformat(at)).total_seconds()))

    def reward_decided(self, brand: str, seconds: float) -> None:
        """Tell how long it took from a trigger to what budgets decided on it."""
        self._decision.labels(brand).observe(seconds)

    def reward_told(self, brand: str, times: int = 1) -> None:
        """A brand was told of rewards."""
        self._rewards_told.labels(brand).inc(times)
        self.log.debug("rewards told", brand=brand, times=times)

    def rewarded(self, campaign: str, outcome: str, times: int = 1) -> None:
        """Count what became of triggers or of rewards; of more campaigns than are named apart the others count together."""
        self._rewards.labels(self._named(campaign), outcome).inc(times)
        self.log.debug("rewarded", campaign=campaign, outcome=outcome, times=times)

    def budget(self, campaign: str, reserved_minor: int, spent_minor: int, left_minor: int | None, left_grants: int | None) -> None:
        """Tell what a campaign has cost in its present period, and what is left; nothing is told as left where there is no bound."""
        named = self._named(campaign)
        if named == OTHERS:
            return
        found = {"reserved": reserved_minor, "spent": spent_minor, "left": left_minor}
        for kind, minor in found.items():
            if minor is not None:
                self._budget.labels(named, kind).set(minor)
        if left_grants is not None:
            self._budget_grants.labels(named).set(left_grants)

    def _named(self, campaign: str) -> str:
        if len(self._campaigns) < MOST_CAMPAIGNS:
            self._campaigns.add(campaign)
        return campaign if campaign in self._campaigns else OTHERS

    def manifest(self, brand: str, times: int = 1) -> None:
        """A brand was told what it was sent."""
        self._manifests.labels(brand).inc(times)
        self.log.debug("manifest", brand=brand, times=times)

    # -- the engine's observer

    def folded(self, topic: str, partition: int, records: int, seconds: float) -> None:
        """A batch of *records* was folded."""
        self._batches.labels(topic).inc()
        self._records.labels(topic).inc(records)
        self._fold.labels(topic).observe(seconds)
        self.log.debug("folded", topic=topic, partition=partition, records=records, seconds=seconds)

    def committed(self, topic: str, partition: int, states: int, seconds: float) -> None:
        """A transaction of *states* became durable."""
        self._commit.labels(topic).observe(seconds)
        self._states_written.labels(topic).inc(states)
        self.log.debug("committed", topic=topic, partition=partition, states=states, seconds=seconds)

    def lag(self, topic: str, partition: int, records: int, seconds: float) -> None:
        """So much is waiting in the log."""
        self._lag_records.labels(topic, partition).set(records)
        self._lag_seconds.labels(topic, partition).set(seconds)

    def restoring(self, partition: int, states: int) -> None:
        """A restore goes on and has read so many changelog records."""
        self.log.info("restoring", partition=partition, records=states)

    def restored(self, partition: int, states: int, size: int, seconds: float) -> None:
        """A partition was taken over."""
        self._restore.observe(seconds)
        self.log.info("restored", partition=partition, states=states, bytes=size, seconds=round(seconds, 3))
        self.size(partition, states, size)

    def size(self, partition: int, states: int, size: int) -> None:
        """A table holds *states* of *size* bytes."""
        self._states.labels(partition).set(states)
        self._state_bytes.labels(partition).set(size)

    def crashed(self, topic: str, partition: int, offset: int, bug: BaseException) -> None:
        """A record raised in the fold and became a dead letter: our bug."""
        self._crashes.labels(topic).inc()
        self.log.error("crashed", topic=topic, partition=partition, offset=offset, exc_info=bug)

    def refused_start(self, problem: str) -> None:
        """The worker must not start."""
        self._failures.labels("refused_start").inc()
        self.log.error("refused to start", problem=problem)

    def set_aside(self, topic: str, partition: int, problem: str) -> None:
        """One partition of an untrusted topic is not read, so that the others are."""
        self._set_aside.labels(topic, partition).set(1)
        self.log.error("set aside", topic=topic, partition=partition, problem=problem)

    def waiting(self, topic: str, seconds: float) -> None:
        """A write has not been delivered for so long: a fault of the cluster."""
        self._waiting.labels(topic).set(seconds)
        self.log.warning("waiting for a write", topic=topic, seconds=round(seconds, 1))

    def arrived(self, topic: str) -> None:
        """What was waited for is delivered."""
        self._waiting.labels(topic).set(0)
        self.log.info("waited for a write", topic=topic)

    def topic_made_again(self, topic: str) -> None:
        """Somebody had deleted a topic that a brand receives in; what it held is gone."""
        self._made_again.labels(topic).inc()
        self.log.warning("topic made again", topic=topic)

    def topic_not_made(self, topic: str, problem: str) -> None:
        """A topic that is waited for could not be made; it is tried again."""
        self.log.error("topic not made", topic=topic, problem=problem)

    def fence(self, is_open: bool) -> None:
        """The worker may send, or has not heard from Kafka for a session timeout."""
        self._fence.set(is_open)
        self.log.log(20 if is_open else 30, "fence", open=is_open)

    def failed(self, problem: str) -> None:
        """Say why nothing more is sent and the worker exits."""
        self._failures.labels("failed").inc()
        self.log.error("failed", problem=problem)

    def stopped(self, clean: bool) -> None:
        """The worker ended."""
        self.log.log(20 if clean else 30, "stopped", clean=clean)

    # -- the serving copy

    def served(self, members: int, seconds: float) -> None:
        """A batch of members was written to the serving copy."""
        self._served.inc(members)
        self._serve.observe(seconds)
        self.log.debug("served", members=members, seconds=seconds)

    def serving_stale(self, problem: str) -> None:
        """The serving copy could not be written; it is stale until rebuilt or caught up."""
        self._stale.set(1)
        self._serving_errors.inc()
        self.log.warning("serving copy is stale", problem=problem)

    def serving_fresh(self) -> None:
        """The serving copy is whole again."""
        self._stale.set(0)
        self.log.info("serving copy is fresh")

    def listening(self, host: str, port: int) -> None:
        """Metrics and health can be asked for."""
        self.log.info("listening", host=host, port=port)

    # -- the metrics, once

    def _counter(self, name: str, says: str, *labels: str) -> Counter:
        return Counter(f"huiliu_{name}", says, labels, registry=self.registry)

    def _gauge(self, name: str, says: str, *labels: str) -> Gauge:
        return Gauge(f"huiliu_{name}", says, labels, registry=self.registry)

    def _histogram(self, name: str, says: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"huiliu_{name}", says, labels, registry=self.registry, buckets=buckets)

    def _make_of_brands(self) -> None:
        self._events = self._counter("events", "events that intake let in", "brand", "type")
        self._enriched = self._counter("enriched", "events returned to the CRM", "brand")
        self._latency = self._histogram("event_to_crm_seconds", "from the brand's topic to the CRM's", LATENCY_S, "brand")
        self._refusals = self._counter("refusals", "records that became dead letters", "brand", "reason")
        self._duplicates = self._counter("duplicates", "copies dropped: the publisher's, or of our own replays", "brand", "kind")
        self._warnings = self._counter("warnings", "things a brand should look into", "brand", "kind")
        self._tags = self._counter("tags", "tags entered and exited by members", "brand", "change")
        self._share_credits = self._counter("share_credits", "what counted for those who shared, or was taken back", "brand", "kind")
        self._share_refusals = self._counter("share_refusals", "visits and orders that earned their sharer nothing", "brand", "reason")
        self._rewards_told = self._counter("rewards_told", "reward records sent to the CRM", "brand")
        self._rewards = self._counter("rewards", "what became of triggers and rewards", "campaign", "outcome")
        self._decision = self._histogram("reward_decision_seconds", "from a trigger to what budgets decided on it", LATENCY_S, "brand")
        self._budget = self._gauge("budget_minor", "money of the present period, in minor units", "campaign", "kind")
        self._budget_grants = self._gauge("budget_grants_left", "grants left in the present period", "campaign")
        self._manifests = self._counter("manifests", "manifests sent to the CRM", "brand")
        self._brands = self._counter("brands_taken_up", "brands that intake took up")

    def _make_of_engine(self) -> None:
        self._batches = self._counter("batches", "batches folded", "topic")
        self._records = self._counter("records", "records folded", "topic")
        self._fold = self._histogram("fold_seconds", "time to fold a batch", SHORT_S, "topic")
        self._commit = self._histogram("commit_seconds", "time of a transaction", SHORT_S, "topic")
        self._states_written = self._counter("states_written", "states committed to the changelog", "topic")
        self._lag_records = self._gauge("lag_records", "records waiting", *PLACE)
        self._lag_seconds = self._gauge("lag_seconds", "age of the last record folded, 0 without lag", *PLACE)
        self._restore = self._histogram("restore_seconds", "time to take a partition over", LONG_S)
        self._states = self._gauge("states", "states in a partition's table", "partition")
        self._state_bytes = self._gauge("state_bytes", "their size", "partition")
        self._crashes = self._counter("crashes", "records that raised in a fold: our bugs", "topic")
        self._failures = self._counter("failures", "why this worker ends or did not start", "kind")
        self._set_aside = self._gauge("set_aside", "partitions that are not read", *PLACE)
        self._waiting = self._gauge("waiting_seconds", "age of the oldest write that is not delivered", "topic")
        self._made_again = self._counter("topics_made_again", "topics that brands receive in, deleted by somebody", "topic")
        self._fence = self._gauge("fence_open", "1 while the worker may send")

    def _make_of_serving(self) -> None:
        self._served = self._counter("served", "members written to the serving copy")
        self._serve = self._histogram("serve_seconds", "time of a write to the serving copy", SHORT_S)
        self._stale = self._gauge("serving_stale", "1 while the serving copy is stale")
        self._serving_errors = self._counter("serving_errors", "writes to the serving copy that failed")


COUNTED: Final[Mapping[str, Callable[[Telemetry, str, int], None]]] = {
    ENRICHED: Telemetry.enriched,
    TAG_ENTERED: Telemetry.tag_entered,
    TAG_EXITED: Telemetry.tag_exited,
    MANIFEST: Telemetry.manifest,
    REWARD_PROGRESS: Telemetry.reward_told,
    REWARD_GRANTED: Telemetry.reward_told,
    REWARD_REFUSED: Telemetry.reward_told,
    REWARD_REVERSED: Telemetry.reward_told,
    noted.REPLAYED: Telemetry.replayed,
    noted.DUPLICATE: Telemetry.duplicate,
    noted.REFUND_WITHOUT_ORDER: Telemetry.refund_without_order,
    noted.VALUES_FORGOTTEN: Telemetry.values_forgotten,
    noted.SHARE_VISITED: Telemetry.share_visited,
    noted.SHARE_ORDERED: Telemetry.share_ordered,
    noted.SHARE_TAKEN_BACK: Telemetry.share_taken_back,
}
"""What is called for each kind of decision of the members fold."""
