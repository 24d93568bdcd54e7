"""What the parts of a seed share: writing as the shop itself does, and ids by business keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from erp_sync.systems.shopware.sandbox import bootstrap, indexing, names, saving
from erp_sync.systems.shopware.sandbox.indexing import Behavior
from erp_sync.systems.shopware.sandbox.names import fixed_id
from erp_sync.systems.shopware.sandbox.shop import Shop
from erp_sync.systems.shopware.sandbox.writing.writer import Writer

CHUNK = 500
_UNINDEXED = Behavior(indexing.DISABLED)


class WrongSeed(ValueError):
    """Seed data refer to what is not there, or Shopware would refuse them; the message says which."""


def write(shop: Shop, entity: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Upsert rows as the shop itself does, without indexing. Raises ShopwareError."""
    for start in range(0, len(rows), CHUNK):
        chunk = rows[start : start + CHUNK]
        writer: Writer = shop.writer(system=True)
        writer.prefetch(shop.entity(entity), chunk)
        for index, row in enumerate(chunk):
            writer.upsert(shop.entity(entity), row, f"/{entity}/{start + index}")
        saving.save(shop, writer, _UNINDEXED)


def group_id(shop: Shop, name: str | None) -> str:
    """Id of a customer group by its name, whether or not it is there; without one the standard group's."""
    if not name:
        return bootstrap.GROUP
    found: str | None = shop.database.value("SELECT id FROM customer_group WHERE name = ?", [name])
    return found or fixed_id("customer_group", name)


def currency_id(shop: Shop, iso: str | None) -> str:
    """Raises WrongSeed."""
    if iso is None:
        return names.CURRENCY
    found: str | None = shop.database.value('SELECT id FROM currency WHERE "isoCode" = ?', [iso])
    if found is None:
        raise WrongSeed(f"{iso!r} is no currency of the shop")
    return found


def product_id(shop: Shop, sku: str) -> str:
    found: str | None = shop.database.value('SELECT id FROM product WHERE "productNumber" = ?', [sku])
    return found or fixed_id("product", sku)


def customer_id(email: str) -> str:
    return fixed_id("customer", email.lower())


def price_row(currency: str, gross: Decimal, rate: Decimal, net: Decimal | None = None) -> dict[str, Any]:
    """A price whose net follows from its gross."""
    if net is None:
        net = (gross / (1 + rate / 100)).quantize(Decimal("0.0001"), ROUND_HALF_UP)
    return {"currencyId": currency, "gross": gross, "net": net, "linked": False}
