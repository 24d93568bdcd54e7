"""Every room that declares routes; importing this declares them all."""

from __future__ import annotations

from erp_sync.systems.magento.sandbox import (
    auth,
    cart,
    checkout,
    creditmemos,
    customers,
    invoices,
    orders,
    shipments,
    stores,
)
from erp_sync.systems.magento.sandbox.routing import Route, declared

ROOMS = (auth, cart, checkout, creditmemos, customers, invoices, orders, shipments, stores)


def routes() -> list[Route]:
    """All routes of the installation, Commerce's among them."""
    return declared()
