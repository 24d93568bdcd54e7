"""A store and an ERP that holds half of the day's orders: connected over HTTP, and every order is there once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from erp_sync.cli import app
from erp_sync.sandbox.warehouse import Habits, Warehouse
from erp_sync_tests.e2e.business import Business, business

PAYMENTS = {"braintree": "5", "checkmo": "2", "cashondelivery": "1"}


class Morning:
    """`old` the ERP has from an earlier integration, without our external ids; `odd` too, with another total; of
    `twice`, a customer, it has two; `new` are orders that it has not."""

    def __init__(self, shop: Business, folder: Path) -> None:
        self.shop, self.folder = shop, folder
        self.old = [shop.store.buy(name, {"MUG": 2, "TEA": 1}) for name in ("ann", "bob", "cid")]
        self.odd = shop.store.buy("dee", {"CUP": 1})
        shop.store.buy("eve", {"TEA": 1})
        shop.settle()
        shop.forget_everything("fresh")
        shop.erp_sql("UPDATE \"transaction\" SET foreigntotal = '1.00' WHERE otherrefnum = ?", self.odd)
        erp = shop.hands_in_erp()
        body = {"isPerson": True, "firstName": "Eve", "lastName": "Twin", "email": "eve@example.com"}
        self.twin = str(erp.create("customer", {**body, "subsidiary": {"id": "1"}}))
        erp.close()
        self.new = [shop.store.buy(name, {"TEA": 2}) for name in ("ann", "fay", "gil")]
        self.twice = shop.store.buy("eve", {"MUG": 1})

    def adopt(self, *options: str) -> dict[str, Any]:
        environment = {"ERP_SYNC_HOME": str(self.shop.settings.home), "ERP_SYNC_DEFS": str(self.shop.settings.defs)}
        done = CliRunner(env=environment).invoke(app, ["adopt", "us", *options, "--json"])
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    def once(self, *numbers: str) -> bool:
        shop = self.shop
        return all(len(shop.in_erp(number)) == 1 and len(shop.deposits(number)) == 1 for number in numbers)

    def customers(self, name: str) -> int:
        return len(self.shop.erp_rows("SELECT id FROM customer WHERE email = ?", f"{name}@example.com"))

    def ship_everything(self) -> None:
        erp = self.shop.hands_in_erp()
        habits = Habits(partial=0, stepwise=0, late_parcel=0, two_parcels=0)
        for place in ("east", "west"):
            Warehouse(erp, place, habits=habits).ship()
        erp.close()

    def shipped(self, number: str) -> int:
        store = self.shop.store
        return len(store.rows("SELECT entity_id FROM sales_shipment WHERE order_id = ?", store.id_of(number)))


@contextmanager
def morning(folder: Path) -> Iterator[Morning]:
    with business(folder, payment_methods=PAYMENTS, erp_settings={"us": {"location": "1"}}) as shop:
        found = Morning(shop, folder)
        shop.clock.skipped += timedelta(seconds=5)  # what was placed in this second is in every window
        yield found


@pytest.fixture(autouse=True)
def storage_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands find the ledger that the test made; Dagster's storage is not needed."""
    monkeypatch.setattr("erp_sync.runtime.storage.initialise", lambda settings, *, anyway=False: False)


