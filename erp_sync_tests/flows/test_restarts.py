"""The ledger's server is restarted, or its file locked, under a drain: the drain goes on by itself."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from erp_sync.flows import writing_again
from erp_sync.flows.convergence import Convergence, ConvergenceReport
from erp_sync.ledger import Ledger, State, migrate
from erp_sync.ledger.errors import LedgerBusy
from erp_sync.ledger.rows import RowState
from erp_sync.ports.capabilities import Guarantee
from erp_sync.ports.outcomes import Applied, NotSent, Outcome, Receipt, Refused, Unknown
from erp_sync_tests.flows.shop import ENTITY, ERP, FLOW, ROUTE, STORE, Offer, Shop, known, plan
from erp_sync_tests.flows.world import Clock, Order, System, accept, apply, drain
from erp_sync_tests.ledger.databases import OwnServer, postgres_of_its_own

BUSY = LedgerBusy("ledger.db", 60.0)


def cut_off() -> Exception:
    """What the driver raises whose server went under it."""
    gone = psycopg.OperationalError("server closed the connection unexpectedly")
    return sa.exc.OperationalError("COMMIT", {}, gone, connection_invalidated=True)


def failing(room: Any, name: str, failure: Exception, *, committed: bool, times: int = 1) -> list[str]:
    """The first calls fail, with what they write committed or not. Gives the failures as they happen."""
    real, met = getattr(room, name), []

    def fails(*given: Any, **more: Any) -> Any:
        if len(met) == times:
            return real(*given, **more)
        met.append(name)
        if committed:
            real(*given, **more)
        raise failure

    setattr(room, name, fails)
    return met


def converge(ledger: Ledger, shop: Shop, clock: Clock | None = None, **more: Any) -> ConvergenceReport:
    clocked = {} if clock is None else {"clock": clock}
    settings = {"senders": 1, "sleep": lambda _: None, **clocked, **more}
    names = {"route": ROUTE, "flow": FLOW, "entity": ENTITY, "connection": STORE, "source": ERP, "owner": "run:1"}
    return Convergence(ledger, shop, **names, **settings).run()


def states(ledger: Ledger) -> dict[str, tuple[str, str]]:
    with ledger.database.read() as read:
        rows = read.execute(sa.text("SELECT key, state, message FROM plan_rows"))
        return {row.key: (row.state, row.message) for row in rows}


ANSWERS: dict[str, Callable[[Offer], Outcome]] = {
    "no": lambda row: Refused(code="bad_row", message="no"),
    "late": lambda row: NotSent(why="not reached", retry_after_seconds=30.0),
    "lost": lambda row: Unknown(why="no answer"),
}
ENDED = {"fine": RowState.APPLIED, "slow": RowState.APPLIED, "no": RowState.REFUSED}
ENDED |= {"late": RowState.DUE, "lost": RowState.UNKNOWN}


@pytest.mark.parametrize("committed", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("name", ["begin", "applied", "refused", "put_back", "unknown", "keep_handles"])
def test_a_state_flow_goes_on_where_a_restart_cuts_off_what_it_writes(
    ledger: Ledger, clock: Clock, name: str, committed: bool
):
    shop = Shop(batch_size=5)
    shop.script, shop.slow = dict(ANSWERS), {"slow": 2}
    plan(ledger, dict.fromkeys(ENDED, 7))
    met = failing(ledger.plans, name, cut_off(), committed=committed)
    report = converge(ledger, shop, clock)
    assert met == [name]
    assert {key: state for key, (state, _) in states(ledger).items()} == ENDED
    assert shop.batches == [list(ENDED)], "nothing is sent again"
    assert shop.held == {"fine": 7, "slow": 7}
    assert known(ledger, "fine").value == '{"quantity":7}'
    assert (report.applied, report.refused, report.later, report.unknown, report.lost_claims) == (2, 1, 1, 1, 0)


@pytest.mark.parametrize("room", ["plans", "known"])
def test_rows_whose_batch_a_restart_cuts_off_before_they_left_go_in_the_same_run(
    ledger: Ledger, clock: Clock, room: str
):
    shop = Shop(batch_size=2)
    plan(ledger, {"A": 1, "B": 2, "C": 3})
    met = failing(getattr(ledger, room), {"plans": "suspects", "known": "get"}[room], cut_off(), committed=False)
    assert converge(ledger, shop, clock).applied == 3
    assert len(met) == 1
    assert shop.held == {"A": 1, "B": 2, "C": 3}
    assert len(shop.batches) == 2


@pytest.mark.parametrize("name", ["release", "in_hand"])
def test_another_restart_while_they_are_given_back_changes_nothing(ledger: Ledger, clock: Clock, name: str):
    shop = Shop(batch_size=2)
    plan(ledger, {"A": 1, "B": 2, "C": 3})
    failing(ledger.plans, "suspects", cut_off(), committed=False)
    met = failing(ledger.plans, name, cut_off(), committed=False)
    assert converge(ledger, shop, clock).applied == 3
    assert len(met) == 1
    assert (shop.held, len(shop.batches)) == ({"A": 1, "B": 2, "C": 3}, 2)


def test_a_claim_that_a_restart_cuts_off_is_asked_for_again(ledger: Ledger, clock: Clock):
    shop = Shop(batch_size=1)
    plan(ledger, {"A": 1, "B": 2})
    met = failing(ledger.plans, "claim", cut_off(), committed=False, times=2)
    assert converge(ledger, shop, clock).applied == 2
    assert len(met) == 2


def test_a_state_flow_whose_ledger_stays_away_ends_what_it_has_in_hand_and_fails(
    ledger: Ledger, clock: Clock, monkeypatch
):
    monkeypatch.setattr(writing_again, "CLAIMED_AGAIN_SECONDS", 0.0)
    shop, asked = Shop(batch_size=1), threading.Event()
    real = ledger.plans.claim

    def claim(*given: Any, **more: Any) -> Any:
        if more["lanes"] and shop.slow.setdefault("claims", 0) == 1:
            asked.set()
            raise cut_off()
        shop.slow["claims"] += 1
        return real(*given, **more)

    def writes_after_the_claim_failed(row: Offer) -> Outcome:
        assert asked.wait(10)
        return shop.write(row)

    monkeypatch.setattr(ledger.plans, "claim", claim)
    shop.script["A"] = writes_after_the_claim_failed
    plan(ledger, {"A": 1, "B": 2})
    with pytest.raises(sa.exc.OperationalError, match="server closed"):
        converge(ledger, shop, clock, senders=2)
    assert {key: state for key, (state, _) in states(ledger).items()} == {"A": RowState.APPLIED, "B": RowState.DUE}


def test_a_state_flow_keeps_what_the_target_answered_while_the_ledger_is_locked(ledger: Ledger, clock: Clock):
    """For longer than a lease: nobody else takes the rows over on a ledger that is locked."""
    shop = Shop()
    plan(ledger, {"A": 1})
    met = failing(ledger.plans, "applied", BUSY, committed=False, times=writing_again.MOST_BUSY - 1)
    assert converge(ledger, shop, clock).applied == 1
    assert len(met) == writing_again.MOST_BUSY - 1
    assert states(ledger)["A"][0] == RowState.APPLIED


@pytest.mark.parametrize("guarantee", Guarantee)
def test_a_document_whose_answer_meets_a_locked_ledger_is_delivered_and_no_case_is_opened(
    ledger: Ledger, clock: Clock, guarantee: Guarantee
):
    erp = System(guarantee, clock=clock)
    (delivery,) = accept(ledger, Order(number="1"))
    met = failing(ledger.steps, "confirm", BUSY, committed=False, times=writing_again.MOST_BUSY - 1)
    assert drain(ledger, erp, clock).delivered == 1
    assert len(met) == writing_again.MOST_BUSY - 1
    assert ledger.deliveries.get(delivery).state is State.DELIVERED
    assert erp.committed == ["order 1"]
    assert len(erp.sent) == 1


@pytest.mark.parametrize("failure", [BUSY, cut_off()], ids=["locked", "restarted"])
def test_what_a_document_drain_has_in_hand_ends_where_the_next_claim_fails(
    ledger: Ledger, clock: Clock, monkeypatch, failure: Exception
):
    monkeypatch.setattr(writing_again, "CLAIMED_AGAIN_SECONDS", 0.0)
    erp, failed = System(clock=clock), threading.Event()
    real = ledger.deliveries.claim

    def claim(*given: Any, **more: Any) -> Any:
        if erp.sent:
            failed.set()
            raise failure
        return real(*given, **more)

    def answers_after_the_claim_failed(system: System, request: Any) -> Outcome:
        assert failed.wait(10)
        return apply(system, request)

    monkeypatch.setattr(ledger.deliveries, "claim", claim)
    erp.on("sales_order", apply, answers_after_the_claim_failed)
    ids = accept(ledger, *[Order(number=str(number)) for number in range(2)])
    with pytest.raises(type(failure)):
        drain(ledger, erp, clock, senders=2)
    assert {ledger.deliveries.get(one).state for one in ids} == {State.DELIVERED}


# A real server


@pytest.fixture(scope="module")
def server() -> Iterator[OwnServer]:
    with postgres_of_its_own() as running:
        yield running


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("senders", [1, 4])
def test_a_server_that_is_restarted_under_a_state_flow_ends_no_drain(server: OwnServer, when: str, senders: int):
    url = server.url(server.create())
    migrate.upgrade(url)
    ledger, shop, restarts = Ledger.open(url), Shop(batch_size=2), []

    def writes(row: Offer) -> Outcome:
        if when == "before":
            restart(row)
        shop.held[row.sku] = row.quantity
        if when == "after":
            restart(row)
        return Applied(receipt=Receipt(target_id=row.sku))

    def restart(row: Offer) -> None:
        if row.quantity in (3, 8, 13):
            server.restart()
            restarts.append(row.sku)

    wanted = {f"S{number:02}": number for number in range(16)}
    shop.script = dict.fromkeys(wanted, writes)
    plan(ledger, wanted)
    converge(ledger, shop, senders=senders)
    assert sorted(restarts) == ["S03", "S08", "S13"]
    assert shop.held == wanted
    assert {key: state for key, (state, _) in states(ledger).items()} == dict.fromkeys(wanted, RowState.APPLIED)
    assert sorted(sku for batch in shop.batches for sku in batch) == sorted(wanted), "each once"
    ledger.close()
