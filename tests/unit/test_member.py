"""The fold of one event: what is told, in which order, under which ids and numbers."""

from itertools import pairwise

from schemas.crm import CrmRecord, Enriched
from schemas.decisions import Noted
from schemas.envelope import Origin, Terms
from schemas.scalars import instant_text
from schemas.state import MARKS, RING
from tests.property.pipeline import KEYS, Stage
from tests.unit.one_partition import DAY, HOUR, LIN, MINUTE, NOON, WEI, Log, click, coupon, order, refund, said, share, tags

BROWSING = "browsing: {count: {events: click, within: 2h, at_least: 2}}"
KEEN = "keen: {count: {events: click, within: 2h, at_least: 1}}"


def full_day() -> Log:
    """A log in which every kind of record is told."""
    log = Log()
    log.publish(tags(BROWSING, KEEN, "asleep: {silent: {for: 2h}}"))
    for number in range(3):
        log.event(click(f"sku-{number}"), NOON + number)
    log.event(click("silk-1"), NOON + 3, brand="silk", member=WEI)
    log.event(order("o1", "paid", 1), NOON + 1 * HOUR)
    log.tick(NOON + 4 * HOUR)
    log.event(said("hello", "m1"), NOON + 4 * HOUR + MINUTE)
    log.ask_for_manifest()
    return log


def test_what_the_clock_changed_is_told_before_the_event_and_what_the_event_changed_after_it() -> None:
    log = Log()
    log.publish(tags(KEEN, "asleep: {silent: {for: 1h}}", "zealous: {count: {events: share, within: 1h, at_least: 1}}"))
    log.event(click())
    log.event(click(), member=WEI)
    told = log.event(share(), NOON + 3 * HOUR)
    of_lin = ["enters asleep", "exits keen"]
    assert told.words == ["manifest", *of_lin, *of_lin, "enriched", "exits asleep", "enters zealous", "tells shares"]
    assert [record.member for record in told.records[1:5]] == [KEYS.pairwise("tea", key) for key in (LIN, LIN, WEI, WEI)]


def test_who_is_due_is_told_of_by_key_whatever_the_order_of_their_deadlines() -> None:
    log = Log()
    log.publish(tags("keen: {count: {events: click, within: 10m, at_least: 1}}"))
    keys = [bytes([number]) * 16 for number in (9, 3, 200, 77)]
    for number, key in enumerate(keys):
        log.event(click(), NOON + number * MINUTE, member=key)
    told = log.tick(NOON + 30 * MINUTE)
    assert [record.member for record in told.records] == [KEYS.pairwise("tea", key) for key in sorted(keys)]


def test_tags_that_an_event_changed_are_told_by_name() -> None:
    log = Log()
    log.publish(tags(*(f"{name}: {{count: {{events: click, within: 2h, at_least: 1}}}}" for name in ("zeal", "ardour", "mirth"))))
    assert log.event(click()).words == ["enriched", "enters ardour", "enters mirth", "enters zeal"]


def test_a_change_of_top_is_an_exit_and_then_an_entry() -> None:
    log = Log()
    log.publish(tags("likes: {top: {of: category, events: click, within: 2h, at_least: 1}}"))
    assert log.event(click("a", "shoes")).words == ["enriched", "enters likes:shoes"]
    assert log.event(click("b", "bags")).words == ["enriched", "exits likes:shoes", "enters likes:bags"]


def test_an_enriched_record_shows_the_member_after_the_event_and_where_the_event_came_from() -> None:
    log = Log()
    log.publish(tags(BROWSING))
    log.event(click())
    told = log.event(click(), NOON + 5)
    (record, _) = told.records
    assert (record.origin, record.at, record.member) == ("0:1", instant_text(NOON + 5), KEYS.pairwise("tea", LIN))
    assert isinstance(record.value, Enriched)
    assert (bytes(record.value.event), record.value.member.tags) == (b'{"id":"e1"}', ["browsing"])


