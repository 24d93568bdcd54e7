"""Orders of a Shopware shop are in SAP Business One: once each, with the same amounts, whatever befalls them."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from erp_sync_tests.e2e.parts_dealer import COMPANY, Dealer, documents, parts_dealer

ABOVE_50 = [{"name": "Large orders", "object_type": "17", "total_above": 50}]


@pytest.fixture
def dealer(tmp_path: Path) -> Iterator[Dealer]:
    with parts_dealer(tmp_path) as running:
        yield running


@pytest.fixture
def careful_dealer(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Dealer]:
    """Large orders wait for a person in the ERP. What a draft is once it was added, live systems say otherwise than the
    SDK."""
    options = {"after_adding_draft": getattr(request, "param", "live")}
    with parts_dealer(tmp_path, erp_data={"approval_templates": ABOVE_50}, erp_options=options) as running:
        yield running


def rows_of(order: dict[str, Any]) -> dict[str, Decimal]:
    """Ordered units by item."""
    return {row["ItemCode"]: Decimal(str(row["Quantity"])) for row in order["DocumentLines"]}


def open_of(order: dict[str, Any]) -> dict[str, Decimal]:
    """Units by item that a warehouse could still ship."""
    return {row["ItemCode"]: Decimal(str(row["RemainingOpenQuantity"])) for row in order["DocumentLines"]}


# Orders that simply go ----------------------------------------------------------------------------------------


def test_an_order_of_a_company_is_booked_on_its_account(dealer: Dealer):
    number = dealer.buy({"BEARING-6204": 10, "SHAFT-20": 2})
    dealer.run()
    assert dealer.states() == {number: ("delivered", "")}
    (order,) = dealer.in_erp(number)
    assert order["CardCode"] == COMPANY["number"]
    assert rows_of(order) == {"BEARING-6204": 10, "SHAFT-20": 2}
    # 10 x 5.36 + 2 x 17.85 + 5.95 gross
    assert Decimal(str(order["DocTotal"])) == Decimal("95.25")
    assert [one["CardCode"] for one in dealer.partners()] == [COMPANY["number"]]


def test_a_guest_gets_a_card_and_a_second_order_of_theirs_none(dealer: Dealer):
    numbers = [dealer.buy({"GREASE-400": 1}, account=False) for _ in range(2)]
    dealer.run()
    orders = [order for number in numbers for order in dealer.in_erp(number)]
    assert len(orders) == 2
    cards = [one["CardCode"] for one in dealer.partners() if one["CardCode"] != COMPANY["number"]]
    assert {order["CardCode"] for order in orders} == set(cards)
    assert len(cards) == 1


# Answers that are lost ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "timeout_after_commit"},
        {"kind": "late_commit", "seconds": 1.0},
        {"kind": "drop_connection", "when": "after"},
        {"kind": "truncate_body"},
        {"kind": "timeout_before"},
    ],
    ids=lambda fault: fault["kind"],
)
def test_an_order_whose_answer_was_lost_is_there_once(tmp_path: Path, fault: dict[str, Any]):
    with parts_dealer(tmp_path, erp_settings={"write_timeout_seconds": 0.4}) as dealer:
        number = dealer.buy({"SHAFT-20": 1})
        dealer.erp.fault(endpoint="Orders.create", **fault)
        dealer.books.run("orders", "parts")
        assert dealer.states() == {number: ("due", "outcome_unknown")}
        dealer.run()
        assert dealer.states() == {number: ("delivered", "")}
        assert len(dealer.in_erp(number)) == 1


def test_an_order_whose_answer_was_lost_and_whose_key_an_add_on_emptied_is_there_once(tmp_path: Path):
    with parts_dealer(tmp_path, erp_settings={"write_timeout_seconds": 0.4}) as dealer:
        number = dealer.buy({"SHAFT-20": 1})
        dealer.erp.fault(endpoint="Orders.create", kind="timeout_after_commit")
        dealer.books.run("orders", "parts")
        assert dealer.states() == {number: ("due", "outcome_unknown")}
        dealer.empty_key(number)
        dealer.run()
        assert dealer.states() == {number: ("delivered", "")}
        assert len(dealer.in_erp(number)) == 1


# Approval procedures ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("careful_dealer", ["live", "sdk"], indirect=True)
def test_an_order_that_waits_for_approval_goes_on_once_it_was_approved(careful_dealer: Dealer):
    number = careful_dealer.buy({"SHAFT-20": 3})
    careful_dealer.books.run("orders", "parts")
    assert careful_dealer.states() == {number: ("due", "accepted")}
    careful_dealer.run_once()
    assert careful_dealer.states() == {number: ("due", "accepted")}
    careful_dealer.decide("ardApproved", "as agreed")
    careful_dealer.run_once()
    assert careful_dealer.states() == {number: ("delivered", "")}
    assert len(careful_dealer.in_erp(number)) == 1


def test_an_order_that_was_rejected_in_the_erp_is_a_dead_letter_that_says_who_and_why(careful_dealer: Dealer):
    number = careful_dealer.buy({"SHAFT-20": 3})
    careful_dealer.books.run("orders", "parts")
    careful_dealer.decide("ardNotApproved", "no more on account")
    careful_dealer.run_once()
    assert careful_dealer.states() == {number: ("dead", "approval_rejected")}
    assert "no more on account" in careful_dealer.reason(number)
    assert careful_dealer.in_erp(number) == []


@pytest.mark.parametrize("fault", [None, "timeout_after_commit", "drop_connection", "timeout_before"])
def test_an_approved_order_is_added_once_whatever_becomes_of_the_answer(tmp_path: Path, fault: str | None):
    settings = {"approved_drafts": "post", "write_timeout_seconds": 0.4}
    data = {"approval_templates": ABOVE_50}
    with parts_dealer(tmp_path, erp_data=data, erp_settings=settings) as dealer:
        number = dealer.buy({"SHAFT-20": 3})
        dealer.books.run("orders", "parts")
        dealer.decide("ardApproved", "as agreed", adds=False)
        if fault is not None:
            when = {"when": "after"} if fault == "drop_connection" else {}
            dealer.erp.fault(endpoint="DraftsService_SaveDraftToDocument", kind=fault, **when)
        dealer.run_once()
        dealer.run_once()
        dealer.run_once()
        assert dealer.states() == {number: ("delivered", "")}
        assert len(dealer.in_erp(number)) == 1


def test_an_order_that_is_cancelled_while_it_waits_for_approval_is_taken_back(careful_dealer: Dealer):
    number = careful_dealer.buy({"SHAFT-20": 3})
    careful_dealer.books.run("orders", "parts")
    careful_dealer.cancel(number)
    careful_dealer.run_once()
    careful_dealer.run_once()
    assert careful_dealer.states()[number][0] == "superseded"
    assert careful_dealer.drafts_in_erp(number) == []
    careful_dealer.decide("ardApproved", "too late")
    careful_dealer.run_once()
    assert careful_dealer.in_erp(number) == []


def test_one_that_became_an_order_before_its_cancellation_came_is_cancelled(careful_dealer: Dealer):
    number = careful_dealer.buy({"SHAFT-20": 3})
    careful_dealer.books.run("orders", "parts")
    careful_dealer.decide("ardApproved", "as agreed")
    careful_dealer.cancel(number)
    careful_dealer.run_once()
    careful_dealer.run_once()
    (order,) = careful_dealer.in_erp(number)
    assert order["Cancelled"] == "tYES"
    assert open_of(order) == {"SHAFT-20": 0}


def test_one_that_was_rejected_and_then_cancelled_cannot_be_approved_any_more(careful_dealer: Dealer):
    number = careful_dealer.buy({"SHAFT-20": 3})
    careful_dealer.books.run("orders", "parts")
    careful_dealer.decide("ardNotApproved", "no more on account")
    careful_dealer.run_once()
    assert careful_dealer.states() == {number: ("dead", "approval_rejected")}
    careful_dealer.cancel(number)
    for _ in range(3):
        careful_dealer.run_once()
    assert careful_dealer.drafts_in_erp(number) == []
    assert careful_dealer.states()[number][0] == "superseded"
    assert careful_dealer.in_erp(number) == []


# Prices -------------------------------------------------------------------------------------------------------


def test_an_order_at_another_price_than_the_accounts_is_held_with_both_calculations(tmp_path: Path):
    """The account pays 13.20 a shaft by its special price, the shop took 15.00."""
    special = {"CardCode": COMPANY["number"], "ItemCode": "SHAFT-20", "Price": 13.20, "Currency": "EUR"}
    settings = {"price_check": "prices", "price_tolerance": 0.02}
    with parts_dealer(tmp_path, erp_data={"special_prices": [special]}, erp_settings=settings) as dealer:
        fair, dear = dealer.buy({"GREASE-400": 1}), dealer.buy({"SHAFT-20": 2})
        dealer.run()
        assert dealer.states() == {fair: ("delivered", ""), dear: ("held", "price_difference")}
        assert "30.00 stated, 26.40 by the prices of SAP Business One" in dealer.reason(dear)
        assert dealer.in_erp(dear) == []


# Reasons that the customer sees -------------------------------------------------------------------------------


def test_the_customer_of_a_blocked_account_sees_why_the_order_waits_and_then_that_it_goes(dealer: Dealer):
    number = dealer.buy({"SHAFT-20": 1})
    dealer.block(COMPANY["number"])
    dealer.run()
    assert dealer.states() == {number: ("dead", "inactive_customer")}
    dealer.tell()
    assert dealer.told(number) == {"order_number": "", "status": "on_hold", "reason": "the account is blocked"}
    dealer.tell()
    assert len(dealer.books.deliveries("order_status", route="parts")) == 1
    dealer.unblock(COMPANY["number"])
    dealer.retry(number)
    dealer.run()
    (order,) = dealer.in_erp(number)
    dealer.tell()
    assert dealer.told(number) == {"order_number": str(order["DocNum"]), "status": "open", "reason": ""}


def test_the_customer_of_an_order_below_the_minimum_sees_it(tmp_path: Path):
    with parts_dealer(tmp_path, erp_settings={"minimum_order": {"EUR": "20"}}) as dealer:
        small, large = dealer.buy({"BEARING-6204": 1}), dealer.buy({"SHAFT-20": 2})
        dealer.run()
        assert dealer.states() == {small: ("held", "below_minimum_order"), large: ("delivered", "")}
        dealer.tell()
        assert dealer.told(small)["reason"] == "below the minimum order value"
        assert dealer.told(large)["reason"] == ""


def test_the_customer_of_a_draft_sees_what_it_waits_for_until_it_is_an_order(tmp_path: Path):
    settings = {"customer_reasons": {"Large orders": "somebody looks at large orders first"}}
    with parts_dealer(tmp_path, erp_data={"approval_templates": ABOVE_50}, erp_settings=settings) as dealer:
        number = dealer.buy({"SHAFT-20": 3})
        dealer.run_once()
        dealer.tell()
        waiting = dealer.told(number)
        assert (waiting["status"], waiting["reason"]) == (
            "on_hold",
            "waits for approval: somebody looks at large orders first",
        )
        dealer.decide("ardApproved", "as agreed")
        dealer.run_once()
        dealer.tell()
        assert (dealer.told(number)["status"], dealer.told(number)["reason"]) == ("open", "")


# Cancellations ------------------------------------------------------------------------------------------------


def test_an_order_that_is_cancelled_in_the_shop_is_cancelled_in_the_erp(dealer: Dealer):
    number = dealer.buy({"SHAFT-20": 2})
    dealer.run()
    dealer.cancel(number)
    dealer.run()
    (order,) = dealer.in_erp(number)
    assert order["Cancelled"] == "tYES"
    assert open_of(order) == {"SHAFT-20": 0}


@pytest.mark.parametrize("by", ["delivery", "invoice"])
def test_of_a_part_delivered_order_the_rest_is_closed_when_the_shop_cancels_it(dealer: Dealer, by: str):
    """One of three has left and is on a bill: with a delivery note that was invoiced, or by the invoice itself."""
    number = dealer.buy({"SHAFT-20": 3})
    dealer.run()
    if by == "delivery":
        dealer.deliver(number, {0: 1})
    dealer.invoice(number, {0: 1})
    dealer.cancel(number)
    dealer.run()
    sold, cancelled = sorted(dealer.books.deliveries("orders", route="parts"), key=lambda one: one.sequence)
    assert [(one.state.value, one.code) for one in (sold, cancelled)] == [
        ("delivered", ""),
        ("dead", "already_fulfilled"),
    ]
    assert "1 units, of which the store keeps 0" in cancelled.reason
    (order,) = dealer.in_erp(number)
    assert (order["DocumentStatus"], order["Cancelled"]) == ("bost_Close", "tNO")
    assert open_of(order) == {"SHAFT-20": 0}
    (invoice,) = documents(dealer.erp, "Invoices")
    assert (rows_of(invoice), invoice["Cancelled"]) == ({"SHAFT-20": 1}, "tNO")
    dealer.books.converge("parts", full=True)
    # One has left; nothing is committed any more.
    assert dealer.look("product", productNumber="SHAFT-20")["stock"] == 499


def test_what_the_erp_does_not_know_waits_and_goes_when_it_is_there(tmp_path: Path):
    with parts_dealer(tmp_path, erp_items=["BEARING-6204", "SHAFT-20"]) as dealer:
        number = dealer.buy({"GREASE-400": 1})
        dealer.run()
        assert dealer.states() == {number: ("waiting", "requirement_missing")}
        dealer.erp.control("POST", "seed", {"items": [{"sku": "GREASE-400", "name": "Grease", "price": "10.00"}]})
        dealer.run_once()
        assert dealer.states() == {number: ("delivered", "")}
