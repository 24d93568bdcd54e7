"""What the writes send that no record mapping makes: fields of the request's body, for the mapping document.

Data only. Tests compare it with the bodies that are really sent, and with the published schema.
"""

from __future__ import annotations

import msgspec


class Written(msgspec.Struct, frozen=True):
    """One write. `path` and `method` as the published file names them; `fields` are (source, field, rule).

    Attributes:
        entity: of a sync: whose schema the rows of its payload have.
        entities: of a sync of several entities: as it calls them, to their schemas; fields begin with the entity.
    """

    method: str
    path: str
    fields: tuple[tuple[str, str, str], ...]
    entity: str = ""
    entities: tuple[tuple[str, str], ...] = ()


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
    "contract_prices.write": Written(
        "post",
        "/_action/sync",
        (
            ("rule", "rule.id", "md5 of the name; of a name that ends in 16 hexadecimal digits it begins with these"),
            ("rule", "rule.name", "Contract prices: the rule's name"),
            ("", "rule.description", "says that it is kept by erp_sync"),
            ("priority", "rule.priority", ""),
            ("", "rule.moduleTypes", "price"),
            ("rule", "rule.customFields", "erp_sync_rule, or erp_sync_account where account_prices is rule"),
            ("rule", "rule.conditions[]", "has the rule's tag; where account_prices is rule, the customer number"),
            ("rule", "tag.id", "md5 of the rule's name"),
            ("rule", "tag.name", "erp_sync prices: the rule's name"),
            ("account, rule", "customer_tag", "the rule's tag of all customers with this number"),
            ("kind, owner, item, quantity", "product_price.id", "md5 of rule, product and first quantity"),
            ("item", "product_price.productId", "of the product with this number"),
            ("owner", "product_price.ruleId", "of the rule"),
            ("quantity", "product_price.quantityStart", ""),
            ("quantity", "product_price.quantityEnd", "the next tier's start - 1; none of the last"),
            ("currency, price, gross", "product_price.price[]", "net and gross by the product's tax"),
            ("currency", "product_price.customFields", "erp_sync_currencies: those with a tier at this start"),
            ("owner, item", "custom_price.id", "md5 of customer and product"),
            ("owner", "custom_price.customerId", "of the customers with this number"),
            ("item", "custom_price.productId", "of the product with this number"),
            ("quantity, currency, price, gross", "custom_price.price", "the tiers, each with net and gross"),
            ("item", "product.id", "of the product with this number"),
            ("currency, price, gross", "product.price[]", "base prices; other currencies, and list prices, stay"),
        ),
        entities=(
            ("rule", "Rule"),
            ("tag", "Tag"),
            ("product_price", "ProductPrice"),
            ("custom_price", "CustomPrice"),
        ),
    ),
}
