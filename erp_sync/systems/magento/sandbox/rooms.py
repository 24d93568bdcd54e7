"""Every room that declares routes; importing this declares them all."""

from __future__ import annotations

from erp_sync.systems.magento.sandbox import (
    auth,
    bulk,
    cart,
    catalogue,
    checkout,
    composites,
    creditmemos,
    customers,
    inventory_api,
    invoices,
    order_saving,
    orders,
    prices,
    product_saving,
    products,
    returns,
    shipments,
    special_prices,
    stores,
)
from erp_sync.systems.magento.sandbox.routing import Route, declared

ROOMS = (
    auth,
    bulk,
    cart,
    catalogue,
    checkout,
    composites,
    creditmemos,
    customers,
    inventory_api,
    invoices,
    order_saving,
    orders,
    prices,
    product_saving,
    products,
    returns,
    shipments,
    special_prices,
    stores,
)


def routes() -> list[Route]:
    """All routes of the installation, Commerce's among them."""
    return declared()
