"""Several sellers and one ERP: websites of one store that are two subsidiaries there, and two stores alike in every
number. What is one's lands in its own subsidiary and location, and what becomes of it is told to nobody else.

Each business lives one day, in which every step is looked at; the tests ask what was seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pytest

from erp_sync.sandbox.people import Place
from erp_sync.sandbox.warehouse import Habits, Warehouse
from erp_sync.systems.magento.sandbox.storefront import Storefront
from erp_sync_tests.e2e.business import CATALOGUE, MEMBERS, Business, Store, business

FLOWS_ON = ("orders", "order_status", "shipments", "inventory")
SIMPLE = Habits(partial=0, stepwise=0, late_parcel=0, two_parcels=0)
STOCK = replace(CATALOGUE, stock={**CATALOGUE.stock, ("MUG", "east"): 20, ("MUG", "west"): 10})
CANADA = {"id": 2, "name": "Canada", "country": "CA", "currency": "CAD"}
TORONTO = Place("1 King St", "Toronto", "ON", "M5H 1A1", "CA")
BASE, CAD, ONLINE = "1", "3", "5"  # of the ERP's: currency and price levels


@dataclass
class Day:
    """A day of a business and what was seen of it: by moment, what the store's sources hold and what each can sell."""

    shop: Business
    numbers: dict[str, str] = field(default_factory=dict)
    sources: dict[str, dict[str, int]] = field(default_factory=dict)
    salable: dict[str, dict[str, int]] = field(default_factory=dict)

    def order(self, name: str, store: str = "magento_us") -> dict[str, Any]:
        """The ERP's, of which there is one."""
        entity = self.shop.stores[store].id_of(self.numbers[name])
        (found,) = [one for one in self.shop.in_erp(self.numbers[name]) if one["externalid"] == f"{store}_{entity}"]
        return found


def sources(store: Store) -> dict[str, int]:
    rows = store.rows("SELECT source_code, quantity FROM inventory_source_item WHERE sku = 'MUG'")
    return {row["source_code"]: int(float(row["quantity"])) for row in rows}


def salable(store: Store, website: str) -> int:
    """What a website can sell of all its sources."""
    (found,) = store.rows(
        "SELECT (SELECT sum(item.quantity) FROM inventory_source_item AS item JOIN inventory_source_stock_link AS link "
        "USING (source_code) WHERE item.sku = 'MUG' AND link.stock_id = channel.stock_id) + coalesce((SELECT "
        "sum(reserved.quantity) FROM inventory_reservation AS reserved WHERE reserved.sku = 'MUG' "
        "AND reserved.stock_id = channel.stock_id), 0) AS quantity "
        "FROM inventory_stock_sales_channel AS channel WHERE channel.code = ?",
        website,
    )
    return int(float(found["quantity"]))


def ship(shop: Business, *places: str) -> list[int]:
    """Each warehouse ships what is open there; how many fulfillments left."""
    erp = shop.hands_in_erp()
    try:
        return [Warehouse(erp, place, habits=SIMPLE).ship() for place in places]
    finally:
        erp.close()


def shipped(store: Store) -> list[tuple[str, str, int]]:
    """Order, source and units of every shipment that the store has booked."""
    rows = store.rows(
        "SELECT parent.increment_id AS number, shipment.source_code AS source, item.qty "
        "FROM sales_shipment_item AS item JOIN sales_shipment AS shipment ON shipment.entity_id = item.parent_id "
        "JOIN sales_order AS parent ON parent.entity_id = shipment.order_id"
    )
    return sorted((row["number"], row["source"], int(float(row["qty"]))) for row in rows)