def test_a_store_connected_to_an_erp_that_holds_half_of_its_orders(tmp_path: Path):
    with morning(tmp_path) as day:
        shop = day.shop
        calls = len([call for call in shop.erp.journal() if call["committed"]])
        listed = day.adopt("--dry-run")
        assert listed["counts"]["orders"] == {"certain": 4, "doubtful": 1, "missing": 4}
        assert listed["counts"]["payments"] == {"certain": 4}
        assert listed["counts"]["customers"] == {"certain": 4, "doubtful": 1, "missing": 2}
        why = {one["natural_key"]: one["why"] for one in listed["matches"] if one["certainty"] == "doubtful"}
        assert why[day.odd].startswith("its total is 1")
        assert why["eve@example.com"] == "2 records have this key"
        assert (listed["bare"], listed["applied"]) == (4, None)
        assert len([call for call in shop.erp.journal() if call["committed"]]) == calls
        assert shop.deliveries() == []

        shop.settle("order_status")  # before anybody knew whose they are: left out
        applied = day.adopt("--apply")["applied"]
        assert (applied["orders"], applied["doubtful"], applied["external_ids"]) == (4, 1, 0)
        assert applied["told_again"] >= 4
        shop.settle()
        assert day.once(*day.old, day.odd, *day.new)
        assert shop.states()[day.odd] == ("dead", "doubtful_match")
        assert shop.states()[day.twice] == ("dead", "doubtful_customer")
        assert [day.customers(name) for name in ("ann", "bob", "eve", "fay")] == [1, 1, 2, 1]

        # A person decides: which of the two customers, and that the odd order is the store's.
        (odd,) = shop.in_erp(day.odd)
        day.adopt("--apply", "--link", f"eve@example.com={day.twin}", "--link", f"{day.odd}={odd['id']}")
        with shop.installation() as here:
            here.ledger.dead_letters.retry(code="doubtful_customer", who="operator")
        shop.settle()
        assert [str(order["entity"]) for order in shop.in_erp(day.twice)] == [day.twin]
        assert day.once(*day.old, day.odd, *day.new, day.twice)
        assert {state for state, _ in shop.states().values()} == {"delivered"}

        # Number, status and parcels of adopted orders find their way back.
        shop.settle("order_status")
        assert [len(shop.store.erp_comments(number)) for number in day.old] == [1, 1, 1]
        day.ship_everything()
        shop.settle("shipments")
        assert [day.shipped(number) for number in (*day.old, day.odd, *day.new)] == [1] * 7


def test_orders_that_nobody_adopted_are_found_before_they_are_sent(tmp_path: Path):
    with morning(tmp_path) as day:
        shop = day.shop
        ran = shop.run()
        assert ran.drained.adopted == 4
        shop.settle()
        assert day.once(*day.old, day.odd, *day.new)
        assert (shop.states()[day.odd], shop.states()[day.twice]) == (
            ("dead", "doubtful_match"),
            ("dead", "doubtful_customer"),
        )
        assert [day.customers(name) for name in ("ann", "bob", "eve", "fay")] == [1, 1, 2, 1]
        # An adopted order that the store cancels is closed in the ERP, though it carries no key of ours.
        shop.store.cancel(day.old[0])
        shop.settle()
        assert shop.in_erp(day.old[0])[0]["status"] in ("C", "H")
        day.ship_everything()
        shop.settle("shipments")
        assert [day.shipped(number) for number in day.old] == [0, 1, 1]
        # To retry a doubtful one says that it is not there.
        with shop.installation() as here:
            here.ledger.dead_letters.retry(code="doubtful_match", who="operator")
        shop.settle()
        assert len(shop.in_erp(day.odd)) == 2


def test_our_external_ids_are_written_where_asked_and_then_the_erp_itself_refuses_a_second(tmp_path: Path):
    with morning(tmp_path) as day:
        shop = day.shop
        applied = day.adopt("--apply", "--write-external-ids")["applied"]
        assert (applied["external_ids"], applied["not_written"]) == (8, [])
        keys = [shop.in_erp(number)[0]["externalid"] for number in day.old]
        assert keys == [f"magento_us_{shop.store.id_of(number)}" for number in day.old]
        again = day.adopt("--apply", "--write-external-ids")
        assert (again["counts"]["orders"]["ours"], again["applied"]["external_ids"]) == (4, 0)
        # Even an installation without its ledger creates nothing twice.
        shop.install(tmp_path / "lost")
        shop.settle()
        assert day.once(*day.old, *day.new)


def test_looking_first_costs_a_query_for_many_orders(tmp_path: Path):
    with business(tmp_path, payment_methods=PAYMENTS) as shop:
        numbers = [shop.store.buy(f"guest{index}", payment="cashondelivery") for index in range(20)]
        shop.clock.skipped += timedelta(seconds=5)
        before = len(shop.erp.journal())
        shop.settle()
        assert [len(shop.in_erp(number)) for number in numbers] == [1] * 20
        assert (len(shop.erp.journal()) - before) / len(numbers) <= 3
