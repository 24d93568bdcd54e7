"""A worker waits for the ledger for longer than its lease: who waits beside it takes nothing out of its hands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from erp_sync.ledger import Claim, Ledger, State
from erp_sync.ledger.errors import LeaseLost
from erp_sync.ledger.plans import NewPlan, PlanRow
from erp_sync.ledger.rows import RowClaim
from erp_sync.ports.outcomes import Receipt
from erp_sync_tests.ledger.world import ERP, FLOW, ROUTE, Clock, accept, claim, document, step

LEASE, LOCKED = 30.0, 45.0
OTHER = "run-2:1"
Take = Callable[[Ledger], object]

WHAT: dict[str, Take] = {
    "claim": lambda ledger: ledger.deliveries.claim(ROUTE, FLOW, ERP, owner=OTHER, lease_seconds=LEASE),
    "rescue": lambda ledger: ledger.deliveries.rescue(FLOW, ERP),
}


def after_waiting(ledger: Ledger, clock: Clock, take: Take) -> object:
    """What it gives that is asked for now, and has the lock, before all others, only after more than a lease."""
    write = ledger.database.write

    @contextmanager
    def waits(**options: Any) -> Iterator[Any]:
        clock.advance(LOCKED)
        with write(**options) as connection:
            yield connection

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ledger.database, "write", waits)
        return take(ledger)


def sent(ledger: Ledger) -> Claim:
    """A document whose request has left."""
    accept(ledger, document("1"))
    (mine,) = claim(ledger, lease_seconds=LEASE)
    ledger.steps.plan(mine, [step("order")])
    ledger.steps.begin(mine, "order", settle_seconds=60.0)
    return mine


@pytest.mark.parametrize("what", WHAT)
def test_the_answer_to_a_document_that_waits_for_the_same_lock_is_written(ledger: Ledger, clock: Clock, what: str):
    mine = sent(ledger)
    assert after_waiting(ledger, clock, WHAT[what]) == []
    ledger.steps.confirm(mine, "order", Receipt(target_id="17"))
    ledger.deliveries.complete(mine)
    assert ledger.deliveries.get(mine.id).state is State.DELIVERED


@pytest.mark.parametrize("what", WHAT)
def test_who_asks_once_the_lease_has_ended_takes_over_and_the_late_answer_changes_nothing(
    ledger: Ledger, clock: Clock, what: str
):
    mine = sent(ledger)
    assert after_waiting(ledger, clock, WHAT[what]) == []
    WHAT[what](ledger)
    with pytest.raises(LeaseLost):
        ledger.steps.confirm(mine, "order", Receipt(target_id="17"))
    assert [one.state for one in ledger.steps.of(mine.id)] == ["unknown"]
    # Nobody sends it again before what left has settled.
    clock.advance(29.0)
    assert ledger.deliveries.claim(ROUTE, FLOW, ERP, owner=OTHER) == []
    clock.advance(31.0)
    assert [one.id for one in ledger.deliveries.claim(ROUTE, FLOW, ERP, owner=OTHER)] == [mine.id]


def claim_rows(ledger: Ledger, owner: str = OTHER) -> RowClaim | None:
    return ledger.plans.claim(ROUTE, "inventory", "magento_us", owner=owner, lease_seconds=LEASE)


def test_the_answer_to_rows_that_waits_for_the_same_lock_is_written(ledger: Ledger, clock: Clock):
    with ledger.handling(ROUTE, "inventory", "run-0") as work:
        row = PlanRow(key="MUG", before=None, after='{"quantity":3}', source_order=1)
        work.add_plan(NewPlan(entity="stock_level", target="magento_us", rows=[row]))
    mine = claim_rows(ledger, "run-1:1")
    assert mine is not None
    ledger.plans.begin(mine, settle_seconds=60.0)
    assert after_waiting(ledger, clock, claim_rows) is None
    ledger.plans.applied(mine, mine.rows)
    assert ledger.known.get("magento_us", "stock_level", ["MUG"])["", "MUG"].value == '{"quantity":3}'
    assert not ledger.plans.any_suspects("magento_us")
