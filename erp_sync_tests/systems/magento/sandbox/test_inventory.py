"""Sources, source items and salable quantity."""

from __future__ import annotations

import sqlite3
from decimal import Decimal

import pytest

from erp_sync.systems.magento.sandbox import inventory
from erp_sync_tests.systems.magento.sandbox.conftest import CATALOGUE, search


def push(shop, *items, how=None):
    rows = [
        {"sku": sku, "source_code": source, "quantity": quantity, "status": int(quantity > 0)}
        for sku, source, quantity in items
    ]
    return shop.call("POST", "/V1/inventory/source-items", {"sourceItems": rows})


def test_source_items_are_written_by_sku_and_source_and_answer_an_empty_array(shop):
    assert push(shop, ("MUG", "west", 7), ("NEW", "west", 1)) == []
    found = shop.call(
        "GET", "/V1/inventory/source-items" + search(("source_code", "eq", "west"), ("sku", "in", "MUG,NEW"))
    )
    assert [(row["sku"], row["quantity"]) for row in found["items"]] == [("MUG", 7), ("NEW", 1)]
    assert shop.salable("MUG") == 17


def test_an_unknown_sku_is_taken_and_an_unknown_source_spoils_the_whole_call(shop):
    assert push(shop, ("NO-SUCH-SKU", "east", 5)) == []
    assert shop.source("NO-SUCH-SKU", "east") == 5
    rows = [{"sku": "MUG", "source_code": "east", "quantity": 1, "status": 1},
            {"sku": "EBOOK", "source_code": "north", "quantity": 1, "status": 1}]  # fmt: skip
    answer = shop.refused("POST", "/V1/inventory/source-items", {"sourceItems": rows})
    assert (answer.status, answer.message) == (400, "Could not save Source Item")
    assert shop.source("MUG", "east") == 10


def test_blanks_are_named(shop):
    rows = [{"sku": " MUG", "source_code": "east", "quantity": 1, "status": 1}]
    answer = shop.refused("POST", "/V1/inventory/source-items", {"sourceItems": rows})
    assert answer.message == 'Validation Failed: "sku" can not contain leading or trailing spaces.'
    assert answer.body["errors"][0]["parameters"] == {"field": "sku"}


def test_a_row_without_quantity_or_status_spoils_the_whole_call(shop):
    rows = [{"sku": "MUG", "source_code": "east", "quantity": 1, "status": 1},
            {"sku": "TEA", "source_code": "east", "status": 1}, {"sku": "TEA", "source_code": "west"}]  # fmt: skip
    answer = shop.refused("POST", "/V1/inventory/source-items", {"sourceItems": rows})
    assert (answer.status, answer.message) == (400, 'Validation Failed: "quantity" should be numeric.')
    assert [one["parameters"]["field"] for one in answer.body["errors"]] == ["quantity", "quantity", "status"]
    assert shop.source("MUG", "east") == 10


def test_an_article_of_a_bundle_that_ships_together_gets_no_source_that_the_bundle_does_not_have(shop):
    """The test of the vendor: magento/inventory, Test/Api/BundleProductAddSourceToChildValidationTest.php."""
    shop.core.seed({"locations": [{"code": "north", "name": "North"}]})
    rows = [{"sku": "TEA", "source_code": place, "quantity": 1, "status": 1} for place in ("west", "north")]
    answer = shop.refused("POST", "/V1/inventory/source-items", {"sourceItems": rows})
    assert answer.status == 400
    assert answer.message.startswith('Validation Failed: Not able to assign "north" to product "TEA", as it is part of')
    assert answer.body["errors"][0]["parameters"][:2] == ["north", "TEA"]
    assert (shop.source("TEA", "west"), shop.source("TEA", "north")) == (None, None)
    push(shop, ("TEA", "west", 1))  # the mug lies there
    shop.database.run("UPDATE catalog_product_entity SET shipment_type = 1 WHERE sku = 'SET'")
    push(shop, ("TEA", "north", 1))
    assert shop.source("TEA", "north") == 1


def test_a_quantity_that_the_column_cannot_hold_is_clipped_without_a_word(shop):
    push(shop, ("MUG", "east", 123456789))
    assert shop.source("MUG", "east") == Decimal("99999999.9999")


