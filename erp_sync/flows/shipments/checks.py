"""What every shipment must satisfy before it is posted. Data only: judged in `erp_sync.quality`."""

from __future__ import annotations

from typing import Any

from erp_sync.model.shipment import Shipment

SUITE = "shipments"

# (name, expectation, arguments, words); see `erp_sync.quality.gate.Rule`.
RULES: tuple[tuple[str, str, dict[str, Any], str], ...] = (
    ("has_lines", "ExpectColumnValuesToBeBetween", {"column": "lines", "min_value": 1}, "the shipment has no line"),
    (
        "quantities_are_positive",
        "ExpectColumnValuesToBeBetween",
        {"column": "lowest_quantity", "min_value": 0, "strict_min": True},
        "a line's quantity is zero or negative",
    ),
    (
        "parcels_have_numbers",
        "ExpectColumnValuesToBeBetween",
        {"column": "parcels_without_number", "max_value": 0},
        "a parcel has no tracking number",
    ),
)


def facts(shipment: Shipment) -> dict[str, Any]:
    """The row of a shipment that the rules judge; quantities in ten-thousandths."""
    return {
        "number": shipment.number,
        "lines": len(shipment.lines),
        "lowest_quantity": int(min((line.quantity for line in shipment.lines), default=0) * 10000),
        "parcels_without_number": sum(not parcel.tracking_number.strip() for parcel in shipment.parcels),
    }
