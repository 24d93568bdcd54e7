"""Slots, lanes, rate, quota, pause and breakers, on a clock that stands still."""

import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, NamedTuple

import psycopg
import pytest
import sqlalchemy as sa

from erp_sync.ledger import Ledger
from erp_sync.ledger.breakers import BreakerPolicy
from erp_sync.ledger.errors import LedgerBusy
from erp_sync.ledger.limits import _may_start
from erp_sync.ports.capabilities import Limits
from erp_sync.ports.connection import NoSlot
from erp_sync_tests.ledger.world import accept, claim, document

ERP = "netsuite_us"


class Lease(NamedTuple):
    lane: str
    waiting: bool


def no_wait(ledger: Ledger, lane: str = "normal"):
    """Acquire, or raise NoSlot at once."""
    return ledger.limits.acquire(ERP, lane, time.monotonic())


def test_no_more_calls_than_slots(ledger: Ledger):
    ledger.limits.configure(ERP, Limits(concurrency=2))
    first = no_wait(ledger)
    no_wait(ledger)
    with pytest.raises(NoSlot, match="all 2 slots"):
        no_wait(ledger)
    ledger.limits.release(first)
    ledger.limits.release(first)
    no_wait(ledger)
    with pytest.raises(NoSlot):
        no_wait(ledger)


def test_a_dead_owners_slot_comes_back_after_the_longest_call(ledger: Ledger, clock):
    ledger.limits.configure(ERP, Limits(concurrency=1))
    no_wait(ledger)
    clock.advance(149)
    with pytest.raises(NoSlot):
        no_wait(ledger)
    clock.advance(1)
    no_wait(ledger)


def waiting(ledger: Ledger, lane: str, results: list) -> threading.Thread:
    """A caller that waits for a slot; returns once the ledger knows that it does."""

    def wait() -> None:
        lease = ledger.limits.acquire(ERP, lane, time.monotonic() + 30)
        results.append(lane)
        ledger.limits.release(lease)

    thread = threading.Thread(target=wait)
    before = sum(count for state in ledger.limits.status() for count in state.waiting.values())
    thread.start()
    deadline = time.monotonic() + 10
    while sum(count for state in ledger.limits.status() for count in state.waiting.values()) == before:
        assert time.monotonic() < deadline, "the caller never waited"
    return thread


def test_an_idle_share_is_lent_and_goes_back_at_the_end_of_a_call(ledger: Ledger):
    ledger.limits.configure(ERP, Limits(concurrency=4, lane_shares={"now": 0.5}))
    lent = [no_wait(ledger, "bulk") for _ in range(4)]
    results: list[str] = []
    urgent = waiting(ledger, "now", results)
    ledger.limits.release(lent.pop())
    urgent.join(10)
    assert results == ["now"]


def test_bulk_does_not_take_what_an_urgent_caller_waits_for(ledger: Ledger):
    ledger.limits.configure(ERP, Limits(concurrency=1))
    held = no_wait(ledger, "bulk")
    results: list[str] = []
    ledger.limits.sleep = lambda seconds: time.sleep(0.05)
    urgent = waiting(ledger, "now", results)
    ledger.limits.release(held)
    try:
        no_wait(ledger, "bulk")
    except NoSlot:
        pass  # the urgent caller's word still stood
    else:
        assert results == ["now"], "bulk went before an urgent caller"
    urgent.join(10)
    assert results == ["now"]


def test_slots_go_to_those_who_wait_longest(ledger: Ledger, clock):
    ledger.limits.configure(ERP, Limits(concurrency=1))
    ledger.limits.give_way_seconds = 10.0
    held = no_wait(ledger)
    started: list[int] = []
    threads = []

    def call(number: int) -> None:
        lease = ledger.limits.acquire(ERP, "normal", time.monotonic() + 60)
        started.append(number)
        ledger.limits.release(lease)

    def all_wait(count: int) -> None:
        deadline = time.monotonic() + 10
        while ledger.limits.status()[0].waiting.get("normal", 0) < count:
            assert time.monotonic() < deadline, "the callers never waited"
            time.sleep(0.01)

    for number in range(6):
        threads.append(threading.Thread(target=call, args=(number,)))
        threads[-1].start()
        all_wait(number + 1)
        clock.advance(0.3)  # later calls have waited so much less
        all_wait(number + 1)
    ledger.limits.release(held)
    for thread in threads:
        thread.join(30)
    assert started == [0, 1, 2, 3, 4, 5]


