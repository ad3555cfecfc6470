"""The clock, and who is due: tags that change though nothing happens, and a member of whom the fold raises."""

import msgspec
import pytest

from schemas import envelope, rules
from schemas.crm import CrmRecord
from schemas.dead_letters import DeadLetter
from schemas.envelope import ManifestRequest, RulesSet, Tick
from schemas.member_state import NEVER, Member, pack_member, unpack_member
from schemas.refusals import Reason, Refused
from schemas.scalars import instant_text
from streams.member import MembersFold
from tests.property.pipeline import KEYS
from tests.unit.one_partition import DAY, HOUR, LIN, MINUTE, NOON, SECOND, WEI, Log, click, ms, said, tags, word

KEEN = "keen: {count: {events: click, within: 10m, at_least: 1}}"


def test_a_tick_counts_only_up_to_its_own_append_time() -> None:
    log = Log()
    log.tick(NOON + HOUR, append_ms=NOON)
    assert log.stage.clock_ms == NOON


def test_a_tick_that_waited_counts_as_the_time_that_it_was_made() -> None:
    log = Log()
    log.tick(NOON, append_ms=NOON + HOUR)
    assert log.stage.clock_ms == NOON


def test_the_clock_never_goes_back() -> None:
    log = Log()
    log.tick(NOON)
    log.tick(NOON - HOUR)
    log.event(click(), NOON - MINUTE)
    assert log.stage.clock_ms == NOON


@pytest.mark.parametrize(
    ("within", "at", "ends"),
    [
        ("10m", "2026-11-24T12:00:59.999+08:00", "2026-11-24T12:10:00+08:00"),
        ("2h", "2026-11-24T12:00:00.000+08:00", "2026-11-24T14:00:00+08:00"),
        ("3h", "2026-11-24T12:59:59.999+08:00", "2026-11-24T15:00:00+08:00"),
        ("1d", "2026-11-24T12:30:00.000+08:00", "2026-11-25T12:00:00+08:00"),
        ("4d", "2026-11-24T23:59:59.999+08:00", "2026-11-28T00:00:00+08:00"),
        ("4d", "2026-11-25T00:00:00.000+08:00", "2026-11-29T00:00:00+08:00"),
    ],
)
def test_a_window_ends_with_its_last_bucket_and_not_a_millisecond_before(within: str, at: str, ends: str) -> None:
    log = Log(now_ms=ms(at))
    log.publish(tags(f"keen: {{count: {{events: click, within: {within}, at_least: 1}}}}"))
    assert log.event(click()).changes == ["enters keen"]
    assert log.tick(ms(ends) - 1).changes == []
    told = log.tick(ms(ends))
    assert told.changes == ["exits keen"]
    assert told.change("keen").at == instant_text(ms(ends))


@pytest.mark.parametrize(
    ("zone", "at", "ends"),
    [
        ("America/New_York", "2026-10-30T12:00:00-04:00", "2026-11-03T00:00:00-05:00"),  # the day of 25 hours is 1 November
        ("America/New_York", "2026-03-06T12:00:00-05:00", "2026-03-10T00:00:00-04:00"),  # that of 23 is 8 March
        ("America/New_York", "2026-10-31T23:59:59-04:00", "2026-11-04T00:00:00-05:00"),
        ("America/Santiago", "2026-09-02T12:00:00-04:00", "2026-09-06T01:00:00-03:00"),  # a zone that skips midnight
        ("Australia/Lord_Howe", "2026-10-01T12:00:00+10:30", "2026-10-05T00:00:00+11:00"),  # half an hour
    ],
)
def test_days_are_those_of_the_rules_zone_through_a_change_of_its_clocks(zone: str, at: str, ends: str) -> None:
    log = Log(now_ms=ms(at))
    log.publish(tags("keen: {count: {events: click, within: 4d, at_least: 1}}", head=f"timezone: {zone}"))
    log.event(click())
    assert log.tick(ms(ends) - 1).changes == []
    assert log.tick(ms(ends)).changes == ["exits keen"]


