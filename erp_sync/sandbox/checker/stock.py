"""Stock and prices: does the store show what the ERP has, how soon, and was anything sold that is not there.

At rest the store's source holds what the ERP has on hand at that location: the store subtracts its own open orders
itself (reservations). To be added is what the ERP has shipped and the store has not booked yet; to be taken off is
what orders from elsewhere have committed, and safety stock. Never below zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from erp_sync.sandbox.checker.remainder import delivered
from erp_sync.sandbox.checker.sources import Conventions, spread
from erp_sync.sandbox.evidence import ErpEvidence, Id, Price, StoreEvidence, StoreOrder, Units

ZERO = Decimal(0)
_Held = Mapping[tuple[str, Id], Decimal]  # units by SKU and the ERP's place


@dataclass
class Stock:
    """Keys are "SKU at source". `mismatches` gives (store, expected)."""

    compared: int = 0
    mismatches: dict[str, tuple[str, str]] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)
    oversold: dict[str, str] = field(default_factory=dict)
    prices_compared: int = 0
    price_mismatches: dict[str, tuple[str, str]] = field(default_factory=dict)

    def figures(self) -> dict[str, Any]:
        units = sum((Decimal(quantity) for quantity in self.oversold.values()), ZERO)
        return {
            "stock_compared": self.compared,
            "stock_mismatches": len(self.mismatches),
            "stock_latency_s": spread(self.latencies),
            "stock_changes_unseen": len(self.unseen),
            "oversold_units": int(units),
            "prices_compared": self.prices_compared,
            "price_mismatches": len(self.price_mismatches),
        }


def check_stock(
    store: StoreEvidence,
    erp: ErpEvidence,
    conventions: Conventions,
    *,
    placed: Sequence[StoreOrder],
    store_orders_in_erp: Iterable[Id],
    unbooked: Iterable[Units],
) -> Stock:
    """Figures about stock and prices.

    Arguments:
        placed: all orders of the store.
        store_orders_in_erp: the ERP's ids of orders that come from the store.
        unbooked: what was taken for fulfillments that the store has not booked and still can.
    """
    found = Stock()
    places = {id: conventions.location(name) for id, name in erp.places().items()}
    ours = set(store_orders_in_erp)
    others = _summed(units for order, units in erp.committed() if order not in ours and units.units)
    coming = _summed(unbooked)
    stocked, products = erp.stocked(), store.prices()
    on_hand = {sku: ZERO for sku in stocked}
    offered: dict[tuple[str, str], Decimal] = {}
    for level in erp.on_hand():
        sku, key = level.sku, (level.sku, level.place)
        on_hand[sku] = on_hand.get(sku, ZERO) + level.units + coming.get(key, ZERO)
        moved = coming.get(key, ZERO) - others.get(key, ZERO)
        offered[sku, places[level.place]] = offered.get((sku, places[level.place]), ZERO) + level.units + moved
    active = {sku for sku, is_active in stocked.items() if is_active}
    sources = store.sources() & set(places.values())
    there: dict[tuple[str, str], list[Decimal | None]] = {}
    for shelf in store.shelves():
        sku = conventions.sku(shelf.sku)
        if sku in active and shelf.source in sources:
            there.setdefault((sku, shelf.source), []).append(shelf.units)
    sold = {conventions.sku(product.sku) for product in products}
    for (sku, source), units in offered.items():
        if units > 0 and (sku, source) not in there and sku in active & sold and source in sources:
            there[sku, source] = [None]
    for (sku, source), quantities in there.items():
        expected = max(ZERO, offered.get((sku, source), ZERO) - conventions.safety_stock(sku, source))
        for quantity in quantities:
            found.compared += 1
            if (quantity or ZERO) != expected:
                found.mismatches[f"{sku} at {source}"] = (
                    "nothing" if quantity is None else str(quantity),
                    str(expected),
                )
    _latencies(found, store, erp, places, conventions)
    _oversold(found, placed, on_hand, conventions)
    _prices(found, products, erp.prices(conventions.price_list), conventions)
    return found


def _prices(found: Stock, products: Sequence[Price], wanted: Mapping[str, Decimal], conventions: Conventions) -> None:
    """Base prices. A product without one is wrong, unless its parts have the prices."""
    for product in products:
        price = wanted.get(conventions.sku(product.sku))
        if price is None or (product.price is None and product.of_parts):
            continue
        found.prices_compared += 1
        if product.price is None or abs(product.price - price) > conventions.tolerance:
            shown = "nothing" if product.price is None else str(product.price)
            found.price_mismatches[product.sku] = (shown, str(price))


def _summed(units: Iterable[Units]) -> _Held:
    out: dict[tuple[str, Id], Decimal] = {}
    for one in units:
        out[one.sku, one.place] = out.get((one.sku, one.place), ZERO) + one.units
    return out


def _latencies(
    found: Stock, store: StoreEvidence, erp: ErpEvidence, places: Mapping[Id, str], conventions: Conventions
) -> None:
    """From an adjustment's commit to the first write of that SKU and source in the store after it.

    What the store itself takes off with a shipment or puts back with a credit memo is no such write.
    """
    written: dict[str, list[float]] = {}
    for (sku, source), moments in store.stock_writes().items():
        written.setdefault(f"{conventions.sku(sku)}|{source}", []).extend(moments)
    for change in erp.adjustments():
        if not change.moments:
            continue
        begin = change.moments[0]
        key = f"{change.sku}|{places.get(change.place, '')}"
        end = min((moment for moment in written.get(key, ()) if moment >= begin), default=None)
        if end is None:
            found.unseen.append(key)
        else:
            found.latencies.append(end - begin)


def _oversold(
    found: Stock, placed: Sequence[StoreOrder], on_hand: Mapping[str, Decimal], conventions: Conventions
) -> None:
    """Units that open orders of the store still want and that are nowhere on hand, nor have left unbooked."""
    open_units: dict[str, Decimal] = {}
    for order in placed:
        if order.state != "open":
            continue
        for line, whole in delivered(order.lines):
            # A bundle that ships together books its shipments on the header: its share tells what is still to come.
            gone = line.cancelled + line.shipped + line.refunded
            if whole is not None and not gone and whole.ordered:
                gone = line.ordered * (whole.cancelled + whole.shipped + whole.refunded) / whole.ordered
            sku = conventions.sku(line.sku)
            open_units[sku] = open_units.get(sku, ZERO) + max(ZERO, line.ordered - gone)
    for sku, units in open_units.items():
        if sku in on_hand and units > on_hand[sku]:
            found.oversold[sku] = str(units - on_hand[sku])
