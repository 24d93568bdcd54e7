"""What SAP Business One has agreed about prices is what the buyers of the Shopware shop pay."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import pytest

from erp_sync.ledger.plan_values import PlanState
from erp_sync.sandbox.files import SystemFiles
from erp_sync.sandbox.price_evidence import NoPrice, PricePaid, PriceQuestion
from erp_sync.sandbox.testing import RunningSandbox
from erp_sync.systems.sap_b1.sandbox import evidence as sap_evidence
from erp_sync.systems.shopware.sandbox import evidence as shop_evidence
from erp_sync_tests.e2e.parts_dealer import COMPANY, PASSWORD, ROUTE, Dealer, Shopper, User, parts_dealer

FLOW = "contract_prices"
OTHER: dict[str, Any] = {**COMPANY, "number": "C10020", "email": "einkauf@gauss.example", "company": "Gauss Werkzeuge"}
ITEMS = {"BEARING-6204": "4.50", "SHAFT-20": "15.00", "GREASE-400": "10.00"}
TERMS: dict[str, list[dict[str, Any]]] = {
    "account_groups": [{"group": "workshops"}],
    "accounts": [
        {"account": number, "group": "workshops", "price_list": "trade", "currency": "EUR"}
        for number in (COMPANY["number"], OTHER["number"])
    ],
    "items": [{"item": item, "unit": "pc"} for item in ITEMS],
    "price_lists": [{"price_list": "trade", "currency": "EUR"}],
    "list_prices": [
        {"price_list": "trade", "item": item, "currency": "EUR", "price": price} for item, price in ITEMS.items()
    ],
    "special_prices": [
        {"account": COMPANY["number"], "item": "SHAFT-20", "currency": "EUR", "price": "12.00"},
    ],
}


@pytest.fixture
def dealer(tmp_path: Path) -> Iterator[Dealer]:
    with parts_dealer(tmp_path, erp_data={"price_terms": TERMS}, flows={FLOW: {}}) as running:
        running.shop.control("POST", "seed", {"customers": [OTHER]})
        converge(running, full=True)
        yield running


def converge(dealer: Dealer, *, full: bool = False) -> None:
    dealer.books.converge(ROUTE, flow=FLOW, full=full)


def unit_price(dealer: Dealer, email: str | None, sku: str, quantity: int = 1) -> Decimal:
    """What one costs in the cart, with tax; of a guest where no account is named."""
    with Shopper(dealer.shop) as shopper:
        if email is not None:
            shopper.call("account/login", {"username": email, "password": PASSWORD})
        found = shopper.call("product", {"filter": [{"type": "equals", "field": "productNumber", "value": sku}]})
        item = {"type": "product", "referencedId": found["elements"][0]["id"], "quantity": quantity}
        cart = shopper.call("checkout/cart/line-item", {"items": [item]})
        return Decimal(str(cart["lineItems"][0]["price"]["unitPrice"]))


def with_tax(net: str) -> Decimal:
    return (Decimal(net) * Decimal("1.19")).quantize(Decimal("0.01"), ROUND_HALF_UP)


def special(dealer: Dealer, card: str, item: str, body: Mapping[str, Any]) -> None:
    with User(dealer.erp) as user:
        user.call("POST", "SpecialPrices", {"CardCode": card, "ItemCode": item, "Currency": "EUR", **body})


def test_an_account_pays_its_contract_price_and_the_others_the_lists(dealer: Dealer):
    mine = unit_price(dealer, COMPANY["email"], "SHAFT-20")
    others = [unit_price(dealer, email, "SHAFT-20") for email in (OTHER["email"], None)]
    assert (mine, others) == (with_tax("12.00"), [with_tax("15.00")] * 2)


def test_a_volume_break_counts_from_its_quantity_on(dealer: Dealer):
    breaks = [{"Quantity": 10, "SpecialPrice": 3.9}]
    period = {"DateFrom": "2026-01-01", "SpecialPrice": 4.2}
    rows = [{**period, "SpecialPriceQuantityAreas": breaks}]
    special(dealer, OTHER["number"], "BEARING-6204", {"Price": 4.4, "SpecialPriceDataAreas": rows})
    converge(dealer)
    paid = [unit_price(dealer, OTHER["email"], "BEARING-6204", quantity) for quantity in (1, 9, 10, 25)]
    assert paid == [with_tax("4.20")] * 2 + [with_tax("3.90")] * 2


def test_a_contract_that_ends_is_over_in_the_shop_without_a_change_in_the_erp(dealer: Dealer):
    today = datetime.now(UTC).date()
    rows = [{"DateFrom": "2026-01-01", "Dateto": f"{today + timedelta(days=1)}", "SpecialPrice": 9.0}]
    special(dealer, OTHER["number"], "GREASE-400", {"Price": 9.5, "SpecialPriceDataAreas": rows})
    converge(dealer)
    assert unit_price(dealer, OTHER["email"], "GREASE-400") == with_tax("9.00")
    dealer.books.clock.skipped += timedelta(days=2)
    converge(dealer)
    assert unit_price(dealer, OTHER["email"], "GREASE-400") == with_tax("9.50")


def test_a_wrong_rule_is_held_with_one_alert_and_unrelated_changes_go(dealer: Dealer):
    """90 % off everything in the list."""
    with User(dealer.erp) as user:
        for item, price in ITEMS.items():
            rows = user.call("GET", f"Items('{item}')?$select=ItemPrices")["ItemPrices"]
            (row,) = [one for one in rows if one["Price"] and Decimal(str(one["Price"])) == Decimal(price)][-1:]
            wrong = {"PriceList": row["PriceList"], "Price": float(Decimal(price) / 10), "Currency": "EUR"}
            user.call("PATCH", f"Items('{item}')", {"ItemPrices": [wrong]})
    special(dealer, OTHER["number"], "GREASE-400", {"Price": 9.5})
    converge(dealer)
    converge(dealer, full=True)
    paid = {item: unit_price(dealer, OTHER["email"], item) for item in ITEMS}
    assert paid == {
        "BEARING-6204": with_tax("4.50"), "SHAFT-20": with_tax("15.00"), "GREASE-400": with_tax("9.50")
    }  # fmt: skip
    with dealer.books.installation() as here:
        (plan,) = here.ledger.plans.find(flow=FLOW, states=[PlanState.HELD])
        assert plan.row_count == len(ITEMS)
        assert [one.key for one in here.ledger.notices.open()] == [f"plan_held/{ROUTE}/{FLOW}"]


def test_an_undone_change_is_what_was_before_until_the_erp_changes_again(dealer: Dealer):
    with User(dealer.erp) as user:
        user.call("PATCH", f"SpecialPrices(CardCode='{COMPANY['number']}',ItemCode='SHAFT-20')", {"Price": 11.5})
    converge(dealer)
    assert unit_price(dealer, COMPANY["email"], "SHAFT-20") == with_tax("11.50")
    with dealer.books.installation() as here:
        last = here.ledger.plans.find(flow=FLOW, states=[PlanState.APPLIED])[0]
        here.ledger.plans.undo(last.id, "ada", "agreed for next year")
    converge(dealer, full=True)
    assert unit_price(dealer, COMPANY["email"], "SHAFT-20") == with_tax("12.00")


def test_a_contract_that_was_deleted_is_found_by_a_comparison_of_everything(dealer: Dealer):
    special(dealer, OTHER["number"], "GREASE-400", {"Price": 9.5})
    converge(dealer)
    assert unit_price(dealer, OTHER["email"], "GREASE-400") == with_tax("9.50")
    with User(dealer.erp) as user:
        user.call("DELETE", f"SpecialPrices(CardCode='{OTHER['number']}',ItemCode='GREASE-400')")
    converge(dealer, full=True)
    assert unit_price(dealer, OTHER["email"], "GREASE-400") == with_tax("10.00")


def test_both_systems_answer_random_questions_alike(dealer: Dealer):
    """By SAP's own calculation of an order's line, and by what the Store API would show."""
    breaks = [{"Quantity": 10, "SpecialPrice": 3.9}]
    rows = [{"DateFrom": "2026-01-01", "SpecialPrice": 4.2, "SpecialPriceQuantityAreas": breaks}]
    special(dealer, OTHER["number"], "BEARING-6204", {"Price": 4.4, "SpecialPriceDataAreas": rows})
    converge(dealer)
    chance = random.Random(4)
    questions = [
        PriceQuestion(
            account=chance.choice([COMPANY["number"], OTHER["number"]]),
            item=chance.choice([*ITEMS]),
            quantity=Decimal(chance.choice([1, 2, 9, 10, 11, 100])),
            currency="EUR",
            at=datetime.now(UTC),
        )
        for _ in range(200)
    ]
    ours = sap_evidence.Erp(files(dealer.erp)).prices_paid(questions)
    theirs = shop_evidence.Store(files(dealer.shop)).prices_paid(questions)
    differing = [
        (question, one, other)
        for question, one, other in zip(questions, ours, theirs, strict=True)
        if net(one) != net(other)
    ]
    assert differing == []
    assert len({net(one) for one in ours}) >= 5


def net(answer: PricePaid | NoPrice) -> Decimal:
    assert isinstance(answer, PricePaid), answer
    return (answer.amount / Decimal("1.19") if answer.gross else answer.amount).quantize(Decimal("0.01"))


def files(sandbox: RunningSandbox) -> SystemFiles:
    return SystemFiles(sandbox.app.database, sandbox.app.database, sandbox.app.vendor)
