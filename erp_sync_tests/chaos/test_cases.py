"""Open cases that nothing explains are told, and those that something does explain are not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from erp_sync.ledger import Claim, Ledger, NewDelivery, State
from erp_sync.ledger.quarantine import Refusal
from erp_sync.model.keys import EntityKey
from erp_sync.ports.documents import Requirement
from erp_sync.sandbox.checker import Claim as Said
from erp_sync.sandbox.journal import Call, Entry
from erp_sync_tests.chaos.cases import Cases, Explaining
from erp_sync_tests.ledger import fresh
from erp_sync_tests.ledger.world import ERP, STORE, Clock, step
from erp_sync_tests.sandbox.checked_world import World as Systems

ROUTE = "netsuite_magento"


class World:
    """Two systems whose rows a test writes, and a ledger of what erp_sync makes of them."""

    def __init__(self, folder: Path) -> None:
        self.systems = Systems(folder)
        self.clock = Clock()
        url = f"sqlite:///{folder}/ledger.db"
        fresh.create(url)
        self.ledger = Ledger.open(url, self.clock)
        self.interruptions: list[float] = []
        self.poisoned: set[tuple[str, str]] = set()
        self.said: list[Said] = []
        self.route = SimpleNamespace(store=STORE, erp=ERP, name=ROUTE)
        sides = ((STORE, "magento", "store"), (ERP, "netsuite", "erp"))
        self.network = SimpleNamespace(
            systems={
                name: SimpleNamespace(
                    vendor=vendor,
                    database=self.systems.files[side].database,
                    journal=SimpleNamespace(path=self.systems.files[side].journal),
                    clock=SimpleNamespace(skew=0),
                )
                for name, vendor, side in sides
            }
        )

    def accepted(self, flow: str, number: str, version: str = "1", **values: Any) -> int:
        source, target = (STORE, ERP) if flow == "orders" else (ERP, STORE)
        document = NewDelivery(
            key=EntityKey(source, "", flow, number),
            target=target,
            version=version,
            number=number,
            **{"payload": b"{}", **values},
        )
        with self.ledger.handling(ROUTE, flow, "run-0") as work:
            return work.accept([document])[0].id

    def claimed(self, flow: str, number: str, **values: Any) -> Claim:
        self.accepted(flow, number, **values)
        (claim,) = self.ledger.deliveries.claim(ROUTE, flow, ERP if flow == "orders" else STORE, owner="run-1:1")
        return claim

    def dead(self, flow: str, number: str, code: str, **values: Any) -> None:
        self.ledger.deliveries.dead(self.claimed(flow, number, **values), code, "as it says")

    def silent(self, operation: str, code: str) -> None:
        """A shipment of which this step was sent, and nobody knows what came of it."""
        claim = self.claimed("shipments", "IF1")
        self.ledger.steps.plan(claim, [step("one", operation=operation)])
        self.ledger.steps.begin(claim, "one")
        self.ledger.steps.unknown(claim, "one", "no answer")
        self.ledger.deliveries.dead(claim, code, "as it says")

    def faulty_call(self, seconds: float) -> None:
        """A call of the store that a fault met, so long after now."""
        call = Call(
            arrived_at=self.clock().timestamp() + seconds, calendar="", method="POST", path="/", query="", agent="",
            endpoint="POST /V1/shipment/{id}/emails", kind="create", flow="", document=None, fault="timeout",
        )  # fmt: skip
        self.systems.journals["store"].append(Entry(call))

    def look(self) -> Cases:
        return Explaining(self, SimpleNamespace(ledger=self.ledger), self.systems.check(*self.said)).look()

    def unexplained(self) -> list[str]:
        return [words.rpartition(": ")[2] for words in self.look().unexplained]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.ledger.close()
    for journal in made.systems.journals.values():
        journal.close()


def test_a_dead_letter_that_nothing_explains_is_told(world: World):
    world.dead("orders", "000000001", "unknown_payment_method")
    assert world.unexplained() == ["no fault and no poison ends so"]
    assert world.look().counted == {"orders dead unknown_payment_method": 1}
    assert world.look().numbers("orders") == set()


def test_what_is_held_is_told_for_nobody_would_let_it_pass(world: World):
    world.ledger.deliveries.hold(world.claimed("orders", "000000001"), "total_difference", "a cent")
    assert world.unexplained() == ["nothing in it waits for a person"]


def test_a_record_that_was_refused_is_told(world: World):
    refusal = Refusal(
        connection=STORE, entity="sales_order", native_id="7", rule="total_is_not_negative", problem="-1", row=b"{}"
    )
    world.ledger.quarantine.add([refusal], ROUTE, "orders")
    assert world.look().unexplained == ["orders 7 was refused as total_is_not_negative: no record was made wrong"]
    world.poisoned = {(STORE, "7")}
    assert world.look().unexplained == []


def test_a_poisoned_order_excuses_no_other_record_of_its_id(world: World):
    common = {"native_id": "7", "rule": "parcel_has_lines", "problem": "none", "row": b"{}"}
    world.ledger.quarantine.add([Refusal(connection=STORE, entity="order_status", **common)], ROUTE, "orders")
    world.ledger.quarantine.add([Refusal(connection=ERP, entity="shipment", **common)], ROUTE, "shipments")
    world.poisoned = {(STORE, "7"), (ERP, "8")}
    assert len(world.look().unexplained) == 2


def test_a_shipment_beyond_what_is_open_is_explained_by_units_that_the_store_lost(world: World):
    world.systems.place(1)
    world.dead("shipments", "IF1", "quantity_above_open", payload=b'{"order_key":"1"}')
    assert world.unexplained() == ["the systems do not show it"]
    world.systems.store.execute("UPDATE sales_order_item SET qty_canceled = '1.0000'")
    assert world.look().explained == {("shipments", "IF1")}


def test_a_cancellation_that_came_too_late_is_explained_by_goods_that_have_left(world: World):
    world.systems.place(1, state="canceled")
    world.systems.book(1)
    world.dead("orders", "000000001", "already_fulfilled", operation="cancel")
    world.said.append(Said("000000001", "already_shipped"))
    assert world.unexplained() == ["the systems do not show it"]
    world.systems.erp.execute("UPDATE \"transaction\" SET status = 'H' WHERE type = 'SalesOrd'")
    world.systems.erp.execute("UPDATE transactionline SET quantityshiprecv = '2.00000'")
    assert world.look().explained == {("orders", "000000001")}


def test_who_waits_for_what_is_there_is_told(world: World):
    needed = [Requirement("product", "GRO-7"), Requirement("currency", "USD")]
    claim = world.claimed("orders", "000000001")
    world.ledger.deliveries.wait_for(claim, needed, world.clock() + timedelta(days=1))
    assert world.look().explained == {("orders", "000000001")}
    world.systems.insert(world.systems.erp, "item", id=7, itemid="GRO-7", itemtype="InvtPart", isinactive="F")
    (words,) = world.look().unexplained
    assert "netsuite_us has all of currency USD, product GRO-7" in words


def test_who_waits_for_something_that_nobody_knows_of_is_told(world: World):
    world.ledger.deliveries.wait_for(
        world.claimed("orders", "000000001"), [Requirement("moon", "1")], world.clock() + timedelta(days=1)
    )
    assert world.unexplained() == ["nobody can tell whether netsuite_us has a moon"]


@pytest.mark.parametrize("code", ["outcome_unknown", "ambiguous"])
def test_what_cannot_be_searched_for_stays_open_only_where_a_fault_met_it(world: World, code: str):
    world.faulty_call(seconds=-600)
    world.silent("shipment.notify", code)
    assert world.unexplained() == ["no fault met it"]
    world.faulty_call(seconds=30)
    assert world.look().explained == {("shipments", "IF1")}


def test_who_died_while_sending_explains_it_too(world: World):
    world.silent("shipment.notify", "outcome_unknown")
    world.interruptions = [world.clock().timestamp() + 2]
    assert world.look().explained == {("shipments", "IF1")}


def test_what_can_be_searched_for_must_not_stay_open(world: World):
    world.silent("shipment.create", "ambiguous")
    world.faulty_call(seconds=1)
    assert world.unexplained() == ["no fault and no poison ends so"]


def test_who_comes_after_another_is_as_well_explained_as_that_one(world: World):
    claim = world.claimed("shipments", "IF1", payload=b'{"order_key":"1"}')
    world.ledger.steps.plan(claim, [step("one", operation="shipment.notify")])
    world.ledger.steps.begin(claim, "one")
    after = world.accepted("shipments", "IF1", "2")
    assert world.ledger.deliveries.get(after).state is State.WAITING
    world.ledger.steps.unknown(claim, "one", "no answer")
    world.ledger.deliveries.dead(claim, "outcome_unknown", "no answer")
    assert len(world.look().unexplained) == 2
    world.interruptions = [world.clock().timestamp()]
    assert world.look().unexplained == []
