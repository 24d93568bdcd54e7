"""What the store cancels of an order before it leaves, on an account with legacy tax: REST cannot write its tax."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from erp_sync.ledger import State
from erp_sync_tests.e2e.business import CATALOGUE, Business, business
from erp_sync_tests.e2e.test_part_cancelled import (
    FLOWS_ON,
    OPENING,
    agree,
    cycle,
    invoice,
    leave,
    refund,
    sold,
    standing,
)


@pytest.fixture(params=["order", "lines"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Business]:
    """Tax on the order (United States), or on its lines."""
    with business(
        tmp_path,
        erp_options={"tax": "legacy", "legacy_tax_on": request.param},
        erp_settings={"us": {"location": "1", "tax_engine": "legacy"}},
        catalogue=replace(CATALOGUE, stock={**CATALOGUE.stock, **OPENING}),
        flows=FLOWS_ON,
    ) as running:
        yield running


def tax(shop: Business, number: str) -> Decimal:
    return Decimal(shop.in_erp(number)[0]["taxtotal"])


def test_a_part_of_a_line_takes_its_tax_with_it_and_a_closed_line_keeps_its_own(shop: Business) -> None:
    """The line was cut by REST, and the tax of five mugs stayed on three."""
    number = sold(shop, {"MUG": 5, "TEA": 1})
    whole = tax(shop, number)
    shop.converge(full=True)
    invoice(shop, number, {"MUG": 3})
    shop.store.cancel(number)
    shop.erp.fault("timeout_after_commit", "restlet.*", times=1)
    cycle(shop)
    shop.erp.clear_faults()
    assert standing(shop, number) == {"MUG": (3, 0, False), "TEA": (1, 0, True)}
    (mug,) = shop.store.rows("SELECT tax_amount FROM sales_order_item WHERE sku = 'MUG'")
    assert abs(tax(shop, number) - (whole - Decimal(str(mug["tax_amount"])) * 2 / 5)) < Decimal("0.01")
    assert len(shop.erp.journal(endpoint="salesOrder.update")) == 0
    agree(shop)
    leave(shop, number, {"MUG": 3})
    cycle(shop)
    agree(shop)


def test_a_line_that_somebody_added_keeps_its_tax_or_a_person_is_told(
    shop: Business, request: pytest.FixtureRequest
) -> None:
    """Where the order is taxed as a whole its tax was written without that of the line that was added."""
    number = sold(shop, {"MUG": 5, "TEA": 1})
    (order,) = shop.in_erp(number)
    (cup,) = shop.erp_rows("SELECT id FROM item WHERE itemid = 'CUP'")
    added = {"item": {"id": cup["id"]}, "quantity": 1, "rate": 9, "price": {"id": "-1"}, "location": {"id": "1"}}
    erp = shop.hands_in_erp()
    erp.change(f"salesOrder/{order['id']}", {"item": {"items": [added]}})
    erp.close()
    before = tax(shop, number)
    shop.converge(full=True)
    invoice(shop, number, {"MUG": 3})
    shop.store.cancel(number)
    cycle(shop)
    there = standing(shop, number)
    assert (there["TEA"], there["CUP"]) == ((1, 0, True), (1, 0, False))
    dead = [one.code for flow in FLOWS_ON[:3] for one in shop.deliveries(flow, State.DEAD)]
    if request.node.callspec.params["shop"] == "order":
        assert (there["MUG"], tax(shop, number), dead) == ((5, 0, False), before, ["tax_of_added_lines"])
    else:
        assert (there["MUG"], dead) == ((3, 0, False), [])
        assert tax(shop, number) < before


def test_what_was_refunded_before_it_left_is_cut_and_then_closed(shop: Business) -> None:
    number = sold(shop, {"MUG": 5, "TEA": 1})
    shop.converge(full=True)
    invoice(shop, number, {"MUG": 5, "TEA": 1})
    cycle(shop)
    refund(shop, number, {"MUG": 2}, shipping_amount=0)
    cycle(shop)
    assert standing(shop, number) == {"MUG": (3, 0, False), "TEA": (1, 0, False)}
    agree(shop)
    refund(shop, number, {"MUG": 3, "TEA": 1})
    cycle(shop)
    assert all(closed for _, _, closed in standing(shop, number).values())
    agree(shop)


def test_a_line_that_left_in_part_is_cut_to_what_has_left(shop: Business) -> None:
    number = sold(shop, {"MUG": 5, "TEA": 1})
    shop.converge(full=True)
    leave(shop, number, {"MUG": 2})
    cycle(shop)
    shop.store.cancel(number)
    cycle(shop)
    assert standing(shop, number) == {"MUG": (2, 2, False), "TEA": (1, 0, True)}
    agree(shop)
