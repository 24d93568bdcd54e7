"""pymagento (PyPI, MIT), written by others for real shops, works here unchanged.

Only name resolution and trust differ: the sandbox serves TLS under the shop's host name. The library sends the
integration's access token as a bearer, which a shop must allow (`enable_integration_as_bearer`).
"""

from __future__ import annotations

import pytest
from magento import Magento, MagentoException
from magento.queries import make_search_query

from erp_sync.sandbox.contract import ContractCheck
from erp_sync.sandbox.testing import running
from erp_sync.systems.magento.sandbox import contract_book, create
from erp_sync_tests.sandbox.vendor_names import resolve
from erp_sync_tests.systems.magento.sandbox.conftest import CATALOGUE, HOST, LOS_ANGELES


@pytest.fixture
def sandbox(monkeypatch):
    options = {"integration_as_bearer": True, "consumer_lag_seconds": 0.0}
    host = HOST.removeprefix("https://")
    check = ContractCheck(contract_book(options))
    with running(create, vendor="magento", options=options, contract=check, hosts=(host,)) as sandbox:
        sandbox.control("POST", "seed", CATALOGUE)
        resolve(monkeypatch, host, sandbox)
        yield sandbox
        assert sandbox.control("GET", "contract")["violations"] == []


@pytest.fixture
def client(sandbox):
    with Magento(sandbox.status()["credentials"]["access_token"], HOST) as client:
        yield client


def place(client, sku, quantity):
    """An order of a guest, through the cart; its id."""
    cart = f"/V1/guest-carts/{client.post_json_api('/V1/guest-carts', scope='default')}"
    item = {"sku": sku, "qty": quantity, "quote_id": cart.rpartition("/")[2]}
    client.post_json_api(f"{cart}/items", json={"cartItem": item}, scope="default")
    shipping = {"shipping_address": LOS_ANGELES, "billing_address": LOS_ANGELES}
    shipping |= {"shipping_carrier_code": "flatrate", "shipping_method_code": "flatrate"}
    client.post_json_api(f"{cart}/shipping-information", json={"addressInformation": shipping}, scope="default")
    payment = {"email": "ada@example.com", "paymentMethod": {"method": "checkmo"}, "billingAddress": LOS_ANGELES}
    return int(client.post_json_api(f"{cart}/payment-information", json=payment, scope="default"))


def test_it_ships_an_order_in_part(sandbox, client):
    order = client.get_order(place(client, "MUG", 3))
    item = order["items"][0]["item_id"]
    parcel = {
        "items": [{"order_item_id": item, "qty": 1}],
        "notify": True,
        "tracks": [{"track_number": "1Z999", "title": "UPS", "carrier_code": "ups"}],
        "arguments": {"extension_attributes": {"source_code": "east"}},
    }
    shipment = client.get_shipment(client.ship_order(order["entity_id"], parcel))
    assert [track["track_number"] for track in shipment["tracks"]] == ["1Z999"]
    assert [one["entity_id"] for one in client.get_order_shipments(order["entity_id"])] == [shipment["entity_id"]]
    assert client.get_order_by_increment_id(order["increment_id"])["items"][0]["qty_shipped"] == 1
    (left,) = client.get_source_items(source_code="east", sku="MUG")
    assert left["quantity"] == 9
    assert [commit["document"] for commit in sandbox.commits(entity="sales_order", change="create")] == ["000000001"]
    with pytest.raises(MagentoException, match="Shipment Document Validation Error"):
        client.ship_order(order["entity_id"], {"items": [{"order_item_id": item, "qty": 5}]})


def test_it_lists_orders_page_by_page(client):
    placed = [place(client, "TEA", quantity) for quantity in (1, 2, 3)]
    assert [order["entity_id"] for order in client.get_orders(page_size=2)] == placed
    assert client.get_total_orders_count() == 3
    query = make_search_query([[("increment_id", "000000002,000000003", "in")]], sort_orders=[("entity_id", "DESC")])
    assert [order["increment_id"] for order in client.get_orders(query=query)] == ["000000003", "000000002"]
    assert len(list(client.get_orders(status="pending", fields="increment_id"))) == 3


def test_it_writes_stock_and_prices(client):
    item = {"sku": "TEA", "source_code": "west", "quantity": 7, "status": 1}
    assert client.save_source_items([item]) == []
    assert {(one["source_code"], one["quantity"]) for one in client.get_source_items(sku="TEA")} == {
        ("east", 100), ("west", 7),
    }  # fmt: skip
    assert client.save_base_prices([{"price": 4.5, "store_id": 0, "sku": "TEA"}]) == []
    assert [price["price"] for price in client.get_base_prices(["TEA"])] == [4.5]
    special = {"sku": "MUG", "price": 19.99, "store_id": 0}
    special |= {"price_from": "2026-11-03 00:00:00", "price_to": "2036-11-04 00:00:00"}
    assert client.save_special_prices([special]) == []
    assert [price["price"] for price in client.get_special_prices(["MUG"])] == [19.99]
    client.delete_special_prices([special])
    assert list(client.get_special_prices(["MUG"])) == []


def test_it_updates_products_in_bulk(sandbox, client):
    accepted = client.async_update_products([{"sku": "MUG", "name": "Big mug"}, {"sku": "TEA", "name": "Green tea"}])
    sandbox.control("POST", "tick")
    status = client.get_bulk_status(accepted["bulk_uuid"])
    assert [operation["status"] for operation in status["operations_list"]] == [1, 1]
    assert client.get_product("MUG")["name"] == "Big mug"


def test_a_wrong_token_gets_nowhere(sandbox):
    with (
        Magento("0" * 32, HOST) as client,
        pytest.raises(MagentoException, match="isn't authorized to access Magento_Sales::actions_view") as refused,
    ):
        list(client.get_orders())
    assert "%resources" in refused.value.message  # the library puts the parameters in, as it must with the vendor
