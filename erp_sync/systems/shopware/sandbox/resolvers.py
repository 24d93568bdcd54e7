"""Foreign keys by business key in a sync: ``{"resolver": "product.number", "value": "SKU", "nullOnMissing": true}``.

Facts: shopware/shopware src/Core/Framework/Api/Sync/SyncFkResolver.php. Of the resolvers there is one here,
product.number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from erp_sync.systems.shopware.sandbox import errors, names
from erp_sync.systems.shopware.sandbox.errors import ShopwareError
from erp_sync.systems.shopware.sandbox.schema.fields import Entity
from erp_sync.systems.shopware.sandbox.shop import Shop

_RESOLVERS = {"product.number": ("product", "productNumber")}


def resolved(shop: Shop, entity: Entity, rows: Sequence[Any], pointer: str) -> list[Any]:
    """The rows with ids in place of references, at every depth. Raises ShopwareError naming all that are missing."""
    missing: list[tuple[str, str]] = []
    made = [_row(shop, entity, row, f"{pointer}/{index}", missing) for index, row in enumerate(rows)]
    if missing:
        detail = "\n".join(
            f"Can not resolve foreign key at position {where}. Reference field: {what}" for where, what in missing
        )
        parameters: dict[str, str] = {}
        for index, (where, what) in enumerate(missing):
            parameters |= {f"pointer-{index}": where, f"field-{index}": what}
        raise ShopwareError([errors.error("FRAMEWORK__API_INVALID_SYNC_RESOLVERS", detail, parameters=parameters)])
    return made


def _row(shop: Shop, entity: Entity, row: Any, pointer: str, missing: list[tuple[str, str]]) -> Any:
    if not isinstance(row, Mapping):
        return row
    made: dict[str, Any] = {}
    for name, value in row.items():
        association = entity.associations.get(name)
        if isinstance(value, Mapping) and "resolver" in value and "value" in value:
            made[name] = _value(shop, entity, name, value, f"{pointer}/{name}", missing)
        elif association is not None and isinstance(value, list):
            other = shop.entity(association.entity)
            made[name] = [_row(shop, other, one, f"{pointer}/{name}/{at}", missing) for at, one in enumerate(value)]
        elif association is not None and isinstance(value, Mapping):
            made[name] = _row(shop, shop.entity(association.entity), value, f"{pointer}/{name}", missing)
        else:
            made[name] = value
    return made


def _value(
    shop: Shop, entity: Entity, name: str, value: Mapping[str, Any], pointer: str, missing: list[tuple[str, str]]
) -> Any:
    if name not in entity.fields:
        raise errors.failure(
            "FRAMEWORK__API_SYNC_RESOLVER_FIELD_NOT_FOUND",
            f"Can not resolve entity field name {entity.name}.{name} for sync operation resolver",
            parameters={"entity": entity.name, "field": name},
        )
    if entity.fields[name].kind != "id":
        return value
    known = _RESOLVERS.get(str(value["resolver"]))
    if known is None:
        raise errors.failure(
            "API_RESOLVER_NOT_FOUND_EXCEPTION", f"Foreign key resolver for key {value['resolver']} not found",
        )  # fmt: skip
    table, column = known
    found = shop.database.value(
        f'SELECT id FROM "{table}" WHERE "{column}" = ? AND "versionId" = ?', [value["value"], names.LIVE_VERSION]
    )
    if found is None and not value.get("nullOnMissing"):
        missing.append((pointer, f"{entity.name}.{name}"))
    return found
