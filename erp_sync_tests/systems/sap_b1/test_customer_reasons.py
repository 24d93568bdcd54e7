"""Why an order is not booked, as the store's customer is told."""

from __future__ import annotations

import pytest

from erp_sync.model.order import OrderStatus
from erp_sync.ports.outcomes import Again, Applied
from erp_sync_tests.systems.sap_b1.requests import card, request, saved
from erp_sync_tests.systems.sap_b1.samples import order
from erp_sync_tests.systems.sap_b1.scripted import Answer, created, refused
from erp_sync_tests.systems.sap_b1.test_order_status import WINDOW, source, told, waiting


def target(connector, **settings):
    return connector(**settings).port("sales_order", "target")


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (refused(-1116, "(15) Credit limit of C20000 exceeded by 12.00"), "credit_limit_exceeded"),
        (refused(-10, "Customer exceeded credit limit"), "credit_limit_exceeded"),
        (refused(-1116, "(7) The minimum order value is 50.00"), "below_minimum_order"),
        (refused(-1116, "(7) Mindestbestellwert nicht erreicht"), "below_minimum_order"),
        (refused(-10, "Business partner C20000 is inactive"), "inactive_customer"),
        (refused(-1116, "(9) Hazardous goods need a permit"), "refused_by_add_on"),
    ],
)
def test_what_sap_refuses_is_told_apart_by_its_words(connector, server, answer, code):
    server.on("POST", r"^Orders\?", answer)
    port = target(connector)
    (outcome,) = port.submit([request(port, order())])
    assert outcome.code == code
    assert (code in port.customer_reasons) == (code != "refused_by_add_on")


def test_a_blocked_account_is_told_before_anything_is_sent(connector, server):
    server.rows("BusinessPartners", card(Frozen="tYES"))
    port = target(connector)
    (outcome,) = port.submit([request(port, order(), "customer")])
    assert (outcome.code, port.customer_reasons[outcome.code]) == ("inactive_customer", "the account is blocked")
    assert server.writes() == []


def test_words_for_the_customer_are_the_companys_where_it_says_so(connector):
    own = {"credit_limit_exceeded": "please call accounting", "price_difference": ""}
    reasons = target(connector, customer_reasons=own).customer_reasons
    assert reasons["credit_limit_exceeded"] == "please call accounting"
    assert "price_difference" not in reasons
    assert reasons["below_minimum_order"] == "below the minimum order value"


def test_an_order_below_the_minimum_is_held_until_a_person_lets_it_pass(connector, server):
    """Its goods come to 85.00 before tax."""
    server.on("POST", r"^Orders\?", created(saved()))
    server.on("GET", r"^Orders\(91\)", Answer(body=saved()))
    port = target(connector, minimum_order={"EUR": "85.01", "CHF": 1})
    (outcome,) = port.submit([request(port, order())])
    assert (outcome.code, outcome.again) == ("below_minimum_order", Again.AFTER_DECISION)
    assert "come to 85 EUR before tax, and the minimum order value is 85.01" in outcome.message
    assert server.writes() == []
    (outcome,) = port.submit([request(port, order(), allowed=outcome.differences)])
    assert isinstance(outcome, Applied)


@pytest.mark.parametrize("minimum", [{"EUR": "85.00"}, {"CHF": "1000"}, {}])
def test_an_order_that_reaches_the_minimum_goes(connector, server, minimum):
    server.on("POST", r"^Orders\?", created(saved()))
    server.on("GET", r"^Orders\(91\)", Answer(body=saved()))
    port = target(connector, minimum_order=minimum)
    (outcome,) = port.submit([request(port, order())])
    assert isinstance(outcome, Applied)


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["Credit"], "waits for approval: over your credit limit"),
        (["Internal audit"], "waits for approval"),
        (["Internal audit", "Credit", "Credit"], "waits for approval: over your credit limit"),
        ([], "waits for approval"),
    ],
)
def test_a_draft_is_told_with_the_words_for_its_approval_template(connector, server, names, reason):
    requests = [{"ApprovalTemplatesID": 1, "ApprovalTemplatesName": name, "Remarks": None} for name in names]
    server.rows("Orders")
    server.rows("Drafts", waiting(Document_ApprovalRequests=requests))
    found = source(connector, customer_reasons={"Credit": "over your credit limit"})
    update = told(found, found.changed(WINDOW))["draft:77"]
    assert (update.status, update.reason) == (OrderStatus.ON_HOLD, reason)