# -- two websites of one store ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def websites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    rules = {
        "default": {"subsidiary": "1", "location": "1", "price_level": BASE, "base_currency": "USD"},
        "canada": {"subsidiary": "2", "location": "2", "base_currency": "CAD", "currency": CAD},
        "canada_shop": {"price_level": ONLINE},
    }
    data = {
        "websites": [{"code": "canada", "name": "Canada", "currency": "CAD"}],
        "stores": [{"code": "canada_shop", "name": "Canada", "website": "canada", "currency": "CAD"}],
        "stocks": [{"name": "Canada", "websites": ["canada"], "sources": ["west"]}],
    }
    folder = tmp_path_factory.mktemp("websites")
    with business(
        folder, erp_settings={"us": {"websites": rules}}, store_data=data, catalogue=STOCK, flows=FLOWS_ON
    ) as shop:
        day = Day(shop)
        shop.seed_erp(subsidiaries=[CANADA], locations=[{"code": "west", "name": "West", "subsidiary": 2}])
        # The west is Canada's alone.
        shop.store.sql(
            "DELETE FROM inventory_source_stock_link WHERE source_code = 'west' AND stock_id = "
            "(SELECT stock_id FROM inventory_stock WHERE name = 'Warehouses')"
        )
        sandbox = shop.store.sandbox
        front = Storefront(sandbox.base_url, sandbox.status()["credentials"], STOCK, store="canada_shop")
        canada = Store(shop.store.name, sandbox, front)

        def look(moment: str) -> None:
            day.sources[moment] = sources(shop.store)
            day.salable[moment] = {one: salable(shop.store, one) for one in ("base", "canada")}

        shop.converge(full=True)
        day.numbers |= {"home": shop.store.buy("ann", {"MUG": 2}), "member": shop.store.buy(MEMBERS[0], {"TEA": 1})}
        day.numbers["canada"] = canada.buy("ann", {"MUG": 3}, ship_to=TORONTO)
        front.close()
        shop.settle()
        shop.converge()
        look("ordered")
        assert ship(shop, "east", "west") == [2, 1]
        shop.converge()
        look("left")
        for flow in ("order_status", "shipments"):
            shop.settle(flow)
        shop.converge()
        look("booked")
        yield day


def test_orders_of_a_website_are_in_its_subsidiary_location_and_currency(websites: Day):
    found = {name: websites.order(name) for name in websites.numbers}
    assert {name: (one["subsidiary"], one["location"], one["currency"]) for name, one in found.items()} == {
        "home": (1, 1, 1),
        "member": (1, 1, 1),
        "canada": (2, 2, 3),
    }
    lines = websites.shop.erp_rows(
        'SELECT DISTINCT location FROM transactionline WHERE "transaction" = ? AND item = '
        "(SELECT id FROM item WHERE itemid = 'MUG')",
        found["canada"]["id"],
    )
    assert [one["location"] for one in lines] == [2]
    assert Decimal(found["canada"]["exchangerate"]) == 1, "of the subsidiary's currency, in which the store sold"


def test_who_buys_from_two_subsidiaries_is_a_customer_of_each_with_its_price_level_and_currency(websites: Day):
    rows = websites.shop.erp_rows(
        "SELECT id, subsidiary, currency, pricelevel FROM customer WHERE email = 'ann@example.com' ORDER BY subsidiary"
    )
    assert [(row["subsidiary"], row["currency"], row["pricelevel"]) for row in rows] == [(1, 1, 1), (2, 3, 5)]
    assert [websites.order(name)["entity"] for name in ("home", "canada")] == [row["id"] for row in rows]


def test_the_stock_of_each_location_is_the_source_of_its_website(websites: Day):
    assert websites.sources == {
        "ordered": {"east": 20, "west": 10},
        "left": {"east": 20, "west": 10},
        "booked": {"east": 18, "west": 7},
    }
    assert [websites.salable[moment] for moment in ("ordered", "left", "booked")] == [{"base": 18, "canada": 7}] * 3


def test_status_and_shipments_go_back_to_the_order_of_the_website_and_its_source(websites: Day):
    store = websites.shop.store
    for name, number in websites.numbers.items():
        tranid = websites.order(name)["tranid"]
        assert [tranid in words for words in store.erp_comments(number)] == [True]
    assert shipped(store) == sorted(
        [
            (websites.numbers["home"], "east", 2),
            (websites.numbers["member"], "east", 1),
            (websites.numbers["canada"], "west", 3),
        ]
    )


def test_nothing_is_lost_and_every_amount_agrees_on_both_websites(websites: Day):
    report = websites.shop.report()
    assert (report.orders.lost, report.orders.duplicated, report.orders.differences) == ([], [], [])
    assert (len(report.orders.in_erp), report.orders.customers_duplicated) == (3, [])
    assert (report.shipments.missing, report.shipments.booked_twice) == ([], [])


# -- two stores with the same numbers --------------------------------------------------------------


