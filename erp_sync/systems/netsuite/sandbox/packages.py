"""Parcels of a fulfillment: ``package`` and the carriers' own lists with their suffixes.

Names: REST API Browser 2026.1. Lines have no key, so that every write adds to them unless it replaces the list.
Which list an account shows depends on the ship method's carrier (unconfirmed); here every list is taken.
"""

from __future__ import annotations

import json
from typing import Any

from erp_sync.systems.netsuite.sandbox.fields import Field, parse_value
from erp_sync.systems.netsuite.sandbox.session import Session
from erp_sync.systems.netsuite.sandbox.store import json_number

# list: suffix of its lines' properties
PACKAGE_LISTS = {"package": "", "packageUps": "Ups", "packageUsps": "Usps", "packageFedex": "FedEx"}
_TRACKING, _WEIGHT, _DESCRIPTION = "packageTrackingNumber", "packageWeight", "packageDescr"


def write_packages(session: Session, fulfillment: int, body: dict[str, Any], replace: frozenset[str]) -> None:
    """Add the body's parcels, and list their tracking numbers."""
    touched = False
    for name, suffix in PACKAGE_LISTS.items():
        if name not in body:
            continue
        touched = True
        if name in replace:
            session.store.delete("fulfillmentpackage", transaction=fulfillment, carrier=name)
        for index, line in enumerate(body[name]["items"]):
            _add(session, fulfillment, name, suffix, line, f"{name}.items[{index}]")
    if touched:
        _list_tracking_numbers(session, fulfillment)


def _add(session: Session, fulfillment: int, name: str, suffix: str, line: dict[str, Any], path: str) -> None:
    known = {
        _TRACKING + suffix: Field(_TRACKING + suffix, "trackingnumber", length=64),
        _WEIGHT + suffix: Field(_WEIGHT + suffix, "weight", "quantity"),
        _DESCRIPTION + suffix: Field(_DESCRIPTION + suffix, "descr", length=300),
    }
    columns = {
        field.column: parse_value(session, field, line[key], f"{path}.{key}")
        for key, field in known.items()
        if key in line
    }
    other = {key: value for key, value in line.items() if key not in known}
    session.store.insert(
        "fulfillmentpackage", transaction=fulfillment, carrier=name, **columns,
        other=json.dumps(other, default=str) if other else None,
    )  # fmt: skip


def _list_tracking_numbers(session: Session, fulfillment: int) -> None:
    session.store.delete("trackingnumbermap", transaction=fulfillment)
    numbers = []
    for row in session.store.all(
        'SELECT trackingnumber FROM fulfillmentpackage WHERE "transaction" = ? ORDER BY id', fulfillment
    ):
        number = row["trackingnumber"]
        if number is None or number in numbers:
            continue
        numbers.append(number)
        known = session.store.value("SELECT id FROM trackingnumber WHERE trackingnumber = ?", number)
        if known is None:
            known = session.store.insert("trackingnumber", trackingnumber=number)
        session.store.insert("trackingnumbermap", transaction=fulfillment, trackingnumber=known)
    session.store.update("transaction", {"id": fulfillment}, trackingnumberlist=" ".join(numbers) or None)


def print_packages(session: Session, fulfillment: int, name: str) -> list[dict[str, Any]]:
    """Lines of one list as GET answers them."""
    suffix = PACKAGE_LISTS[name]
    lines = []
    for row in session.store.all(
        'SELECT * FROM fulfillmentpackage WHERE "transaction" = ? AND carrier = ? ORDER BY id', fulfillment, name
    ):
        line = {
            _TRACKING + suffix: row["trackingnumber"],
            _WEIGHT + suffix: json_number(row["weight"]),
            _DESCRIPTION + suffix: row["descr"],
            **json.loads(row["other"] or "{}"),
        }
        lines.append({key: value for key, value in line.items() if value is not None})
    return lines
