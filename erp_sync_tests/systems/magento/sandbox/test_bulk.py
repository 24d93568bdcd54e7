"""Asynchronous and bulk calls: 202 is not done."""

from __future__ import annotations

from decimal import Decimal

from erp_sync_tests.systems.magento.sandbox.conftest import search

ALL = {"rest": "/rest/all"}


def product(sku, **fields):
    return {"product": {"sku": sku, "name": sku, "price": 1, "attribute_set_id": 4, "type_id": "simple", **fields}}


def status(shop, accepted):
    found = shop.call("GET", f"/V1/bulk/{accepted['bulk_uuid']}/status")
    return [(row["id"], row["status"], row["error_code"]) for row in found["operations_list"]]


def test_a_bulk_call_is_accepted_now_and_done_later(shop, clock):
    accepted = shop.call("POST", "/async/bulk/V1/products", [product("A1"), product("A2", price=-1)], **ALL)
    assert [item["status"] for item in accepted["request_items"]] == ["accepted", "accepted"]
    assert accepted["errors"] is False
    assert status(shop, accepted) == [(0, 4, None), (1, 4, None)]
    assert shop.call("GET", "/V1/products" + search(("sku", "like", "A%")))["total_count"] == 0
    clock.advance(1)
    commits = [(one.entity, one.document) for one in shop.core.tick()]
    assert commits == [("product", "A1")]
    assert status(shop, accepted) == [(0, 1, None), (1, 3, 0)]
    assert shop.call("GET", f"/V1/bulk/{accepted['bulk_uuid']}/operation-status/3") == 1
    detailed = shop.call("GET", f"/V1/bulk/{accepted['bulk_uuid']}/detailed-status")["operations_list"]
    assert '"sku":"A1"' in detailed[0]["result_serialized_data"]
    assert detailed[1]["result_message"] == "Please enter a number 0 or greater in this field."
    assert shop.call("GET", "/V1/products/A1")["price"] == 1


def test_rows_that_do_not_validate_are_rejected_inside_a_202(shop, clock):
    answer = shop.send(shop.request("POST", "/async/bulk/V1/products", [product("B1")], **ALL))
    assert answer.status == 202
    rows = [product("B2"), {"saveOptions": True}]
    request = shop.request("POST", "/async/bulk/V1/products", rows, **ALL)
    response = shop.core.handle(request).response
    assert response.status == 202
    assert b'"errors":true' in response.body
    assert b'"status":"rejected"' in response.body
    clock.advance(1)
    shop.core.tick()
    states = shop.database.column("SELECT status FROM magento_operation ORDER BY id")
    assert states == [1, 1, 5]


def test_path_parameters_are_named_by_and_come_from_the_body(shop, clock):
    rows = [{"sku": "MUG", **product("MUG", status=2)}]
    accepted = shop.call("PUT", "/async/bulk/V1/products/bySku", rows, **ALL)
    clock.advance(1)
    shop.core.tick()
    assert status(shop, accepted) == [(0, 1, None)]
    assert shop.call("GET", "/V1/products/MUG")["status"] == 2


def test_a_single_call_can_be_asynchronous_too(shop, clock):
    rows = [{"sku": "MUG", "source_code": "west", "quantity": 9.5, "status": 1}]
    accepted = shop.call("POST", "/async/V1/inventory/source-items", {"sourceItems": rows})
    assert len(accepted["request_items"]) == 1
    clock.advance(1)
    shop.core.tick()
    assert shop.source("MUG", "west") == Decimal("9.5")


def test_a_failed_operation_leaves_the_others_alone(shop, clock):
    order = shop.order(shop.item("MUG", 2))
    source = {"arguments": {"extension_attributes": {"source_code": "west"}}}
    rows = [{"orderId": 99, **source}, {"orderId": order["entity_id"], **source}]
    accepted = shop.call("POST", "/async/bulk/V1/order/byOrderId/ship", rows)
    clock.advance(1)
    shop.core.tick()
    assert status(shop, accepted) == [(0, 3, 0), (1, 1, None)]
    assert shop.source("MUG", "west") == 3


def test_five_thousand_rows_are_the_limit(open_shop):
    shop = open_shop(input_limits=True)
    answer = shop.refused("POST", "/async/bulk/V1/products", [product(f"S{n}") for n in range(5001)], **ALL)
    assert (answer.status, answer.body["parameters"]["max"]) == (400, 5000)


def test_an_unknown_bulk_is_not_found(shop):
    assert shop.refused("GET", "/V1/bulk/nonsense/status").status == 404


def test_reading_cannot_be_asynchronous(shop):
    assert shop.refused("GET", "/async/V1/products/MUG").status == 404