@pytest.mark.parametrize(
    ("after", "at", "falls"),
    [
        ("30m", "2026-11-24T12:00:59.999+08:00", "2026-11-24T12:30:00+08:00"),
        ("5h", "2026-11-24T12:59:00+08:00", "2026-11-24T17:00:00+08:00"),
        ("30d", "2026-11-24T23:59:00+08:00", "2026-12-24T00:00:00+08:00"),
        ("30d", "2026-11-25T00:00:00+08:00", "2026-12-25T00:00:00+08:00"),
    ],
)
def test_silence_falls_at_its_bucket_and_not_a_millisecond_before(after: str, at: str, falls: str) -> None:
    log = Log(now_ms=ms(at))
    log.publish(tags(f"asleep: {{silent: {{for: {after}}}}}"))
    log.event(click())
    assert log.tick(ms(falls) - 1).changes == []
    told = log.tick(ms(falls))
    assert told.changes == ["enters asleep"]
    assert told.change("asleep").evidence.value == instant_text(ms(at))
    assert log.tick(ms(falls) + DAY).changes == []


def test_a_silence_that_an_act_broke_falls_again_counted_from_that_act() -> None:
    log = Log()
    log.publish(tags("asleep: {silent: {for: 30m}}"))
    log.event(click())
    log.tick(NOON + HOUR)
    assert log.event(click(), NOON + HOUR).changes == ["exits asleep"]
    assert log.tick(NOON + HOUR + 30 * MINUTE - 1).changes == []
    assert log.tick(NOON + HOUR + 30 * MINUTE).changes == ["enters asleep"]


def test_who_never_acted_here_is_not_silent() -> None:
    log = Log()
    log.publish(tags("asleep: {silent: {for: 30m}}"))
    log.event(click(), brand="silk")
    assert log.tick(NOON + DAY).changes == []


def test_engagement_ends_within_a_second_of_falling_below() -> None:
    log = Log()
    head = "timezone: UTC\nengagement: {half_life: 1h, weights: {click: 4}}"
    log.publish(tags("hot: {engagement: {at_least: 2}}", head=head))
    assert log.event(click()).changes == ["enters hot"]
    assert log.tick(NOON + HOUR).changes == []  # exactly 2.0
    told = log.tick(NOON + HOUR + SECOND)
    assert told.changes == ["exits hot"]
    value = told.change("hot").evidence.value
    assert isinstance(value, float)
    assert 1.999 < value < 2


def test_engagement_that_was_rounded_up_ends_when_the_score_itself_rounds_below() -> None:
    log = Log()
    log.publish(tags("hot: {engagement: {at_least: 1}}", head="timezone: UTC\nengagement: {half_life: 400d, weights: {click: 1}}"))
    log.tick(NOON)
    assert log.event(click(), NOON - 10 * SECOND).changes == ["enters hot"]  # 0.9999998
    assert log.tick(NOON + 14 * SECOND).changes == []
    assert log.tick(NOON + 15 * SECOND).changes == ["exits hot"]  # 0.99999949, 24.9 s after the click


def test_a_tag_falls_below_when_its_oldest_bucket_goes_though_others_stay() -> None:
    log = Log()
    log.publish(tags("busy: {count: {events: click, within: 10m, at_least: 2}}"))
    log.event(click(), NOON)
    log.event(click(), NOON + 6 * MINUTE)
    log.event(click(), NOON + 8 * MINUTE)
    assert log.tick(NOON + 10 * MINUTE).changes == []
    assert log.tick(NOON + 16 * MINUTE).changes == ["exits busy"]


def test_a_tag_that_refers_to_others_changes_with_them() -> None:
    log = Log()
    log.publish(tags(KEEN, "asleep: {silent: {for: 30m}}", "gone: {all: [{tag: asleep}, {not: {tag: keen}}]}"))
    log.event(click())
    assert log.tick(NOON + 30 * MINUTE).changes == ["enters asleep", "enters gone", "exits keen"]


def test_what_the_clock_changed_has_no_record_of_the_brands_behind_it() -> None:
    log = Log()
    log.publish(tags(KEEN))
    log.event(click())
    (record,) = log.tick(NOON + 10 * MINUTE).records
    assert (record.origin, record.brand) == (None, "tea")


