"""Which version of a document goes, and as what: tables of what is known and what follows."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from erp_sync.flows.decisions import Before
from erp_sync.flows.order_status import checks as order_status_checks
from erp_sync.flows.order_status import transform as order_status
from erp_sync.flows.orders import checks as order_checks
from erp_sync.flows.orders import transform as orders
from erp_sync.flows.shipments import checks as shipment_checks
from erp_sync.flows.shipments import transform as shipments
from erp_sync.model.order import LineKind, OrderStatus, OrderTotals, Payment, PaymentState, ShippingCharge, TaxLine
from erp_sync.model.shipment import Parcel, ShipmentStatus
from erp_sync_tests.flows.samples import moved, order, shipment, update
from erp_sync_tests.flows.world import START

CANCELLED = {"status": OrderStatus.CANCELLED}
OPEN = order()
CUT = msgspec.structs.replace(OPEN.lines[0], quantity_cancelled=Decimal(1))
GONE = msgspec.structs.replace(OPEN.lines[0], quantity_cancelled=Decimal(2))
UNSHIPPED = msgspec.structs.replace(OPEN.lines[0], quantity_refunded=Decimal(1))
RETURNED = msgspec.structs.replace(UNSHIPPED, quantity_shipped=Decimal(2))
PAID = Payment(payment_id="1", method="checkmo", state=PaymentState.CAPTURED, amount=Decimal(20))


def before(document: Any, logic: Any, state: str) -> Before | None:
    if state == "never seen":
        return None
    held, begun = {"held": (True, False), "waits": (False, False), "begun": (False, True)}[state]
    return Before(content=logic.content(document), held=held, begun=begun)


ORDERS = [
    # what the ledger has, the new version, what becomes of it
    ("never seen", {}, "create", ""),
    ("never seen", {"status": OrderStatus.FULFILLED}, "create", ""),
    ("never seen", {"status": OrderStatus.CLOSED}, "create", ""),
    ("never seen", {"status": OrderStatus.PENDING_PAYMENT}, "hold", "pending_payment"),
    ("never seen", {"status": OrderStatus.ON_HOLD}, "hold", "on_hold_in_store"),
    ("never seen", CANCELLED, "drop", "cancelled_in_store"),
    ("never seen", {"placed_at": START - timedelta(seconds=1)}, "drop", "before_start"),
    ("never seen", {"placed_at": START}, "create", ""),
    ("begun", {"placed_at": START - timedelta(days=9), **CANCELLED}, "cancel", "cancelled_in_store"),
    ("begun", {"placed_at": START - timedelta(days=9), "payments": (PAID,)}, "update", "payments_changed"),
    ("held", {"placed_at": START - timedelta(days=9), **CANCELLED}, "cancel", "cancelled_in_store"),
    ("waits", {"placed_at": START - timedelta(days=9)}, "drop", "before_start"),
    ("never seen", {"placed_at": START - timedelta(days=9), **CANCELLED}, "drop", "before_start"),
    ("held", {}, "create", ""),
    ("held", {"status": OrderStatus.ON_HOLD}, "hold", "on_hold_in_store"),
    ("held", CANCELLED, "cancel", "cancelled_in_store"),
    ("waits", {}, "drop", "unchanged"),
    ("waits", moved("Shelbyville"), "create", ""),
    ("waits", {"status": OrderStatus.ON_HOLD}, "hold", "on_hold_in_store"),
    ("waits", CANCELLED, "cancel", "cancelled_in_store"),
    ("begun", {"version": "2"}, "drop", "unchanged"),
    ("begun", {"status": OrderStatus.FULFILLED}, "drop", "unchanged"),
    ("begun", {"status": OrderStatus.ON_HOLD}, "drop", "unchanged"),
    ("begun", moved("Shelbyville"), "hold", "changed_after_delivery"),
    ("begun", {"lines": (CUT,)}, "update", "partly_cancelled"),
    ("begun", {"lines": (CUT,), "payments": (PAID,)}, "update", "partly_cancelled"),
    ("begun", {"lines": (CUT,), **moved("Shelbyville")}, "hold", "changed_after_delivery"),
    ("begun", {"lines": (UNSHIPPED,)}, "update", "partly_cancelled"),
    ("begun", {"lines": (RETURNED,)}, "drop", "unchanged"),
    ("begun", {"lines": (GONE,)}, "cancel", "nothing_left"),
    ("waits", {"lines": (GONE,)}, "cancel", "nothing_left"),
    ("waits", {"lines": (CUT,)}, "create", ""),
    ("begun", {"payments": (PAID,)}, "update", "payments_changed"),
    ("begun", {"payments": (PAID,), **moved("Shelbyville")}, "hold", "changed_after_delivery"),
    ("waits", {"payments": (PAID,)}, "create", ""),
    ("begun", CANCELLED, "cancel", "cancelled_in_store"),
]


@pytest.mark.parametrize(("state", "change", "action", "code"), ORDERS)
def test_orders(state, change, action, code):
    decision = orders.decide(order(**change), START, before(OPEN, orders, state))
    assert (decision.action, decision.code) == (action, code)
    assert decision.reason or action == "create"


def test_a_payment_does_not_free_what_a_person_is_asked_about():
    case = Before(content=orders.content(OPEN), held=False, begun=True, case=True)
    decision = orders.decide(order(payments=(PAID,)), START, case)
    assert (decision.action, decision.code) == ("hold", "changed_after_delivery")


def test_a_cancellation_that_was_seen_is_not_sent_again():
    """Comments and our own write-backs go on changing the version of a cancelled order."""
    cancelled = order(**CANCELLED)
    seen = Before(content=orders.content(cancelled), held=False, begun=True)
    assert orders.decide(order(**CANCELLED, version="3"), START, seen).action == "drop"


def sent(*lines: Any) -> Before:
    return Before(content=orders.content(order(lines=lines)), held=False, begun=True)


def test_more_that_is_cancelled_later_goes_again_and_what_is_lost_no_more_opens_nothing():
    """Refunded unshipped and shipped after all: the units count as a return then."""
    more = msgspec.structs.replace(CUT, quantity_refunded=Decimal("0.5"))
    assert orders.decide(order(lines=(more,)), START, sent(CUT)).code == "partly_cancelled"
    assert orders.decide(order(lines=(CUT,)), START, sent(more)).code == "unchanged"
    assert orders.decide(order(lines=(RETURNED,)), START, sent(UNSHIPPED)).code == "unchanged"


def test_what_a_ledger_of_an_earlier_version_knows_is_understood():
    """Its fingerprints have two parts: whether only units were cancelled cannot be told from them."""
    known = "/".join(orders.content(OPEN).split("/")[:2])
    old = Before(content=known, held=False, begun=True)
    assert orders.decide(order(version="2"), START, old).code == "unchanged"
    assert orders.decide(order(payments=(PAID,)), START, old).code == "payments_changed"
    assert orders.decide(order(lines=(CUT,)), START, old).code == "changed_after_delivery"
    assert orders.decide(order(**CANCELLED), START, old).action == "cancel"


@pytest.mark.parametrize(
    "change",
    [
        moved("Shelbyville"),
        {"shipping_address": OPEN.billing_address},
        {"totals": OrderTotals(subtotal=Decimal(20), grand_total=Decimal("20.01"))},
        {"shipping": ShippingCharge(method="flatrate_flatrate", amount=Decimal(5))},
        {"currency": "CAD"},
        CANCELLED,
    ],
)
def test_the_fingerprint_tells_what_the_erp_would_see(change):
    assert orders.content(order(**change)) != orders.content(OPEN)


def test_the_fingerprint_leaves_out_what_our_own_write_backs_change():
    later = order(version="9", updated_at=START + timedelta(days=1), status=OrderStatus.FULFILLED)
    assert orders.content(later) == orders.content(OPEN)


def test_orders_of_one_customer_concern_each_other():
    assert orders.concerns(OPEN) == "customer ann@example.com"


FEWER = msgspec.structs.replace(shipment().lines[0], quantity=Decimal(1))
SHIPMENTS = [
    ("never seen", {}, "create", ""),
    ("never seen", {"status": ShipmentStatus.PICKED}, "drop", "not_shipped_yet"),
    ("never seen", {"status": ShipmentStatus.PACKED}, "drop", "not_shipped_yet"),
    ("never seen", {"order_key": ""}, "drop", "not_from_the_store"),
    ("never seen", {"shipped_at": START - timedelta(days=1)}, "drop", "before_start"),
    ("never seen", {"shipped_at": START.replace(hour=0), "updated_at": START}, "create", ""),
    ("never seen", {"shipped_at": START.replace(hour=0), "updated_at": START - timedelta(seconds=1)}, "drop",
     "before_start"),
    ("never seen", {"shipped_at": None, "updated_at": START - timedelta(seconds=1)}, "drop", "before_start"),
    ("begun", {"shipped_at": START - timedelta(days=9), "parcels": (*shipment().parcels, *shipment().parcels)},
     "create", ""),
    ("waits", {"version": "2"}, "drop", "unchanged"),
    ("begun", {"version": "2"}, "drop", "unchanged"),
    ("begun", {"parcels": (Parcel(tracking_number="1Z1", carrier="ups"), Parcel(tracking_number="1Z2", carrier="ups"))},
     "create", ""),
    ("begun", {"lines": (FEWER,)}, "hold", "changed_after_delivery"),
    ("waits", {"lines": (FEWER,)}, "create", ""),
]  # fmt: skip


@pytest.mark.parametrize(("state", "change", "action", "code"), SHIPMENTS)
def test_shipments(state, change, action, code):
    decision = shipments.decide(shipment(**change), START, before(shipment(), shipments, state))
    assert (decision.action, decision.code) == (action, code)


def test_a_parcel_does_not_free_a_fulfillment_that_a_person_is_asked_about():
    changed = shipment(lines=(FEWER,))
    case = Before(content=shipments.content(changed), held=False, begun=True, case=True)
    more = shipment(lines=(FEWER,), parcels=(Parcel(tracking_number="1Z9", carrier="ups"),))
    decision = shipments.decide(more, START, case)
    assert (decision.action, decision.code) == ("hold", "changed_after_delivery")


def test_lines_and_parcels_in_another_order_are_no_change():
    two = (shipment().lines[0], msgspec.structs.replace(FEWER, order_line="9"))
    parcels = tuple(Parcel(tracking_number=number, carrier="ups") for number in ("1Z1", "1Z2"))
    forth, back = shipment(lines=two, parcels=parcels), shipment(lines=two[::-1], parcels=parcels[::-1])
    assert shipments.content(forth) == shipments.content(back)


STATUSES = [
    ("never seen", {}, "create", ""),
    ("never seen", {"order_key": ""}, "drop", "not_from_the_store"),
    ("never seen", {"updated_at": START - timedelta(seconds=1)}, "drop", "before_start"),
    ("begun", {"version": "2"}, "drop", "unchanged"),
    ("begun", {"status": OrderStatus.PARTIALLY_FULFILLED}, "create", ""),
    ("begun", {"status": OrderStatus.CANCELLED, "reason": "out of stock"}, "create", ""),
    ("waits", {"status": OrderStatus.FULFILLED}, "create", ""),
]


@pytest.mark.parametrize(("state", "change", "action", "code"), STATUSES)
def test_order_status(state, change, action, code):
    decision = order_status.decide(update(**change), START, before(update(), order_status, state))
    assert (decision.action, decision.code) == (action, code)


@pytest.mark.parametrize(("logic", "document"), [(orders, OPEN), (shipments, shipment()), (order_status, update())])
def test_a_document_comes_back_from_the_ledger_as_it_went_in(logic, document):
    assert logic.decode(logic.encode(document)) == document
    assert b"." not in logic.encode(document).split(b'"unit_price":')[-1][:3]


# Facts that the rules judge ---------------------------------------------------------------------------------


def test_a_good_order_has_nothing_over_tolerance():
    facts = order_checks.facts(OPEN)
    assert {name: facts[name] for name in facts if name.endswith("over_tolerance")} == {
        "totals_over_tolerance": 0,
        "lines_over_tolerance": 0,
        "taxes_over_tolerance": 0,
    }


def test_differences_up_to_half_a_cent_a_line_are_rounding():
    def over(grand_total: str) -> int:
        totals = OrderTotals(subtotal=Decimal(20), grand_total=Decimal(grand_total))
        return order_checks.facts(order(totals=totals))["totals_over_tolerance"]

    assert [over("20.005"), over("19.995"), over("20.0051"), over("20.01")] == [0, 0, 1, 50]


def test_lines_and_taxes_are_compared_with_the_header():
    (line,) = OPEN.lines
    tax = TaxLine(
        jurisdiction="CA", code="CA", rate=Decimal("8.25"), taxable_amount=Decimal(20), amount=Decimal("1.65")
    )
    taxed = msgspec.structs.replace(line, taxes=(tax,), tax_amount=Decimal("1.65"))
    short = OrderTotals(subtotal=Decimal(25), tax=Decimal(1), grand_total=Decimal(26))
    facts = order_checks.facts(order(lines=(taxed,), totals=short))
    assert (facts["lines_over_tolerance"], facts["taxes_over_tolerance"]) == (49950, 6450)


def test_a_bundle_counts_by_its_components():
    (line,) = OPEN.lines
    header = msgspec.structs.replace(line, line_id="9", sku="BUNDLE", kind=LineKind.BUNDLE)
    facts = order_checks.facts(order(lines=(header, line)))
    assert (facts["lines"], facts["lines_over_tolerance"]) == (1, 0)


def test_the_lowest_quantity_and_price_are_judged():
    (line,) = OPEN.lines
    odd = msgspec.structs.replace(line, quantity=Decimal("-0.5"), unit_price=Decimal("-0.0001"))
    facts = order_checks.facts(order(lines=(line, odd)))
    assert (facts["lowest_quantity"], facts["lowest_price"]) == (-5000, -1)


def test_facts_of_shipments_and_status():
    unnumbered = shipment(parcels=(Parcel(tracking_number=" ", carrier="ups"),))
    assert shipment_checks.facts(unnumbered) == {
        "number": "IF900",
        "lines": 1,
        "lowest_quantity": 20000,
        "parcels_without_number": 1,
    }
    assert order_status_checks.facts(update(number="")) == {"number": ""}


@pytest.mark.parametrize(("rate", "positive"), [("0.00003921", True), ("1", True), ("0", False), ("-0.00001", False)])
def test_the_rate_of_a_currency_of_little_worth_is_positive(rate, positive):
    """A dong is 0.00004 dollars: in ten-thousandths it was zero, and its orders were refused."""
    assert (order_checks.facts(order(exchange_rate=Decimal(rate)))["exchange_rate"] > 0) is positive
