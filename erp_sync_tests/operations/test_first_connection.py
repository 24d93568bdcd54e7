"""An ERP that is not empty: half of the day's orders were entered without our external id."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from erp_sync.ledger import State
from erp_sync.operations.adoption import adopt
from erp_sync.operations.adoption_report import AdoptionReport
from erp_sync.operations.reconcile import reconcile
from erp_sync.operations.reconciliation import Reconciliation
from erp_sync.operations.trace import trace
from erp_sync.settings import load
from erp_sync_tests.e2e.business import Business, business
from erp_sync_tests.ledger import fresh

PAYMENTS = {"braintree": "5", "checkmo": "2", "cashondelivery": "1"}


class Shop:
    """`old` are orders that the ERP has from an earlier integration; `new` are orders that it has not."""

    def __init__(self, shop: Business, folder: Path) -> None:
        self.shop = shop
        self.old = [shop.store.buy(name, {"MUG": 2}) for name in ("ann", "bob")]
        self.odd = shop.store.buy("cid", {"CUP": 1})
        # Of the first a unit was cancelled before it was entered, of the second afterwards.
        self.cancel_one_of(self.old[0])
        shop.settle()
        forget_external_ids(shop)
        shop.erp_sql("UPDATE \"transaction\" SET foreigntotal = '1.00' WHERE otherrefnum = ?", self.odd)
        self.new = [shop.store.buy(name, {"TEA": 2}) for name in ("ann", "dee")]
        self.cancel_one_of(self.old[1])
        # A fresh installation: it knows nothing of what the ERP holds.
        defs = str(shop.settings.defs)
        shop.settings = load({"ERP_SYNC_HOME": str(folder / "fresh"), "ERP_SYNC_DEFS": defs})
        shop.settings.home.mkdir()
        fresh.create(shop.settings.ledger_url)
        with shop.installation() as here:
            here.import_lookups()

    def cancel_one_of(self, number: str) -> None:
        store = self.shop.store
        store.sql("UPDATE sales_order_item SET qty_canceled = 1 WHERE order_id = ?", store.id_of(number))

    def adopt(self, apply: bool, **how: object) -> AdoptionReport:
        with self.shop.installation() as here:
            return adopt(here, here.configuration.routes["us"], apply=apply, who="ann", **how)  # type: ignore[arg-type]

    def reconcile(self) -> Reconciliation:
        with self.shop.installation() as here:
            return reconcile(here, here.configuration.routes["us"], "orders")


def forget_external_ids(shop: Business) -> None:
    for table in ('"transaction"', "customer"):
        shop.erp_sql(f"UPDATE {table} SET externalid = NULL WHERE externalid LIKE 'magento_us%'")


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("first")
    with business(folder, payment_methods=PAYMENTS) as shop:
        shop.clock.skipped += timedelta(seconds=5)  # what was placed in this second is in every window
        yield Shop(shop, folder)


def test_a_dry_run_lists_what_is_certain_doubtful_and_missing_and_changes_nothing(first: Shop) -> None:
    report = first.adopt(apply=False)
    assert report.counts["orders"] == {"certain": 2, "doubtful": 1, "missing": 2}
    assert report.counts["customers"] == {"certain": 3, "missing": 1}
    assert report.counts["items"] == {"certain": 3}
    doubtful = report.matches[0]
    assert (doubtful.natural_key, doubtful.certainty) == (first.odd, "doubtful")
    assert "its total is 1" in doubtful.why
    assert report.applied is None
    assert first.shop.deliveries() == []


def test_an_erp_that_holds_half_of_the_orders_ends_without_a_duplicate(first: Shop) -> None:
    applied = first.adopt(apply=True).applied
    assert applied is not None
    assert (applied.orders, applied.customers, applied.items, applied.doubtful) == (2, 3, 3, 1)
    first.shop.settle()
    for number in (*first.old, first.odd, *first.new):
        assert len(first.shop.in_erp(number)) == 1, number
        assert len(first.shop.deposits(number)) == 1, number
    emails = [
        row["email"] for row in first.shop.erp_rows("SELECT email FROM customer WHERE email LIKE '%@example.com'")
    ]
    assert sorted(emails) == sorted(set(emails))
    assert first.shop.states()[first.odd] == ("dead", "doubtful_match")
    assert all(first.shop.states()[number][0] == "delivered" for number in (*first.old, *first.new))


def test_adopting_again_changes_nothing(first: Shop) -> None:
    applied = first.adopt(apply=True).applied
    assert applied is not None
    assert (applied.orders, applied.customers, applied.items) == (0, 0, 0)


def test_an_adopted_order_tells_so_and_is_linked(first: Shop) -> None:
    with first.shop.installation() as here:
        report = trace(here, first.old[0])
    assert [(entry.kind, entry.actor) for entry in report.entries if entry.kind == "adopted"] == [("adopted", "ann")]
    (order,) = first.shop.in_erp(first.old[0])
    assert [one["netsuite_us"] for one in report.partners.values()] == [str(order["id"])]


def test_reconciliation_finds_all_orders_and_tells_the_doubtful_one_as_open(first: Shop) -> None:
    found = first.reconcile()
    assert found.differences == []
    assert found.counts == {
        "in_store": 5,
        "in_erp": 4,
        "adopted": 2,
        "cancelled_in_store": 0,
        "totals_compared": 4,
        "contents_compared": 2,
        "statuses_compared": 4,
        "customers_compared": 4,
        "refunds_compared": 0,
    }
    assert [(one.key, one.code) for one in found.open] == [(first.odd, "doubtful_match")]


def test_a_person_may_link_the_doubtful_one(first: Shop) -> None:
    (order,) = first.shop.in_erp(first.odd)
    applied = first.adopt(apply=True, links={first.odd: str(order["id"])}).applied
    assert applied is not None
    assert applied.orders == 1
    assert first.shop.delivery(first.odd).state is State.DELIVERED


def test_reconciliation_names_missing_extra_and_different_orders(first: Shop) -> None:
    shop = first.shop
    lost, changed = first.new
    shop.erp_sql("UPDATE \"transaction\" SET type = 'Estimate' WHERE otherrefnum = ?", lost)
    shop.erp_sql("UPDATE \"transaction\" SET foreigntotal = '99.00' WHERE otherrefnum = ?", changed)
    shop.erp_sql("UPDATE \"transaction\" SET externalid = 'magento_us_4711' WHERE otherrefnum = ?", first.old[0])
    found = first.reconcile()
    kinds = {(one.kind, one.key) for one in found.differences}
    (extra,) = shop.in_erp(first.old[0])
    assert kinds == {("missing", lost), ("total", changed), ("total", first.odd), ("extra", extra["tranid"])}
    total = next(one for one in found.differences if (one.kind, one.key) == ("total", changed))
    assert total.erp.startswith("99")
    assert not found.agrees