def test_an_event_of_another_member_brings_about_what_was_due() -> None:
    log = Log()
    log.publish(tags(KEEN))
    log.event(click())
    told = log.event(said("hello", "m1"), NOON + 10 * MINUTE, member=WEI)
    assert told.words == ["exits keen", "enriched"]


def test_a_member_is_judged_once_however_far_the_clock_jumps() -> None:
    log = Log()
    log.publish(tags("asleep: {silent: {for: 30m}}", KEEN, "awake: {not: {tag: asleep}}"))
    log.event(click())
    told = log.tick(NOON + 300 * DAY)
    assert told.changes == ["enters asleep", "exits awake", "exits keen"]
    assert {record.at for record in told.records} == {instant_text(NOON + 300 * DAY)}


# A member of whom the fold raises

BROKEN = b"\2" * 16
MEMBER_HEAD = pack_member(0, NEVER, Member())[16:17]


def due_members() -> Log:
    """Three members who are due at ten past noon; what the table holds of the second means nothing."""
    log = Log()
    log.publish(tags(KEEN))
    for key in (b"\1" * 16, BROKEN, b"\3" * 16):
        log.event(click(), member=key)
    packed = log.stage.table[BROKEN]
    log.stage.table[BROKEN] = packed[:16] + b"\xc1" + packed[17:]
    log.now_ms = NOON + 10 * MINUTE
    log.append(click(), member=WEI)
    return log


def test_a_member_whose_deadline_raises_is_named() -> None:
    log = due_members()
    fold = log.stage.restored()
    fold.begin()
    with pytest.raises(msgspec.DecodeError):
        fold.fold(log.stage.log[-1])
    assert fold.culprit == BROKEN


def test_a_member_who_is_passed_over_stops_nobody_else() -> None:
    log = due_members()
    record = log.stage.log[-1]
    fold = log.stage.restored()
    fold.begin()
    with pytest.raises(msgspec.DecodeError):
        fold.fold(record)
    fold.abort()
    fold.begin([(record.offset, BROKEN)])
    fold.fold(record)
    decided = fold.commit()
    told = [(word(one), one.member) for one in decided.decisions if isinstance(one, CrmRecord)]
    assert told == [
        ("exits keen", KEYS.pairwise("tea", b"\1" * 16)),
        ("exits keen", KEYS.pairwise("tea", b"\3" * 16)),
        ("enriched", KEYS.pairwise("tea", WEI)),
        ("enters keen", KEYS.pairwise("tea", WEI)),
    ]
    assert (decided.clock_ms, fold.culprit, BROKEN in decided.states) == (NOON + 10 * MINUTE, None, False)


def passed_over(*, restored: bool) -> list[str | None]:
    """Pass a member over, let what made it raise be over, and move the clock: the members of whom there is something to tell."""
    log = due_members()
    broken = log.stage.table[BROKEN]
    record = log.stage.log[-1]
    fold = log.stage.restored()
    fold.begin([(record.offset, BROKEN)])
    fold.fold(record)
    log.stage.table.update({key: packed for key, packed in fold.commit().states.items() if packed is not None})
    log.stage.table[BROKEN] = broken[:16] + MEMBER_HEAD + broken[17:]
    if restored:
        log.stage.clock_ms = log.now_ms
        fold = log.stage.restored()
    fold.begin()
    fold.fold(record._replace(offset=record.offset + 1, value=envelope.encode(Tick(NOON + 11 * MINUTE)), timestamp=NOON + HOUR))
    return [one.member for one in fold.commit().decisions if isinstance(one, CrmRecord)]


def test_a_member_who_was_passed_over_is_judged_after_a_restore() -> None:
    assert passed_over(restored=True) == [KEYS.pairwise("tea", BROKEN)]


def test_a_culprit_is_named_for_its_own_batch_alone() -> None:
    log = due_members()
    fold = log.stage.restored()
    fold.begin()
    with pytest.raises(msgspec.DecodeError):
        fold.fold(log.stage.log[-1])
    fold.abort()
    fold.begin()
    assert fold.culprit is None


