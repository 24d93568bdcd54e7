"""What a drain knows of its leases, between one look at the ledger and the next."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from erp_sync.flows import leases
from erp_sync.ledger import Ledger, engine, migrate
from erp_sync.ledger.documents import Claim
from erp_sync.ledger.errors import DatabaseAway, LedgerBusy
from erp_sync_tests.flows.world import ERP, FLOW, ROUTE, Clock, Order, accept
from erp_sync_tests.ledger.databases import Disk, postgres

LEASE = 30.0


def claim(ledger: Ledger) -> Claim:
    (one,) = ledger.deliveries.claim(ROUTE, FLOW, ERP, owner="run-1:1", limit=1, lease_seconds=LEASE)
    return one


def test_a_claim_of_the_same_owner_does_not_speak_for_an_earlier_one(ledger: Ledger, clock: Clock):
    held = leases.of_deliveries(ledger.deliveries, LEASE, "heartbeat")
    accept(ledger, Order(number="1", customer="ann"))
    asleep = claim(ledger)
    held.hold([asleep], time.monotonic() - LEASE)
    # The process stood still for longer than the lease; its main thread wakes first and takes over from itself.
    clock.advance(LEASE)
    again = claim(ledger)
    held.hold([again], time.monotonic())
    assert (again.id, again.owner) == (asleep.id, asleep.owner)
    assert held.holds(again)
    assert not held.holds(asleep)


def test_the_end_of_an_earlier_claim_lets_the_later_one_go_on(ledger: Ledger, clock: Clock):
    held = leases.of_deliveries(ledger.deliveries, LEASE, "heartbeat")
    accept(ledger, Order(number="1", customer="ann"))
    asleep = claim(ledger)
    held.hold([asleep], time.monotonic() - LEASE)
    clock.advance(LEASE)
    again = claim(ledger)
    held.hold([again], time.monotonic())
    # The ledger renews the later one alone.
    held._renew([asleep, again])
    assert (held.holds(asleep), held.holds(again)) == (False, True)
    held.let_go(asleep)
    assert held.keeps(again)
    assert held.holds(again)


# The heartbeat while the ledger's database is away -------------------------------------------------------------------

SHORT = 1.2  # s: a beat every 0.3 s
PATIENCE = 30.0


def await_beats(count: Callable[[], int], wanted: int) -> None:
    """Until so many beats have been counted."""
    deadline = time.monotonic() + PATIENCE
    while count() < wanted:
        assert time.monotonic() < deadline, f"{count()} beats of {wanted}"
        time.sleep(0.01)


class Beats:
    """A ledger's heartbeat, counted: what was tried, and what was renewed."""

    def __init__(self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
        self.tried, self.renewed = 0, 0
        self.away: Callable[[], object] = lambda: None
        real = ledger.deliveries.heartbeat

        def heartbeat(claims: Sequence[Claim], seconds: float) -> Any:
            self.tried += 1
            self.away()
            renewed = real(claims, seconds)
            self.renewed += len(renewed)
            return renewed

        monkeypatch.setattr(ledger.deliveries, "heartbeat", heartbeat)


def raising(error: Exception) -> Callable[[], object]:
    def away() -> None:
        raise error

    return away


def full() -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    return error


def held_one(ledger: Ledger) -> tuple[leases.Leases[Claim], Claim]:
    accept(ledger, Order(number="1"))
    held = leases.of_deliveries(ledger.deliveries, SHORT, "heartbeat")
    mine = claim(ledger)
    held.hold([mine], time.monotonic())
    return held, mine


@pytest.mark.parametrize(
    "error",
    [
        LedgerBusy("ledger.db", 60),
        sa.exc.OperationalError("UPDATE", {}, full()),
        full(),
        sa.exc.OperationalError("SELECT", {}, psycopg.errors.AdminShutdown("terminating connection")),
        sa.exc.InterfaceError("SELECT", {}, psycopg.InterfaceError("the connection is closed")),
        sa.exc.TimeoutError("QueuePool limit reached"),
        DatabaseAway("the ledger", "ERP_SYNC_LEDGER_URL", "sqlite:///ledger.db", OSError("gone")),
    ],
    ids=lambda error: type(error).__name__,
)
def test_the_heartbeat_outlives_a_ledger_that_is_away(ledger: Ledger, monkeypatch, error):
    beats = Beats(ledger, monkeypatch)
    held, mine = held_one(ledger)
    beats.away = raising(error)
    with held.kept():
        await_beats(lambda: beats.tried, 2)
        beats.away = lambda: None
        await_beats(lambda: beats.renewed, 2)
        assert held.holds(mine)


def test_the_heartbeat_outlives_a_ledger_that_another_process_has_locked(ledger: Ledger, monkeypatch):
    monkeypatch.setattr(engine, "BUSY_SECONDS", 0.1)
    monkeypatch.setattr(engine, "PATIENCE_SECONDS", 0.05)
    beats = Beats(ledger, monkeypatch)
    held, mine = held_one(ledger)
    with closing(sqlite3.connect(ledger.database.url.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with held.kept():
            await_beats(lambda: beats.tried, 3)
            assert beats.renewed == 0
            other.execute("ROLLBACK")
            await_beats(lambda: beats.renewed, 2)
            assert held.holds(mine)


def test_the_heartbeat_outlives_a_disk_that_is_full(ledger: Ledger, monkeypatch):
    beats, disk = Beats(ledger, monkeypatch), Disk(ledger)
    held, mine = held_one(ledger)
    disk.fill()
    with held.kept():
        await_beats(lambda: beats.tried, 3)
        assert beats.renewed == 0
        disk.make_room()
        await_beats(lambda: beats.renewed, 2)
        assert held.holds(mine)


def test_the_heartbeat_outlives_a_restart_of_postgresql(clock: Clock, monkeypatch):
    with postgres() as server:
        name = server.create()
        migrate.upgrade(server.url(name))
        away = Ledger.open(server.url(name), clock=clock)
        beats = Beats(away, monkeypatch)
        held, mine = held_one(away)

        restarting = threading.Event()

        def end_backends(_connection: sa.Connection) -> None:
            """As a restart does it: the next statement finds its connection gone, in the middle of a transaction."""
            if restarting.is_set():
                with server.connect() as others:
                    others.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])

        sa.event.listen(away.database.engine, "begin", end_backends)
        restarting.set()
        with held.kept():
            await_beats(lambda: beats.tried, 3)
            assert beats.renewed == 0
            restarting.clear()
            await_beats(lambda: beats.renewed, 2)
            assert held.holds(mine)
        away.close()
        server.drop(name)


def test_a_defect_in_the_heartbeat_is_raised_when_the_work_is_done(ledger: Ledger, monkeypatch):
    beats = Beats(ledger, monkeypatch)
    held, _ = held_one(ledger)
    beats.away = raising(ZeroDivisionError("ours"))
    with pytest.raises(ZeroDivisionError, match="ours"), held.kept():
        await_beats(lambda: beats.tried, 1)
    assert beats.tried == 1


def test_a_defect_in_the_heartbeat_does_not_hide_why_the_work_failed(ledger: Ledger, monkeypatch):
    beats = Beats(ledger, monkeypatch)
    held, _ = held_one(ledger)
    beats.away = raising(ZeroDivisionError("ours"))

    def work() -> None:
        with held.kept():
            await_beats(lambda: beats.tried, 1)
            raise KeyError("the work's own")

    with pytest.raises(KeyError):
        work()
