"""What a warehouse shipped by hand while the ERP was away, and the ERP's own fulfillments of the same parcels. Pure.

A fulfillment of the ERP is known again by its order and a tracking number; one that names no parcel by its goods. What
is known again is in the store already: it makes no second shipment and no second e-mail.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from decimal import Decimal

import msgspec

from erp_sync.flows.shipments.transform import encode
from erp_sync.model.money import ZERO
from erp_sync.model.shipment import Parcel, Shipment, plain_number

SHIPPED_BY_HAND, DIFFERS = "shipped_by_hand", "differs_from_hand"


class Recognised(msgspec.Struct, frozen=True, kw_only=True):
    """Attributes:
    keys: of the shipments by hand that the fulfillment stands for.
    differs: what does not agree, in words; "" where the goods are the same.
    late: parcels that the store was not told of yet.
    """

    keys: tuple[str, ...]
    differs: str = ""
    late: tuple[Parcel, ...] = ()


def key_of(order_key: str, location: str, goods: Sequence[tuple[str, Decimal, str]]) -> str:
    """Of a shipment by hand: the same for the same list. `goods`: SKU, quantity, tracking number."""
    told = [(sku, f"{quantity.normalize():f}", plain_number(tracking)) for sku, quantity, tracking in sorted(goods)]
    return f"hand-{hashlib.sha256(encode([order_key, location, told])).hexdigest()[:16]}"


def goods_of(shipments: Sequence[Shipment]) -> dict[str, Decimal]:
    """Quantity by SKU."""
    goods: dict[str, Decimal] = {}
    for shipment in shipments:
        for line in shipment.lines:
            goods[line.sku] = goods.get(line.sku, ZERO) + line.quantity
    return goods


def recognise(shipment: Shipment, by_hand: Sequence[tuple[str, Shipment, str]]) -> Recognised | None:
    """Which of the order's shipments by hand this fulfillment is; None where it is another one.

    Args:
        by_hand: key, shipment, and the fulfillment that it is known as already, "" for none.
    """
    mine = [(key, one) for key, one, known_as in by_hand if known_as in ("", shipment.native_id)]
    numbers = {plain_number(parcel.tracking_number) for parcel in shipment.parcels}
    known = [(key, one) for key, one, known_as in by_hand if known_as == shipment.native_id]
    named = known or [(key, one) for key, one in mine if numbers & _numbers(one)]
    goods = goods_of([shipment])
    if not named and not numbers:
        named = next(([(key, one)] for key, one in mine if goods_of([one]) == goods), [])
    if not known and goods_of([one for _, one in named]) != goods:
        # Of several that name one parcel (its list was corrected) the fulfillment may be one alone.
        named = next(([(key, one)] for key, one in named if goods_of([one]) == goods), named)
    if not named:
        return None
    shipments = [one for _, one in named]
    told = {number for one in shipments for number in _numbers(one)}
    return Recognised(
        keys=tuple(key for key, _ in named),
        differs=_differs(goods, goods_of(shipments)),
        late=tuple(parcel for parcel in shipment.parcels if plain_number(parcel.tracking_number) not in told),
    )


def _numbers(shipment: Shipment) -> set[str]:
    return {plain_number(parcel.tracking_number) for parcel in shipment.parcels}


def _differs(there: dict[str, Decimal], here: dict[str, Decimal]) -> str:
    parts = [
        f"{sku}: {there.get(sku, ZERO).normalize():f} in the ERP, {here.get(sku, ZERO).normalize():f} by hand"
        for sku in sorted({*there, *here})
        if there.get(sku, ZERO) != here.get(sku, ZERO)
    ]
    return "; ".join(parts)