def test_a_quantity_that_is_no_number_and_a_property_that_is_none(shop):
    rows = [{"sku": "MUG", "source_code": "east", "quantity": "many", "status": 1}]
    request = shop.request("POST", "/V1/inventory/source-items", {"sourceItems": rows})
    response = shop.core.handle(request).response
    assert response.status == 400
    assert b'The \\"float\\" type was expected' in response.body
    rows = [{"sku": "MUG", "source_code": "east", "qty": 1, "status": 1}]
    request = shop.request("POST", "/V1/inventory/source-items", {"sourceItems": rows})
    assert shop.core.handle(request).response.status == 500
    assert "does not have accessor method" in shop.database.value("SELECT message FROM sandbox_report")


def test_more_than_twenty_rows_are_refused_with_input_limits_on(open_shop):
    shop = open_shop(input_limits=True)
    rows = [{"sku": f"S{n}", "source_code": "east", "quantity": 1, "status": 1} for n in range(21)]
    answer = shop.refused("POST", "/V1/inventory/source-items", {"sourceItems": rows})
    assert (answer.status, answer.body["parameters"]["max"]) == (400, 20)
    shop.call("POST", "/V1/inventory/source-items", {"sourceItems": rows[:20]})


def test_the_index_trails_when_indexers_run_on_schedule(open_shop, clock):
    shop = open_shop(index_lag_seconds=60)
    assert shop.core.status()["settle_seconds"]["inventory_source_item"] == 60
    push(shop, ("MUG", "west", 0))
    assert shop.salable("MUG") == 15
    clock.advance(59)
    shop.core.tick()
    assert shop.salable("MUG") == 15
    clock.advance(1)
    shop.core.tick()
    assert shop.salable("MUG") == 10


def test_a_disabled_source_sells_nothing(shop):
    shop.call("PUT", "/V1/inventory/sources/east", {"source": {"enabled": False}})
    assert shop.salable("MUG") == 5
    assert shop.call("GET", "/V1/inventory/sources/east")["enabled"] is False


def test_a_source_item_out_of_stock_counts_as_nothing(shop):
    rows = [{"sku": "MUG", "source_code": "east", "quantity": 10, "status": 0}]
    shop.call("POST", "/V1/inventory/source-items", {"sourceItems": rows})
    assert shop.salable("MUG") == 5


def test_backorders_sell_below_zero(shop):
    page = shop.call("GET", "/V1/products/MUG")
    item = page["extension_attributes"]["stock_item"]
    setting = {"stockItem": {"backorders": 1, "use_config_backorders": False}}
    shop.call("PUT", f"/V1/products/MUG/stockItems/{item['item_id']}", setting)
    shop.order(shop.item("MUG", 20))
    assert shop.salable("MUG") == -5
    assert shop.call("GET", "/V1/inventory/is-product-salable/MUG/2") is True


def test_the_export_counts_its_page_and_leaves_out_what_has_no_source(shop):
    path = "/V1/inventory/export-stock-salable-qty/website/base"
    shop.order(shop.item("MUG", 4))
    every = {row["sku"]: row for row in shop.call("GET", path + search())["items"]}
    assert every["MUG"] == {"sku": "MUG", "qty": 11, "is_salable": True}
    assert every["SHIRT-M"] == {"sku": "SHIRT-M", "qty": 0, "is_salable": False}
    assert every["SHIRT"]["is_salable"] is True
    assert "OLD" not in every
    page = shop.call("GET", path + search(pageSize=2))
    assert (len(page["items"]), page["total_count"]) == (2, 2)


@pytest.mark.parametrize(("sku", "status"), [("SET", 400), ("NONE", 404)])
def test_salable_quantity_is_of_stocked_products(shop, sku, status):
    assert shop.refused("GET", f"/V1/inventory/get-product-salable-quantity/{sku}/2").status == status


def test_stock_of_a_website_and_its_sources(shop):
    stock = shop.call("GET", "/V1/inventory/stock-resolver/website/base")
    assert (stock["stock_id"], stock["name"]) == (2, "Warehouses")
    sources = shop.call("GET", "/V1/inventory/get-sources-assigned-to-stock-ordered-by-priority/2")
    assert [source["source_code"] for source in sources] == ["east", "west"]
    links = shop.call("GET", "/V1/inventory/stock-source-links" + search(("stock_id", "eq", "2")))
    assert links["total_count"] == 2