def test_a_new_call_does_not_pass_one_that_waits(ledger: Ledger, clock):
    ledger.limits.configure(ERP, Limits(concurrency=1))
    held = no_wait(ledger)
    results: list[str] = []
    ledger.limits.sleep = lambda seconds: time.sleep(0.05)
    elder = waiting(ledger, "normal", results)
    clock.advance(0.5)
    ledger.limits.release(held)
    try:
        no_wait(ledger)
    except NoSlot:
        pass  # the elder one had not looked yet
    else:
        assert results == ["normal"], "a new call went before an elder one"
    elder.join(10)
    assert results == ["normal"]


def test_a_slot_is_not_left_for_long_to_one_that_does_not_look(ledger: Ledger, clock):
    """Its process may have no time; others go on, and it keeps its place."""
    ledger.limits.configure(ERP, Limits(concurrency=1))
    held = no_wait(ledger)
    results: list[str] = []
    busy = threading.Event()
    ledger.limits.sleep = lambda seconds: busy.wait(20)
    elder = waiting(ledger, "normal", results)
    clock.advance(0.5)
    ledger.limits.release(held)
    slept: list[float] = []

    def look_again(seconds: float) -> None:
        slept.append(seconds)
        time.sleep(seconds)

    ledger.limits.sleep = look_again
    passed = ledger.limits.acquire(ERP, "normal", time.monotonic() + 10)
    assert slept, "the elder one was given no way"
    ledger.limits.release(passed)
    busy.set()
    elder.join(10)
    assert results == ["normal"]


@pytest.mark.parametrize("elders", [0, 1, 2, 3])
def test_so_many_of_the_lane_go_first(elders):
    leases = [Lease("normal", False)] * 3
    assert _may_start(5, {}, leases, "normal", elders) is (elders < 2)
    assert _may_start(5, {"normal": 0.9}, leases, "normal", elders) is (elders < 2)


def test_whoever_waits_for_points_is_not_passed_either(ledger: Ledger, clock):
    ledger.limits.configure(ERP, Limits(rate_per_second=1.0, burst=3))
    for _ in range(3):
        no_wait(ledger)
    results: list[str] = []
    ledger.limits.sleep = lambda seconds: time.sleep(0.05)
    elder = waiting(ledger, "normal", results)
    clock.advance(0.9)
    with pytest.raises(NoSlot):
        no_wait(ledger)
    clock.advance(0.2)
    elder.join(10)
    assert results == ["normal"]


@pytest.mark.parametrize(
    ("shares", "used", "waiting", "lane", "may"),
    [
        ({"now": 0.4}, ["normal"] * 3, [], "normal", True),  # an idle share is lent
        ({"now": 0.4}, ["normal"] * 3, ["now", "now"], "normal", False),  # both free slots are owed
        ({"now": 0.4}, ["normal"] * 3, ["now"], "normal", True),  # one is owed, one is free
        ({"now": 0.4}, ["normal"] * 4, ["normal"], "now", True),
        ({"now": 0.4}, ["normal"] * 5, [], "now", False),
        ({}, ["normal"] * 4, ["now"], "bulk", False),  # what is shared goes to the more urgent
        ({}, ["normal"] * 4, ["bulk"] * 9, "now", True),
        ({"bulk": 0.2}, ["now"] * 4, ["now"] * 9, "bulk", True),  # a share cannot be starved
        ({"bulk": 0.2}, ["now"] * 3 + ["bulk"], ["now"] * 9, "bulk", False),
        ({"now": 0.4, "bulk": 0.2}, ["normal"] * 4, ["now"], "bulk", False),  # owed to both: the urgent one
    ],
)
def test_who_may_start_on_five_slots(shares, used, waiting, lane, may):
    leases = [Lease(one, False) for one in used] + [Lease(one, True) for one in waiting]
    assert _may_start(5, shares, leases, lane) is may


def test_calls_are_spread_to_the_rate(ledger: Ledger, clock):
    ledger.limits.configure(ERP, Limits(rate_per_second=2.0, burst=3))
    for _ in range(3):
        no_wait(ledger)
    with pytest.raises(NoSlot, match="2 calls a second") as refused:
        no_wait(ledger)
    assert refused.value.retry_after_seconds == pytest.approx(0.5)
    clock.advance(0.5)
    no_wait(ledger)
    clock.advance(100)
    for _ in range(3):
        no_wait(ledger)
    with pytest.raises(NoSlot):
        no_wait(ledger)


