"""Manifests: each brand can prove that it has everything."""

from hashlib import sha256

from schemas.crm import MANIFEST, CrmRecord, Manifest
from schemas.scalars import instant_text
from tests.unit.one_partition import HOUR, LIN, NOON, SECOND, Log, Told, click, share, tags


def chain(ids: list[str]) -> str:
    digest = bytes(32)
    for one in ids:
        digest = sha256(digest + one.encode()).digest()
    return digest.hex()


def brands(told: Told) -> list[str]:
    return [record.brand for record in told.records if record.type == MANIFEST]


def crash(log: Log) -> None:
    """Let the event at the end of the log have raised."""
    fold = log.stage.restored()
    fold.begin()
    fold.refuse(log.stage.log[log.stage.folded], ValueError("a bug"))
    decided = fold.commit()
    log.stage.table.update({key: packed for key, packed in decided.states.items() if packed is not None})
    log.stage.folded += 1


def test_a_manifest_chains_the_ids_of_all_records_since_the_last_one() -> None:
    log = Log()
    log.publish(tags("keen: {count: {events: click, within: 2h, at_least: 1}}"))
    ids = [record.id for record in log.event(click()).records + log.event(share()).records]
    first = log.ask_for_manifest()
    assert first.manifest == Manifest(0, 1, 1, 3, 3, chain(ids), 0, 0, instant_text(NOON))
    ids = [record.id for record in log.event(click()).records]
    assert log.ask_for_manifest().manifest == Manifest(0, 1, 5, 5, 1, chain(ids), 0, 0, instant_text(NOON))


def test_a_manifest_takes_a_number_of_its_own_and_names_no_member() -> None:
    log = Log()
    log.event(click())
    (record,) = log.ask_for_manifest().records
    assert (record.sequence, record.member, record.type) == (2, None, MANIFEST)
    assert log.event(click()).records[0].sequence == 3


def test_the_manifests_of_a_log_cover_every_record_once() -> None:
    log = Log()
    for hours in range(6):
        for number in range(hours):
            log.event(click(), NOON + hours * HOUR + number)
    log.ask_for_manifest()
    records = [decision for decision in log.stage.decisions if isinstance(decision, CrmRecord)]
    for at, record in enumerate(records):
        if isinstance(record.value, Manifest):
            covered = [r for r in records[:at] if r.sequence >= record.value.first]
            assert [r.sequence for r in covered] == list(range(record.value.first, record.value.last + 1))
            assert (record.value.count, record.value.sha256) == (len(covered), chain([r.id for r in covered]))
    assert sum(isinstance(record.value, Manifest) for record in records) == 5


def test_a_new_hour_of_the_clock_states_manifests_before_anything_of_that_hour() -> None:
    log = Log()
    log.event(click(), NOON + HOUR - 1)
    told = log.event(click(), NOON + HOUR)
    assert told.words == ["manifest", "enriched"]
    assert told.manifest.last == 1
    assert told.manifest.at == instant_text(NOON + HOUR)


def test_the_same_hour_states_none() -> None:
    log = Log()
    log.event(click(), NOON)
    assert log.event(click(), NOON + HOUR - 1).words == ["enriched"]
    assert log.tick(NOON + HOUR - 1).words == []


def test_a_tick_states_them_too() -> None:
    log = Log()
    log.event(click())
    assert log.tick(NOON + HOUR).words == ["manifest"]


def test_the_first_hour_of_a_partition_has_nothing_to_state() -> None:
    log = Log()
    assert log.tick(NOON).words == []
    assert log.tick(NOON + HOUR).words == []


def test_a_brand_that_was_sent_nothing_since_is_told_nothing() -> None:
    log = Log()
    log.event(click(), brand="tea")
    log.event(click(), brand="silk")
    assert brands(log.ask_for_manifest()) == ["silk", "tea"]
    log.event(click(), brand="silk")
    assert brands(log.ask_for_manifest()) == ["silk"]
    assert brands(log.ask_for_manifest()) == []


def test_duplicates_are_counted_until_the_next_manifest_and_replays_are_not() -> None:
    log = Log()
    for _ in range(3):
        log.event(click(), event_id="one")
    log.again(0, 1)
    assert log.ask_for_manifest().manifest.duplicates == 2
    log.event(click())
    assert log.ask_for_manifest().manifest.duplicates == 0


def test_a_refused_copy_is_no_duplicate() -> None:
    log = Log()
    log.event(click(), event_id="one")
    log.event(click("other"), event_id="one")
    assert log.ask_for_manifest().manifest.duplicates == 0


def test_a_duplicate_alone_is_worth_an_empty_manifest() -> None:
    log = Log()
    log.event(click(), event_id="one")
    log.ask_for_manifest()
    log.event(click(), event_id="one")
    assert log.ask_for_manifest().manifest == Manifest(0, 1, 3, 2, 0, bytes(32).hex(), 1, 0, instant_text(NOON))


def test_a_crashed_event_is_counted() -> None:
    log = Log()
    log.event(click())
    log.append(click())
    crash(log)
    assert log.ask_for_manifest().manifest.crashed == 1


def test_the_same_request_gives_the_same_manifest_after_a_restore() -> None:
    log = Log()
    log.event(click())
    told = log.ask_for_manifest()
    at_once = Log()
    at_once.stage.log = log.stage.log
    assert at_once.fold().decisions[-1] == told.decisions[0]


def test_two_manifests_of_one_request_have_ids_of_their_own() -> None:
    log = Log()
    log.event(click(), brand="tea")
    log.event(click(), brand="silk")
    silk, tea = log.ask_for_manifest().records
    assert silk.id != tea.id


def test_hours_that_were_skipped_are_stated_once() -> None:
    log = Log()
    log.event(click(), NOON)
    log.event(click(), NOON + 5 * SECOND, member=LIN)
    assert brands(log.tick(NOON + 9 * HOUR)) == ["tea"]
