"""Sales tax: which rates apply, and how each is rounded.

Facts: magento/magento2 `Tax/Model/ResourceModel/Calculation` (rates: the most specific one of each rule; rules of one
priority add up to one applied tax, later ones are calculated off the subtotal or on top), `Tax/Model/Calculation/
TotalBaseCalculator` (algorithm "total", after discount): the rounding error of one rate is carried to the next line.
"""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from erp_sync.systems.magento.sandbox.shop import ZERO, Shop, rounded


@dataclass(frozen=True)
class Rate:
    code: str
    title: str
    percent: Decimal


@dataclass(frozen=True)
class Tax:
    """One applied tax: the rates of the rules of one priority."""

    identity: str
    percent: Decimal
    rates: tuple[Rate, ...]
    priority: int
    position: int
    process: int


def applicable(shop: Shop, address: dict[str, Any] | None, product_class: int, customer_class: int) -> list[Tax]:
    """Taxes of a product class at an address, in the order in which they are calculated."""
    if not address or not product_class:
        return []
    rows = shop.database.rows(
        "SELECT rate.*, rule.priority, rule.position, rule.calculate_subtotal, rule.tax_calculation_rule_id AS rule "
        "FROM tax_calculation AS link JOIN tax_calculation_rate AS rate USING (tax_calculation_rate_id) "
        "JOIN tax_calculation_rule AS rule USING (tax_calculation_rule_id) WHERE link.product_tax_class_id = ? AND "
        "link.customer_tax_class_id = ? AND rate.tax_country_id = ? AND rate.tax_region_id IN (0, ?) "
        "ORDER BY rule.priority, rule.tax_calculation_rule_id, length(rate.tax_postcode) DESC, rate.tax_region_id DESC",
        [product_class, customer_class, address.get("country_id"), int(address.get("region_id") or 0)],
    )
    postcode = str(address.get("postcode") or "")
    chosen: dict[int, dict[str, Any]] = {}
    for row in rows:
        if row["rule"] not in chosen and fnmatch.fnmatchcase(postcode, row["tax_postcode"]):
            chosen[row["rule"]] = row
    groups: dict[int, list[dict[str, Any]]] = {}
    for row in chosen.values():
        groups.setdefault(row["priority"], []).append(row)
    result: list[Tax] = []
    current = ZERO
    for process, (priority, members) in enumerate(sorted(groups.items())):
        percent = sum((member["rate"] for member in members), ZERO)
        if result and not members[0]["calculate_subtotal"]:
            percent = (100 + current) * percent / 100
        current += percent
        rates = tuple(Rate(member["code"], member["title"], member["rate"]) for member in members)
        identity = "".join(rate.code for rate in rates)
        result.append(Tax(identity, percent, rates, priority, members[0]["position"], process))
    return result


@dataclass
class Calculator:
    """Rounds each rate's tax over the lines of one document; use one for products and another for shipping."""

    _deltas: dict[tuple[str, str], Decimal] = field(default_factory=dict)

    def amounts(self, taxable: Decimal, taxes: list[Tax], purpose: str = "regular") -> list[Decimal]:
        """Tax of each of `taxes` on an amount, in order."""
        result = []
        for tax in taxes:
            key = (purpose, tax.identity)
            exact = taxable * tax.percent / 100 + self._deltas.get(key, Decimal("0.000001"))
            amount = rounded(exact)
            self._deltas[key] = exact - amount
            result.append(amount)
        return result