@pytest.fixture(scope="module", params=[True, False], ids=["one connection to the ERP", "a connection each"])
def stores(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    """Both have orders of the same ids and numbers, and both sell the east's stock."""
    settings: dict[str, dict[str, Any]] = {
        "us": {"subsidiary": "1", "location": "1"},
        "ca": {"subsidiary": "2", "location": "1"},
    }
    if request.param:
        settings = {"us": {"websites": {"magento_us": settings["us"], "magento_ca/base": settings["ca"]}}}
    names = ["magento_us", "magento_ca"]
    with business(
        tmp_path_factory.mktemp("stores"),
        names,
        erp_settings=settings,
        shared=request.param,
        catalogue=STOCK,
        flows=FLOWS_ON,
    ) as shop:
        shop.seed_erp(subsidiaries=[{**CANADA, "currency": "USD"}])
        day = Day(shop)
        us, ca = shop.stores.values()

        def every(flow: str) -> None:
            # The other way round than the orders came: who asks first must not take what is another's.
            for route in ("ca", "us"):
                shop.settle(flow, route)

        def stock(moment: str, *, full: bool = False) -> None:
            for routes in [("us", "ca")] if request.param else [("us",), ("ca",)]:
                shop.converge(*routes, full=full)
            day.sources[moment] = {store.name: sources(store)["east"] for store in (us, ca)}
            day.salable[moment] = {store.name: salable(store, "base") for store in (us, ca)}

        stock("opened", full=True)
        for name, quantities in (("first", (2, 3)), ("second", (1, 1))):
            day.numbers[name] = us.buy("ann", {"MUG": quantities[0]})
            assert ca.buy("zoe", {"MUG": quantities[1]}) == day.numbers[name]
            assert us.id_of(day.numbers[name]) == ca.id_of(day.numbers[name])
        every("orders")
        stock("ordered")
        ca.cancel(day.numbers["second"])
        every("orders")
        stock("cancelled")
        assert ship(shop, "east") == [3]
        stock("left")
        every("order_status")
        every("shipments")
        stock("booked")
        yield day


def test_orders_of_both_stores_are_there_once_each_in_its_subsidiary(stores: Day):
    for name in stores.numbers:
        assert len(stores.shop.in_erp(stores.numbers[name])) == 2
        assert [stores.order(name, store)["subsidiary"] for store in stores.shop.stores] == [1, 2]
    for store in stores.shop.stores:
        # Both stores' orders carry the same number, so the number alone says nothing here.
        report = stores.shop.report(store, reference="nobody's")
        assert (report.orders.lost, report.orders.duplicated, report.orders.differences) == ([], [], [])
        assert len(report.orders.in_erp) == 2


def test_each_store_nets_its_own_open_orders_and_sees_the_others_as_gone(stores: Day):
    """Of 20 there are 3 of one store's orders and 4 of the other's. Cancelled units are everybody's again at once."""
    assert stores.sources == {
        "opened": {"magento_us": 20, "magento_ca": 20},
        "ordered": {"magento_us": 16, "magento_ca": 17},
        "cancelled": {"magento_us": 17, "magento_ca": 17},
        "left": {"magento_us": 17, "magento_ca": 17},
        "booked": {"magento_us": 14, "magento_ca": 14},
    }
    west = 10
    assert [stores.salable[moment] for moment in ("ordered", "cancelled", "left", "booked")] == [
        {"magento_us": 13 + west, "magento_ca": 13 + west},
        *[{"magento_us": 14 + west, "magento_ca": 14 + west}] * 3,
    ]


def test_a_cancellation_is_of_the_store_that_cancelled(stores: Day):
    closed = [stores.order("second", store)["status"] in ("C", "H") for store in stores.shop.stores]
    assert closed == [False, True]


def test_status_is_told_to_the_store_that_took_the_order(stores: Day):
    for name, number in stores.numbers.items():
        for store in stores.shop.stores.values():
            said = store.erp_comments(number)
            assert any(stores.order(name, store.name)["tranid"] in words for words in said)
            others = [stores.order(name, other)["tranid"] for other in stores.shop.stores if other != store.name]
            assert not any(other in words for other in others for words in said)


def test_shipments_are_booked_by_the_store_that_took_the_order(stores: Day):
    """Both have an order with this id: the wrong store would ship another customer's goods."""
    us, ca = stores.shop.stores.values()
    assert shipped(us) == [(stores.numbers["first"], "east", 2), (stores.numbers["second"], "east", 1)]
    assert shipped(ca) == [(stores.numbers["first"], "east", 3)]
    for store in stores.shop.stores:
        report = stores.shop.report(store, reference="nobody's")
        assert (report.shipments.missing, report.shipments.booked_twice) == ([], [])
