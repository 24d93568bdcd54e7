"""Keys: how one document or record is named across the whole installation."""

from __future__ import annotations

import msgspec


class EntityKey(msgspec.Struct, frozen=True, order=True):
    """One record of one connection.

    `native_id` alone is never a key: two stores both have an order 000000001.

    Attributes:
        connection: name of the connection, e.g. ``magento_us``.
        scope: company, subsidiary or website inside the connection; ``""`` where there is none.
        entity: canonical entity name, e.g. ``sales_order`` (see `Entity`).
        native_id: the system's own identifier, as text.
    """

    connection: str
    scope: str
    entity: str
    native_id: str

    def __str__(self) -> str:
        scope = f"[{self.scope}]" if self.scope else ""
        return f"{self.entity} {self.native_id} of {self.connection}{scope}"


class Entity:
    """Names of the canonical entities. Ledger, lake and cross references use these words."""

    SALES_ORDER = "sales_order"
    CUSTOMER = "customer"
    PRODUCT = "product"
    STOCK_LEVEL = "stock_level"
    PRICE = "price"
    BUSINESS_ACCOUNT = "business_account"
    PRICE_TERMS = "price_terms"
    CONTRACT_PRICE = "contract_prices"
    SHIPMENT = "shipment"
    RETURN = "return"
    REFUND = "refund"
    ORDER_STATUS = "order_status"
    ORDER_CANCELLATION = "order_cancellation"
    ORDER_CORRECTION = "order_correction"
    CUSTOMER_CORRECTION = "customer_correction"
    PAYMENT = "payment"
