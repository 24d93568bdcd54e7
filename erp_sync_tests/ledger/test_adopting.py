from __future__ import annotations

import pytest

from erp_sync.ledger import Ledger, Link, State
from erp_sync.ledger.adopting import AdoptedDocument
from erp_sync.ledger.errors import CrossReferenceConflict
from erp_sync.ports.outcomes import Receipt
from erp_sync_tests.ledger.interleaving import meanwhile
from erp_sync_tests.ledger.world import ERP, FLOW, ROUTE, STORE, accept, claim, document, key, step


def adopted(native_id: str, target_id: str = "901") -> AdoptedDocument:
    return AdoptedDocument(
        document=document(native_id),
        step=step("sales_order", f"external-{native_id}"),
        receipt=Receipt(target_id=target_id, existed=True),
        link=Link(
            entity="sales_order", connection_a=STORE, id_a=native_id, connection_b=ERP, id_b=target_id, origin="adopted"
        ),
    )


def state(ledger: Ledger, native_id: str) -> State:
    return ledger.deliveries.latest(ROUTE, FLOW, ERP, [key(native_id)])[key(native_id)].state


def test_an_adopted_document_is_delivered_whether_it_was_known_or_not(ledger: Ledger) -> None:
    accept(ledger, document("1"))
    done = ledger.adopting.documents(ROUTE, FLOW, [adopted("1", "901"), adopted("2", "902")], who="ann")
    assert (done.new, done.known, done.under_way) == (2, 0, ())
    assert (state(ledger, "1"), state(ledger, "2")) == (State.DELIVERED, State.DELIVERED)
    assert claim(ledger) == []
    assert ledger.cross_references.find("sales_order", STORE, ["1", "2"], ERP) == {"1": "901", "2": "902"}
    ledger.cross_references.link(
        [Link(entity="sales_order", connection_a=STORE, id_a="3", connection_b=ERP, id_b="903")]
    )
    told = ledger.cross_references.adopted("sales_order", ERP)
    assert {order: store for order, (store, _) in told.items()} == {"901": STORE, "902": STORE}, "903 carries our key"
    assert all(since <= ledger.now() for _, since in told.values())
    again = ledger.adopting.documents(ROUTE, FLOW, [adopted("1", "901")], who="ann")
    assert (again.new, again.known) == (0, 1)


def test_a_document_under_way_is_left_alone(ledger: Ledger) -> None:
    accept(ledger, document("1"))
    claim(ledger)
    done = ledger.adopting.documents(ROUTE, FLOW, [adopted("1")], who="ann")
    assert (done.new, done.under_way) == (0, ("N1",))
    assert state(ledger, "1") is State.CLAIMED


def test_the_same_version_handed_in_afterwards_changes_nothing(ledger: Ledger) -> None:
    ledger.adopting.documents(ROUTE, FLOW, [adopted("1")], who="ann")
    assert accept(ledger, document("1"))[0].change == "same"


def test_a_shared_record_comes_back_confirmed(ledger: Ledger) -> None:
    receipt = Receipt(target_id="45", existed=True)
    assert ledger.adopting.receipts(ERP, [("customer-key", "customer.create", receipt)]) == 1
    assert ledger.adopting.receipts(ERP, [("customer-key", "customer.create", receipt)]) == 0
    accept(ledger, document("1"))
    one = claim(ledger)[0]
    (row,) = ledger.steps.plan(one, [step("customer")], reuse=["customer.create"])
    assert (row.state, row.receipt) == ("confirmed", receipt)


def test_a_shared_record_that_a_person_names_anew_takes_the_place_of_the_old_one(ledger: Ledger) -> None:
    """The old one was deleted or merged: for what comes, and for what is under way."""
    made, new = Receipt(target_id="45"), Receipt(target_id="46", existed=True)

    def named(receipt: Receipt) -> int:
        link = Link(entity="customer", connection_a=STORE, id_a="7", connection_b=ERP, id_b=receipt.target_id)
        return ledger.adopting.receipts(ERP, [("ann", "customer.create", receipt)], [link], replace=True)

    assert named(made) == 1
    accept(ledger, document("1"), document("2"))
    first, second = claim(ledger)
    for one in (first, second):
        ledger.steps.plan(one, [step("customer", "ann"), step("order", "2")], reuse=["customer.create"])
    ledger.steps.begin(first, "order")
    ledger.steps.confirm(first, "order", Receipt(target_id="9"))
    ledger.deliveries.complete(first)
    ledger.deliveries.dead(second, "unknown_customer", "it is gone")
    assert (named(new), named(new)) == (1, 0)
    assert ledger.steps.receipt(ERP, "ann", "customer.create") == new
    assert [ledger.steps.of(one.id)[0].receipt for one in (first, second)] == [made, new]
    assert ledger.cross_references.find("customer", STORE, ["7"], ERP) == {"7": "46"}


def test_an_id_with_another_partner_adopts_nothing(ledger: Ledger) -> None:
    ledger.adopting.documents(ROUTE, FLOW, [adopted("1", "901")], who="ann")
    with pytest.raises(CrossReferenceConflict):
        ledger.adopting.documents(ROUTE, FLOW, [adopted("2", "902"), adopted("1", "999")], who="ann")
    assert ledger.cross_references.find("sales_order", STORE, ["2"], ERP) == {}


def test_a_doubtful_document_waits_for_a_person(ledger: Ledger) -> None:
    accept(ledger, document("1"))
    done = ledger.adopting.doubt(ROUTE, FLOW, [(document("1"), "two have it"), (document("2"), "x")], "doubtful", "ann")
    assert done.new == 2
    assert [(one.count, one.code) for one in ledger.dead_letters.groups()] == [(2, "doubtful")]
    assert claim(ledger) == []


def test_what_is_begun_at_that_moment_is_not_adopted_as_well(ledger: Ledger) -> None:
    """PostgreSQL: it was sent though the target held it, and nobody recorded what became of it."""
    accept(ledger, document("1"))

    def begin() -> int:
        claims = claim(ledger, owner="run-2:7")
        for one in claims:
            ledger.steps.plan(one, [step("sales_order")])
            ledger.steps.begin(one, "sales_order")
        return len(claims)

    with meanwhile(ledger, "DELETE FROM steps", begin) as begun:
        done = ledger.adopting.documents(ROUTE, FLOW, [adopted("1")], who="ann")
    assert (done.new, begun) == (1, [0])
    assert state(ledger, "1") is State.DELIVERED
