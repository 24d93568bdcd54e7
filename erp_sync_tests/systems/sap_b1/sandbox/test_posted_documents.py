"""Invoices, returns, credit notes, goods receipts and transfers: what they copy, what they close and what they move."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from erp_sync_tests.systems.sap_b1.sandbox.test_deliveries import body, copied

ORDER, DELIVERY, INVOICE, RETURN = 17, 15, 13, 16


def of(base, entry=1, quantity=None, line=0, **fields):
    return copied(quantity, line, entry, BaseType=base, **fields)


@pytest.fixture
def ordered(company):
    """An order of 5 BOLT at 10."""
    company.order({"ItemCode": "BOLT", "Quantity": 5, "UnitPrice": 10})
    return company


def states(company, *paths):
    return [company.get(path)["DocumentStatus"] for path in paths]


def row(company, path):
    line = company.get(path)["DocumentLines"][0]
    return line["LineStatus"], line["RemainingOpenQuantity"]


def test_an_order_goes_to_the_customer_and_onto_the_bill(ordered):
    ordered.made("DeliveryNotes", body(of(ORDER)))
    partner = ordered.get("BusinessPartners('C1')")
    assert (partner["OpenOrdersBalance"], partner["OpenDeliveryNotesBalance"]) == (0, 50)
    made = ordered.made("Invoices", body(of(DELIVERY, quantity=2), NumAtCard="A-1"))
    assert (made["DocTotal"], made["DocObjectCode"], made["ReserveInvoice"]) == (20, "oInvoices", "tNO")
    assert ordered.stock("BOLT") == (45, 0)  # once, with the delivery
    assert row(ordered, "DeliveryNotes(1)") == ("bost_Open", 3)
    ordered.made("Invoices", body(of(DELIVERY)))
    assert states(ordered, "Orders(1)", "DeliveryNotes(1)", "Invoices(1)") == ["bost_Close", "bost_Close", "bost_Open"]
    partner = ordered.get("BusinessPartners('C1')")
    assert (partner["CurrentAccountBalance"], partner["OpenDeliveryNotesBalance"]) == (50, 0)


def test_an_invoice_may_take_the_goods_itself(ordered):
    ordered.made("Invoices", body(of(ORDER, quantity=2)))
    assert ordered.stock("BOLT") == (48, 3)
    assert row(ordered, "Orders(1)") == ("bost_Open", 3)
    ordered.done("Orders(1)/Close")
    assert ordered.stock("BOLT") == (48, 0)
    ordered.made("Invoices", body({"ItemCode": "NUT", "Quantity": 4}))
    assert ordered.stock("NUT") == (996, 0)


def test_a_reserve_invoice_keeps_the_stock_until_it_is_delivered(ordered):
    ordered.made("Invoices", body(of(ORDER), ReserveInvoice="tYES"))
    assert (states(ordered, "Orders(1)"), ordered.stock("BOLT")) == (["bost_Close"], (50, 5))
    ordered.made("DeliveryNotes", body(of(INVOICE, quantity=2)))
    assert ordered.stock("BOLT") == (48, 3)
    ordered.done("DeliveryNotes(1)/CreateCancellationDocument")
    assert ordered.stock("BOLT") == (50, 5)


def test_an_ordinary_invoice_is_not_delivered(ordered):
    ordered.made("Invoices", body(of(ORDER)))
    assert ordered.call("POST", "DeliveryNotes", body(of(INVOICE))).code == "-5002"


def test_what_comes_back_comes_back_once(ordered):
    ordered.made("DeliveryNotes", body(of(ORDER)))
    ordered.made("Returns", body(of(DELIVERY, quantity=2)))
    assert ordered.stock("BOLT") == (47, 0)
    assert row(ordered, "DeliveryNotes(1)") == ("bost_Open", 3)
    assert states(ordered, "Orders(1)") == ["bost_Close"]
    made = ordered.made("CreditNotes", body(of(RETURN)))
    assert (made["DocTotal"], ordered.stock("BOLT")) == (20, (47, 0))
    assert states(ordered, "Returns(1)") == ["bost_Close"]


def test_a_credit_note_of_an_invoice_brings_goods_back_unless_it_says_otherwise(ordered):
    ordered.made("Invoices", body(of(ORDER)))
    ordered.made("CreditNotes", body(of(INVOICE, quantity=1, WithoutInventoryMovement="tYES")))
    assert ordered.stock("BOLT") == (45, 0)
    ordered.made("CreditNotes", body(of(INVOICE)))
    assert ordered.stock("BOLT") == (49, 0)
    assert ordered.get("BusinessPartners('C1')")["CurrentAccountBalance"] == 0
    closed = ordered.call("POST", "CreditNotes", body(of(INVOICE)))
    message = "One of the base documents has already been closed  [RIN1.BaseEntry][line: 1]"
    assert (closed.code, closed.message) == ("-10", message)


def test_what_is_received_is_there(company):
    company.made("BusinessPartners", {"CardCode": "V1", "CardType": "cSupplier"})
    line = {"ItemCode": "BOLT", "Quantity": 30, "UnitPrice": 4, "WarehouseCode": "02"}
    made = company.made("PurchaseDeliveryNotes", {"CardCode": "V1", "DocumentLines": [line]})
    assert (made["DocObjectCode"], company.stock("BOLT", "02")) == ("oPurchaseDeliveryNotes", (50, 0))
    company.done("PurchaseDeliveryNotes(1)/CreateCancellationDocument")
    assert company.stock("BOLT", "02") == (20, 0)


def test_a_transfer_goes_from_one_warehouse_to_another_and_back(company):
    line = {"ItemCode": "BOLT", "Quantity": 8}
    made = company.made("StockTransfers", {"FromWarehouse": "01", "ToWarehouse": "02", "StockTransferLines": [line]})
    assert (company.stock("BOLT"), company.stock("BOLT", "02")) == ((42, 0), (28, 0))
    assert company.rows(f"StockTransfers?$filter=UpdateDate ge '{made['UpdateDate'][:10]}'&$select=DocEntry") == [
        {"DocEntry": 1}
    ]
    company.done("StockTransfers(1)/Cancel")
    assert (company.stock("BOLT"), company.stock("BOLT", "02")) == ((50, 0), (20, 0))
    assert company.call("POST", "StockTransfers(1)/Cancel").code == "-10"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ({"ItemCode": "BOLT", "Quantity": 51}, "-10"),
        ({"ItemCode": "BOLT", "Quantity": 0}, "-10"),
        ({"ItemCode": "MANUAL"}, "-10"),
        ({"ItemCode": "X"}, "-2028"),
        ({"ItemCode": "BOLT", "WarehouseCode": "99"}, "-2028"),
        ({"ItemCode": "BOLT", "WarehouseCode": "01"}, "-10"),
    ],
)
def test_what_a_transfer_is_refused_for(company, line, code):
    sent = {"FromWarehouse": "01", "ToWarehouse": "02", "StockTransferLines": [line]}
    assert company.call("POST", "StockTransfers", sent).code == code
    assert (company.stock("BOLT"), company.stock("BOLT", "02")) == ((50, 0), (20, 0))


def test_a_posted_document_is_undone_in_the_order_of_its_making(ordered):
    ordered.made("DeliveryNotes", body(of(ORDER)))
    ordered.made("Invoices", body(of(DELIVERY)))
    assert ordered.call("POST", "DeliveryNotes(1)/CreateCancellationDocument").code == "-10"
    assert ordered.call("POST", "Invoices(1)/Close").code == "-5006"
    assert ordered.call("POST", "Invoices(1)/Cancel").code == "-5006"
    ordered.done("Invoices(1)/CreateCancellationDocument")
    assert [one["CancelStatus"] for one in ordered.rows("Invoices")] == ["csYes", "csCancellation"]
    assert (states(ordered, "DeliveryNotes(1)"), ordered.stock("BOLT")) == (["bost_Open"], (45, 0))
    ordered.done("DeliveryNotes(1)/CreateCancellationDocument")
    assert (states(ordered, "Orders(1)"), ordered.stock("BOLT")) == (["bost_Open"], (50, 5))
    assert ordered.get("BusinessPartners('C1')")["CurrentAccountBalance"] == 0


def test_a_partner_is_the_bases_own(ordered):
    ordered.made("BusinessPartners", {"CardCode": "C2"})
    answer = ordered.call("POST", "Invoices", {**body(of(ORDER)), "CardCode": "C2"})
    assert (answer.code, answer.message) == ("-5002", "Base document card and target document card do not match")


def test_queries_see_them(ordered):
    ordered.made("Invoices", body(of(ORDER)))
    text = 'SELECT T0."DocEntry", T1."Quantity" FROM OINV T0 INNER JOIN INV1 T1 ON T1."DocEntry" = T0."DocEntry"'
    ordered.made("SQLQueries", {"SqlCode": "q", "SqlName": "q", "SqlText": text})
    assert ordered.rows("SQLQueries('q')/List") == [{"DocEntry": 1, "Quantity": 5}]


STEPS = {
    "deliver": ("DeliveryNotes", ORDER),
    "invoice": ("Invoices", ORDER),
    "bill": ("Invoices", DELIVERY),
    "return": ("Returns", DELIVERY),
    "credit": ("CreditNotes", INVOICE),
}
SIGNS = {"DeliveryNotes": -1, "Returns": 1, "Invoices": -1, "CreditNotes": 1}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(sorted(STEPS)), st.integers(1, 2), st.integers(1, 6), st.booleans()), max_size=8
    )
)
def test_stock_is_what_documents_that_stand_have_moved(make_company, steps):
    """Whatever is copied from what and undone: on hand by their own goods, committed by what is open of the order."""
    company = make_company()
    company.order({"ItemCode": "BOLT", "Quantity": 9})
    for name, entry, quantity, undone in steps:
        entity_set, base = STEPS[name]
        answer = company.call("POST", entity_set, body(of(base, 1 if base == ORDER else entry, quantity)))
        if answer.status == 201 and undone:
            company.call("POST", f"{entity_set}({answer.body['DocEntry']})/CreateCancellationDocument")
        moved = Decimal(0)
        for one, sign in SIGNS.items():
            for document in company.rows(f"{one}?$filter=CancelStatus eq 'csNo'", B1S_PageSize="0"):
                lines = [
                    line for line in document["DocumentLines"] if line.get("BaseType") != DELIVERY or one != "Invoices"
                ]
                moved += sum((sign * line["Quantity"] for line in lines), Decimal(0))
        left = company.get("Orders(1)")["DocumentLines"][0]["RemainingOpenQuantity"]
        assert company.stock("BOLT") == (50 + moved, left)
