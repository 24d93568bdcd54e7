"""What stock to offer. Pure arithmetic on decimals.

    sellable = on hand - allocated - reserved - damaged - quarantined - safety stock
               - quantities of store orders that the ERP does not know yet, floored at zero

Who subtracts the store's own open orders is a capability of the target:

- A store that nets its own open orders by itself (Magento's reservations, Shopify's committed) gets the
  quantity *before* its own open orders: sellable as the ERP sees it, plus what the ERP has allocated to
  this store's orders, plus what the ERP has shipped and the store has not booked yet. Orders that the
  ERP does not know yet are already in the store's own netting.
- Every other store gets the net. What the ERP does not know yet is taken off each source of it as a whole, whichever
  of the source's locations the ERP will take it from; of several sources off each, since nobody knows yet which one
  will ship: rather too little is offered than too much.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from erp_sync.model.money import ZERO
from erp_sync.model.stock import StockLevel


class StoreDemand(msgspec.Struct, frozen=True, kw_only=True):
    """What one store's orders take of one SKU at one location.

    Attributes:
        allocated: part of `StockLevel.allocated` that is for this store's orders.
        shipped_not_booked: left the ERP's stock, and the store has not booked the shipment yet.
        left_by_hand: shipped by hand while the ERP was away, and still on its shelves by its own figures.
    """

    allocated: Decimal = ZERO
    shipped_not_booked: Decimal = ZERO
    left_by_hand: Decimal = ZERO


NO_DEMAND = StoreDemand()


def free(level: StockLevel, safety_stock: Decimal = ZERO) -> Decimal:
    """Units that nobody was promised by what the ERP knows; below zero where more was promised than there is.

    Raises ValueError for a negative safety stock.
    """
    if safety_stock < 0:
        raise ValueError("safety stock is a quantity, never negative")
    return level.on_hand - level.allocated - level.reserved - level.damaged - level.quarantined - safety_stock


def sellable(level: StockLevel, safety_stock: Decimal = ZERO) -> Decimal:
    """Units that may still be promised to anybody by what the ERP knows, never below zero. Raises as `free`."""
    return max(free(level, safety_stock), ZERO)


def offered(
    level: StockLevel,
    demand: StoreDemand = NO_DEMAND,
    *,
    safety_stock: Decimal = ZERO,
    target_nets_own_orders: bool,
) -> Decimal:
    """What this SKU and location add to the quantity to write at the target, see `aggregated`.

    With a target that nets its own orders, what it shows as salable is then `sellable` less the orders
    that the ERP does not know yet; and the written quantity always covers what the ERP has allocated
    to the store's orders, so that posting their shipments never fails for want of stock.

    What left by hand is taken off: the ERP has it on its shelves still. A target that nets nothing gets these orders'
    quantities taken off as orders that the ERP does not know, whether they have left or not; and what was promised at
    one location beyond what it has comes off the others: the orders are the same store's, wherever they are booked.
    """
    if not target_nets_own_orders:
        return free(level, safety_stock)
    own = min(demand.allocated, level.allocated)
    before = sellable(level, safety_stock) + own + demand.shipped_not_booked
    return max(before - demand.left_by_hand, ZERO)


def aggregated(quantities: Sequence[Decimal], unknown_to_erp: Decimal = ZERO) -> Decimal:
    """Stock of several locations offered as one, without what was ordered there and the ERP does not know, never below
    zero. Raises ValueError for a negative demand.

    Args:
        unknown_to_erp: for targets that net nothing; the others take it off by themselves.
    """
    if unknown_to_erp < 0:
        raise ValueError("demand is a quantity, never negative")
    return max(sum(quantities, ZERO) - unknown_to_erp, ZERO)
