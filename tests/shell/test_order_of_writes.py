"""Law 3 in a journal: effects delivered, then one transaction of states and position, then durable, then the group."""

from agents.engine.keyed import contents
from agents.engine.ledger import Ledger
from agents.engine.pipeline import Pipeline, Place
from agents.engine.takeover import MARKER, Marker, unpack

PLACE = Place("in", 0)


def opened() -> tuple[Ledger, Pipeline]:
    ledger = Ledger()
    ledger.assigned([PLACE])
    pipeline = ledger.opened(PLACE, 0)
    ledger.start()
    return ledger, pipeline


def test_the_journal_of_three_batches_is_in_the_order_of_law_3() -> None:
    ledger, pipeline = opened()
    journal: list[str] = []
    batches = []
    for number in range(3):
        position = 10 * (number + 1)
        assert ledger.accepts(pipeline, ledger.generation, 10 * number)
        batches.append(ledger.folded(pipeline, position, 0, {b"k": b"%d" % number}, 2, 10, 10))
        journal.append(f"fold to {position}")
    for number in (1, 0, 2):
        for _ in range(2):
            batches[number].waiting -= 1
            journal.append(f"deliver of batch {number}")
            if (transaction := ledger.due(pipeline)) is not None:
                journal.append(f"commit {transaction.states} at {transaction.position}")
                journal.append(f"durable {ledger.committed(pipeline).position}")
                journal.append(f"report {pipeline.durable}")
    assert journal == [
        "fold to 10",
        "fold to 20",
        "fold to 30",
        "deliver of batch 1",
        "deliver of batch 1",
        "deliver of batch 0",
        "deliver of batch 0",
        "commit {b'k': b'1'} at 20",
        "durable 20",
        "report 20",
        "deliver of batch 2",
        "deliver of batch 2",
        "commit {b'k': b'2'} at 30",
        "durable 30",
        "report 30",
    ]


def test_nothing_is_committed_while_an_effect_is_on_its_way() -> None:
    ledger, pipeline = opened()
    batch = ledger.folded(pipeline, 10, 0, {}, 1, 10, 10)
    assert ledger.due(pipeline) is None
    batch.waiting -= 1
    assert ledger.due(pipeline) is not None


def test_only_one_transaction_is_open() -> None:
    ledger, pipeline = opened()
    ledger.folded(pipeline, 10, 0, {}, 0, 10, 10)
    assert ledger.due(pipeline) is not None
    ledger.folded(pipeline, 20, 0, {}, 0, 10, 10)
    assert ledger.due(pipeline) is None
    ledger.committed(pipeline)
    assert ledger.due(pipeline) is not None


def test_states_and_position_are_one_transaction() -> None:
    ledger, pipeline = opened()
    ledger.folded(pipeline, 10, 77, {b"k": b"v", b"gone": None}, 0, 10, 10)
    transaction = ledger.due(pipeline)
    assert transaction is not None
    written = contents(transaction, Marker(transaction.position, transaction.clock_ms, b"id", 4, 2))
    marker = written.pop(MARKER)
    assert written == {b"k": b"v", b"gone": None}
    assert marker is not None
    assert unpack(marker) == Marker(10, 77, b"id", 4, 2)


def test_after_the_first_failure_nothing_is_folded_sent_or_committed() -> None:
    ledger, pipeline = opened()
    generation = ledger.generation
    ledger.folded(pipeline, 10, 0, {}, 0, 10, 10)
    assert ledger.fail(RuntimeError("first"))
    assert not ledger.fail(RuntimeError("second"))
    assert not ledger.may_send
    assert ledger.due(pipeline) is None
    assert not ledger.accepts(pipeline, generation, 10)
    assert not ledger.accepts(pipeline, ledger.generation, 10)
    assert str(ledger.broken) == "first"


def test_what_was_read_before_a_rebalance_is_dropped() -> None:
    ledger, pipeline = opened()
    before = ledger.generation
    ledger.revoked()
    plan = ledger.assigned([PLACE])
    assert plan.kept == [PLACE]
    assert not ledger.accepts(pipeline, before, 0)
    assert ledger.accepts(pipeline, ledger.generation, 0)


def test_a_kept_partition_goes_on_in_memory_and_a_lost_one_begins_nothing_more() -> None:
    ledger, pipeline = opened()
    ledger.read(10, 100)
    ledger.folded(pipeline, 10, 0, {}, 0, 10, 100)
    ledger.revoked()
    ledger.assigned([PLACE])
    assert ledger.start() == {PLACE: 10}
    ledger.revoked()
    assert ledger.assigned([]).lost == [PLACE]
    assert ledger.due(pipeline) is None
    assert (ledger.pending_records, ledger.pending_size) == (0, 0)


def test_what_is_pending_is_counted_until_it_is_durable() -> None:
    ledger, pipeline = opened()
    ledger.read(10, 1_000)
    ledger.folded(pipeline, 10, 0, {}, 0, 10, 1_000)
    assert ledger.due(pipeline) is not None
    assert (ledger.pending_records, ledger.pending_size) == (10, 1_000)
    ledger.committed(pipeline)
    assert (ledger.pending_records, ledger.pending_size) == (0, 0)
    assert ledger.idle
