"""Documents and stock written to a shop whose records change as the core changes them."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from erp_sync.model.order import OrderStatus
from erp_sync.model.order_status import CancelledUnits, OrderStatusUpdate
from erp_sync.model.shipment import Parcel, Shipment, ShipmentLine, ShipmentStatus
from erp_sync.ports.documents import Requirement, Step, StepRequest
from erp_sync.ports.lookups import Passthrough
from erp_sync.ports.outcomes import (
    Absent,
    Again,
    Applied,
    Found,
    Later,
    NotSent,
    Outcome,
    Receipt,
    Refused,
    Unknown,
    above_open_in,
)
from erp_sync.ports.raw import MappingProblem
from erp_sync.systems.shopware.written import WRITTEN
from erp_sync.transport.calls import Call
from erp_sync.transport.errors import NotSentError, OutcomeUnknown, Rejected
from erp_sync_tests.systems.shopware.samples import delivery, identity, line, order, promotion, state
from erp_sync_tests.systems.shopware.shop import Shop
from erp_sync_tests.systems.shopware.test_contract import pattern_of, problems_of

D = Decimal
ORDER = identity("order 1")
DELIVERY = identity("delivery 0")

# Core, BasicData migration: (state, step) -> state. What is there already is no step (StateMachineRegistry).
MOVES = {
    "order": {
        ("open", "process"): "in_progress",
        ("in_progress", "complete"): "completed",
        ("open", "cancel"): "cancelled",
        ("in_progress", "cancel"): "cancelled",
    },
    "order_delivery": {
        ("open", "ship"): "shipped",
        ("open", "ship_partially"): "shipped_partially",
        ("shipped_partially", "ship"): "shipped",
    },
}


def shop(record: dict[str, Any]) -> Shop:
    """A shop with this order, which takes steps and patches."""
    found = Shop(order=[record])

    def move(call: Call) -> Any:
        machine, _, name = re.fullmatch(r"/api/_action/(\w+)/([0-9a-f]{32})/state/(\w+)", call.path).groups()
        held = record if machine == "order" else record["deliveries"][0]
        now = held["stateMachineState"]["technicalName"]
        goal = MOVES[machine].get((now, name))
        if goal is None and now not in {to for (_, step), to in MOVES[machine].items() if step == name}:
            return Rejected(400, "illegal_transition", f"no {name} from {now}")
        held["stateMachineState"] = state(goal or now)
        return held["stateMachineState"]

    def patch(call: Call) -> None:
        held = record if "/order/" in call.path else record["deliveries"][0]
        for name, value in call.json.items():
            held[name] = {**(held.get(name) or {}), **value} if name == "customFields" else value

    found.answer("POST", r"_action/.*/state/\w+", move)
    found.answer("PATCH", "order(-delivery)?/.*", patch)
    return found


def request(step: Step, document: Any, receipts: dict[str, Receipt] | None = None) -> StepRequest:
    return StepRequest(delivery="d1", step=step, document=document, receipts=receipts or {}, references={})


def deliver(target: Any, document: Any) -> list[Outcome]:
    """All steps in order, until one is not applied."""
    outcomes, receipts = [], {}
    for step in target.steps(document):
        (outcome,) = target.submit([request(step, document, receipts)])
        outcomes.append(outcome)
        if not isinstance(outcome, Applied):
            break
        receipts[step.name] = outcome.receipt
    return outcomes


def written(shop: Shop) -> list[Call]:
    return [call for call in shop.calls if "/search/" not in call.path]


def steps_taken(shop: Shop) -> list[str]:
    return [call.path.rpartition("/")[2] for call in written(shop) if "/state/" in call.path]


# Order status ---------------------------------------------------------------------------------


def update(status: OrderStatus, **changes: Any) -> OrderStatusUpdate:
    return OrderStatusUpdate(
        **{
            "connection": "erp",
            "scope": "",
            "native_id": "77",
            "number": "SO77",
            "version": "1",
            "order_key": ORDER,
            "status": status,
            **changes,
        }
    )


def status_target(shop: Shop, **settings: Any) -> Any:
    return shop.connector(**settings).port("order_status", "target")


@pytest.mark.parametrize(
    ("before", "status", "taken", "after"),
    [
        ("open", OrderStatus.OPEN, ["process"], "in_progress"),
        ("in_progress", OrderStatus.PARTIALLY_FULFILLED, [], "in_progress"),
        ("open", OrderStatus.FULFILLED, ["process", "complete"], "completed"),
        ("in_progress", OrderStatus.CLOSED, ["complete"], "completed"),
        ("open", OrderStatus.CANCELLED, ["cancel"], "cancelled"),
        ("cancelled", OrderStatus.CANCELLED, [], "cancelled"),
        ("cancelled", OrderStatus.CLOSED, [], "cancelled"),
        ("completed", OrderStatus.OPEN, [], "completed"),
        ("open", OrderStatus.ON_HOLD, [], "open"),
    ],
)
def test_the_orders_state_follows_the_erps_by_the_steps_that_there_are(before, status, taken, after):
    record = order(stateMachineState=state(before))
    there = shop(record)
    outcomes = deliver(status_target(there), update(status))
    assert all(isinstance(one, Applied) for one in outcomes)
    assert steps_taken(there) == taken
    assert record["stateMachineState"]["technicalName"] == after
    assert record["customFields"]["erp_sync_order_number"] == "SO77"
    assert all(call.json == {"sendMail": False} for call in written(there) if "/state/" in call.path)


def test_a_completed_order_that_the_erp_cancelled_is_for_a_person():
    there = shop(order(stateMachineState=state("completed")))
    (outcome,) = deliver(status_target(there), update(OrderStatus.CANCELLED))
    assert isinstance(outcome, Refused)
    assert outcome.code == "order_not_cancellable"
    assert written(there) == []


def test_a_second_delivery_of_the_same_writes_nothing():
    record = order()
    there = shop(record)
    target = status_target(there)
    deliver(target, update(OrderStatus.FULFILLED))
    before = len(written(there))
    outcomes = deliver(target, update(OrderStatus.FULFILLED))
    assert len(written(there)) == before
    assert [one.receipt.existed for one in outcomes] == [True, True]


def test_the_note_tells_what_will_not_be_sent_and_leaves_the_fields_of_others():
    record = order(customFields={"of_a_plugin": "kept", "erp_sync_reason": "an earlier one"})
    document = update(
        OrderStatus.OPEN, reason="out of stock", cancelled=(CancelledUnits(sku="MUG", quantity=D("2.0")),)
    )
    deliver(status_target(shop(record)), document)
    assert record["customFields"] == {
        "of_a_plugin": "kept",
        "erp_sync_order_number": "SO77",
        "erp_sync_status": "open",
        "erp_sync_reason": "Not to be sent: 2 of MUG. out of stock",
    }
    deliver(status_target(shop(record)), update(OrderStatus.OPEN, version="2"))
    assert record["customFields"]["erp_sync_reason"] == ""


def test_a_setting_says_that_the_shop_keeps_a_state_of_its_own():
    there = shop(order())
    target = status_target(there, order_states={"fulfilled": "none"})
    assert [step.name for step in target.steps(update(OrderStatus.FULFILLED))] == ["note"]


def test_after_a_lost_answer_the_order_itself_tells():
    record = order()
    there = shop(record)
    target = status_target(there)
    document = update(OrderStatus.FULFILLED)
    requests = [request(step, document) for step in target.steps(document)]
    assert target.find(requests) == [Absent(), Absent()]
    there.answer("POST", "_action/.*", OutcomeUnknown("no answer in time"))
    (lost,) = target.submit(requests[:1])
    assert isinstance(lost, Unknown)
    record["stateMachineState"] = state("completed")  # it arrived after all
    found, noted = target.find(requests)
    assert isinstance(found, Found)
    assert noted == Absent()


def test_what_cannot_be_read_is_not_sent_and_cannot_be_told():
    there = shop(order())
    target = status_target(there)
    document = update(OrderStatus.OPEN)
    requests = [request(step, document) for step in target.steps(document)]
    there.answer("POST", "search/order", OutcomeUnknown("no answer in time"))
    assert {type(one) for one in target.submit(requests)} == {NotSent}
    assert {type(one) for one in target.find(requests)} == {Later}
    assert written(there) == []


def test_an_order_that_the_shop_does_not_have_is_waited_for():
    there = Shop(order=[])
    target = status_target(there)
    (outcome,) = deliver(target, update(OrderStatus.OPEN))
    assert (outcome.code, outcome.again) == ("unknown_order", Again.AFTER_DEPENDENCY)
    wanted = Requirement("sales_order", ORDER)
    assert target.requirements(update(OrderStatus.OPEN)) == [wanted]
    assert target.resolve([wanted]) == {}
    assert status_target(shop(order())).resolve([wanted]) == {wanted: ORDER}


# Shipments ------------------------------------------------------------------------------------


def shipment(number: str = "9", codes: tuple[str, ...] = ("JD1",), **lines: str) -> Shipment:
    return Shipment(
        connection="erp",
        scope="",
        native_id=number,
        number=f"F{number}",
        status=ShipmentStatus.SHIPPED,
        order_native_id="77",
        order_key=ORDER,
        lines=tuple(
            ShipmentLine(order_line=str(at), sku=sku, quantity=D(quantity))
            for at, (sku, quantity) in enumerate((lines or {"MUG": "1"}).items())
        ),
        parcels=tuple(Parcel(tracking_number=code, carrier="DHL") for code in codes),
    )


def shipment_target(shop: Shop, lookups: Any = None, **settings: Any) -> Any:
    return shop.connector(lookups, **settings).port("shipment", "target")


def two_lines(**changes: Any) -> dict[str, Any]:
    goods = delivery("0")
    return order(
        line("MUG", "20.00", quantity=2), line("CUP", "10.00"), total="30.00", taxes=[], deliveries=[goods], **changes
    )


def test_a_whole_order_leaves_with_its_code_and_the_customer_is_told():
    record = order()
    there = shop(record)
    outcomes = deliver(shipment_target(there), shipment())
    assert [type(one) for one in outcomes] == [Applied, Applied]
    (goods,) = record["deliveries"]
    assert goods["trackingCodes"] == ["JD1"]
    assert goods["stateMachineState"]["technicalName"] == "shipped"
    assert goods["customFields"]["erp_sync_shipments"] == {
        "erp/9": {"number": "F9", "lines": {"MUG": "1"}, "codes": ["JD1"]}
    }
    assert written(there)[-1].json == {"sendMail": True}


def test_parts_of_an_order_add_codes_and_the_last_one_completes_it():
    record = two_lines()
    record["deliveries"][0]["trackingCodes"] = ["BY-HAND"]
    there = shop(record)
    target = shipment_target(there, shipment_mail=False)
    deliver(target, shipment("1", ("A",), MUG="1"))
    (goods,) = record["deliveries"]
    assert goods["stateMachineState"]["technicalName"] == "shipped_partially"
    deliver(target, shipment("2", ("B", "C"), CUP="1"))
    assert goods["stateMachineState"]["technicalName"] == "shipped_partially"
    deliver(target, shipment("3", (), MUG="1"))
    assert goods["stateMachineState"]["technicalName"] == "shipped"
    assert goods["trackingCodes"] == ["BY-HAND", "A", "B", "C"]
    assert steps_taken(there) == ["ship_partially", "ship"]
    assert {call.json["sendMail"] for call in written(there) if "/state/" in call.path} == {False}


def test_a_parcel_that_came_later_is_added_to_what_stands_there():
    record = order()
    there = shop(record)
    target = shipment_target(there)
    deliver(target, shipment(codes=("A",)))
    outcomes = deliver(target, shipment(codes=("A", "B")))
    assert record["deliveries"][0]["trackingCodes"] == ["A", "B"]
    assert [one.receipt.existed for one in outcomes] == [False, True]
    again = deliver(target, shipment(codes=("A", "B")))
    assert [one.receipt.existed for one in again] == [True, True]


def test_more_than_is_open_is_refused_by_sku_with_what_is_open():
    record = two_lines()
    target = shipment_target(shop(record))
    deliver(target, shipment("1", MUG="1"))
    (outcome,) = deliver(target, shipment("2", MUG="2"))
    assert outcome.code == "quantity_above_open"
    (above,) = above_open_in(outcome.message)
    assert (above.sku, above.shipped, above.open) == ("MUG", 2, 1)
    record["stateMachineState"] = state("cancelled")
    (outcome,) = deliver(target, shipment("3", CUP="1"))
    assert above_open_in(outcome.message)[0].open == 0


@pytest.mark.parametrize(
    ("record", "code"),
    [
        (order(line("CUP", "11.90")), "sku_not_ordered"),
        (order(deliveries=[]), "no_delivery"),
        (order(deliveries=[delivery("0"), delivery("1")]), "several_deliveries"),
        (order(deliveries=[delivery("0", at="cancelled")]), "illegal_transition"),
    ],
)
def test_what_cannot_be_booked_is_refused_with_its_reason(record, code):
    outcomes = deliver(shipment_target(shop(record)), shipment())
    assert isinstance(outcomes[-1], Refused)
    assert outcomes[-1].code == code


def test_a_discount_on_shipping_is_no_delivery_of_goods():
    record = order(deliveries=[delivery("5.00"), delivery("-5.00")])
    deliver(shipment_target(shop(record)), shipment())
    assert record["deliveries"][0]["stateMachineState"]["technicalName"] == "shipped"


def test_of_a_bundle_its_components_leave_and_promotions_never_do():
    parent = line("SET", "30.00", type="container", payload={"productNumber": "SET"}, productId=None)
    parts = [line("A", "10.00", parentId=parent["id"]), line("B", "20.00", parentId=parent["id"], quantity=2)]
    record = order(parent, *parts, promotion("SALE", "-1.00"), line("FILE", "1.00", states=["is-download"]))
    deliver(shipment_target(shop(record)), shipment(A="1", B="2"))
    assert record["deliveries"][0]["stateMachineState"]["technicalName"] == "shipped"


class Mapped(Passthrough):
    def get(self, table: str, key: str) -> str | None:
        return {"MUG": "ERP-MUG"}.get(key) if table == "sku_map" else key


def test_lines_are_found_by_the_erps_sku():
    record = order()
    deliver(shipment_target(shop(record), Mapped()), shipment(**{"ERP-MUG": "1"}))
    assert record["deliveries"][0]["stateMachineState"]["technicalName"] == "shipped"


def test_after_a_lost_answer_the_delivery_itself_tells():
    record = order()
    there = shop(record)
    target = shipment_target(there)
    document = shipment()
    requests = [request(step, document) for step in target.steps(document)]
    assert target.find(requests) == [Absent(), Absent()]
    deliver(target, document)
    assert {type(one) for one in target.find(requests)} == {Found}
    record["deliveries"][0]["customFields"]["erp_sync_shipments"] = "somebody's words"
    assert target.find(requests)[0] == Absent()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"status": ShipmentStatus.PACKED}, "not_shipped"),
        ({"order_key": ""}, "order_unknown"),
        ({"lines": ()}, "no_lines"),
    ],
)
def test_what_has_not_left_or_belongs_to_no_order_is_not_sent(change, code):
    with pytest.raises(MappingProblem) as raised:
        shipment_target(Shop()).steps(msgspec.structs.replace(shipment(), **change))
    assert raised.value.code == code


def test_what_was_booked_is_told_to_the_reconciliation():
    record = two_lines()
    target = shipment_target(shop(record))
    deliver(target, shipment("1", ("A",), MUG="2"))
    (only,) = target.booked([ORDER])
    assert (only.order_key, only.keys, only.parcels, only.quantities) == (ORDER, ("erp/1",), ("A",), {"MUG": D(2)})
    assert target.moves(shipment()) == []


@given(st.permutations(["MUG", "MUG", "CUP"]), st.data())
def test_in_whatever_order_and_however_often_parts_come_the_delivery_ends_shipped(parts, data):
    record = two_lines()
    target = shipment_target(shop(record))
    documents = [shipment(str(at), (f"T{at}",), **{sku: "1"}) for at, sku in enumerate(parts)]
    for document in documents:
        for _ in range(data.draw(st.integers(1, 2))):
            assert all(isinstance(one, Applied) for one in deliver(target, document))
    assert record["deliveries"][0]["trackingCodes"] == ["T0", "T1", "T2"]
    assert record["deliveries"][0]["stateMachineState"]["technicalName"] == "shipped"


# The contract -----------------------------------------------------------------------------------


#: Tested beside what they write.
OF_STATE = {name for name in WRITTEN if name.partition(".")[0] not in ("order_status", "sales_order", "shipment")}


def test_every_write_follows_the_contract_and_is_what_the_mapping_document_says():
    calls: list[Call] = []
    for status in (OrderStatus.FULFILLED, OrderStatus.CANCELLED):
        there = shop(order())
        deliver(status_target(there), update(status))
        calls += written(there)
    there = shop(order())
    deliver(shipment_target(there), shipment())
    calls += written(there)
    for call in calls:
        path = pattern_of(call.path.removeprefix("/api"))
        declared = WRITTEN[call.operation]
        assert (declared.path, declared.method) == (path, call.method.lower())
        told = problems_of(path, call.method.lower(), call.json)
        assert [one for one in told if "is a required property" not in one] == []
        assert set(call.json) == {name.removesuffix("[]") for _, name, _ in declared.fields}
        assert not call.repeatable
    assert {call.operation for call in calls} == set(WRITTEN) - OF_STATE


def test_a_connection_that_was_never_made_is_not_sent():
    there = shop(order())
    there.answer("PATCH", ".*", NotSentError("no connection"))
    outcomes = deliver(shipment_target(there), shipment())
    assert isinstance(outcomes[-1], NotSent)