def test_after_a_batch_that_was_given_up_the_clock_that_is_told_is_the_old_one() -> None:
    log = Log()
    log.event(click(), NOON)
    log.append(click(), NOON + HOUR)
    log.append(click(), NOON)
    fold = log.stage.restored()
    fold.begin()
    fold.fold(log.stage.log[1])
    fold.abort()
    fold.begin()
    fold.fold(log.stage.log[2])
    (record,) = fold.commit().decisions
    assert isinstance(record, CrmRecord)
    assert record.at == instant_text(NOON)


def test_a_member_whom_a_publish_raises_of_is_named_and_can_be_passed_over() -> None:
    log = due_members()
    record = log.stage.log[0]._replace(offset=99, value=envelope.encode(RulesSet("tea", 9, rules.encode(tags()))))
    fold = log.stage.restored()
    fold.begin()
    with pytest.raises(msgspec.DecodeError):
        fold.fold(record)
    assert fold.culprit == BROKEN
    fold.abort()
    fold.begin([(99, BROKEN)])
    fold.fold(record)
    assert [word(one) for one in fold.commit().decisions] == ["exits keen", "exits keen"]


def test_what_was_given_up_is_as_if_it_had_never_been() -> None:
    log = due_members()
    fold = log.stage.restored()
    fold.begin([(log.stage.log[-1].offset, BROKEN)])
    fold.fold(log.stage.log[-1])
    fold.abort()
    fold.begin()
    decided = fold.commit()
    assert (decided.decisions, decided.states, decided.clock_ms) == ([], {}, NOON)


def crashing() -> tuple[Log, MembersFold]:
    """A log whose last event raises, and a fold in which it just did."""
    log = Log()
    log.publish(tags("keen: {distinct: {of: sku, events: click, within: 10m, at_least: 1}}"))
    log.event(click("a"))
    packed = log.stage.table[LIN]
    member = unpack_member(packed)
    (values,) = member.brands["tea"].values.values()
    values["a"].clear()  # which the fold itself never leaves behind
    member.brands["tea"].tags.clear()
    log.stage.table[LIN] = pack_member(0, NEVER, member)
    log.append(click("b"))
    fold = log.stage.restored()
    fold.begin()
    with pytest.raises(ValueError, match="empty"):
        fold.fold(log.stage.log[-1])
    return log, fold


def test_an_event_that_raises_names_no_culprit_but_itself() -> None:
    assert crashing()[1].culprit is None


def test_an_event_that_raised_is_one_dead_letter_and_its_replay_none() -> None:
    log, fold = crashing()
    record = log.stage.log[-1]
    fold.abort()
    fold.begin()
    fold.refuse(record, ValueError("what the member typed"))
    fold.fold(record._replace(offset=record.offset + 1))
    fold.refuse(record._replace(offset=record.offset + 2), ValueError("again"))
    decided = fold.commit().decisions
    assert [word(one) for one in decided] == ["refused crashed", "replayed"]
    (letter, _) = decided
    assert isinstance(letter, DeadLetter)
    assert (letter.brand, letter.origin.offset, letter.value) == ("tea", 1, b'{"id":"e1"}')
    assert letter.refused == Refused(Reason.CRASHED, "a bug of ours in stage members: ValueError")


def without_marks(packed: bytes) -> bytes:
    member = unpack_member(packed)
    member.marks = {}
    return pack_member(0, NEVER, member)


def test_an_event_that_raised_leaves_its_member_as_they_were() -> None:
    log, fold = crashing()
    fold.abort()
    fold.begin()
    fold.refuse(log.stage.log[-1], ValueError())
    packed = fold.commit().states[LIN]
    assert packed is not None
    assert without_marks(packed) == without_marks(log.stage.table[LIN])


@pytest.mark.parametrize("ours", [Tick(NOON), RulesSet("tea", 1, None), ManifestRequest()])
def test_a_record_of_our_own_that_cant_be_folded_is_no_dead_letter(ours: envelope.Envelope) -> None:
    log = Log()
    log.stage.append(None, envelope.encode(ours), NOON)
    fold = log.stage.restored()
    fold.begin()
    with pytest.raises(RuntimeError, match="at offset 0"):
        fold.refuse(log.stage.log[0], ValueError())


def test_a_member_key_of_another_length_raises() -> None:
    log = Log()
    log.append(click(), member=b"short")
    with pytest.raises(ValueError, match="5 came"):
        log.fold()
