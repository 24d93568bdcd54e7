"""What the store gave back and what the ERP credited, compared order by order: each difference with both sums."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from erp_sync.operations.reconcile import reconcile
from erp_sync.operations.reconciliation import Difference, Reconciliation
from erp_sync.sandbox.warehouse import Habits, Warehouse
from erp_sync_tests.e2e.business import Business, business, hands_in_store

REFUNDS = ("refund_missing", "refund_extra", "refund_total")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Business]:
    folder = tmp_path_factory.mktemp("refunds")
    with business(folder, payment_methods={"braintree": "5"}, erp_settings={"us": {"location": "1"}}) as running:
        yield running


def paid(shop: Business, who: str, lines: dict[str, int]) -> str:
    """An order that the store has billed, and the ERP has."""
    number = shop.store.buy(who, lines)
    with hands_in_store(shop.store) as admin:
        admin.json("POST", f"/rest/default/V1/order/{shop.store.id_of(number)}/invoice", {"capture": True})
    shop.settle()
    return number


def left(shop: Business, who: str, lines: dict[str, int]) -> str:
    """An order that was paid, shipped on both sides and billed in the ERP; its number."""
    number = paid(shop, who, lines)
    erp = shop.hands_in_erp()
    for place in ("east", "west"):
        Warehouse(erp, place, habits=Habits(partial=0, stepwise=0, late_parcel=0, two_parcels=0)).ship()
    shop.settle("shipments")
    shop.settle("order_status")
    (order,) = shop.in_erp(number)
    erp.create(f"salesOrder/{order['id']}/!transform/invoice", {})
    erp.close()
    return number


def refund(shop: Business, number: str, units: dict[str, int], **arguments: Any) -> Decimal:
    """The store gives back these units; gives the credit memo's total."""
    entity = shop.store.id_of(number)
    rows = shop.store.rows("SELECT item_id, sku FROM sales_order_item WHERE order_id = ?", entity)
    items = [{"order_item_id": row["item_id"], "qty": units[row["sku"]]} for row in rows if row["sku"] in units]
    with hands_in_store(shop.store) as admin:
        admin.json("POST", f"/rest/default/V1/order/{entity}/refund", {"items": items, "arguments": arguments})
    memos = shop.store.rows("SELECT grand_total FROM sales_creditmemo WHERE order_id = ? ORDER BY entity_id", entity)
    return Decimal(str(memos[-1]["grand_total"]))


def credit(shop: Business, number: str, units: dict[str, int]) -> int:
    """The ERP credits these units of the order's invoice; gives the credit memo's id."""
    (order,) = shop.in_erp(number)
    (invoice,) = shop.erp_rows(
        "SELECT id FROM \"transaction\" WHERE type = 'CustInvc' AND createdfrom = ?", order["id"]
    )
    rows = shop.erp_rows(
        "SELECT line.id, item.itemid AS sku FROM transactionline line JOIN item ON item.id = line.item "
        "WHERE line.\"transaction\" = ? AND line.quantity IS NOT NULL AND line.mainline = 'F'",
        invoice["id"],
    )
    items = [{"orderLine": row["id"], "quantity": units[row["sku"]]} for row in rows if row["sku"] in units]
    erp = shop.hands_in_erp()
    made = erp.create(f"invoice/{invoice['id']}/!transform/creditMemo?replace=item", {"item": {"items": items}})
    erp.close()
    return int(made)


def reconciled(shop: Business) -> Reconciliation:
    with shop.installation() as here:
        return reconcile(here, here.configuration.routes["us"], "orders")


def of(found: Reconciliation, number: str) -> list[Difference]:
    return [one for one in found.differences if one.key == number and one.kind in REFUNDS]


def total(shop: Business, memo: int) -> Decimal:
    (row,) = shop.erp_rows('SELECT foreigntotal FROM "transaction" WHERE id = ?', memo)
    return Decimal(row["foreigntotal"])


