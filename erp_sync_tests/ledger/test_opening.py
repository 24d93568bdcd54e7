"""Creating, upgrading and opening; many processes, forks, crashes."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from erp_sync.ledger import Ledger, LedgerMissing, SchemaTooNew, SchemaTooOld, StepState, migrate
from erp_sync.ledger.engine import Database
from erp_sync.ledger.errors import LedgerBusy
from erp_sync.ledger.outlook import Reader
from erp_sync.ledger.schema import HISTORY, VERSION, metadata
from erp_sync.ports.outcomes import Receipt
from erp_sync_tests.ledger.world import ERP, FLOW, ROUTE, accept, claim, document, step


def set_version(url: str, version: str) -> None:
    database = Database(url)
    with database.write() as write:
        write.execute(sa.text("UPDATE alembic_version SET version_num = :version"), {"version": version})
    database.close()


def test_the_migrations_make_the_schema_that_the_code_works_with(new_url):
    database = Database(new_url())
    with database.read() as read:
        context = MigrationContext.configure(read, opts={"compare_type": True})
        differences = compare_metadata(context, metadata)
    database.close()
    assert differences == []


def test_the_last_migration_is_the_version(new_url):
    assert migrate.upgrade(new_url()) == VERSION == HISTORY[-1]


def test_a_newer_ledger_is_refused_by_name_and_left_alone(new_url):
    url = new_url()
    set_version(url, "9999")
    for attempt in (Ledger.open, migrate.upgrade):
        with pytest.raises(SchemaTooNew, match=f"9999, which is newer than {VERSION}"):
            attempt(url)


def test_an_older_ledger_says_what_to_run(new_url, monkeypatch):
    url = new_url()
    monkeypatch.setattr("erp_sync.ledger.ledger.HISTORY", (VERSION, "next"))
    monkeypatch.setattr("erp_sync.ledger.ledger.VERSION", "next")
    with pytest.raises(SchemaTooOld, match="run `erp-sync init`"):
        Ledger.open(url)


def test_where_there_is_no_ledger(tmp_path):
    with pytest.raises(LedgerMissing, match=r"no.db: run `erp-sync init`"):
        Ledger.open(f"sqlite:///{tmp_path}/no.db")
    assert not (tmp_path / "no.db").exists()
    (tmp_path / "empty.db").touch()
    with pytest.raises(LedgerMissing):
        Ledger.open(f"sqlite:///{tmp_path}/empty.db")
    with pytest.raises(ValueError, match="needs a file"):
        Ledger.open("sqlite://")
    with pytest.raises(ValueError, match="not in mysql"):
        Ledger.open("mysql://host/ledger")


def test_eight_processes_create_one_ledger(tmp_path):
    url = f"sqlite:///{tmp_path}/home/ledger.db"
    code = f"from erp_sync.ledger import migrate, Ledger; migrate.upgrade({url!r}); Ledger.open({url!r}).close()"
    processes = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE) for _ in range(8)]
    results = [(process.communicate()[1].decode(), process.returncode) for process in processes]
    assert results == [("", 0)] * 8


def test_a_forked_child_works_on_connections_of_its_own(ledger: Ledger):
    accept(ledger, document("1"), document("2"))
    parent = claim(ledger, limit=1)
    child = os.fork()
    if child == 0:
        mine = claim(ledger, limit=5, owner="child:1")
        os._exit(len(mine))
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 1
    assert len(ledger.deliveries.heartbeat(parent)) == 1
    assert claim(ledger) == []


def test_a_fork_while_another_thread_writes_does_not_hang(ledger: Ledger):
    inside, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        with ledger.database.write():
            inside.set()
            go_on.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    inside.wait(30)
    child = os.fork()
    if child == 0:
        signal.alarm(30)
        ledger.deliveries.find()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    go_on.set()
    thread.join(30)
    assert os.waitstatus_to_exitcode(status) == 0


def test_killed_between_begin_and_outcome_the_step_is_unknown_not_forgotten(shared_url, ledger: Ledger, clock):
    accept(ledger, document("1"))
    code = textwrap.dedent(
        f"""
        import os, signal
        from erp_sync.ledger import Ledger
        from erp_sync_tests.ledger.world import Clock, claim, step
        ledger = Ledger.open({shared_url!r}, Clock())
        (mine,) = claim(ledger, owner="killed:1", lease_seconds=30)
        ledger.steps.plan(mine, [step("order")])
        ledger.steps.begin(mine, "order", settle_seconds=40)
        os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    killed = subprocess.run([sys.executable, "-c", code], check=False)
    assert killed.returncode == -signal.SIGKILL
    clock.advance(30)
    assert ledger.deliveries.rescue() != []
    clock.advance(40)
    (mine,) = claim(ledger)
    (row,) = ledger.steps.of(mine.id)
    assert (row.state, row.attempts, row.message) == (StepState.UNKNOWN, 1, "killed:1 did not come back")