def test_a_day_has_its_quota(ledger: Ledger, clock):
    ledger.limits.configure(ERP, Limits(quota_per_day=2))
    no_wait(ledger)
    no_wait(ledger)
    with pytest.raises(NoSlot, match="quota of 2 calls") as refused:
        no_wait(ledger)
    assert refused.value.retry_after_seconds == 15 * 3600
    clock.advance(15 * 3600)
    no_wait(ledger)


def test_calls_cost_points_and_what_they_really_cost_is_charged(ledger: Ledger, clock):
    ledger.limits.configure(ERP, Limits(rate_per_second=10, burst=100))

    def call(cost: float) -> None:
        ledger.limits.acquire(ERP, "now", time.monotonic(), cost)

    call(80)
    with pytest.raises(NoSlot, match="10 points a second") as refused:
        call(50)
    assert refused.value.retry_after_seconds == pytest.approx(3)
    ledger.limits.charge(ERP, -30)  # the answer: it cost 50
    call(50)
    ledger.limits.charge(ERP, 20)
    with pytest.raises(NoSlot) as refused:
        call(1)
    assert refused.value.retry_after_seconds == pytest.approx(2.1)
    clock.advance(60)
    call(500)  # more than the bucket holds: it needs a full one
    with pytest.raises(NoSlot) as refused:
        call(1)
    assert refused.value.retry_after_seconds == pytest.approx(40.1)


def test_the_vendors_pause_holds_for_everybody(ledger: Ledger, clock):
    ledger.limits.pause(ERP, 30)
    ledger.limits.pause(ERP, 5)
    with pytest.raises(NoSlot, match="asked to wait") as refused:
        ledger.limits.acquire(ERP, "now", time.monotonic() + 5)
    assert refused.value.retry_after_seconds == pytest.approx(30)
    clock.advance(30)
    no_wait(ledger)


def test_waiting_ends_as_soon_as_the_pause_does(ledger: Ledger, clock):
    ledger.limits.pause(ERP, 20)
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock.advance(seconds)

    ledger.limits.sleep = sleep
    ledger.limits.acquire(ERP, "now", time.monotonic() + 60)
    assert sum(slept) == pytest.approx(20, abs=0.1)


def test_settings_keep_what_is_used_and_wrong_ones_are_named(ledger: Ledger):
    ledger.limits.configure(ERP, Limits(concurrency=1, quota_per_day=10))
    no_wait(ledger)
    ledger.limits.configure(ERP, Limits(concurrency=1, quota_per_day=10), {"concurrency": 2})
    no_wait(ledger)
    (state,) = ledger.limits.status()
    assert (state.concurrency, state.in_use, state.quota_used) == (2, {"normal": 2}, 2)
    for override, problem in (
        ({"speed": 1}, "no such limit speed; there are concurrency"),
        ({"concurrency": 0}, "limit concurrency is 0"),
        ({"lane_shares": {"now": 0.9, "bulk": 0.2}}, "together at most 1"),
        ({"lane_shares": {"fast": 0.1}}, "no lane 'fast'; there are now, normal, bulk"),
    ):
        with pytest.raises(ValueError, match=problem):
            ledger.limits.configure(ERP, Limits(), override)


def test_threads_share_the_slots_and_lose_none(ledger: Ledger):
    ledger.limits.configure(ERP, Limits(concurrency=3))
    under_way = 0
    most = 0
    guard = threading.Lock()

    def call() -> None:
        nonlocal under_way, most
        for _ in range(5):
            lease = ledger.limits.acquire(ERP, "normal", time.monotonic() + 60)
            with guard:
                under_way += 1
                most = max(most, under_way)
            with guard:
                under_way -= 1
            ledger.limits.release(lease)

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert 1 <= most <= 3
    assert ledger.limits.status()[0].in_use == {}
    assert ledger.limits.status()[0].waiting == {}


