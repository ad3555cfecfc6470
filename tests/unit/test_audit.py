"""What `huiliu crm --verify` finds."""

from hashlib import sha256

from schemas.crm import ENRICHED, MANIFEST, TAG_ENTERED, Manifest
from streams.audit import Audit, Received

AT = "2026-11-24T00:00:00.000Z"
LATER_MS = 1_900_000_000_000


def enriched(sequence: int, offset: int, partition: int = 0, epoch: int = 1) -> Received:
    return Received(ENRICHED, f"id-{sequence}", partition, epoch, sequence, (0, offset))


def chain(*ids: str) -> str:
    digest = bytes(32)
    for each in ids:
        digest = sha256(digest + each.encode()).digest()
    return digest.hex()


def manifest(sequence: int, first: int, digest: str, *, duplicates: int = 0, crashed: int = 0, partition: int = 0) -> Received:
    value = Manifest(partition, 1, first, sequence - 1, sequence - first, digest, duplicates, crashed, AT)
    return Received(MANIFEST, f"id-{sequence}", partition, 1, sequence, None, value)


def audit(*records: Received, published: int, cut: bool = False, appended_ms: int = 0) -> Audit:
    made = Audit(cut=cut)
    for offset in range(published):
        made.published((0, offset), appended_ms)
    for record in records:
        made.received(record)
    return made


def test_what_is_enriched_once_adds_up() -> None:
    report = audit(enriched(1, 0), enriched(2, 1), manifest(3, 1, chain("id-1", "id-2")), published=2).report()
    assert (report.published, report.enriched, report.duplicates, report.unstated, report.problems) == (2, 2, 0, 0, [])


def test_each_offset_is_in_one_of_three_places() -> None:
    made = audit(enriched(1, 0), manifest(2, 1, chain("id-1"), duplicates=1), published=3)
    made.refused((0, 1), "bad_money")
    report = made.report()
    assert (report.enriched, report.dead_letters, report.duplicates, report.unstated, report.problems) == (1, {"bad_money": 1}, 1, 0, [])


def test_a_repeat_is_dropped() -> None:
    report = audit(enriched(1, 0), enriched(2, 1), enriched(1, 0), enriched(2, 1), enriched(3, 2), published=3).report()
    assert (report.repeats, report.received, report.problems) == (2, {ENRICHED: 3}, [])


def test_a_missing_sequence_is_a_problem() -> None:
    report = audit(enriched(1, 0), enriched(3, 1), published=2).report()
    assert report.problems == ["partition 0, epoch 1, record 3: sequence 2 is missing; 3 came"]


def test_a_missing_beginning_is_none_when_old_records_are_deleted() -> None:
    assert audit(enriched(7, 0), enriched(8, 1), published=2, cut=True).report().problems == []


def test_each_epoch_counts_from_one() -> None:
    report = audit(enriched(1, 0), enriched(1, 0, epoch=2), published=1).report()
    assert report.problems == []


def test_an_event_enriched_twice_is_a_problem() -> None:
    report = audit(enriched(1, 0), enriched(2, 0), published=1).report()
    assert report.problems == ["partition 0, epoch 1, record 2: offset 0 of partition 0 is enriched a second time"]


def test_an_event_in_two_places_is_a_problem() -> None:
    made = audit(enriched(1, 0), published=1)
    made.refused((0, 0), "crashed")
    assert made.report().problems == ["offset 0 of partition 0 is enriched, and a dead letter (crashed) too"]


def test_what_no_manifest_has_stated_yet_is_no_problem() -> None:
    report = audit(enriched(1, 0), published=3).report()
    assert (report.duplicates, report.unstated, report.problems) == (2, 2, [])


def test_what_came_after_the_last_manifest_is_no_problem() -> None:
    report = audit(enriched(1, 0), manifest(2, 1, chain("id-1")), published=2, appended_ms=LATER_MS).report()
    assert (report.unstated, report.problems) == (1, [])


def test_what_the_manifests_should_have_stated_is_lost() -> None:
    report = audit(enriched(1, 0), manifest(2, 1, chain("id-1"), duplicates=1), published=3).report()
    assert report.problems == ["2 offsets are neither enriched nor dead letters, manifests state 1 duplicates; the first are 0:1, 0:2"]


def test_more_duplicates_than_offsets_are_a_problem() -> None:
    report = audit(enriched(1, 0), manifest(2, 1, chain("id-1"), duplicates=2), published=2).report()
    assert report.problems == ["manifests state 2 duplicates; only 1 offsets are neither enriched nor dead letters"]


def test_a_manifest_of_other_ids_is_a_problem() -> None:
    report = audit(enriched(1, 0), manifest(2, 1, chain("id-9")), published=1).report()
    assert report.problems == [f"partition 0, epoch 1, manifest 2: the manifest states sha256 {chain('id-9')}; {chain('id-1')} came"]


def test_a_manifest_of_another_count_is_a_problem() -> None:
    value = Manifest(0, 1, 1, 1, 2, chain("id-1"), 0, 0, AT)
    report = audit(enriched(1, 0), Received(MANIFEST, "m", 0, 1, 2, None, value), published=1).report()
    assert report.problems == ["partition 0, epoch 1, manifest 2: the manifest states count 2; 1 came"]


def test_the_chain_begins_anew_after_a_manifest() -> None:
    tag = Received(TAG_ENTERED, "id-3", 0, 1, 3)
    report = audit(enriched(1, 0), manifest(2, 1, chain("id-1")), tag, manifest(4, 3, chain("id-3")), published=1).report()
    assert (report.manifests, report.problems) == (2, [])


def test_a_manifest_of_nothing_but_duplicates_is_fine() -> None:
    report = audit(manifest(1, 1, bytes(32).hex(), duplicates=2), published=2).report()
    assert (report.duplicates, report.unstated, report.problems) == (2, 0, [])


def test_a_crash_that_is_stated_must_be_a_dead_letter() -> None:
    report = audit(manifest(1, 1, bytes(32).hex(), crashed=1), published=0).report()
    assert report.problems == ["manifests state 1 crashed; 0 such dead letters came"]
