"""What the writes send that no record mapping makes: fields of the request's body, for the mapping document.

Data only. Tests compare it with the bodies that are really sent, and with the published schema.
"""

from __future__ import annotations

import msgspec


class Written(msgspec.Struct, frozen=True):
    """One write. `path` and `method` as the published file names them; `fields` are (source, field, rule).

    Attributes:
        entity: of a sync: whose schema the rows of its payload have.
    """

    method: str
    path: str
    fields: tuple[tuple[str, str, str], ...]
    entity: str = ""


_MAIL = ("", "sendMail", "false: the shop's customer is not told of it")

WRITTEN = {
    "order_status.transition": Written("post", "/_action/order/{orderId}/state/{transition}", (_MAIL,)),
    "sales_order.cancel": Written("post", "/_action/order/{orderId}/state/{transition}", (_MAIL,)),
    "order_status.note": Written(
        "patch",
        "/order/{id}",
        (
            (
                "number, status, reason, cancelled[].quantity, cancelled[].sku",
                "customFields",
                "erp_sync_order_number, erp_sync_status, erp_sync_reason",
            ),
        ),
        entity="Order",
    ),
    "shipment.record": Written(
        "patch",
        "/order-delivery/{id}",
        (
            ("parcels[].tracking_number", "trackingCodes[]", "added to those that are there"),
            (
                "number, lines[].sku, lines[].quantity, parcels[].tracking_number",
                "customFields",
                "erp_sync_shipments, by our key",
            ),
        ),
        entity="OrderDelivery",
    ),
    "shipment.ship": Written(
        "post",
        "/_action/order_delivery/{orderDeliveryId}/state/{transition}",
        (("", "sendMail", "setting shipment_mail, else true"),),
    ),
    "business_account.write": Written(
        "post",
        "/_action/sync",
        (
            ("number", "id", "of each customer with this number, by the reverse of lookup(customer_map)"),
            ("active", "active", "false: locked, nobody can log in"),
            ("name", "company", "copy"),
            ("group", "groupId", "of the group with this name, by lookup(account_groups)"),
            ("tax_number", "vatIds[]", "the only one"),
            (
                "lock_reason, payment_terms, currency, credit_limit, open_balance, tax_exempt, exemption_certificate, "
                "exempt_until",
                "customFields",
                "erp_sync_account",
            ),
        ),
        entity="Customer",
    ),
    "price.write_base": Written(
        "post",
        "/_action/sync",
        (
            ("sku", "id", "of the product with this number, by the reverse of lookup(sku_map)"),
            ("amount", "price", "net and gross by the product's tax, beside its prices in other currencies"),
        ),
        entity="Product",
    ),
    "stock_level.write": Written(
        "post",
        "/_action/sync",
        (
            ("sku", "id", "of the product with this number, by the reverse of lookup(sku_map)"),
            (
                "location, on_hand, allocated, reserved, damaged, quarantined, "
                "demands[].channel, demands[].allocated, demands[].shipped",
                "stock",
                "sellable after open orders, in whole pieces; lookup(locations) is setting stock_source",
            ),
        ),
        entity="Product",
    ),
}
