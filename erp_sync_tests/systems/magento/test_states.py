"""Stock, prices and products as targets; customers and credit memos as sources."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from erp_sync.model.price import Price, PriceKind
from erp_sync.model.product import Product, ProductKind
from erp_sync.model.stock import StockOffer
from erp_sync.ports.documents import Requirement
from erp_sync.ports.outcomes import Accepted, Again, Applied, NotSent, Refused, Unknown
from erp_sync.ports.raw import BadRecord, Window
from erp_sync.transport.errors import NotSentError, OutcomeUnknown, Rejected
from erp_sync_tests.systems.magento.store_fake import ADDRESS, D, FakeSender, connector, search
from erp_sync_tests.systems.magento.test_order_mapping import Table

WINDOW = Window(start=datetime(2026, 1, 2, tzinfo=UTC), end=datetime(2026, 1, 3, tzinfo=UTC))
PRODUCTS = [
    {"id": number, "entity_id": number, "sku": sku, "price": D("5"), "status": 1, "name": sku, "type_id": "simple"}
    for number, sku in enumerate(("A", "B", "C", "SHIRT"), start=1)
]


def sender_with_products() -> FakeSender:
    sender = FakeSender()
    sender.answer("GET", "products", search(PRODUCTS))
    sender.answer("GET", "inventory/sources", search([{"source_code": "east"}, {"source_code": "west"}]))
    return sender


# Stock ----------------------------------------------------------------------------------------


def offer(sku: str = "A", quantity: Any = 5, source: str = "east", in_stock: bool = True) -> StockOffer:
    return StockOffer(connection="magento_us", sku=sku, source=source, quantity=D(quantity), in_stock=in_stock)


def test_stock_is_written_in_batches_by_sku_and_source():
    sender = sender_with_products()
    sender.answer("POST", "inventory/source-items", [])
    target = connector(sender, batch_size={"stock_level.write": 2}).port("stock_level", "target")
    outcomes = target.submit([offer("A"), offer("B", 0, in_stock=False), offer("C", "1.5", "west")])
    assert [one.receipt.target_id for one in outcomes] == ["east/A", "east/B", "west/C"]
    first, second = sender.made("stock_level.write")
    assert first.json["sourceItems"] == [
        {"sku": "A", "source_code": "east", "quantity": D("5.0000"), "status": 1},
        {"sku": "B", "source_code": "east", "quantity": D("0.0000"), "status": 0},
    ]
    assert len(second.json["sourceItems"]) == 1


def test_input_limits_make_batches_of_twenty():
    sender = FakeSender()
    skus = [f"S{number}" for number in range(45)]
    sender.answer("GET", "products", lambda call: {"items": [{"id": 1, "sku": sku} for sku in skus], "total_count": 45})
    sender.answer("GET", "inventory/sources", search([{"source_code": "east"}]))
    sender.answer("POST", "inventory/source-items", [])
    target = connector(sender, input_limits=True).port("stock_level", "target")
    target.submit([offer(sku) for sku in skus])
    assert [len(call.json["sourceItems"]) for call in sender.made("stock_level.write")] == [20, 20, 5]


def test_an_unknown_sku_or_source_is_refused_alone_and_leaves_no_orphan():
    sender = sender_with_products()
    sender.answer("POST", "inventory/source-items", [])
    target = connector(sender).port("stock_level", "target")
    rows = [offer("GHOST"), offer("A"), offer("A", source="moon"), offer("B", -1), offer("A")]
    ghost, good, moon, negative, twice = target.submit(rows)
    assert (ghost.code, ghost.again, ghost.requirement) == (
        "unknown_sku",
        Again.AFTER_DEPENDENCY,
        ("product", "GHOST"),
    )
    assert isinstance(good, Applied)
    assert (moon.code, negative.code, twice.code) == ("unknown_source", "negative_quantity", "twice_in_batch")
    (call,) = sender.made("stock_level.write")
    assert [item["sku"] for item in call.json["sourceItems"]] == ["A"]


def test_known_skus_are_asked_for_once():
    sender = sender_with_products()
    sender.answer("POST", "inventory/source-items", [])
    target = connector(sender).port("stock_level", "target")
    for _ in range(3):
        target.submit([offer("A"), offer("B")])
    assert len(sender.made("product.resolve")) == 1
    assert len(sender.made("stock_level.read_sources")) == 1


def test_a_refused_batch_is_marked_for_bisection_and_a_lost_one_is_unknown():
    sender = sender_with_products()
    target = connector(sender).port("stock_level", "target")
    sender.answer("POST", "inventory/source-items", lambda call: Rejected(400, "invalid_value", "Validation Failed"))
    assert [one.whole_batch for one in target.submit([offer("A"), offer("B")])] == [True, True]
    assert [one.whole_batch for one in target.submit([offer("A")])] == [False]
    sender.answer("POST", "inventory/source-items", lambda call: OutcomeUnknown("timeout"))
    assert all(isinstance(one, Unknown) for one in target.submit([offer("A"), offer("B")]))


@pytest.mark.parametrize(
    ("entity", "path"), [("stock_level", "inventory/source-items"), ("price", "products/base-prices")]
)
def test_a_state_write_is_never_tried_twice_in_one_call(entity: str, path: str):
    """The first attempt, given up, may still be carried out: after a newer value was written by then."""
    sender = sender_with_products()
    target = price_target(sender) if entity == "price" else connector(sender).port(entity, "target")
    sender.answer("POST", path, lambda call: OutcomeUnknown("timeout"))
    target.submit([offer("A") if entity == "stock_level" else price("A")])
    assert [call.repeatable for call in sender.calls if path in call.path and call.method == "POST"] == [False]


def test_stock_is_not_sent_where_the_check_before_it_failed():
    sender = FakeSender()
    sender.answer("GET", "products", lambda call: OutcomeUnknown("timeout"))
    target = connector(sender).port("stock_level", "target")
    assert all(isinstance(one, NotSent) for one in target.submit([offer("A")]))


def test_stock_read_back_has_the_values_that_were_written():
    sender = sender_with_products()
    stored = {"sku": "A", "source_code": "east", "quantity": D("4.9999999999999996"), "status": 1}
    sender.answer("GET", "inventory/source-items", search([stored]))
    target = connector(sender).port("stock_level", "target")
    ((row,),) = target.read(["A"])
    assert target.key(row) == target.key(offer("A"))
    assert target.values(row) == target.values(offer("A"))
    assert [one.sku for page in target.snapshot() for one in page] == ["A"]
    assert target.nets_own_orders


def test_salable_quantity_is_read_for_a_website():
    sender = FakeSender()
    sender.answer("GET", "inventory/export-stock-salable-qty/website/base", search([{"sku": "A", "qty": 3}]))
    target = connector(sender).port("stock_level", "target")
    assert target.salable(["A", "B"], "base") == {"A": 3}


# Prices ---------------------------------------------------------------------------------------


def price(sku: str = "A", amount: str = "9.99", **changes: Any) -> Price:
    return Price(**{"connection": "c", "scope": "", "sku": sku, "currency": "USD", "amount": D(amount), **changes})


def price_target(sender: FakeSender, **changes: Any) -> Any:
    return connector(sender, Table(customer_groups={"5": "Wholesale"}), **changes).port("price", "target")


def test_base_special_and_tier_prices_go_to_their_own_calls():
    sender = sender_with_products()
    for path in ("base-prices", "special-price", "tier-prices"):
        sender.answer("POST", f"products/{path}", [])
    target = price_target(sender)
    rows = [
        price(),
        price(kind=PriceKind.SPECIAL, amount="7", valid_from=WINDOW.start, valid_to=WINDOW.end),
        price(kind=PriceKind.TIER, amount="8", quantity=D(10), group="5"),
        price("B", kind=PriceKind.TIER, amount="8", quantity=D(10)),
    ]
    assert all(isinstance(one, Applied) for one in target.submit(rows))
    assert sender.made("price.write_base")[0].json == {"prices": [{"price": D("9.9900"), "store_id": 0, "sku": "A"}]}
    (special,) = sender.made("price.write_special")[0].json["prices"]
    assert (special["price_from"], special["price_to"]) == ("2026-01-02 00:00:00", "2026-01-02 23:59:59")
    (tier,) = sender.made("price.write_tier")
    assert tier.method == "POST"  # PUT would wipe the other rows of these SKUs
    assert [row["customer_group"] for row in tier.json["prices"]] == ["Wholesale", "ALL GROUPS"]


def test_a_failure_inside_a_200_refuses_its_row_only():
    sender = sender_with_products()
    failure = {
        "message": "Invalid attribute %fieldName = %fieldValue. Row ID: SKU = %SKU, Store ID: %storeId.",
        "parameters": ["Price", "9.99", "B", "0"],
    }
    sender.answer("POST", "products/base-prices", [failure])
    first, second, third = price_target(sender).submit([price("A"), price("B"), price("C")])
    assert isinstance(first, Applied)
    assert isinstance(third, Applied)
    assert second == Refused(
        code="price_refused", message="Invalid attribute Price = 9.99. Row ID: SKU = B, Store ID: 0."
    )


def test_a_tier_failure_is_told_from_its_siblings_by_quantity_and_group():
    sender = sender_with_products()
    failure = {
        "message": "Invalid attribute %fieldName = %fieldValue. Row ID: SKU = %SKU, Quantity: %qty.",
        "parameters": {"fieldName": "Price", "fieldValue": "-8", "SKU": "A", "qty": "20.0000"},
    }
    sender.answer("POST", "products/tier-prices", [failure])
    rows = [price(kind=PriceKind.TIER, quantity=D(quantity)) for quantity in (10, 20)]
    ten, twenty = price_target(sender).submit(rows)
    assert isinstance(ten, Applied)
    assert twenty.code == "price_refused"


def test_a_failure_that_names_no_row_leaves_all_unknown():
    sender = sender_with_products()
    sender.answer("POST", "products/base-prices", [{"message": "Something failed", "parameters": []}])
    assert all(isinstance(one, Unknown) for one in price_target(sender).submit([price("A"), price("B")]))


@pytest.mark.parametrize(
    ("row", "code"),
    [
        (price(currency="EUR"), "wrong_currency"),
        (price(amount="-1"), "negative_price"),
        (price("GHOST"), "unknown_sku"),
        (price(kind=PriceKind.COST), "unsupported_price_kind"),
    ],
)
def test_prices_that_must_not_go_are_refused_before_anything_is_sent(row, code):
    sender = sender_with_products()
    (done,) = price_target(sender).submit([row])
    assert done.code == code
    assert all(call.method == "GET" for call in sender.calls)


def test_prices_read_back_have_the_keys_and_values_that_were_written():
    sender = sender_with_products()
    written: dict[str, list[Any]] = {}

    def keep(kind: str):
        def answer(call: Any) -> list[Any]:
            written[kind] = call.json["prices"]
            return []

        return answer

    for kind, path in (("base", "base-prices"), ("special", "special-price"), ("tier", "tier-prices")):
        sender.answer("POST", f"products/{path}", keep(kind))
        stem = path if path != "special-price" else "special-price"
        sender.answer("POST", f"products/{stem}-information", lambda call, kind=kind: written.get(kind, []))
    target = price_target(sender)
    rows = [
        price(),
        price(kind=PriceKind.SPECIAL, valid_from=WINDOW.start, valid_to=WINDOW.end),
        price("B", kind=PriceKind.SPECIAL),
        price(kind=PriceKind.TIER, quantity=D(10), group="5"),
        price(kind=PriceKind.TIER, quantity=D(10)),
    ]
    target.submit(rows)
    read = {target.key(row): target.values(row) for page in target.read(["A", "B"]) for row in page}
    assert read == {target.key(row): target.values(row) for row in rows}


def test_special_prices_are_removed_with_their_full_rows():
    sender = sender_with_products()
    sender.answer("POST", "products/special-price-delete", [])
    row = price(kind=PriceKind.SPECIAL, valid_from=WINDOW.start, valid_to=WINDOW.end)
    base = price()
    gone, kept = price_target(sender).remove([row, base])
    assert isinstance(gone, Applied)
    assert kept.code == "unsupported_price_kind"


# Products -------------------------------------------------------------------------------------


def product(sku: str = "NEW", **changes: Any) -> Product:
    values: dict[str, Any] = {"connection": "c", "scope": "", "native_id": "1", "sku": sku, "name": f"Name {sku}"}
    return Product(**values | changes)


def product_target(sender: FakeSender, **changes: Any) -> Any:
    def bulk(call: Any) -> dict[str, Any]:
        items = [{"id": number, "data_hash": "", "status": "accepted"} for number in range(len(call.json))]
        return {"bulk_uuid": "u-1", "request_items": items, "errors": False}

    sender.answer("POST", "products", bulk)
    return connector(sender, **changes).port("product", "target")


def test_products_are_written_in_bulk_at_global_scope_and_polled():
    sender = sender_with_products()
    target = product_target(sender, website_ids=[1], categories={"Mugs": 7})
    rows = [product(custom={"base_price": D("12")}, categories=("Mugs", "Other"), weight=D("0.4")), product("A")]
    new, changed = target.submit(rows)
    (call,) = sender.made("product.write")
    assert call.path == "/rest/all/async/bulk/V1/products"
    assert call.json[0]["product"] == {
        "sku": "NEW",
        "name": "Name NEW",
        "status": 1,
        "type_id": "simple",
        "visibility": 4,
        "attribute_set_id": 4,
        "weight": D("0.4000"),
        "price": D("12.0000"),
        "custom_attributes": [{"attribute_code": "url_key", "value": "name-new"}],
        "extension_attributes": {"website_ids": [1], "category_links": [{"category_id": "7", "position": 0}]},
    }
    assert not {"price", "custom_attributes"} & set(call.json[1]["product"])
    operations = [{"id": 0, "status": 4, "result_message": "", "error_code": 0}]
    sender.answer("GET", "bulk/u-1/status", lambda call: {"operations_list": operations, "operation_count": 2})
    assert [type(one) for one in target.settle([new.handle, changed.handle])] == [Accepted, Accepted]
    operations[:] = [
        {"id": 0, "status": 1, "result_message": "done", "error_code": 0},
        {"id": 1, "status": 2, "result_message": "Deadlock", "error_code": 1213},
    ]
    first, second = target.settle([new.handle, changed.handle])
    assert isinstance(first, Applied)
    assert (second.code, second.again) == ("product_failed", Again.LATER)


def test_a_row_that_the_bulk_rejects_is_refused_though_the_answer_is_202():
    sender = sender_with_products()
    target = product_target(sender)
    items = [{"id": 0, "status": "rejected", "error_message": "sku is missing"}, {"id": 1, "status": "accepted"}]
    sender.answer("POST", "products", {"bulk_uuid": "u-1", "request_items": items, "errors": True})
    bad, good = target.submit([product("A"), product("B")])
    assert "sku is missing" in bad.message
    assert isinstance(good, Accepted)


def test_a_new_product_without_a_price_is_not_sold():
    sender = sender_with_products()
    target = product_target(sender)
    (taken,) = target.submit([product()])
    body = sender.made("product.write")[0].json[0]["product"]
    assert (body["price"], body["status"]) == (0, 2)
    operations = [{"id": 0, "status": 1, "result_message": "done", "error_code": 0}]
    sender.answer("GET", "bulk/u-1/status", {"operations_list": operations, "operation_count": 1})
    (made,) = target.settle([taken.handle])
    assert (type(made), made.lacks) == (Applied, ("price", "NEW"))


def test_an_existing_product_is_not_enabled_before_it_has_a_price():
    sender = FakeSender()
    sender.answer("GET", "products", search([{**PRODUCTS[0], "price": 0, "status": 2}]))
    (done,) = product_target(sender).submit([product("A")])
    assert (done.code, done.again) == ("price_missing", Again.LATER)
    (off,) = product_target(sender).submit([product("A", active=False)])
    assert isinstance(off, Accepted)
    assert sender.made("product.write")[0].json[0]["product"]["status"] == 2


COLOURS = {
    "attribute_id": 93,
    "attribute_code": "color",
    "default_frontend_label": "Color",
    "options": [{"label": " ", "value": ""}, {"label": "Red", "value": "51"}],
}


def test_a_configurable_product_names_its_attributes_and_a_variant_is_linked_when_it_is_there():
    sender = sender_with_products()
    colours = {**COLOURS, "options": list(COLOURS["options"])}
    sender.answer("GET", "products/attributes/color", lambda call: colours)

    def add(call: Any) -> str:
        colours["options"].append({"label": call.json["option"]["label"], "value": "52"})
        return "id_52"

    sender.answer("POST", "products/attributes/color/options", add)
    sender.answer("POST", "configurable-products/SHIRT/child", True)
    target = product_target(sender)
    parent = product("HOODIE", kind=ProductKind.CONFIGURABLE, variant_attributes=("color",))
    variant = product("SHIRT-BLUE", variant_of="SHIRT", variant_options=(("color", "Blue"),))
    assert target.requirements(variant) == [Requirement("product", "SHIRT")]
    _, accepted = target.submit([parent, variant])
    bodies = [one["product"] for one in sender.made("product.write")[0].json]
    assert bodies[0]["extension_attributes"]["configurable_product_options"] == [
        {"attribute_id": "93", "label": "Color", "position": 0, "values": [{"value_index": 51}]}
    ]
    assert bodies[1]["custom_attributes"] == [
        {"attribute_code": "color", "value": "52"},
        {"attribute_code": "url_key", "value": "name-shirt-blue"},
    ]
    assert bodies[1]["visibility"] == 1
    sender.answer("GET", "bulk/u-1/status", {"operations_list": [{"id": 1, "status": 1}], "operation_count": 2})
    (done,) = target.settle([accepted.handle])
    assert isinstance(done, Applied)
    (link,) = sender.made("product.link_variant")
    assert link.json == {"childSku": "SHIRT-BLUE"}


def test_a_variant_waits_for_its_configurable_product():
    sender = sender_with_products()
    (done,) = product_target(sender).submit([product("X", variant_of="NOWHERE")])
    assert (done.code, done.requirement) == ("unknown_parent", ("product", "NOWHERE"))


def test_a_configurable_product_with_a_slash_in_its_sku_is_refused_before_it_is_needed_in_a_url():
    (done,) = product_target(sender_with_products()).submit([product("X", variant_of="A/B")])
    assert done.code == "sku_with_slash"


def test_a_bulk_that_cannot_be_read_stays_accepted_and_a_forgotten_one_is_unknown():
    sender = sender_with_products()
    target = product_target(sender)
    (accepted,) = target.submit([product("A")])
    sender.answer("GET", "bulk/u-1/status", lambda call: NotSentError("no slot"))
    assert target.settle([accepted.handle]) == [accepted]
    sender.answer("GET", "bulk/u-1/status", lambda call: Rejected(404, "not_found", "No such entity"))
    assert isinstance(target.settle([accepted.handle])[0], Unknown)


def test_products_read_back_are_compared_on_what_was_written():
    sender = sender_with_products()
    target = product_target(sender)
    ((row,),) = target.read(["A"])
    assert target.values(row) == target.values(product("A", name="A"))


# Customers and credit memos -------------------------------------------------------------------


def customer(**changes: Any) -> dict[str, Any]:
    return {
        "id": 7, "entity_id": 7, "website_id": 1, "group_id": 3, "email": "ada@example.com", "firstname": "Ada",
        "lastname": "Lovelace", "taxvat": "US1", "created_at": "2026-01-01 00:00:00",
        "updated_at": "2026-01-02 03:00:00",
        "addresses": [{**ADDRESS, "id": 1, "region": {"region_code": "CA", "region": "California"},
                       "default_billing": True, "company": "Engines"}], **changes,
    }  # fmt: skip


def test_customers_come_with_their_addresses_and_group():
    sender = FakeSender()
    sender.answer("GET", "customers/search", search([customer()]))
    source = connector(sender).port("customer", "source")
    ((raw,),) = source.changed(WINDOW)
    assert source.peek(WINDOW) == {"7": raw.version}
    mapped = source.to_canonical(raw, Table())
    assert (mapped.native_id, mapped.scope, mapped.group, mapped.company) == ("7", "base", "3", "Engines")
    (entry,) = mapped.addresses
    assert (entry.default_billing, entry.default_shipping, entry.address.region) == (True, False, "CA")


def test_credit_memos_become_refunds_with_variants_once():
    sender = FakeSender()
    memo = {
        "entity_id": 3, "increment_id": "0003", "order_id": 5, "state": 2, "store_id": 1, "order_currency_code": "USD",
        "grand_total": D("21.50"), "shipping_amount": 5, "adjustment_positive": 1, "adjustment_negative": D("0.5"),
        "created_at": "2026-01-02 03:00:00", "updated_at": "2026-01-02 03:00:00",
        "items": [
            {"entity_id": 1, "order_item_id": 11, "sku": "SHIRT-S", "qty": 1, "row_total": 20, "discount_amount": 5,
             "tax_amount": 1},
            {"entity_id": 2, "order_item_id": 12, "sku": "SHIRT-S", "qty": 1, "row_total": 0},
            {"entity_id": 3, "order_item_id": 13, "sku": "MUG", "qty": 0, "row_total": 0},
        ],
    }  # fmt: skip
    sender.answer("GET", "creditmemos", search([memo]))
    source = connector(sender).port("refund", "source")
    ((raw,),) = source.changed(WINDOW)
    mapped = source.to_canonical(raw, Table(sku_map={"SHIRT-S": "ITEM-7"}))
    assert (mapped.order_native_id, mapped.grand_total, mapped.shipping_amount) == ("5", D("21.50"), D("5.00"))
    (line,) = mapped.lines
    assert (line.order_line, line.sku, line.amount, line.tax_amount) == ("11", "ITEM-7", D("15.00"), D("1.00"))
    assert mapped.custom["state"] == "refunded"
    bad = {**memo, "grand_total": None}
    with pytest.raises(BadRecord, match="grand_total"):
        source.to_canonical(raw.__class__(native_id="3", version="1", payload=bad), Table(sku_map={"SHIRT-S": "X"}))


# Connector ------------------------------------------------------------------------------------


def test_a_port_that_does_not_exist_is_answered_with_those_that_do():
    with pytest.raises(KeyError, match="sales_order source"):
        connector(FakeSender()).port("sales_order", "target")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"settle_seconds": {"shipment.make": 1}}, "shipment.create"),
        ({"page_size": 500, "input_limits": True}, "300"),
        ({"lateness_seconds": {"order": 1}}, "sales_order"),
    ],
)
def test_wrong_capability_settings_are_refused_by_name(changes, words):
    with pytest.raises(ValueError, match=words):
        connector(FakeSender(), **changes)


def test_routes_share_a_client_and_have_their_own_lookups():
    sender = sender_with_products()
    first = connector(sender, Table(carriers={"UPS": "ups"}))
    second = first.with_lookups(Table(carriers={"UPS": "owl"}))
    assert second.client is first.client
    assert second.port("shipment", "target") is not first.port("shipment", "target")
