"""Deliveries copied from orders, and the stock they move."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


def copied(quantity, line=0, entry=1, **fields):
    return {"BaseType": 17, "BaseEntry": entry, "BaseLine": line, "Quantity": quantity, **fields}


def body(*lines, **fields):
    return {"CardCode": "C1", "DocumentLines": list(lines), **fields}


@pytest.fixture
def ordered(company):
    """An order of 5 BOLT at 9.50 and 2 MANUAL, which is kept in no stock."""
    bolts = {"ItemCode": "BOLT", "Quantity": 5, "UnitPrice": 9.5, "DiscountPercent": 10, "VatGroup": "S19"}
    company.order(bolts, {"ItemCode": "MANUAL", "Quantity": 2}, NumAtCard="A-1")
    return company


def test_a_part_is_delivered_and_the_rest_stays_open(ordered):
    made = ordered.made("DeliveryNotes", body(copied(2), TrackingNumber="1Z999"))
    (line,) = made["DocumentLines"]
    assert (line["ItemCode"], line["Price"], line["VatGroup"], made["TrackingNumber"]) == (
        "BOLT", Decimal("8.55"), "S19", "1Z999",
    )  # fmt: skip
    assert ordered.stock("BOLT") == (48, 3)
    order = ordered.get("Orders(1)")
    assert [(row["LineStatus"], row["RemainingOpenQuantity"]) for row in order["DocumentLines"]] == [
        ("bost_Open", 3),
        ("bost_Open", 2),
    ]
    ordered.made("DeliveryNotes", body({**copied(3)}, copied(None, 1)))
    order = ordered.get("Orders(1)")
    assert (order["DocumentStatus"], order["Cancelled"]) == ("bost_Close", "tNO")
    assert ordered.stock("BOLT") == (45, 0)
    assert ordered.get("DeliveryNotes(2)")["DocumentLines"][1]["Quantity"] == 2


@pytest.mark.parametrize(
    ("lines", "fields", "code", "message"),
    [
        ([copied(1, entry=9)], {}, "-2028", None),
        ([copied(1, line=9)], {}, "-2028", None),
        ([copied(1)], {"CardCode": "C2"}, "-5002", None),
        ([copied(51)], {}, "-10", "Quantity falls into negative inventory  [DLN1.ItemCode][line: 1]"),
        ([copied(1, BaseType=22)], {}, "-5002", None),
        ([copied(1, WarehouseCode="99")], {}, "-2028", None),
    ],
)
def test_what_a_delivery_is_refused_for(ordered, lines, fields, code, message):
    ordered.made("BusinessPartners", {"CardCode": "C2", "CardName": "Two"})
    answer = ordered.call("POST", "DeliveryNotes", body(*lines, **fields))
    assert answer.code == code
    assert message is None or answer.message == message
    assert ordered.stock("BOLT") == (50, 5)
    assert ordered.get("Orders(1)")["DocumentLines"][0]["RemainingOpenQuantity"] == 5


def test_a_closed_order_is_no_base(ordered):
    ordered.done("Orders(1)/Close")
    answer = ordered.call("POST", "DeliveryNotes", body(copied(1)))
    message = "One of the base documents has already been closed  [DLN1.BaseEntry][line: 1]"
    assert (answer.code, answer.message) == ("-10", message)


def test_a_delivered_order_is_neither_cancelled_nor_cut_below_what_left(ordered):
    ordered.made("DeliveryNotes", body(copied(2)))
    assert ordered.call("POST", "Orders(1)/Cancel").code == "-10"
    change = {"DocumentLines": [{"LineNum": 0, "Quantity": 1}]}
    assert ordered.call("PATCH", "Orders(1)", change).code == "-10"
    rest = {"DocumentLines": [{"LineNum": 1, "Quantity": 2}]}
    assert ordered.call("PATCH", "Orders(1)", rest, B1S_ReplaceCollectionsOnPatch="true").code == "-10"
    ordered.done("Orders(1)/Close")
    assert ordered.stock("BOLT") == (48, 0)


def test_a_company_may_allow_stock_below_zero(make_company):
    company = make_company(negative_stock=True)
    company.order({"ItemCode": "BOLT", "Quantity": 60})
    company.made("DeliveryNotes", body(copied(60)))
    assert company.stock("BOLT") == (-10, 0)


def test_a_posted_delivery_is_undone_by_a_document_of_its_own(ordered):
    ordered.made("DeliveryNotes", body(copied(5), copied(2, 1)))
    assert ordered.call("POST", "DeliveryNotes(1)/Cancel").code == "-5006"
    assert ordered.call("DELETE", "DeliveryNotes(1)").code == "-5006"
    assert ordered.call("PATCH", "DeliveryNotes(1)", {"DocumentLines": [{"LineNum": 0, "Quantity": 1}]}).code == "-10"
    ordered.changed("DeliveryNotes(1)", {"TrackingNumber": "late"})
    ordered.done("DeliveryNotes(1)/CreateCancellationDocument")
    states = [(row["CancelStatus"], row["DocumentStatus"]) for row in ordered.rows("DeliveryNotes")]
    assert states == [("csYes", "bost_Close"), ("csCancellation", "bost_Close")]
    assert ordered.get("Orders(1)")["DocumentStatus"] == "bost_Open"
    assert ordered.stock("BOLT") == (50, 5)
    assert ordered.call("POST", "DeliveryNotes(1)/CreateCancellationDocument").code == "-10"


def test_a_delivery_needs_no_order(company):
    company.made("DeliveryNotes", body({"ItemCode": "NUT", "Quantity": 4}))
    assert company.stock("NUT") == (996, 0)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    ordered=st.lists(st.integers(1, 9), min_size=1, max_size=3),
    deliveries=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 9), st.booleans()), max_size=8),
)
def test_nothing_is_lost_between_order_and_stock(make_company, ordered, deliveries):
    """On hand falls by what deliveries hold; committed is what remains of the order."""
    company = make_company()
    company.order(*({"ItemCode": "BOLT", "Quantity": quantity} for quantity in ordered))
    for line, quantity, undone in deliveries:
        answer = company.call("POST", "DeliveryNotes", body(copied(quantity, line)))
        if answer.status == 201 and undone:
            company.done(f"DeliveryNotes({answer.body['DocEntry']})/CreateCancellationDocument")
        out = sum(
            line["Quantity"]
            for note in company.rows("DeliveryNotes?$filter=CancelStatus eq 'csNo'", B1S_PageSize="0")
            for line in note["DocumentLines"]
        )
        left = sum(line["RemainingOpenQuantity"] for line in company.get("Orders(1)")["DocumentLines"])
        assert company.stock("BOLT") == (50 - out, left)
