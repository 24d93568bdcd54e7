"""Units of measure of an item: how many of its inventory unit one of another is.

A definition of a UoM group says ``AlternateQuantity`` of the alternate unit are ``BaseQuantity`` of the base unit
(contract; SDK help, UoMGroupDefinition). The manual group (-1) has no conversions: its items are sold in one unit.
"""

from __future__ import annotations

from decimal import Decimal

from erp_sync.systems.sap_b1.sandbox import rows
from erp_sync.systems.sap_b1.sandbox.context import Context
from erp_sync.systems.sap_b1.sandbox.errors import rule
from erp_sync.systems.sap_b1.sandbox.kind import Entity
from erp_sync.systems.sap_b1.sandbox.values import decimal

MANUAL = -1


def is_manual(item: Entity) -> bool:
    return item.get("UoMGroupEntry") in (None, MANUAL)


def base(context: Context, item: Entity) -> int:
    """UoMEntry of the group's base unit; -1 for manual items."""
    if is_manual(item):
        return MANUAL
    group = rows.read(context.store, "UnitOfMeasurementGroups", item["UoMGroupEntry"]) or {}
    return int(group.get("BaseUoM") or MANUAL)


def sales_unit(context: Context, item: Entity) -> int:
    """The unit that a row is in when it names none."""
    if is_manual(item):
        return MANUAL
    return int(item.get("DefaultSalesUoMEntry") or base(context, item))


def factor(context: Context, item: Entity, uom: int) -> Decimal:
    """Base units in one `uom`. Raises ServiceLayerError (-10) for a unit outside the group (words unconfirmed)."""
    if uom == base(context, item):
        return Decimal(1)
    group = rows.read(context.store, "UnitOfMeasurementGroups", item.get("UoMGroupEntry") or MANUAL) or {}
    for definition in group.get("UoMGroupDefinitionCollection") or []:
        if definition.get("AlternateUoM") == uom and decimal(definition.get("AlternateQuantity")):
            return decimal(definition.get("BaseQuantity")) / decimal(definition["AlternateQuantity"])
    raise rule("Invalid UoM code")