def test_moving_stock_between_sources(shop):
    body = {"originSourceCode": "east", "destinationSourceCode": "west", "items": [{"sku": "MUG", "qty": 4}]}
    shop.call("POST", "/V1/inventory/bulk-partial-source-transfer", body)
    assert (shop.source("MUG", "east"), shop.source("MUG", "west")) == (6, 9)
    shop.call("POST", "/V1/inventory/source-items-delete", {"sourceItems": [{"sku": "MUG", "source_code": "west"}]})
    assert shop.salable("MUG") == 6


def test_a_virtual_product_leaves_its_source_when_it_is_invoiced(shop):
    shop.order(shop.item("EBOOK", 2), method="paypal_express")
    assert (shop.source("EBOOK", "east"), shop.reserved("EBOOK")) == (48, 0)


def test_reservations_and_sources_always_explain_the_salable_quantity(shop):
    """Whatever happens to orders, salable = sources + reservations, and nothing shipped is counted twice."""
    first, second = shop.order(shop.item("MUG", 3)), shop.order(shop.item("MUG", 2), shop.tea_set())
    source = {"arguments": {"extension_attributes": {"source_code": "east"}}}
    item = {"order_item_id": first["items"][0]["item_id"], "qty": 2}
    shop.call("POST", f"/V1/order/{first['entity_id']}/ship", {"items": [item], **source})
    shop.call("POST", f"/V1/orders/{second['entity_id']}/cancel")
    shop.call("POST", f"/V1/orders/{first['entity_id']}/cancel")
    for sku, opening in (("MUG", 15), ("TEA", 100)):
        sources = sum(
            shop.database.column("SELECT quantity FROM inventory_source_item WHERE sku = ?", [sku]), Decimal(0)
        )
        assert shop.salable(sku) == sources + shop.reserved(sku)
        assert shop.reserved(sku) == 0
        assert sources == opening - (2 if sku == "MUG" else 0)


def test_a_large_catalogue_is_loaded_at_once(open_shop):
    shop = open_shop()
    counts = shop.core.seed(
        {
            "items": [{"sku": f"SKU-{n}", "name": f"Item {n}", "price": "1.00"} for n in range(2000)],
            "stock": [
                {"sku": f"SKU-{n}", "location": code, "quantity": "3"} for n in range(2000) for code in ("east", "west")
            ],
        }
    )
    assert counts == {"items": 2000, "stock": 4000}
    # A list without pageSize answers everything, however many values one query may carry.
    shop.database._connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 600)
    skus = [f"SKU-{n}" for n in range(2000)]
    for path in ("/V1/products", "/V1/inventory/source-items", "/V1/inventory/export-stock-salable-qty/website/base"):
        assert len(shop.call("GET", path + search())["items"]) >= 2000
    assert len(shop.call("POST", "/V1/products/base-prices-information", {"skus": skus})) == 2000
    assert shop.call("POST", "/V1/products/tier-prices-information", {"skus": skus}) == []
    assert shop.call("POST", "/V1/products/special-price-information", {"skus": skus}) == []
    assert shop.salable("SKU-1999") == 6
    assert len(CATALOGUE["items"]) + 2000 == shop.call("GET", "/V1/products" + search(pageSize=1))["total_count"]


def test_the_stock_index_adds_up_exactly(shop):
    """Ten times 0.1 less 1 is nothing, and a hundredth of a cent more than a large quantity is more."""
    stock = inventory.stock_of_website(shop.core.shop, "base")
    shop.database.run("DELETE FROM inventory_source_item WHERE sku = 'MUG'")
    large = Decimal("123456789012345.6789")
    row = {"sku": "MUG", "source_code": "east", "quantity": large, "status": 1}
    shop.database.insert("inventory_source_item", row)

    def reserve(*quantities):
        for quantity in quantities:
            reservation = {"stock_id": stock, "sku": "MUG", "quantity": quantity, "metadata": "{}"}
            shop.database.insert("inventory_reservation", reservation)
        inventory.reindex(shop.core.shop, ["MUG"])
        return shop.database.row(
            "SELECT quantity, is_salable FROM inventory_stock_index WHERE sku = 'MUG' AND stock_id = ?", [stock]
        )

    assert reserve(*[Decimal("-0.1")] * 10, 1 - large) == {"quantity": large, "is_salable": 0}
    assert reserve(Decimal("0.0001")) == {"quantity": large, "is_salable": 1}
