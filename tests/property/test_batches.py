"""Where a batch begins, ends, is given up or folded after a restore is of no account: the same decisions, the same states."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.decisions import Decision
from streams.member import MembersFold
from tests.oracle.brand import DAY, NOON
from tests.property.pipeline import Pipeline, Stage
from tests.property.test_recount import ALLIANCE, RULES, published, read


def whole(seed: int) -> Pipeline:
    """One log with rules, events of three days, and ticks between them."""
    pipeline = Pipeline()
    sets = [read(path.read_text()) for path in RULES] + [read(ALLIANCE)]
    pipeline.publish_rules(sets, NOON)
    records = published(seed, 900, 25, 3 * DAY)
    pipeline.publish(records[:600])
    pipeline.tick(NOON)
    pipeline.publish_rules(sets[:1], NOON, first_version=9)
    pipeline.publish(records[600:])
    pipeline.tick(NOON + 2)
    return pipeline


def folded(stage: Stage, sizes: list[int] | None) -> tuple[list[Decision], dict[bytes, bytes], int]:
    copy = Stage(stage.partition, stage.log)
    copy.fold(sizes)
    return copy.decisions, copy.table, copy.clock_ms


PIPELINE = whole(11)
AT_ONCE = [folded(stage, None) for stage in PIPELINE.stages]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32))
def test_batches_of_any_size_give_the_same_decisions_and_states(seed: int) -> None:
    random = Random(seed)
    stage = random.choice(PIPELINE.stages)
    sizes: list[int] = []
    while sum(sizes) < len(stage.log):
        sizes.append(random.choice([1, 2, 7, 40, 200]))
    assert folded(stage, sizes) == AT_ONCE[stage.partition]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32))
def test_a_restore_at_any_place_goes_on_as_if_nothing_had_been(seed: int) -> None:
    random = Random(seed)
    stage = random.choice(PIPELINE.stages)
    copy = Stage(stage.partition, stage.log)
    while copy.folded < len(copy.log):
        copy.fold([random.randrange(1, 300)])
    assert (copy.decisions, copy.table, copy.clock_ms) == AT_ONCE[stage.partition]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32))
def test_a_batch_that_is_given_up_leaves_nothing_behind(seed: int) -> None:
    random = Random(seed)
    stage = random.choice(PIPELINE.stages)
    fold: MembersFold = stage.__class__(stage.partition, stage.log).restored()
    table: dict[bytes, bytes] = {}
    fold.restore(fold.home, table, 0)
    decisions: list[Decision] = []
    at = 0
    while at < len(stage.log):
        size = random.randrange(1, 300)
        if random.random() < 0.5:
            fold.begin()
            for record in stage.log[at : at + random.randrange(0, size)]:
                fold.fold(record)
            fold.abort()
        fold.begin()
        for record in stage.log[at : at + size]:
            fold.fold(record)
        decided = fold.commit()
        decisions += decided.decisions
        table.update({key: packed for key, packed in decided.states.items() if packed is not None})
        at += size
    assert (decisions, table) == AT_ONCE[stage.partition][:2]


def test_a_replay_of_everything_changes_nothing_but_what_was_replayed() -> None:
    stage = PIPELINE.stages[0]
    copy = Stage(stage.partition, stage.log)
    copy.fold()
    told = len([d for d in copy.decisions if type(d).__name__ == "CrmRecord"])
    again = [record._replace(offset=record.offset + len(stage.log)) for record in stage.log]
    copy.log = stage.log + again
    copy.fold()
    assert len([d for d in copy.decisions if type(d).__name__ == "CrmRecord"]) == told
