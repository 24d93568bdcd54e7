"""Individual Pricing of the B2B components.

[D] entities-and-workflow.md and pricing-workflow.md. Rules that are active, in force, meant for the customer and about
the product; of those, the ones of the highest priority; of these, the one with the lowest price. The two documents
differ on whether rules of the highest priority that are about other products hide those of lower ones: followed is
pricing-workflow.md, "Pricing resolution process" (filter, then priority); unconfirmed.

Unconfirmed, too: that `actionAmount` is in the default currency and of the tax state shown, that percentages and
amounts are off the standard price, and that the price of volume tiers for "lowest" is that of one unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from erp_sync.systems.shopware.sandbox.database import Database, marks
from erp_sync.systems.shopware.sandbox.names import CURRENCY, read_time
from erp_sync.systems.shopware.sandbox.pricing.answers import PriceContext, ProductPrice, Tier, calculated
from erp_sync.systems.shopware.sandbox.pricing.money import HUNDRED, ZERO, line_price
from erp_sync.systems.shopware.sandbox.schema.fields import structure


class Individual:
    """The rules that are meant for one customer now."""

    def __init__(self, database: Database, context: PriceContext) -> None:
        self._database, self._context = database, context
        self._rules = [row for row in self._meant() if self._in_force(row)]
        self._products = self._named()

    def _meant(self) -> list[dict[str, Any]]:
        """[D] entities-and-workflow.md, "Target type evaluation". Organization units are not kept here."""
        scope = self._context.scope
        if scope.customer is None:
            return []
        tags = sorted(scope.tags)
        return self._database.rows(
            f"""SELECT * FROM b2b_components_individual_pricing r WHERE active = 1 AND (
                    target = 'companies' AND EXISTS (
                        SELECT 1 FROM b2b_components_individual_pricing_company_assignment a
                        WHERE a."individualPricingId" = r.id AND a."customerId" = ? AND a.scope = 'whole_company')
                    OR target = 'tags' AND EXISTS (
                        SELECT 1 FROM individual_pricing_tag t
                        WHERE t."individualPricingId" = r.id AND t."tagId" IN ({marks(tags)})))
                ORDER BY priority DESC, id""",
            [scope.customer, *tags],
        )

    def _in_force(self, row: Mapping[str, Any]) -> bool:
        """Both ends count as in a promotion, from inclusive and until exclusive (unconfirmed here)."""
        if not row["useValidityRange"]:
            return True
        start, end = (read_time(row[name]) if row[name] else None for name in ("validFrom", "validUntil"))
        now = self._context.scope.now
        return not (start is not None and start > now) and not (end is not None and end <= now)

    def _named(self) -> set[tuple[str, str]]:
        """Rules and products that they name one by one; the vendor's product streams are not reproduced."""
        ids = [row["id"] for row in self._rules if not row["applyToAllProducts"]]
        rows = self._database.rows(
            f"""SELECT "individualPricingId" AS rule, "productId" AS product FROM individual_pricing_product
                WHERE "individualPricingId" IN ({marks(ids)})""",
            ids,
        )
        return {(row["rule"], row["product"]) for row in rows}

    def of(self, standard: ProductPrice, product: Mapping[str, Any]) -> ProductPrice | None:
        """The price that wins, or None when no rule is about the product."""
        about = [row for row in self._rules if self._about(row, product)]
        top = [row for row in about if row["priority"] == about[0]["priority"]]
        made = [self._applied(row, standard) for row in top]
        return min(made, key=lambda one: one.unit(1)) if made else None

    def _about(self, row: Mapping[str, Any], product: Mapping[str, Any]) -> bool:
        """A rule about a parent is one about its variants (unconfirmed)."""
        named = ((row["id"], product["id"]), (row["id"], product["parentId"]))
        return bool(row["applyToAllProducts"]) or any(one in self._products for one in named)

    def _applied(self, row: Mapping[str, Any], standard: ProductPrice) -> ProductPrice:
        """[D] entities-and-workflow.md, "Action Types"."""
        if row["actionType"] == "volume_pricing":
            return self._volume(row, standard)
        amount, was = Decimal(row["actionAmount"] or 0), standard.base.unit
        factor = Decimal(1) if self._context.scope.currency == CURRENCY else self._context.factor
        price = {
            "by_percent": was * (HUNDRED - amount) / HUNDRED,
            "by_fixed": was - amount * factor,
            "to_fixed": amount * factor,
        }[row["actionType"]]
        listed = was if row["showStrikeThrough"] else None
        rules = [(standard.rate, HUNDRED)]
        made = line_price(max(price, ZERO), 1, self._context.state, rules, self._context.item, listed)
        return ProductPrice(standard.product, standard.rate, made, (), "individual", row["id"])

    def _volume(self, row: Mapping[str, Any], standard: ProductPrice) -> ProductPrice:
        """[D] pricing-workflow.md, "Volume pricing calculation": by qtyFrom, in no tier the base price."""
        rows = self._database.rows(
            'SELECT * FROM b2b_components_individual_pricing_tier WHERE "individualPricingId" = ? '
            'ORDER BY "qtyFrom", id',
            [row["id"]],
        )
        tiers = tuple(
            Tier(
                calculated(structure(one["price"]), standard.rate, self._context, one["qtyTo"] or one["qtyFrom"]),
                one["qtyTo"] or one["qtyFrom"], one["qtyFrom"], one["qtyTo"],
            )
            for one in rows
        )  # fmt: skip
        return ProductPrice(standard.product, standard.rate, standard.base, tiers, "individual", row["id"], ranged=True)
