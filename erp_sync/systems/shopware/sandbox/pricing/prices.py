"""The price of products for one customer, step by step as the vendor does.

Order of precedence, [D] pricing-workflow.md "Priority hierarchy": 1. Individual Pricing, 2. custom pricing, 3. product
advanced (graduated) prices, 4. rule-based prices, 5. standard list price. Rows 3 and 4 are one table in the data:
product_price, rows of which have a rule and a quantity ([SW] Content/Product/Aggregate/ProductPrice).

1. The price of the currency; without one the default currency's times the factor
   ([SW] ProductPriceCalculator::getPriceValue, Pricing/PriceCollection::getCurrencyPrice).
2. Gross or net by the tax state ([SW] ProductPriceCalculator::getPriceForTaxState).
3. Of product_price, the rows of the first matching rule that has any; no other rule is looked at, cheaper or not
   ([SW] ProductPriceCalculator::filterRulePrices). A variant without rows has its parent's (`prices` is Inherited).
4. Those rows by quantityStart; equal ones stay in the order read ([SW] ProductPriceCollection::sortByQuantity; that
   rows are read by id is unconfirmed). A tier is known by its END, an open one by its start
   ([SW] ProductPriceCalculator::calculateAdvancePrices).
5. In a cart the first tier whose end is not below the quantity counts, else the last: a quantity below the first
   tier's start gets the first tier ([SW] ProductCartProcessor::getPriceDefinition).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from erp_sync.systems.shopware.sandbox.database import Database, marks
from erp_sync.systems.shopware.sandbox.pricing.answers import PriceContext, ProductPrice, Tier, calculated
from erp_sync.systems.shopware.sandbox.pricing.individual import Individual
from erp_sync.systems.shopware.sandbox.schema.fields import structure


class Prices:
    """Reads price tables and answers for many products at once; nothing is kept between calls."""

    def __init__(self, database: Database, context: PriceContext) -> None:
        self._database, self._context = database, context

    def of(self, products: Sequence[str]) -> dict[str, ProductPrice]:
        """Prices by product id. A product without price or tax, by itself and by its parent, is left out."""
        rows = self._products(products)
        tables = self._rule_prices([*rows, *(row["parentId"] for row in rows.values() if row["parentId"])])
        custom = self._custom_prices(list(rows))
        ours = Individual(self._database, self._context) if self._context.commercial else None
        found = {}
        for product, row in rows.items():
            if row["price"] is None or row["rate"] is None:
                continue
            standard = ProductPrice(product, row["rate"], calculated(row["price"], row["rate"], self._context))
            mine = ours.of(standard, row) if ours else None
            if mine is None and product in custom:
                mine = self._custom(standard, custom[product])
            if mine is None:
                owner = product if product in tables else row["parentId"] or ""
                mine = self._by_rule(standard, tables.get(owner, []))
            found[product] = mine or standard
        return found

    def _by_rule(self, standard: ProductPrice, rows: Sequence[Mapping[str, Any]]) -> ProductPrice | None:
        """Steps 3 and 4."""
        for rule in self._context.rules:
            own = [row for row in rows if row["ruleId"] == rule]
            if own:
                return ProductPrice(
                    standard.product,
                    standard.rate,
                    standard.base,
                    self._tiers(own, standard.rate),
                    "product_price",
                    rule,
                )
        return None

    def _tiers(self, rows: Sequence[Mapping[str, Any]], rate: Decimal) -> tuple[Tier, ...]:
        made = []
        for row in sorted(rows, key=lambda row: row["quantityStart"]):
            quantity = row["quantityEnd"] if row["quantityEnd"] is not None else row["quantityStart"]
            made.append(Tier(calculated(row["price"], rate, self._context, quantity), quantity))
        return tuple(made)

    def _custom(self, standard: ProductPrice, tiers: Sequence[Mapping[str, Any]]) -> ProductPrice:
        """A customer's own prices are tiers as those of a rule are, with the same fault below the first
        (shopware/shopware#17241); that they take the place of the standard price as a whole is unconfirmed."""
        rows = [{**tier, "quantityEnd": tier.get("quantityEnd")} for tier in tiers]
        made = self._tiers(rows, standard.rate)
        return ProductPrice(standard.product, standard.rate, made[0].price, made, "custom_price")

    # -- tables --------------------------------------------------------------------------------------------------

    def _products(self, products: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Products with what they inherit: price and tax rate."""
        found: dict[str, dict[str, Any]] = {}
        for start in range(0, len(products), 500):
            chunk = list(products[start : start + 500])
            rows = self._database.rows(
                f"""SELECT e.id, e."parentId", COALESCE(e.price, p.price) AS price, t."taxRate" AS rate
                    FROM product e LEFT JOIN product p ON p.id = e."parentId"
                    LEFT JOIN tax t ON t.id = COALESCE(e."taxId", p."taxId") WHERE e.id IN ({marks(chunk)})""",
                chunk,
            )
            for row in rows:
                row["price"] = structure(row["price"]) if row["price"] else None
                row["rate"] = Decimal(row["rate"]) if row["rate"] is not None else None
                found[row["id"]] = row
        return found

    def _rule_prices(self, products: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
        """Of each product that has any rows those of matching rules, maybe none: others play no part."""
        found: dict[str, list[dict[str, Any]]] = {}
        matching = set(self._context.rules)
        if not matching:
            return found
        for start in range(0, len(products), 500):
            chunk = list(products[start : start + 500])
            rows = self._database.rows(
                f'SELECT * FROM product_price WHERE "productId" IN ({marks(chunk)}) ORDER BY id', chunk
            )
            for row in rows:
                own = found.setdefault(row["productId"], [])
                if row["ruleId"] in matching:
                    row["price"] = structure(row["price"])
                    own.append(row)
        return found

    def _custom_prices(self, products: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
        """Of the customer; a price of a customer group does nothing (`customerGroupId` is a stub, fact sheet)."""
        customer, found = self._context.scope.customer, dict[str, list[dict[str, Any]]]()
        if customer is None or not self._context.commercial:
            return found
        for start in range(0, len(products), 500):
            chunk = list(products[start : start + 500])
            rows = self._database.rows(
                'SELECT "productId", price FROM custom_price WHERE "customerId" = ? '
                f'AND "productId" IN ({marks(chunk)})',
                [customer, *chunk],
            )
            found |= {row["productId"]: structure(row["price"]) for row in rows if row["price"]}
        return found
