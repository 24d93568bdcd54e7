"""What of an order is still to be delivered, on either side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from erp_sync.sandbox.checker.remainder import open_units, remainder, shipped_units
from erp_sync.sandbox.checker.sources import Conventions, grouped
from erp_sync.sandbox.evidence import ErpLine, ErpOrder, Id, StoreOrder

Units = dict[str, Decimal]


# -- in the store ------------------------------------------------------------------------------------------


def anything_left(order: StoreOrder) -> bool:
    """Whether a unit of the order is still to be delivered, or was."""
    left = remainder(order)
    return left is None or not left.nothing


def lost_any(order: StoreOrder) -> bool:
    """Whether a unit was cancelled, or refunded and never shipped."""
    return remainder(order) is not None


def open_in_store(order: StoreOrder, conventions: Conventions) -> Units:
    """Units by the ERP's SKU that the store would still let leave; none of a cancelled order."""
    return {} if order.state == "cancelled" else _mapped(open_units(order.lines), conventions)


def shipped_in_store(order: StoreOrder, conventions: Conventions) -> Units:
    """Units by the ERP's SKU that have left by the store's count."""
    return _mapped(shipped_units(order.lines), conventions)


def most_deposits(order: StoreOrder) -> int:
    """How many payments the order has at most: its methods, each gift card, store credit."""
    return sum(payment.state != "spent" or payment.amount > 0 for payment in order.payments)


def _mapped(units: Mapping[str, Decimal], conventions: Conventions) -> Units:
    return _summed((conventions.sku(sku), quantity) for sku, quantity in units.items())


def _summed(units: Iterable[tuple[str, Decimal]]) -> Units:
    found: Units = {}
    for sku, quantity in units:
        found[sku] = found.get(sku, Decimal(0)) + quantity
    return found


def beyond(units: Mapping[str, Decimal], most: Mapping[str, Decimal]) -> bool:
    """Whether there are more of an SKU than there may be."""
    return any(quantity > most.get(sku, Decimal(0)) for sku, quantity in units.items())


# -- in the ERP --------------------------------------------------------------------------------------------


@dataclass
class Books:
    """The ERP's sales orders, by what says whose they are."""

    orders: list[ErpOrder]
    by_key: dict[str, list[ErpOrder]]
    by_reference: dict[str, list[ErpOrder]]

    @classmethod
    def of(cls, orders: list[ErpOrder]) -> Books:
        return cls(
            orders,
            grouped((order for order in orders if order.key), lambda order: order.key),
            grouped((order for order in orders if order.reference), lambda order: order.reference),
        )

    def find(self, key: str, reference: str) -> dict[Id, ErpOrder]:
        """Orders under this key or with this reference, by id."""
        return {order.id: order for order in (*self.by_key.get(key, ()), *self.by_reference.get(reference, ()))}


def given_up(order: ErpOrder) -> bool:
    """Cancelled, or closed with nothing shipped."""
    return order.state == "cancelled" or (order.state == "closed" and not any(line.shipped for line in order.lines))


def open_in_erp(order: ErpOrder) -> Units:
    """Units by SKU that a warehouse could still ship of it."""
    if order.state != "open":
        return {}
    return _summed(
        (line.sku, line.quantity - line.shipped)
        for line in order.lines
        if line.deliverable and not line.closed and line.quantity is not None and line.quantity > line.shipped
    )


def shipped_in_erp(order: ErpOrder) -> Units:
    """Units by SKU that have left."""
    return _counted(order, lambda line: line.shipped)


def picked_in_erp(order: ErpOrder) -> Units:
    """Units by SKU that have left or are being packed."""
    return _counted(order, lambda line: line.picked)


def _counted(order: ErpOrder, units: Callable[[ErpLine], Decimal]) -> Units:
    return _summed((line.sku, units(line)) for line in order.lines if units(line))


def closed_in_erp(order: ErpOrder) -> Units:
    """Units by SKU of which every line is closed."""
    still = {line.sku for line in order.lines if not line.closed}
    return _summed(
        (line.sku, line.quantity) for line in order.lines if line.sku not in still and line.quantity is not None
    )