def test_a_refund_that_nobody_credited_is_named_and_then_agrees(shop: Business) -> None:
    number = left(shop, "ann", {"MUG": 2})
    given = refund(shop, number, {"MUG": 1})
    (missing,) = of(reconciled(shop), number)
    assert (missing.kind, missing.erp) == ("refund_missing", "")
    assert missing.store.startswith(f"{given.quantize(Decimal('0.01'))} USD (")
    memo = credit(shop, number, {"MUG": 1})
    shop.erp_sql('UPDATE "transaction" SET foreigntotal = ? WHERE id = ?', str(given), memo)
    found = reconciled(shop)
    assert of(found, number) == []
    assert found.counts["refunds_compared"] >= 1


def test_a_credit_memo_that_the_store_knows_nothing_of_is_named(shop: Business) -> None:
    number = left(shop, "bob", {"TEA": 2})
    memo = credit(shop, number, {"TEA": 2})
    (extra,) = of(reconciled(shop), number)
    assert (extra.kind, extra.store) == ("refund_extra", "")
    assert f"{total(shop, memo)} USD" in extra.erp
    shop.erp_sql("UPDATE \"transaction\" SET voided = 'T' WHERE id = ?", memo)
    assert of(reconciled(shop), number) == []


def test_another_sum_is_named_with_both_and_several_refunds_of_an_order_count_together(shop: Business) -> None:
    number = left(shop, "cid", {"MUG": 3})
    first, second = refund(shop, number, {"MUG": 1}), refund(shop, number, {"MUG": 1}, adjustment_negative="2.00")
    memo = credit(shop, number, {"MUG": 2})
    shop.erp_sql('UPDATE "transaction" SET foreigntotal = ? WHERE id = ?', str(first + second + 1), memo)
    (differs,) = of(reconciled(shop), number)
    assert differs.kind == "refund_total"
    assert f"{(first + second).quantize(Decimal('0.01'))} USD" in differs.store
    assert differs.words == "+1.00 in the ERP"
    shop.erp_sql('UPDATE "transaction" SET foreigntotal = ? WHERE id = ?', str(-first - second), memo)
    assert of(reconciled(shop), number) == []  # whichever sign the ERP prints


def test_what_was_refunded_before_it_left_need_not_be_credited(shop: Business) -> None:
    number = paid(shop, "dee", {"CUP": 2})
    refund(shop, number, {"CUP": 2})
    shop.settle()
    assert of(reconciled(shop), number) == []


def test_shipping_that_was_given_back_of_an_order_still_to_be_shipped_is_named(shop: Business) -> None:
    """The ERP's order is cut by its units alone: it would bill the shipping."""
    number = paid(shop, "gil", {"CUP": 2})
    refund(shop, number, {"CUP": 1})
    shop.settle()
    (missing,) = of(reconciled(shop), number)
    assert missing.kind == "refund_missing"
    assert "was taken off it there" in missing.words


def test_a_return_is_followed_from_its_authorization_to_its_credit_memo(shop: Business) -> None:
    number = left(shop, "eve", {"CUP": 2})
    (order,) = shop.in_erp(number)
    erp = shop.hands_in_erp()
    back = erp.create(f"salesOrder/{order['id']}/!transform/returnAuthorization", {"orderStatus": {"id": "B"}})
    erp.create(f"returnAuthorization/{back}/!transform/itemReceipt", {})
    erp.create(f"returnAuthorization/{back}/!transform/creditMemo", {})
    erp.close()
    (extra,) = of(reconciled(shop), number)
    assert extra.kind == "refund_extra"
    refund(shop, number, {"CUP": 2})
    kinds = {one.kind for one in of(reconciled(shop), number)}
    assert kinds <= {"refund_total"}  # the ERP's memo has no shipping


def test_refunds_of_orders_that_the_erp_does_not_have_are_not_its_to_credit(shop: Business) -> None:
    number = paid(shop, "fay", {"NEW-1": 1})
    refund(shop, number, {"NEW-1": 1})
    assert of(reconciled(shop), number) == []
