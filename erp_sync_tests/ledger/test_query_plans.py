"""What is asked of large tables finds its few rows by an index, whether SQLite has statistics of them or not.

A plan is chosen by what SQLite knows of a table. Of one that has just been filled it knows nothing, and then takes
the index with the longest known beginning: through all rows of a connection to find one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from erp_sync.ledger import KnownRow, Ledger, State, migrate
from erp_sync.ledger.documents import StepState
from erp_sync.model.keys import EntityKey
from erp_sync.ports.raw import RawRecord
from erp_sync_tests.ledger.world import START, Clock

ERP, STORE, ENTITY = "netsuite_us", "magento_us", "stock_level"
ROWS = 2_000
SOME = [f"SKU-{number:05d}" for number in range(3)]
KEYS_OF_SOME = [EntityKey(ERP, "", ENTITY, one) for one in SOME]

# How each way to few rows must begin, as EXPLAIN QUERY PLAN says it.
KEYS = "known_state USING PRIMARY KEY (connection=? AND entity=? AND scope=? AND key=?)"
OF_PLAN = "ix_plan_rows_plan_id_state (plan_id=? AND state=?"
ROW_KEYS = "plan_rows USING INDEX ix_plan_rows_key (target=? AND entity=? AND key=? AND state=?)"
KEY = "AND connection=? AND scope=? AND entity=? AND native_id=?)"
NATIVE_IDS = "received USING INDEX ix_received_native_id (native_id=?)"
REFUSED = "steps USING INDEX ix_steps_refused"
RUN = "received USING INDEX ix_received_run_id (run_id=?)"


def records(some: list[str]) -> list[RawRecord]:
    return [RawRecord(native_id=one, scope="", version="1", source_time=None, payload={"sku": one}) for one in some]


@pytest.fixture(params=["without statistics", "with statistics"])
def filled(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Ledger]:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    migrate.upgrade(url)
    ledger = Ledger.open(url, clock)
    skus = [f"SKU-{number:05d}" for number in range(ROWS)]
    ledger.known.read(STORE, ENTITY, [KnownRow(key=sku, value="1") for sku in skus], clock())
    ledger.receive(ERP, ENTITY, records(skus), run_id="earlier")
    ledger.receive(ERP, ENTITY, records(["new"]), run_id="this")
    if request.param == "with statistics":
        with ledger.database.write() as write:
            write.execute(sa.text("ANALYZE"))
        ledger.database.close()  # a connection reads the statistics when it is opened
    yield ledger
    ledger.close()


@contextmanager
def statements(ledger: Ledger) -> Iterator[list[tuple[str, Any]]]:
    seen: list[tuple[str, Any]] = []

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool) -> None:
        seen.append((statement, parameters))

    engine = ledger.database.engine
    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)


ASKED: dict[str, tuple[Callable[[Ledger], Any], str, str]] = {
    "known rows": (lambda ledger: ledger.known.get(STORE, ENTITY, SOME), "known_state", KEYS),
    "doubt": (lambda ledger: ledger.known.mark_unknown(STORE, ENTITY, SOME, "moved"), "known_state", KEYS),
    "settled edits": (lambda ledger: ledger.known.settle_edits(STORE, ENTITY, SOME), "known_state", KEYS),
    "forgotten rows": (lambda ledger: ledger.known.forget(STORE, ENTITY, SOME), "known_state", KEYS),
    "not received": (lambda ledger: ledger.received.not_received(ERP, ENTITY, records(SOME)), "received", NATIVE_IDS),
    "never received": (lambda ledger: ledger.received.never_received(ERP, ENTITY, SOME), "received", NATIVE_IDS),
    "versions": (lambda ledger: ledger.received.fresh(ERP, ENTITY, dict.fromkeys(SOME, "2")), "received", NATIVE_IDS),
    "all versions": (lambda ledger: ledger.received.of(ERP, ENTITY, SOME), "received", NATIVE_IDS),
    "refusals": (lambda ledger: ledger.plans.refusals(STORE, ENTITY, START, SOME), "plan_rows", ROW_KEYS),
    "newer": (lambda ledger: ledger.plans.newer("us", "inventory", STORE, ENTITY, 0), "plan_rows", OF_PLAN),
    "accepted": (lambda ledger: ledger.deliveries.accepted("us", "orders", STORE, KEYS_OF_SOME), "deliveries", KEY),
    "latest": (lambda ledger: ledger.deliveries.latest("us", "orders", STORE, KEYS_OF_SOME), "deliveries", KEY),
    "left out": (lambda ledger: ledger.left_out.groups(), "steps", REFUSED),
    "of a run": (lambda ledger: ledger.received.of_run(ERP, ENTITY, "this"), "received", RUN),
}  # fmt: skip


@pytest.mark.parametrize("what", ASKED)
def test_few_rows_of_many_are_found_by_their_own_index(filled: Ledger, what: str):
    ask, table, way = ASKED[what]
    with statements(filled) as seen:
        ask(filled)
    plans: list[str] = []
    with filled.database.read() as read:
        for statement, parameters in seen:
            found = read.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
            # The scopes themselves are read off the beginning of the primary key, one row each.
            plans += [row[3] for row in found if f" {table} " in row[3] and "LIMIT" not in statement]
    assert plans, seen
    assert [plan for plan in plans if way not in plan] == []


def test_the_scopes_of_known_keys_are_read_one_row_each(filled: Ledger):
    with filled.database.write() as write:
        write.execute(sa.text("UPDATE known_state SET scope = 'de' WHERE key >= 'SKU-01000'"))
    with statements(filled) as seen:
        found = filled.known.get(STORE, ENTITY, ["SKU-00001", "SKU-01001", "SKU-09999"])
    assert set(found) == {("", "SKU-00001"), ("de", "SKU-01001")}
    scopes = [statement for statement, _ in seen if "LIMIT" in statement]
    assert len(scopes) == 3  # two, and that there is no third
    with filled.database.read() as read:
        for statement, parameters in seen:
            for row in read.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters):
                assert "USING PRIMARY KEY" in row[3], row
                assert "TEMP B-TREE" not in row[3], row


def unfinished(ledger: Ledger) -> list[Any]:
    asked: dict[str, Any] = {"states": [State.DUE, State.DEAD, State.HELD], "operations": ["shipment.create"]}
    return list(ledger.deliveries.effects("us", "shipments", target=STORE, step_states=[StepState.SENDING], **asked))


STILL_TO_DO: dict[str, tuple[Callable[[Ledger], Any], str]] = {
    "suspects": (
        lambda ledger: ledger.deliveries.any_suspects("us", "orders", STORE),
        "ix_deliveries_state (state=? AND flow=? AND code=?)",
    ),
    "due": (
        lambda ledger: ledger.deliveries.any_due("orders", STORE, "us"),
        "ix_deliveries_queue (flow=? AND target=?",
    ),
    "effects": (unfinished, "ix_deliveries_state (state=? AND flow=?"),
}


DAY = (START, START + timedelta(days=1))
FINISHED_AT = "deliveries USING INDEX ix_deliveries_finished_at (finished_at>? AND finished_at<?)"
LATELY: dict[str, tuple[Callable[[Ledger], Any], set[str]]] = {
    "outcomes": (
        lambda ledger: ledger.performance.outcomes(*DAY),
        {
            FINISHED_AT,
            "deliveries USING INDEX ix_deliveries_state (state=?)",  # dead ones: few
            "plan_rows USING INDEX ix_plan_rows_plan_id_state (plan_id=? AND state=?)",
        },
    ),
    "latencies": (lambda ledger: ledger.performance.latencies(*DAY), {FINISHED_AT}),
    "first shipments": (
        lambda ledger: ledger.performance.first_shipments(*DAY),
        {
            "deliveries USING INDEX ix_deliveries_accepted_at (accepted_at>? AND accepted_at<?)",
            "earlier USING INDEX ix_deliveries_concerns (target=? AND concerns=? AND rowid<?)",
        },
    ),
    "how flows stand": (
        lambda ledger: ledger.overview.flows([("us", "orders")]),
        {
            "deliveries USING INDEX ix_deliveries_state (state=?)",
            "deliveries USING INDEX ix_deliveries_finished_at (finished_at>?)",
            "deliveries USING INDEX ix_deliveries_due (due_at<?)",
            "plan_rows USING INDEX ix_plan_rows_due (due_at<?)",
            "plan_rows USING INDEX ix_plan_rows_due (due_at>?)",
        },
    ),
}


@pytest.mark.parametrize("what", LATELY)
def test_key_figures_look_at_their_time_alone(filled: Ledger, what: str):
    """Of first shipments each of a day was compared with all that the flow ever delivered: minutes for 150,000."""
    ask, ways = LATELY[what]
    with statements(filled) as seen:
        ask(filled)
    with filled.database.read() as read:
        found = [row[3] for one in seen for row in read.exec_driver_sql(f"EXPLAIN QUERY PLAN {one[0]}", one[1])]
    large = [plan for plan in found if plan.split()[1] in ("deliveries", "earlier", "plan_rows")]
    assert large, found
    assert {plan.removeprefix("SEARCH ") for plan in large} <= ways


@pytest.mark.parametrize("what", STILL_TO_DO)
def test_what_is_still_to_do_is_not_looked_for_among_all_that_was_delivered(filled: Ledger, what: str):
    """Every run asks: 150,000 documents that a route had delivered took a tenth of a second each time."""
    ask, way = STILL_TO_DO[what]
    with statements(filled) as seen:
        ask(filled)
    with filled.database.read() as read:
        found = [row[3] for one in seen for row in read.exec_driver_sql(f"EXPLAIN QUERY PLAN {one[0]}", one[1])]
    plans = [plan for plan in found if " deliveries " in plan]
    assert plans, seen
    assert [plan for plan in plans if way not in plan] == []


def test_rows_that_wait_are_not_gone_through_to_find_those_that_are_due(filled: Ledger):
    """A first load has 150,000 rows that wait for their products: every claim went through all of them."""
    with statements(filled) as seen:
        assert filled.plans.claim(None, "inventory", STORE, owner="run:1") is None
    (claim,) = [one for one in seen if "LIMIT" in one[0] and "other" in one[0]]
    with filled.database.read() as read:
        way = [row[3] for row in read.exec_driver_sql(f"EXPLAIN QUERY PLAN {claim[0]}", claim[1])]
    assert way[0] == "SEARCH plan_rows USING INDEX ix_plan_rows_queue (flow=? AND target=? AND lane=? AND due_at<?)"
    assert not any("TEMP B-TREE" in step for step in way)


def test_rows_whose_owner_died_are_looked_for_in_open_plans_only(filled: Ledger):
    """Every claim looks for them while nobody else may write: it went through all rows that wait, too."""
    with statements(filled) as seen:
        assert filled.plans.claim(None, "inventory", STORE, owner="run:1") is None
    (lost,) = [one for one in seen if "plan_rows.state IN" in one[0] and "other" not in one[0]]
    with filled.database.read() as read:
        way = [row[3] for row in read.exec_driver_sql(f"EXPLAIN QUERY PLAN {lost[0]}", lost[1])]
    assert way[0] == "SEARCH plan_rows USING INDEX ix_plan_rows_plan_id_state (plan_id=? AND state=?)"
    assert any(step.startswith("SEARCH plans USING INDEX ix_plans_state (state=?") for step in way)


def test_the_sensor_looks_at_the_first_due_row_of_a_plan_only(filled: Ledger):
    with statements(filled) as seen:
        assert filled.outlook([]).rows == frozenset()
    (due,) = [one for one in seen if " plan_rows" in one[0]]
    with filled.database.read() as read:
        way = [row[3] for row in read.exec_driver_sql(f"EXPLAIN QUERY PLAN {due[0]}", due[1])]
    assert way[0].startswith("SEARCH plans USING INDEX ix_plans_state (state=?")
    assert "SEARCH plan_rows USING INDEX ix_plan_rows_queue (flow=? AND target=? AND lane=? AND due_at<?)" in way


def test_a_claim_of_deliveries_is_planned_once(filled: Ledger):
    """Every claim was planned anew, which took several times as long as the claim: a parameter was compared with what
    an index of some rows compares with a constant."""
    with statements(filled) as seen:
        assert filled.deliveries.claim("us", "orders", STORE, owner="run:1") == []
    claim = next(one for one in seen if " AS other" in one[0])
    planned: list[Any] = []
    with filled.database.read() as read:
        driver = read.connection.driver_connection
        assert driver is not None

        def allow(*asked: Any) -> int:
            planned.append(asked)
            return 0

        driver.set_authorizer(allow)
        try:
            driver.execute(*claim).fetchall()
            first = len(planned)
            driver.execute(*claim).fetchall()
            again = len(planned) - first
            way = [row[3] for row in driver.execute(f"EXPLAIN QUERY PLAN {claim[0]}", claim[1])]
        finally:
            driver.set_authorizer(None)
    assert "SEARCH other USING INDEX ix_deliveries_concerns (target=? AND concerns=?)" in way
    assert first > 0
    assert again == 0


def test_orders_that_the_erp_does_not_know_are_not_looked_for_among_all_that_went(filled: Ledger):
    with statements(filled) as seen:
        filled.unknown_orders.of(STORE, ERP, ["us"], START)
        filled.unknown_orders.ended(STORE, ERP, ["us"], START)
    plans: list[str] = []
    with filled.database.read() as read:
        for statement, parameters in seen:
            plans += [row[3] for row in read.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
    looks = [plan for plan in plans if plan.startswith(("SEARCH", "SCAN"))]
    ways = (
        "SEARCH deliveries USING INDEX ix_deliveries_finished_at (finished_at=?)",
        "SEARCH deliveries USING INDEX ix_deliveries_finished_at (finished_at>?)",
        "SEARCH cross_references USING INDEX sqlite_autoindex_cross_references_1 (entity=? AND connection_a=? AND "
        "scope_a=? AND id_a=? AND connection_b=?)",
        f"SEARCH before USING INDEX sqlite_autoindex_deliveries_1 (route=? AND flow=? AND target=? {KEY}",
    )
    assert [plan for plan in looks if not plan.startswith(ways)] == []
    assert len(looks) == 7
