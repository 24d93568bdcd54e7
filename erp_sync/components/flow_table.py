"""What each flow moves, and between which sides of a route. Data only."""

from __future__ import annotations

from typing import Literal

import msgspec

from erp_sync.model.keys import Entity

Side = Literal["store", "erp"]


class FlowKind(msgspec.Struct, frozen=True, kw_only=True):
    """One flow: entity and direction, and whether it delivers documents or converges state.

    `writes`: what its operations at the target are called before the dot.
    `compares`: entities that are compared with it every day and that no flow moves.
    `priority`: of its usual runs, in Dagster's queue and for the processor; 0 comes first.
    `longest_seconds`: a usual run that takes longer hangs, and Dagster ends it: what it had in hand is due again.
    `reads`: entity at the source where it is another than at the target.
    """

    name: str
    entity: str
    source: Side
    target: Side
    delivers: bool
    writes: tuple[str, ...]
    title: str
    description: str
    compares: tuple[str, ...] = ()
    priority: int = 0
    longest_seconds: int = 3600
    reads: str = ""

    @property
    def source_entity(self) -> str:
        """Of records, cursors and events of the source."""
        return self.reads or self.entity

    def entity_of(self, role: str) -> str:
        """`role`: ``source`` or ``target``."""
        return self.source_entity if role == "source" else self.entity


FLOWS: dict[str, FlowKind] = {
    flow.name: flow
    for flow in (
        FlowKind(
            name="orders",
            entity=Entity.SALES_ORDER,
            source="store",
            target="erp",
            delivers=True,
            writes=(
                "customer",
                "sales_order",
                "customer_deposit",
            ),
            title="sales orders",
            description="Sales orders with their customers and payments, from the store to the ERP.",
            compares=(Entity.REFUND,),
        ),
        FlowKind(
            name="order_status",
            entity=Entity.ORDER_STATUS,
            source="erp",
            target="store",
            delivers=True,
            writes=(
                "order_status",
                "sales_order",
            ),
            title="order status",
            description="Order number, status and cancellation, from the ERP back to the store.",
            priority=-1,
        ),
        FlowKind(
            name="shipments",
            entity=Entity.SHIPMENT,
            source="erp",
            target="store",
            delivers=True,
            writes=("shipment",),
            title="shipments",
            description="Fulfillments with parcels and tracking numbers, from the ERP to the store.",
            priority=-1,
        ),
        FlowKind(
            name="inventory",
            entity=Entity.STOCK_LEVEL,
            source="erp",
            target="store",
            delivers=False,
            writes=("stock_level",),
            title="stock levels",
            description="Sellable stock per location, from the ERP to the store.",
            priority=-1,
        ),
        FlowKind(
            name="products",
            entity=Entity.PRODUCT,
            source="erp",
            target="store",
            delivers=False,
            writes=("product",),
            title="products",
            description="Products and variants, from the ERP to the store, after approval.",
            priority=-2,
            longest_seconds=7200,
        ),
        FlowKind(
            name="prices",
            entity=Entity.PRICE,
            source="erp",
            target="store",
            delivers=False,
            writes=("price",),
            title="prices",
            description="Base, special and tier prices, from the ERP to the store.",
            priority=-2,
        ),
        FlowKind(
            name="customers",
            entity=Entity.BUSINESS_ACCOUNT,
            source="erp",
            target="store",
            delivers=False,
            writes=("business_account",),
            title="business accounts",
            description="Locks, groups, payment terms, limits and tax of business accounts, from the ERP to the store.",
            priority=-1,
        ),
        FlowKind(
            name="contract_prices",
            entity=Entity.CONTRACT_PRICE,
            reads=Entity.PRICE_TERMS,
            source="erp",
            target="store",
            delivers=False,
            writes=("contract_prices",),
            title="contract prices",
            description="What every account pays by the ERP's price terms, as rules and prices of the store.",
            priority=-2,
            longest_seconds=7200,
        ),
    )
}