def test_a_breaker_opens_probes_once_and_closes(ledger: Ledger, clock):
    ledger.breakers.configure(ERP, BreakerPolicy(threshold=3, cool_down_seconds=10, probe_seconds=60))
    for _ in range(2):
        ledger.breakers.failure(ERP, "503")
    ledger.breakers.success(ERP)
    for _ in range(3):
        ledger.breakers.check(ERP)
        ledger.breakers.failure(ERP, "503")
    with pytest.raises(NoSlot, match="open: 503") as refused:
        ledger.breakers.check(ERP)
    assert refused.value.retry_after_seconds == pytest.approx(10)
    clock.advance(10)
    ledger.breakers.check(ERP)
    with pytest.raises(NoSlot, match="half_open"):
        ledger.breakers.check(ERP)
    ledger.breakers.failure(ERP, "still down")
    with pytest.raises(NoSlot) as refused:
        ledger.breakers.check(ERP)
    assert refused.value.retry_after_seconds == pytest.approx(20)
    clock.advance(20)
    ledger.breakers.check(ERP)
    ledger.breakers.success(ERP)
    for _ in range(3):
        ledger.breakers.check(ERP)
    assert ledger.breakers.state(ERP).state == "closed"


def test_a_probe_that_never_answers_is_replaced(ledger: Ledger, clock):
    ledger.breakers.configure(ERP, BreakerPolicy(threshold=1, cool_down_seconds=10, probe_seconds=60))
    ledger.breakers.failure(ERP, "no answer")
    clock.advance(10)
    ledger.breakers.check(ERP)
    clock.advance(60)
    ledger.breakers.check(ERP)
    with pytest.raises(NoSlot):
        ledger.breakers.check(ERP)


def test_breakers_of_other_connections_stay_closed(ledger: Ledger):
    for _ in range(9):
        ledger.breakers.failure(ERP, "down")
    ledger.breakers.check("magento_us")
    assert [state.connection for state in ledger.breakers.all()] == [ERP]


#: A worker that asks in vain, and ends.
FAILS = """
import sys
from datetime import datetime
from erp_sync.ledger import Ledger
url, connection, moment = sys.argv[1:]
ledger = Ledger.open(url, lambda: datetime.fromisoformat(moment))
for _ in range(5):
    ledger.breakers.check(connection)
    ledger.breakers.failure(connection, "503")
"""


def test_a_breaker_that_one_process_opened_is_open_for_every_other(ledger: Ledger, clock):
    ledger.breakers.check(ERP)  # this process has seen it closed
    url = ledger.database.url.render_as_string(hide_password=False)
    subprocess.run([sys.executable, "-c", FAILS, url, ERP, clock().isoformat()], check=True)
    with pytest.raises(NoSlot, match="open: 503"):
        ledger.breakers.check(ERP)
    clock.advance(15)
    # And its probe is one for all: while this process asks, another one may not.
    ledger.breakers.check(ERP)
    other = subprocess.run(
        [sys.executable, "-c", FAILS, url, ERP, clock().isoformat()], capture_output=True, text=True, check=False
    )
    assert "circuit breaker half_open" in other.stderr


def test_a_system_that_is_known_to_be_back_is_asked_with_the_next_call(ledger: Ledger, clock):
    ledger.breakers.configure(ERP, BreakerPolicy(threshold=1, cool_down_seconds=300))
    (waiting,) = accept(ledger, document("1"))
    assert not ledger.breakers.probe_now(ERP)
    ledger.breakers.failure(ERP, "no answer")
    (claimed,) = claim(ledger)
    ledger.deliveries.later(claimed, clock.time + timedelta(minutes=5), "circuit breaker open", "not_sent")
    assert claim(ledger) == []
    assert ledger.breakers.probe_now(ERP)
    assert [one.id for one in claim(ledger)] == [waiting.id]
    ledger.breakers.check(ERP)
    # It is one call that asks, and its failure waits for longer than the one before.
    with pytest.raises(NoSlot, match="half_open"):
        ledger.breakers.check(ERP)
    assert not ledger.breakers.probe_now(ERP)
    ledger.breakers.failure(ERP, "no answer")
    assert ledger.breakers.state(ERP).retry_after_seconds == 300


def test_no_more_logins_than_the_system_allows_and_calls_are_counted_apart(ledger: Ledger, clock):
    ledger.limits.configure(ERP, Limits(concurrency=1, sessions=2))
    first, second = ledger.limits.open_session(ERP, 600), ledger.limits.open_session(ERP, 900)
    no_wait(ledger)
    with pytest.raises(NoSlot, match="all 2 sessions are open") as full:
        ledger.limits.open_session(ERP, 600)
    assert full.value.retry_after_seconds == 600
    (state,) = ledger.limits.status()
    assert (state.connection, state.sessions, state.sessions_open, state.in_use) == (ERP, 2, 2, {"normal": 1})
    ledger.limits.close_session(first)
    ledger.limits.close_session(first)
    clock.advance(500)
    assert ledger.limits.keep_session(second, 900)
    ledger.limits.open_session(ERP, 600)
    clock.advance(899)
    clock.advance(1)
    assert not ledger.limits.keep_session(second, 900)


