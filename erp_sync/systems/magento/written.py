"""What the writes send that no record mapping makes: fields of the request's body, for the mapping document.

Data only. Tests compare it with the bodies that are really sent, and with the published schema.
"""

from __future__ import annotations

import msgspec


class Written(msgspec.Struct, frozen=True):
    """One write. `path` as the published schema names it; `fields` are (source, field of the body, rule)."""

    path: str
    fields: tuple[tuple[str, str, str], ...]


OUR_KEY = "in words, with our key in brackets"

WRITTEN = {
    "order_status.comment": Written(
        "/V1/orders/{id}/comments",
        (
            ("number, status, reason, cancelled[].quantity, cancelled[].sku", "statusHistory.comment", OUR_KEY),
            ("", "statusHistory.is_customer_notified", "0: the customer is not told"),
            ("", "statusHistory.is_visible_on_front", "0"),
            ("order_key", "statusHistory.parent_id", "number"),
            ("status", "statusHistory.status", "setting order_status_codes, else the order's own, unchanged"),
        ),
    ),
    "shipment.create": Written(
        "/V1/order/{orderId}/ship",
        (
            ("lines[].sku", "items[].order_item_id", "row of the order by the reverse of lookup(sku_map)"),
            ("lines[].quantity", "items[].qty", "decimal"),
            ("", "notify", "true for the shipment that carries the parcels"),
            ("", "appendComment", "false: our comment is not in the e-mail"),
            ("number", "comment.comment", OUR_KEY),
            ("", "comment.is_visible_on_front", "0"),
            ("parcels[].tracking_number", "tracks[].track_number", "text"),
            ("parcels[].carrier", "tracks[].title", "lookup(carriers), after the colon"),
            ("parcels[].carrier", "tracks[].carrier_code", "lookup(carriers)"),
            (
                "lines[].location, location",
                "arguments.extension_attributes.source_code",
                "lookup(locations); one shipment a source",
            ),
        ),
    ),
    "shipment.add_parcel": Written(
        "/V1/shipment/track",
        (
            ("parcels[].tracking_number", "entity.track_number", "text"),
            ("parcels[].carrier", "entity.title", "lookup(carriers), after the colon"),
            ("parcels[].carrier", "entity.carrier_code", "lookup(carriers)"),
            ("order_key", "entity.order_id", "number"),
            ("", "entity.parent_id", "id of the shipment with our key"),
            ("parcels[].weight", "entity.weight", "0 where it is not known"),
            ("", "entity.qty", "0"),
            ("parcels[].description", "entity.description", "text"),
        ),
    ),
    "stock_level.write": Written(
        "/V1/inventory/source-items",
        (
            ("sku", "sourceItems[].sku", "reverse of lookup(sku_map)"),
            ("location", "sourceItems[].source_code", "lookup(locations)"),
            (
                "on_hand, allocated, reserved, damaged, quarantined, "
                "demands[].channel, demands[].allocated, demands[].shipped",
                "sourceItems[].quantity",
                "sellable, before the store's own open orders",
            ),
            ("backorders, on_hand", "sourceItems[].status", "1 in stock, 0 out of stock"),
        ),
    ),
    "stock_level.write_terms": Written(
        "/V1/products",
        (
            ("sku", "product.sku", "reverse of lookup(sku_map)"),
            ("", "product.extension_attributes.stock_item.use_config_backorders", "false, with setting backorders"),
            ("backorders", "product.extension_attributes.stock_item.backorders", "with setting backorders: 1 or 0"),
            ("", "product.custom_attributes[].attribute_code", "setting restock_date_attribute"),
            ("restock_date", "product.custom_attributes[].value", "ISO date; empty where none is expected"),
        ),
    ),
    "price.write_base": Written(
        "/V1/products/base-prices",
        (
            ("sku", "prices[].sku", "reverse of lookup(sku_map)"),
            ("amount", "prices[].price", "rounded once by the rule of its currency"),
            ("price_list", "prices[].store_id", "setting price_scopes"),
        ),
    ),
    "price.write_special": Written(
        "/V1/products/special-price",
        (
            ("sku", "prices[].sku", "reverse of lookup(sku_map)"),
            ("amount", "prices[].price", "rounded once by the rule of its currency"),
            ("price_list", "prices[].store_id", "setting price_scopes"),
            ("valid_from", "prices[].price_from", "UTC"),
            ("valid_to", "prices[].price_to", "UTC"),
        ),
    ),
    "price.write_tier": Written(
        "/V1/products/tier-prices",
        (
            ("sku", "prices[].sku", "reverse of lookup(sku_map)"),
            ("amount", "prices[].price", "rounded once by the rule of its currency"),
            ("", "prices[].price_type", "fixed"),
            ("price_list", "prices[].website_id", "setting price_scopes"),
            ("group", "prices[].customer_group", "lookup(customer_groups)"),
            ("quantity", "prices[].quantity", "decimal"),
        ),
    ),
}
