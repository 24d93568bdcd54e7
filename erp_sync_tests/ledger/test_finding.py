"""Many deliveries and refused records: found page by page and by name, added up where they lie. On both databases."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from erp_sync.ledger import AlreadyConfirmed, Claim, Ledger, State
from erp_sync.ledger.documents import StepState
from erp_sync.ledger.quarantine import Refusal
from erp_sync.ports.outcomes import Receipt
from erp_sync_tests.ledger.world import ERP, FLOW, ROUTE, STORE, accept, claim, deliver, document, key, step


def statements(ledger: Ledger) -> list[str]:
    """SQL from now on."""
    seen: list[str] = []
    sa.event.listen(
        ledger.database.engine, "before_cursor_execute", lambda *given: seen.append(given[2].split("FROM")[0])
    )
    return seen


def test_pages_hold_everything_once_and_a_bounded_part_of_it_at_a_time(ledger: Ledger):
    accept(ledger, *[document(str(number)) for number in range(7)])
    pages = list(ledger.deliveries.pages(route=ROUTE, flow=FLOW, states=[State.DUE], size=3))
    assert [len(page) for page in pages] == [3, 3, 1]
    assert {one.key.native_id for page in pages for one in page} == {str(number) for number in range(7)}
    assert ledger.deliveries.ids(states=[State.DUE]) == [one.id for page in pages for one in page]
    assert list(ledger.deliveries.pages(states=[State.DEAD])) == []


def test_documents_are_found_by_their_keys_in_the_states_that_are_asked_for(ledger: Ledger):
    accept(ledger, document("1"), document("2"), document("3"))
    ledger.deliveries.dead(claim(ledger, limit=1)[0], "closed_period", "closed")
    assert [one.key for one in ledger.deliveries.of([key("1"), key("2")], [State.DEAD])] == [key("1")]
    assert [one.key for one in ledger.deliveries.of([key("1"), key("2")])] == [key("1"), key("2")]
    assert ledger.deliveries.of([key("1", connection="other")]) == []


def test_what_unfinished_deliveries_have_done_is_told_in_one_statement_without_their_payloads(ledger: Ledger):
    accept(ledger, document("1"), document("2"), document("3"), document("4"))
    booked, cancelled, other, _ = claim(ledger)
    ledger.steps.plan(booked, [step("order")])
    ledger.steps.begin(booked, "order")
    ledger.deliveries.dead(cancelled, "quantity_above_open", "it was cancelled")
    ledger.deliveries.dead(other, "closed_period", "closed")
    ledger.dead_letters.edit(other.id, b'{"number":"corrected"}', "ann", "asked")
    seen = statements(ledger)
    found = list(
        ledger.deliveries.effects(
            ROUTE,
            FLOW,
            target=ERP,
            states=[State.DUE, State.CLAIMED, State.DEAD],
            operations=["order.create"],
            step_states=[StepState.SENDING, StepState.CONFIRMED],
            dead_of=["quantity_above_open"],
        )
    )
    assert [(one.native_id, one.done, one.payload) for one in found] == [
        ("1", True, None),
        ("2", True, None),
        ("3", False, b'{"number":"corrected"}'),
        ("4", False, b'{"number":"4","version":"1"}'),
    ]
    assert len(seen) == 1


def test_which_documents_have_a_delivery_is_told_without_loading_one(ledger: Ledger):
    """A run that compares stock asks it of every shipment that left in the last hours."""
    accept(ledger, document("1"), document("2", version="a"))
    accept(ledger, document("2", version="b"))
    deliver(ledger, claim(ledger, limit=1)[0])
    asked = [key("1"), key("2"), key("3"), key("2", connection="other")]
    seen = statements(ledger)
    assert ledger.deliveries.accepted(ROUTE, FLOW, ERP, asked) == {key("1"), key("2")}
    assert ledger.deliveries.accepted(ROUTE, FLOW, STORE, asked) == set()
    assert ledger.deliveries.accepted(ROUTE, FLOW, ERP, []) == set()
    assert len(seen) == 4  # one of each connection
    assert not [statement for statement in seen if "payload" in statement]


def test_refused_records_are_added_up_and_named_without_being_loaded(ledger: Ledger):
    def refusal(number: int, rule: str) -> Refusal:
        return Refusal(
            connection=STORE, entity="sales_order", native_id=str(number), rule=rule, problem=f"problem {number}",
            row=b"{}",
        )  # fmt: skip

    many = [refusal(number, "malformed_address") for number in range(5)]
    ids = ledger.quarantine.add([*many, refusal(9, "has_lines")], ROUTE, FLOW)
    ledger.quarantine.resolve(STORE, "sales_order", ["0"], "passed")
    seen = statements(ledger)
    first, second = ledger.quarantine.groups(ROUTE, FLOW)
    assert (first.rule, first.count, first.example, first.example_id) == ("malformed_address", 4, "problem 4", "4")
    assert (second.rule, second.count) == ("has_lines", 1)
    assert ledger.quarantine.groups(flow="prices") == []
    assert ledger.quarantine.open_ids(STORE, ROUTE, FLOW) == {"1", "2", "3", "4", "9"}
    assert ledger.quarantine.open_ids(ERP, ROUTE, FLOW) == set()
    reasons = ledger.quarantine.reasons(STORE, ROUTE, FLOW, ["0", "1"])
    assert reasons == {"1": ("malformed_address", "problem 1")}
    assert not any("quarantine.row" in one for one in seen)
    assert [row.native_id for row in ledger.quarantine.of([key("0"), key("1")])] == ["1"]
    assert [row.id for row in ledger.quarantine.some(ids[:2])] == ids[1:2]
    assert [[row.native_id for row in page] for page in ledger.quarantine.pages(size=3)] == [
        ["9", "4", "3"],
        ["2", "1"],
    ]


def test_what_an_operation_made_is_told_with_the_delivery_that_made_it_page_by_page(ledger: Ledger):
    accept(ledger, *[document(str(number)) for number in range(4)])
    first, second, third, fourth = claim(ledger)
    deliver(ledger, first, [step("customer", "ann"), step("order", "order-0")])
    # The next of the same customer takes over its receipt, and that of the third says at once that it is there.
    deliver_with(ledger, second, Receipt(target_id="id-ann"))
    ledger.steps.plan(third, [step("customer", "bob")])
    ledger.steps.begin(third, "customer")
    ledger.steps.confirm(third, "customer", Receipt(target_id="7", existed=True))
    ledger.steps.plan(fourth, [step("customer", "cid")])
    ledger.steps.begin(fourth, "customer")
    ledger.steps.not_sent(fourth, "customer", "down")
    ledger.steps.begin(fourth, "customer")
    ledger.steps.confirm(fourth, "customer", Receipt(target_id="8", existed=True))
    pages = list(ledger.deliveries.made(ROUTE, FLOW, ERP, "customer.create", size=2))
    assert [len(page) for page in pages] == [2, 1]
    assert [(one.key, one.receipt.target_id, one.ours, one.delivery.id) for page in pages for one in page] == [
        ("ann", "id-ann", True, first.id),
        ("bob", "7", False, third.id),
        ("cid", "8", True, fourth.id),
    ]
    assert list(ledger.deliveries.made("other", FLOW, ERP, "customer.create")) == []


def deliver_with(ledger: Ledger, claimed: Claim, known: Receipt) -> None:
    ledger.steps.plan(claimed, [step("customer", "ann")])
    with pytest.raises(AlreadyConfirmed):
        ledger.steps.begin(claimed, "customer")
    ledger.steps.confirm(claimed, "customer", known)


def test_what_corrects_is_never_the_first_of_its_document(ledger: Ledger):
    accept(ledger, document("1", corrects=True))
    (waiting,) = ledger.deliveries.of([key("1")])
    assert waiting.sequence == 2
    accept(ledger, document("1", "2", corrects=True))
    (replaced,) = ledger.deliveries.of([key("1")])
    assert (replaced.sequence, replaced.version) == (2, "2")