def test_a_late_event_is_told_as_of_the_clock() -> None:
    log = Log()
    log.event(click())
    told = log.event(click(), NOON - 3 * DAY)
    assert told.seen.as_of == instant_text(NOON)
    assert told.seen.first_seen == instant_text(NOON - 3 * DAY)
    assert told.seen.last.click == instant_text(NOON)


def test_the_same_log_gives_the_same_ids_and_bytes_wherever_it_is_restored() -> None:
    stage = full_day().stage
    for sizes in ([1] * len(stage.log), [len(stage.log)], [3, 1, 2, 20]):
        copy = Stage(0, stage.log)
        copy.fold(sizes)
        assert (copy.decisions, copy.table) == (stage.decisions, stage.table)


def test_no_two_records_share_an_id() -> None:
    ids = [decision.id for decision in full_day().stage.decisions if isinstance(decision, CrmRecord)]
    assert len(ids) > 10
    assert len(ids) == len(set(ids))


def test_sequences_have_no_gap_at_any_brand_over_all_types() -> None:
    records = [decision for decision in full_day().stage.decisions if isinstance(decision, CrmRecord)]
    for brand in ("tea", "silk"):
        sequences = [record.sequence for record in records if record.brand == brand]
        assert sequences == list(range(1, len(sequences) + 1))
        assert len(sequences) >= 2
    assert {(record.partition, record.epoch) for record in records} == {(0, 1)}


def test_the_clock_that_is_told_never_goes_back() -> None:
    log = full_day()
    log.event(click(), NOON - DAY)
    ats = [decision.at for decision in log.stage.decisions if isinstance(decision, CrmRecord)]
    assert all(before <= after for before, after in pairwise(ats))


def test_a_record_carries_the_terms_that_came_last() -> None:
    log = Log()
    log.event(click(), terms=Terms(crm_partitions=2))
    (record,) = log.event(click(), terms=Terms(crm_partitions=8)).records
    assert record.terms.crm_partitions == 8


# (a) Our own duplicates


def test_a_replay_is_dropped_whatever_became_of_the_record() -> None:
    log = Log()
    log.event(click(), event_id="one")  # enriched
    log.event(click(), event_id="one")  # a duplicate
    assert log.event(click(), event_id="one", body="other").words == ["refused invalid_data"]
    assert log.again(0, 1, 2).words == ["replayed", "replayed", "replayed"]


def test_what_an_operator_counts_names_the_brand_once() -> None:
    log = Log()
    log.event(click(), event_id="one", brand="silk")
    assert log.again(0).decisions == [Noted("replayed", "silk", 1)]
    assert log.event(click(), event_id="one", brand="silk").decisions == [Noted("duplicate", "silk", 1)]
    assert log.event(refund("o", "r", 1), brand="silk").decisions[0] == Noted("refund_without_order", "silk", 1)


def test_a_replay_moves_neither_clock_nor_sequence() -> None:
    log = Log()
    (first,) = log.event(click(), NOON).records
    log.again(0)
    (second,) = log.event(click(), NOON).records
    assert (first.sequence, second.sequence) == (1, 2)
    assert second.at == first.at


def test_an_offset_of_another_partition_or_of_a_topic_made_again_is_no_replay() -> None:
    log = Log()
    for topic_id in (b"a" * 16, b"b" * 16):
        for partition in (0, 1):
            assert log.event(click(), origin=Origin(topic_id, partition, 7)).words == ["enriched"]


def test_the_eight_origins_used_last_are_kept_and_the_ninth_forgets_the_first() -> None:
    log = Log()
    for partition in range(MARKS):
        log.event(click(), origin=Origin(b"t" * 16, partition, 5))
    assert log.again(0).words == ["replayed"]  # and origin 0 was used last now, origin 1 first
    log.event(click(), origin=Origin(b"t" * 16, MARKS, 5))
    assert log.again(0).words == ["replayed"]
    assert log.event(click(), origin=Origin(b"t" * 16, 1, 5), event_id="later").words == ["enriched"]


