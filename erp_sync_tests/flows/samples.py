"""Documents of the canonical model, as small as they may be."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec

from erp_sync.model.address import Address
from erp_sync.model.order import OrderCustomer, OrderLine, OrderStatus, OrderTotals, SalesOrder
from erp_sync.model.order_status import OrderStatusUpdate
from erp_sync.model.shipment import Parcel, Shipment, ShipmentLine, ShipmentStatus
from erp_sync_tests.flows.world import ERP, START, STORE


def order(**changes: Any) -> SalesOrder:
    """Two of one article for 20.00 USD, placed an hour after the route's start."""
    line = OrderLine(line_id="1", sku="A", quantity=Decimal(2), unit_price=Decimal(10), amount=Decimal(20))
    base = SalesOrder(
        connection=STORE,
        scope="base",
        native_id="7",
        number="000000007",
        version="1",
        status=OrderStatus.OPEN,
        placed_at=START + timedelta(hours=1),
        updated_at=START + timedelta(hours=1),
        currency="USD",
        base_currency="USD",
        customer=OrderCustomer(guest=True, email="Ann@Example.com"),
        billing_address=Address(country="US", city="Springfield"),
        lines=(line,),
        totals=OrderTotals(subtotal=Decimal(20), grand_total=Decimal(20)),
    )
    return msgspec.structs.replace(base, **changes)


def moved(to: str) -> dict[str, Any]:
    """A change of what the ERP gets: another billing address."""
    return {"billing_address": Address(country="US", city=to), "version": to}


def shipment(**changes: Any) -> Shipment:
    base = Shipment(
        connection=ERP,
        scope="",
        native_id="900",
        number="IF900",
        status=ShipmentStatus.SHIPPED,
        order_native_id="800",
        order_key="7",
        location="1",
        shipped_at=START + timedelta(hours=2),
        lines=(ShipmentLine(order_line="1", sku="A", quantity=Decimal(2), location="1"),),
        parcels=(Parcel(tracking_number="1Z1", carrier="ups"),),
    )
    return msgspec.structs.replace(base, **changes)


def update(**changes: Any) -> OrderStatusUpdate:
    base = OrderStatusUpdate(
        connection=ERP,
        scope="",
        native_id="800",
        number="SO800",
        version="1",
        order_key="7",
        status=OrderStatus.OPEN,
        updated_at=START + timedelta(hours=2),
    )
    return msgspec.structs.replace(base, **changes)
