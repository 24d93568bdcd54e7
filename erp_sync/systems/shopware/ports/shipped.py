"""What left of an order, as it stands on its delivery, and what is still open of it. No I/O.

The custom field `RECORDS` of the delivery holds, by our key of each fulfillment,
``{"number": ..., "lines": {SKU of the ERP: quantity}, "codes": [tracking numbers]}``, quantities as text.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from erp_sync.model.advice import Advice
from erp_sync.model.money import ZERO, BadNumber, decimal_of
from erp_sync.model.shipment import Shipment
from erp_sync.ports.lookups import Lookups
from erp_sync.ports.outcomes import QUANTITY_ABOVE_OPEN, AboveOpen
from erp_sync.systems.shopware.errors import UnexpectedAnswer
from erp_sync.systems.shopware.mapping.common import records, state_of

RECORDS = "erp_sync_shipments"
Entry = dict[str, Any]


class CannotBook(ValueError):
    """The order takes none of what was shipped. Attributes: code."""

    advice = Advice(
        means="The shop's order has nothing that the shipment could be booked on: it is a dead letter with a reason of "
        "its own.",
        look=("erp-sync deadletters --flow shipments",),
        do="See the entry of the reason.",
    )

    def __init__(self, code: str, problem: str) -> None:
        self.code = code
        super().__init__(problem)


def delivery_of(order: Mapping[str, Any]) -> Mapping[str, Any]:
    """The delivery of the goods. One with negative costs is a discount on shipping (core: PromotionDeliveryCalculator).

    Raises CannotBook for an order without one (downloads), or with several, which only plugins make.
    """
    found = []
    for one in records(order.get("deliveries")):
        costs = one.get("shippingCosts")
        total = costs.get("totalPrice") if isinstance(costs, Mapping) else None
        if not (isinstance(total, int | Decimal) and total < 0):
            found.append(one)
    if not found:
        raise CannotBook("no_delivery", "the shop's order has no delivery")
    if len(found) > 1:
        raise CannotBook("several_deliveries", f"the shop's order has {len(found)} deliveries")
    return found[0]


def entry_of(document: Shipment) -> Entry:
    """What is recorded of a fulfillment."""
    lines: dict[str, Decimal] = {}
    for line in document.lines:
        lines[line.sku] = lines.get(line.sku, ZERO) + line.quantity
    return {
        "number": document.number,
        "lines": {sku: f"{quantity.normalize():f}" for sku, quantity in sorted(lines.items())},
        "codes": sorted(parcel.tracking_number for parcel in document.parcels),
    }


def recorded(delivery: Mapping[str, Any]) -> dict[str, Entry]:
    """Fulfillments by our key; what somebody else wrote into the field, and cannot be read, counts as nothing."""
    fields = delivery.get("customFields")
    found = fields.get(RECORDS) if isinstance(fields, Mapping) else None
    if not isinstance(found, Mapping):
        return {}
    return {str(key): dict(entry) for key, entry in found.items() if _readable(entry)}


def _readable(entry: Any) -> bool:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("codes"), list):
        return False
    lines = entry.get("lines")
    try:
        return isinstance(lines, Mapping) and all(Decimal(str(one)).is_finite() for one in lines.values())
    except InvalidOperation:
        return False


def ordered(order: Mapping[str, Any], lookups: Lookups) -> dict[str, Decimal]:
    """What is to leave, by the ERP's SKU: products that are no downloads; of bundles their components."""
    rows = records(order.get("lineItems"))
    parents = {str(row["parentId"]) for row in rows if row.get("parentId")}
    found: dict[str, Decimal] = {}
    for row in rows:
        payload = row.get("payload")
        number = payload.get("productNumber") if isinstance(payload, Mapping) else None
        states = row.get("states")
        if str(row.get("id")) in parents or not number or (isinstance(states, list) and "is-download" in states):
            continue
        if row.get("type") in (None, "", "product") or row.get("productId"):
            sku = lookups.get("sku_map", str(number)) or str(number)
            found[sku] = found.get(sku, ZERO) + _quantity(row)
    return found


def _quantity(row: Mapping[str, Any]) -> Decimal:
    try:
        return decimal_of(row.get("quantity"))
    except BadNumber as error:
        raise UnexpectedAnswer(f"quantity of line {row.get('id')}: {error}") from error


def shipped(entries: Mapping[str, Entry]) -> dict[str, Decimal]:
    """What left with these fulfillments, by SKU."""
    found: dict[str, Decimal] = {}
    for entry in entries.values():
        for sku, quantity in entry["lines"].items():
            found[sku] = found.get(sku, ZERO) + Decimal(str(quantity))
    return found


def check_open(order: Mapping[str, Any], others: Mapping[str, Entry], entry: Entry, lookups: Lookups) -> None:
    """Raises CannotBook: ``sku_not_ordered``, ``quantity_above_open``. Of a cancelled order nothing is open."""
    placed, left = ordered(order, lookups), shipped(others)
    cancelled = state_of(order) == "cancelled"
    above = []
    for sku, text in entry["lines"].items():
        if sku not in placed:
            raise CannotBook("sku_not_ordered", f"{sku} was shipped and is on no line of the order")
        quantity = Decimal(str(text))
        is_open = ZERO if cancelled else max(placed[sku] - left.get(sku, ZERO), ZERO)
        if quantity > is_open:
            above.append(AboveOpen(sku, quantity, quantity - is_open))
    if above:
        raise CannotBook(QUANTITY_ABOVE_OPEN, "; ".join(map(str, above)))


def complete(order: Mapping[str, Any], entries: Mapping[str, Entry], lookups: Lookups) -> bool:
    """Whether everything that was ordered has left."""
    left = shipped(entries)
    return all(left.get(sku, ZERO) >= quantity for sku, quantity in ordered(order, lookups).items())