def test_an_older_offset_of_a_known_origin_is_a_replay() -> None:
    log = Log()
    log.event(click(), origin=Origin(b"t" * 16, 0, 5))
    assert log.event(click(), origin=Origin(b"t" * 16, 0, 4)).words == ["replayed"]


# (b) The publisher's duplicates


def test_the_same_event_under_the_same_id_is_a_duplicate() -> None:
    log = Log()
    log.event(click(), event_id="one")
    assert log.event(click(), event_id="one").words == ["duplicate"]


def test_another_event_under_the_same_id_is_refused_and_its_record_kept_whole() -> None:
    log = Log()
    log.event(click(), event_id="one")
    letter = log.event(click("other"), event_id="one").letter
    assert (letter.brand, letter.origin.offset, letter.append_ms) == ("tea", 1, NOON)
    assert (letter.key, letter.value, letter.headers) == (b"the brand's key", b'{"id":"one"}', (("ce_id", b"raw"),))
    assert letter.refused.detail.startswith("id: ")


def test_what_is_repeated_or_refused_moves_no_clock_and_counts_nowhere() -> None:
    log = Log()
    log.publish(tags(BROWSING))
    log.event(click(), event_id="one")
    log.event(click(), NOON + HOUR, event_id="one")
    log.event(click("other"), NOON + HOUR, event_id="one")
    assert log.stage.clock_ms == NOON
    assert log.remembered().click_ms == NOON
    assert log.event(click()).words == ["enriched", "enters browsing"]


def test_a_copy_after_64_others_is_not_known_any_more_and_one_after_63_is() -> None:
    log = Log()
    for number in range(RING):
        log.append(click(), event_id=f"id-{number}")
    log.fold()
    assert log.event(click(), event_id="id-0").words == ["duplicate"]
    log.event(click(), event_id="the 65th")
    assert log.event(click(), event_id="id-0").words == ["enriched"]
    assert log.event(click(), event_id="id-2").words == ["duplicate"]


def test_duplicates_do_not_push_others_out_of_the_ring() -> None:
    log = Log()
    log.event(click(), event_id="first")
    for _ in range(RING):
        log.append(click(), event_id="second")
    log.fold()
    assert log.event(click(), event_id="first").words == ["duplicate"]


def test_a_coupons_status_is_had_once_per_reward() -> None:
    log = Log()
    assert log.event(coupon("claimed")).words == ["enriched"]
    assert log.event(coupon("claimed")).words == ["duplicate"]
    assert log.event(coupon("redeemed")).words == ["enriched"]
    assert log.event(coupon("claimed", "r2")).words == ["enriched"]


def test_a_coupon_known_by_its_code_alone_has_no_natural_key() -> None:
    log = Log()
    assert log.event(coupon("claimed", None)).words == ["enriched"]
    assert log.event(coupon("claimed", None)).words == ["enriched"]


def test_a_coupon_is_forgotten_after_64_others() -> None:
    log = Log()
    for number in range(RING + 1):
        log.append(coupon("claimed", f"r{number}"))
    log.fold()
    assert log.event(coupon("claimed", "r1")).words == ["duplicate"]
    assert log.event(coupon("claimed", "r0")).words == ["enriched"]


# Two brands, two members


def test_the_same_ids_at_two_brands_are_different() -> None:
    log = Log()
    for facts in (click(), order("o1", "paid", 1), said("hello", "m1"), coupon("claimed")):
        assert log.event(facts, brand="tea", event_id=str(facts)).words == ["enriched"]
        assert log.event(facts, brand="silk", event_id=str(facts), body="other").words == ["enriched"]


def test_two_members_of_a_brand_do_not_share_ids_orders_or_counts() -> None:
    log = Log()
    log.publish(tags(BROWSING))
    log.event(click(), event_id="one")
    assert log.event(click(), event_id="one", member=WEI).words == ["enriched"]
    log.event(order("o1", "paid", 1), member=LIN)
    assert log.event(order("o1", "paid", 1), member=WEI).seen.orders == 1
