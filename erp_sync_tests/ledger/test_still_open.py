"""The names under which calls were made for what is open, and for nothing that is settled."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from erp_sync.ledger import NewDelivery
from erp_sync.model.keys import EntityKey
from erp_sync.model.still_open import StillOpen
from erp_sync.ports.documents import Step
from erp_sync_tests.operations.house import ERP, STORE, House


def test_open_documents_are_named_and_settled_ones_are_not(ledger: Any) -> None:
    here: Any = SimpleNamespace(ledger=ledger)
    house = House(here)
    house.delivered("1")
    letter = house.dead("2")
    settled = house.dead("3")
    ledger.dead_letters.dismiss([settled], "ann", "by hand")
    house.order("4", held=("tax_difference", "tax differs"))
    refused = house.refused("5")
    plan = house.held_plan()
    with ledger.handling("us", "shipments", "run-9") as work:
        shipment = NewDelivery(
            key=EntityKey(ERP, "", "item_fulfillment", "801"),
            target=STORE,
            version="1",
            payload=b"{}",
            number="IF801",
            concerns="sales_order 1",
            held=("unknown_carrier", "no such carrier"),
        )
        work.accept([shipment])
    assert ledger.retention.open() == StillOpen(
        names=frozenset({"000000002", "000000004", "IF801"}),
        ids=frozenset({(STORE, "2"), (STORE, "4"), (STORE, "5"), (ERP, "801"), (STORE, "1")}),
        reads=frozenset({(STORE, "run-1")}),
        runs=frozenset({"run-3"}),
    )
    ledger.dead_letters.dismiss([letter], "ann", "by hand")
    ledger.plans.reject(plan.id, "ann", "no")
    still = ledger.retention.open()
    assert "000000002" not in still.names
    assert (STORE, "5") in still.ids, f"record {refused} is in quarantine"
    assert still.runs == frozenset()


def test_the_keys_of_steps_that_were_begun_are_names(ledger: Any) -> None:
    here: Any = SimpleNamespace(ledger=ledger)
    house = House(here)
    house.order("6")
    claim = house.claim()
    ledger.steps.plan(claim, [Step(name="sales_order", operation="sales_order.create", key="key-6")])
    assert ledger.retention.open().names == {"000000006", "key-6"}
