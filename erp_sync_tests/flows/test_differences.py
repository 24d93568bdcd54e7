"""Documents whose amounts differ: held before a send or after one, and what an approval lets pass."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from erp_sync.flows.orders import checks
from erp_sync.ledger import Ledger, State
from erp_sync.ports.differences import Difference
from erp_sync.ports.outcomes import Again, Refused
from erp_sync_tests.flows.samples import order
from erp_sync_tests.flows.world import Clock, Order, System, accept, answer, apply, drain


def difference(found: str, stated: str = "5.00", part: str = "tax") -> Difference:
    return Difference(part=part, stated=Decimal(stated), found=Decimal(found), tolerance=Decimal("0.05"))


class Doubting(System):
    """It can tell before anything is sent that an order's amounts do not agree."""

    told: tuple[Difference, ...] = ()

    def differences(self, document: Order) -> list[Difference]:
        return list(self.told)


def approve(ledger: Ledger, delivery: int) -> None:
    ledger.deliveries.approve(delivery, "ann", "checked")


def test_what_differs_too_much_is_held_before_anything_is_sent(ledger: Ledger, clock: Clock):
    erp = Doubting(clock=clock)
    erp.told = (difference("7.00"), difference("5.01", part="total"))
    (delivery,) = accept(ledger, Order(number="1"))
    report = drain(ledger, erp, clock)
    held = ledger.deliveries.get(delivery)
    assert (held.state, held.code, held.differences) == (State.HELD, "tax_difference", erp.told)
    assert (report.held, erp.sent) == (1, [])


def test_within_the_tolerance_nobody_is_asked(ledger: Ledger, clock: Clock):
    erp = Doubting(clock=clock)
    erp.told = (difference("5.05"),)
    accept(ledger, Order(number="1"))
    assert drain(ledger, erp, clock).delivered == 1


@pytest.mark.parametrize(
    ("later", "state"),
    [
        ("7.00", State.DELIVERED),  # as it was let pass
        ("6.00", State.DELIVERED),  # less than that
        ("7.01", State.HELD),
        ("3.00", State.HELD),  # the other way round
    ],
)
def test_an_approval_lets_pass_what_was_shown_and_no_more(ledger: Ledger, clock: Clock, later: str, state: State):
    erp = Doubting(clock=clock)
    erp.told = (difference("7.00"),)
    (delivery,) = accept(ledger, Order(number="1"))
    drain(ledger, erp, clock)
    approve(ledger, delivery)
    erp.told = (difference(later),)
    drain(ledger, erp, clock)
    assert ledger.deliveries.get(delivery).state is state


def test_held_after_a_step_it_goes_on_from_there_and_the_step_knows_what_is_allowed(ledger: Ledger, clock: Clock):
    erp, seen = System(clock=clock), []

    def record(system: System, request: Any) -> Any:
        seen.append(request.allowed)
        return apply(system, request)

    refused = Refused(
        code="tax_difference", message="differs", again=Again.AFTER_DECISION, differences=(difference("7.00"),)
    )
    erp.on("deposit:1", answer(refused), record)
    (delivery,) = accept(ledger, Order(number="1", payments=1))
    drain(ledger, erp, clock)
    assert ledger.deliveries.get(delivery).state is State.HELD
    assert erp.committed == ["order 1"]
    approve(ledger, delivery)
    drain(ledger, erp, clock)
    assert ledger.deliveries.get(delivery).state is State.DELIVERED
    assert seen == [(difference("7.00"),)]
    assert erp.committed == ["order 1", "deposit 1/1"]


def test_what_was_let_pass_holds_for_the_documents_next_version_too(ledger: Ledger, clock: Clock):
    erp = Doubting(clock=clock)
    erp.told = (difference("7.00"),)
    (delivery,) = accept(ledger, Order(number="1"))
    drain(ledger, erp, clock)
    approve(ledger, delivery)
    drain(ledger, erp, clock)
    (follow_up,) = accept(ledger, Order(number="1", payments=1, version="2"))
    drain(ledger, erp, clock)
    assert ledger.deliveries.get(follow_up).state is State.DELIVERED


def test_the_rules_about_sums_judge_what_the_comparison_shows():
    good = order()
    assert [one for one in checks.differences(good) if one.beyond] == []
    wrong = order(totals=msgspec.structs.replace(good.totals, tax=Decimal(1)))
    facts = checks.facts(wrong)
    beyond = {one.part for one in checks.differences(wrong) if one.beyond}
    assert beyond == {"total", "header", "tax"}
    assert (facts["totals_over_tolerance"] > 0, facts["taxes_over_tolerance"] > 0) == (True, True)
    assert facts["lines_over_tolerance"] == 0