def test_without_a_limit_any_number_may_log_in(ledger: Ledger):
    ledger.limits.configure(ERP, Limits(sessions=1))
    ledger.limits.open_session(ERP, 600)
    ledger.limits.configure(ERP, Limits())
    ledger.limits.open_session(ERP, 600)
    assert ledger.limits.status()[0].sessions is None


def test_a_limit_of_no_login_is_refused(ledger: Ledger):
    with pytest.raises(ValueError, match="limit sessions is 0"):
        ledger.limits.configure(ERP, Limits(), {"sessions": 0})


# The ledger does not answer -----------------------------------------------------------------------------------------

RESTARTED = sa.exc.OperationalError("UPDATE", {}, psycopg.OperationalError("server closed the connection"))
WRONG = sa.exc.OperationalError("UPDATE", {}, sqlite3.OperationalError("no such column: nothing"))


@contextmanager
def meeting(ledger: Ledger, monkeypatch, error: Exception, transactions: int | None = None) -> Iterator[list[str]]:
    """The next so many transactions, or all, meet the error as they begin; gives how each was to be."""
    met: list[str] = []
    with monkeypatch.context() as patched:
        for name in ("read", "write"):
            real = getattr(ledger.database, name)

            def begin(*given: Any, name: str = name, real: Any = real, **more: Any) -> Any:
                if transactions is not None and len(met) >= transactions:
                    return real(*given, **more)
                met.append(name)
                raise error

            patched.setattr(ledger.database, name, begin)
        yield met


@pytest.mark.parametrize("error", [LedgerBusy("ledger.db", 60), RESTARTED], ids=lambda error: type(error).__name__)
def test_what_a_vendor_has_answered_is_not_lost_to_a_ledger_that_is_away(ledger: Ledger, monkeypatch, caplog, error):
    ledger.limits.configure(ERP, Limits(concurrency=1))
    lease = no_wait(ledger)
    ledger.breakers.failure(ERP, "503")
    ledger.breakers.check(ERP)
    with meeting(ledger, monkeypatch, error) as met:
        ledger.breakers.success(ERP)
        ledger.breakers.failure(ERP, "no answer")
        ledger.limits.pause(ERP, 30)
        ledger.limits.charge(ERP, 5)
        ledger.limits.release(lease)
        with pytest.raises(type(error)):
            ledger.breakers.probe_now(ERP)
    assert len(met) == 6
    told = ["call not counted", "call not counted", "pause not kept", "points not counted", "slot not given back"]
    assert [(one.msg, one.why) for one in caplog.records] == [(words, str(error)) for words in told]
    assert ledger.breakers.state(ERP).failures == 1
    no_wait(ledger)


def test_a_statement_that_is_wrong_is_not_taken_for_a_ledger_that_is_away(ledger: Ledger, monkeypatch):
    lease = no_wait(ledger)
    with meeting(ledger, monkeypatch, WRONG):
        for call in (
            lambda: ledger.breakers.success(ERP),
            lambda: ledger.breakers.failure(ERP, "no answer"),
            lambda: ledger.limits.pause(ERP, 30),
            lambda: ledger.limits.charge(ERP, 5),
            lambda: ledger.limits.release(lease),
        ):
            with pytest.raises(sa.exc.OperationalError, match="no such column"):
                call()


def test_who_waits_for_a_restarted_server_leaves_it_time(ledger: Ledger, monkeypatch):
    """Also where a slot of before is still to be given back."""
    ledger.limits.configure(ERP, Limits(concurrency=1))
    held = no_wait(ledger)
    slept: list[float] = []
    ledger.limits.sleep = slept.append
    with meeting(ledger, monkeypatch, RESTARTED, transactions=1):
        ledger.limits.release(held)
    with meeting(ledger, monkeypatch, RESTARTED, transactions=3):
        ledger.limits.release(ledger.limits.acquire(ERP, "normal", time.monotonic() + 60))
    assert len(slept) == 3
    assert min(slept) >= 0.2
    assert ledger.limits.status()[0].in_use == {}
