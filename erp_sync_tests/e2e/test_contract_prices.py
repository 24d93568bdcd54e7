"""What SAP Business One has agreed about prices is what the buyers of the Shopware shop pay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from erp_sync.ledger.plan_values import PlanState
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
    return (Decimal(net) * Decimal("1.19")).quantize(Decimal("0.01"))


def special(dealer: Dealer, card: str, item: str, body: Mapping[str, Any]) -> None:
    with User(dealer.erp) as user:
        user.call("POST", "SpecialPrices", {"CardCode": card, "ItemCode": item, "Currency": "EUR", **body})


def test_an_account_pays_its_contract_price_and_the_others_the_lists(dealer: Dealer):
    mine = unit_price(dealer, COMPANY["email"], "SHAFT-20")
    others = [unit_price(dealer, email, "SHAFT-20") for email in (OTHER["email"], None)]
    assert (mine, others) == (with_tax("12.00"), [with_tax("15.00")] * 2)
