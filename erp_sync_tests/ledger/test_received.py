"""Receiving, cursors, and handling each received record once."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import StatementError

from erp_sync.ledger import Ledger
from erp_sync.ledger.inbox import InboxEvent
from erp_sync.ledger.schema import handled
from erp_sync_tests.ledger.interleaving import meanwhile
from erp_sync_tests.ledger.world import FLOW, ROUTE, START, STORE, accept, claim, document, key, record

ENTITY = "sales_order"


def receive(ledger, *records, **values):
    return ledger.receive(STORE, ENTITY, list(records), run_id="run-0", **values)


def unhandled(ledger, route=ROUTE, flow=FLOW, limit=100):
    return [row.native_id for row in ledger.unhandled(route, flow, STORE, ENTITY, limit)]


def test_a_version_is_received_once(ledger: Ledger):
    assert len(receive(ledger, record("1"), record("2"), record("1"))) == 2
    assert receive(ledger, record("1"), record("2")) == []
    assert len(receive(ledger, record("1", "2"))) == 1


def test_the_record_comes_back_exactly(ledger: Ledger):
    receive(ledger, record("1", scope="base", payload={"grand_total": "10.10", "weight": 0.1, "note": "é"}))
    row = ledger.unhandled(ROUTE, FLOW, STORE, ENTITY)[0]
    raw = row.record()
    assert raw.payload == {"grand_total": "10.10", "weight": raw.payload["weight"], "note": "é"}
    assert str(raw.payload["weight"]) == "0.1"
    assert (raw.scope, raw.version, raw.source_time) == ("base", "1", START)
    assert raw.source_time.tzinfo is not None


def test_two_stores_have_the_same_order_number(ledger: Ledger):
    receive(ledger, record("000000001"))
    assert len(ledger.receive("magento_de", ENTITY, [record("000000001")])) == 1
    assert len(receive(ledger, record("000000001", scope="second website"))) == 1


def test_the_cursor_moves_with_the_ids_and_never_back(ledger: Ledger, clock):
    receive(ledger, record("1"), advance_to=START)
    receive(ledger, advance_to=START - timedelta(hours=1))
    assert ledger.cursors.get(STORE, ENTITY).position == START
    ledger.cursors.reset(STORE, ENTITY, START - timedelta(days=1))
    assert ledger.cursors.get(STORE, ENTITY).position == START - timedelta(days=1)
    assert ledger.cursors.get(STORE, "product").position is None


def test_a_failed_receive_leaves_neither_ids_nor_cursor(ledger: Ledger):
    with pytest.raises(StatementError, match="no time zone"):
        receive(ledger, record("1"), record("2", source_time=START.replace(tzinfo=None)), advance_to=START)
    assert ledger.cursors.get(STORE, ENTITY).position is None
    assert unhandled(ledger) == []


def test_each_flow_handles_each_record_once(ledger: Ledger):
    ids = receive(ledger, *[record(str(number)) for number in range(10)])
    with ledger.handling(ROUTE, FLOW) as work:
        work.mark_handled(ids[3:5])
    assert unhandled(ledger) == ["0", "1", "2", "5", "6", "7", "8", "9"]
    assert len(unhandled(ledger, flow="customers")) == 10
    with ledger.handling(ROUTE, FLOW) as work:
        work.mark_handled(ids[:3])
        work.mark_handled(ids[:3])
    assert unhandled(ledger) == ["5", "6", "7", "8", "9"]
    with ledger.handling(ROUTE, FLOW) as work:
        work.mark_handled(ids[5:])
    assert not ledger.any_unhandled(ROUTE, FLOW, STORE, ENTITY)
    receive(ledger, record("0", "2"))
    assert unhandled(ledger) == ["0"]
    assert ledger.received.count_unhandled(ROUTE, FLOW, STORE, ENTITY) == 1


def test_other_entities_between_the_ids_do_not_hold_the_mark_up(ledger: Ledger):
    first = receive(ledger, record("1"))
    ledger.receive(STORE, "customer", [record("c1")])
    second = receive(ledger, record("2"))
    with ledger.handling(ROUTE, FLOW) as work:
        work.mark_handled(first + second)
    assert unhandled(ledger) == []
    assert len(ledger.unhandled(ROUTE, FLOW, STORE, "customer", 10)) == 1


@pytest.mark.parametrize("words", ["SELECT min(received.id)", "SELECT max(received.id)", "INSERT INTO handled_marks"])
def test_a_record_that_comes_in_while_others_are_handled_is_not_passed(ledger: Ledger, words: str):
    """PostgreSQL: the mark was moved to the highest id there was, after it was asked what was open."""
    ids = receive(ledger, record("1"), record("2"))
    with meanwhile(ledger, words, lambda: receive(ledger, record("3"))), ledger.handling(ROUTE, FLOW) as work:
        work.mark_handled(ids)
    assert unhandled(ledger) == ["3"]


def test_records_that_two_runs_handled_leave_nothing_behind_and_can_be_handled_again(ledger: Ledger):
    ids = receive(ledger, record("1"), record("2"), record("3"))
    for _ in range(2):
        with ledger.handling(ROUTE, FLOW) as work:
            work.mark_handled(ids[:2])
    with ledger.database.read() as read:
        assert read.execute(sa.select(sa.func.count()).select_from(handled)).scalar_one() == 0
    assert ledger.received.rewind(ROUTE, FLOW, [ids[0]]) == 1
    assert unhandled(ledger) == ["1", "3"]


def test_what_was_handled_long_ago_is_not_open_again_while_the_mark_moves(ledger: Ledger):
    """PostgreSQL: one look of several statements sees the ledger as it is at one moment."""
    ids = receive(ledger, record("1"), record("2"), record("3"))
    with ledger.handling(ROUTE, FLOW) as work:
        work.mark_handled([ids[0], ids[2]])

    def handle_the_rest() -> None:
        with ledger.handling(ROUTE, FLOW) as work:
            work.mark_handled([ids[1]])

    with meanwhile(ledger, "SELECT received.id, received.connection", handle_the_rest):
        assert unhandled(ledger) in (["2"], [])
    assert unhandled(ledger) == []


def test_a_failed_transformation_handles_nothing(ledger: Ledger):
    ids = receive(ledger, record("1"))

    def transform():
        with ledger.handling(ROUTE, FLOW) as work:
            work.accept([document("1")])
            work.mark_handled(ids)
            raise RuntimeError("mapping")

    with pytest.raises(RuntimeError, match="mapping"):
        transform()
    assert unhandled(ledger) == ["1"]
    assert claim(ledger) == []


def test_records_can_be_handled_again_on_purpose(ledger: Ledger):
    ids = receive(ledger, *[record(str(number)) for number in range(6)])
    with ledger.handling(ROUTE, FLOW) as work:
        work.mark_handled(ids)
    assert ledger.received.rewind(ROUTE, FLOW, [ids[2], ids[4]]) == 2
    assert unhandled(ledger) == ["2", "4"]


def test_switching_a_flow_on_skips_what_lies_before_its_start(ledger: Ledger):
    receive(ledger, record("old", created_time=START - timedelta(days=3)), record("new"))
    assert ledger.received.skip_before(ROUTE, FLOW, STORE, ENTITY, START) == 1
    assert unhandled(ledger) == ["new"]


def test_completeness_is_asked_by_id_whatever_the_version(ledger: Ledger):
    receive(ledger, record("1"), record("2"))
    assert ledger.cursors.never_received(STORE, ENTITY, ["1", "3", "2", "4"]) == ["3", "4"]
    assert ledger.cursors.count_new(STORE, ENTITY, {"1": "1", "2": "9", "5": "1"}) == 2
    fresh = ledger.cursors.not_received(STORE, ENTITY, [record("1"), record("1", "2"), record("1", "2")])
    assert [one.version for one in fresh] == ["2"]


def test_why_a_record_became_nothing_is_told_once(ledger: Ledger, clock):
    for _ in range(2):
        with ledger.handling(ROUTE, FLOW) as work:
            work.note(key("7"), "cancelled_in_store", "cancelled before it was sent", number="N7")
    told = [event for event in ledger.trace("N7").events if event.kind == "left_out"]
    assert [event.details["code"] for event in told] == ["cancelled_in_store"]


def test_a_transformation_of_another_route_does_not_mark_this_one(ledger: Ledger):
    ids = receive(ledger, record("1"))
    with ledger.handling("de", FLOW) as work:
        work.mark_handled(ids)
    accept(ledger, document("1"))
    assert unhandled(ledger) == ["1"]


def test_who_looks_for_weeks_asks_in_few_statements(ledger: Ledger):
    """Each that differs stays prepared on each connection of SQLite."""
    receive(ledger, *(record(str(number)) for number in range(0, 70, 2)))
    ledger.inbox.put_all([InboxEvent(connection=STORE, event_id=f"e{number}", topic="stock") for number in range(70)])
    waiting = [event.id for event in ledger.inbox.waiting(ledger.database.now())]
    asked: set[str] = set()

    def noted(connection, cursor, statement, parameters, context, executemany):
        asked.add(statement)

    sa.event.listen(ledger.database.engine, "before_cursor_execute", noted)
    try:
        for count in range(1, 70):
            versions = dict.fromkeys(map(str, range(count)), "1")
            assert ledger.received.fresh(STORE, ENTITY, versions) == {str(one) for one in range(1, count, 2)}
            assert ledger.inbox.mark(waiting[:count], "read") == 1
    finally:
        sa.event.remove(ledger.database.engine, "before_cursor_execute", noted)
    assert len(asked) == 2 * 8  # of 1, 2, 4 ... 128 ids