def test_several_processes_drain_one_queue_and_nothing_is_claimed_twice(shared_url, ledger: Ledger):
    accept(ledger, *[document(str(number)) for number in range(60)])
    code = textwrap.dedent(
        f"""
        import sys
        from erp_sync.ledger import Ledger
        from erp_sync_tests.ledger.world import Clock, claim, deliver
        ledger = Ledger.open({shared_url!r}, Clock())
        while claims := claim(ledger, limit=5, owner=sys.argv[1]):
            for mine in claims:
                deliver(ledger, mine)
                print(mine.id)
        """
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code, f"run-{number}:1"], stdout=subprocess.PIPE) for number in range(3)
    ]
    done = [line for process in processes for line in process.communicate()[0].split()]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert len(done) == len(set(done)) == 60
    assert ledger.due_counts(ROUTE, FLOW, ERP) == {}
    assert ledger.deliveries.counts() == {(ROUTE, FLOW, "delivered"): 60}


def test_threads_begin_shared_keys_without_locking_each_other_out(ledger: Ledger):
    """Batches that take the same keys in different orders: one gets each key, none waits for ever."""
    accept(ledger, *[document(str(number)) for number in range(8)])
    claims = claim(ledger, limit=8)
    keys = ["a", "b", "b", "a", "a", "b", "b", "a"]
    for mine, name in zip(claims, keys, strict=True):
        ledger.steps.plan(mine, [step("customer", name)])
    results: list[object] = []

    def begin(batch) -> None:
        for mine, result in zip(batch, ledger.steps.begin_all([(mine, "customer") for mine in batch]), strict=True):
            results.append(result)
            if isinstance(result, int):
                ledger.steps.confirm(mine, "customer", Receipt(target_id="1"))

    threads = [threading.Thread(target=begin, args=(claims[start : start + 2],)) for start in range(0, 8, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(results) == 8
    assert sum(isinstance(result, int) for result in results) == 2


def test_a_thread_cannot_wait_for_itself(ledger: Ledger):
    with ledger.database.write(), pytest.raises(RuntimeError, match="already"):
        ledger.deliveries.rescue()


def test_a_ledger_locked_for_too_long_is_named(tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path}/ledger.db"
    migrate.upgrade(url)
    monkeypatch.setattr("erp_sync.ledger.engine.BUSY_SECONDS", 0.2)
    ledger = Ledger.open(url)
    outside = ledger.database.engine.raw_connection()
    outside.cursor().execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerBusy, match=r"ledger.db was locked"):
        ledger.deliveries.rescue()
    outside.rollback()
    outside.close()
    ledger.deliveries.rescue()
    ledger.close()


def test_errors_do_not_show_what_was_written(ledger: Ledger):
    with pytest.raises(sa.exc.StatementError) as error, ledger.database.write() as write:
        write.execute(sa.text("INSERT INTO nowhere VALUES (:payload)"), {"payload": "card 4111111111111111"})
    assert "4111" not in str(error.value)


def test_a_ledger_of_the_first_schema_is_upgraded_with_its_rows(tmp_path):
    """Every revision is reached from the one before it, on a ledger that has work in it."""
    file = tmp_path / "ledger.db"
    url = f"sqlite:///{file}"
    migrate.upgrade(url, to="0001")
    with pytest.raises(SchemaTooOld, match="0001"):
        Ledger.open(url)
    database = Database(url)
    with database.write() as write:
        write.execute(
            sa.text(
                "INSERT INTO plan_rows (plan_id, route, flow, target, entity, key, lane, action, source_order, state,"
                " changed_at) VALUES (1, 'us', 'inventory', 'm', 'stock_level', 'A', 1, 'update', 1, 'held',"
                " '2026-11-23 09:00:00.000000')"
            )
        )
    database.close()
    assert migrate.upgrade(url) == VERSION
    ledger = Ledger.open(url)
    assert ledger.plans.table(1).column("key").to_pylist() == ["A"]
    ledger.close()


ORDER = b'{"increment_id":"1","items":[' + b'{"sku":"MUG","qty_ordered":1},' * 300 + b"{}]}"
DOCUMENTS = 40


def ledger_before_packing(folder: Path) -> str:
    """A ledger of 0013 with documents as they were kept: as they had come."""
    url = f"sqlite:///{folder / 'ledger.db'}"
    migrate.upgrade(url, to="0013")
    with closing(sqlite3.connect(folder / "ledger.db")) as database, database:
        database.executemany(
            "INSERT INTO received (connection, entity, native_id, version, payload, received_at)"
            " VALUES ('m', 'sales_order', ?, '1', ?, '2026-11-23 09:00:00.000000')",
            [(str(number), ORDER if number else b'{"erased":true}') for number in range(DOCUMENTS)],
        )
        database.execute(
            "INSERT INTO quarantine (connection, entity, native_id, rule, problem, row, first_at, last_at)"
            " VALUES ('m', 'sales_order', '7', 'r', 'p', ?, '2026-11-23 09:00:00', '2026-11-23 09:00:00')",
            (ORDER,),
        )
    return url


def lengths(folder: Path) -> set[int]:
    with closing(sqlite3.connect(folder / "ledger.db")) as database:
        return {row[0] for row in database.execute("SELECT length(payload) FROM received WHERE native_id <> '0'")}


def test_documents_of_an_earlier_version_are_packed_and_read_as_before(tmp_path):
    url = ledger_before_packing(tmp_path)
    assert migrate.upgrade(url) == VERSION
    ledger = Ledger.open(url)
    rows = ledger.received.of("m", "sales_order", [str(number) for number in range(DOCUMENTS)])
    assert [row.payload for row in rows] == [b'{"erased":true}', *[ORDER] * (DOCUMENTS - 1)]
    assert ledger.quarantine.find()[0].row == ORDER
    assert [key.native_id for key in ledger.identifying.documents("MUG")] == ["7"]
    ledger.close()
    assert max(lengths(tmp_path)) < len(ORDER) / 10


def test_killed_while_it_packs_nothing_is_lost_and_the_next_upgrade_does_it_whole(tmp_path):
    url = ledger_before_packing(tmp_path)
    code = textwrap.dedent(
        f"""
        import os, signal
        from erp_sync import packing
        from erp_sync.ledger import migrate
        left, packed = {DOCUMENTS // 2}, packing.packed
        def dying(value, dictionary):
            global left
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
            return packed(value, dictionary)
        packing.packed = dying
        migrate.upgrade({url!r})
        """
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    assert lengths(tmp_path) == {len(ORDER)}
    assert migrate.pending(url)
    assert migrate.upgrade(url) == VERSION
    assert max(lengths(tmp_path)) < len(ORDER) / 10
    ledger = Ledger.open(url)
    assert {row.payload for row in ledger.received.of("m", "sales_order", ["1", "39"])} == {ORDER}
    ledger.close()


def test_questions_of_sensors_are_answered_from_indexes(tmp_path):
    """A scan would be quick in a test and slow in production: the database is asked how it would do it."""
    url = f"sqlite:///{tmp_path}/ledger.db"
    migrate.upgrade(url)
    ledger = Ledger.open(url)
    plans: list[str] = []

    def explain(connection, cursor, statement, parameters, context, many):
        if statement.startswith("SELECT"):
            steps = connection.connection.dbapi_connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            plans.extend(f"{row[3]}   {statement}" for row in steps)

    sa.event.listen(ledger.database.engine, "before_cursor_execute", explain)
    ledger.any_due(ROUTE, FLOW, ERP)
    ledger.deliveries.due_counts()
    ledger.plans.due_counts()
    ledger.inbox.pending()
    ledger.any_unhandled(ROUTE, FLOW, ERP, "sales_order")
    ledger.known.any_unsure(ERP, "stock_level")
    ledger.due_counts(ROUTE, FLOW, ERP)
    ledger.outlook([Reader(ROUTE, FLOW, ERP, "sales_order")])
    claim(ledger)
    ledger.plans.claim(ROUTE, FLOW, ERP, owner="run-1:1")
    ledger.steps.receipt(ERP, "order-1")
    ledger.cross_references.find("customer", ERP, ["1"], "magento_us")
    ledger.close()
    assert plans
    small = ("SCAN cursors", "SCAN readers", "SCAN 1 CONSTANT")  # one row a connection's entity, a flow's reader
    scans = [plan for plan in plans if plan.startswith("SCAN") and "INDEX" not in plan.split("   ")[0]]
    assert [plan for plan in scans if not plan.startswith(small)] == []
