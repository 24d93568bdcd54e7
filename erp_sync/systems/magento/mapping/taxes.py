"""Taxes of an order: per line and for shipping, each with its jurisdiction.

The vendor gives them in ``extension_attributes``: ``item_applied_taxes`` by row (type ``product`` with
item_id, type ``shipping`` without), else only ``applied_taxes`` of the whole order (REST schema 2.4.8,
tax-data-order-tax-details-*).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec

from erp_sync.model.money import ZERO, allocate
from erp_sync.model.order import TaxLine
from erp_sync.ports.mapping import Scope
from erp_sync.systems.magento.mapping.common import extension, money, number, records

UNNAMED = "tax"  # code of a tax that the vendor states as an amount only
_RATE_CODE = re.compile(r"^(?P<country>[A-Z]{2})-(?P<region>[^-]+)-(?P<postcode>[^-]+)-(?P<name>.+)$")


@dataclass(frozen=True)
class Tax:
    """One tax of one jurisdiction, as named by the vendor; `amount` at storage scale."""

    code: str
    title: str
    rate: Decimal
    amount: Decimal

    @property
    def jurisdiction(self) -> str:
        """Of a rate code ``country-region-postcode-name``: ``US-CA``, or with postcodes ``US-CA Los Angeles County``.

        Any other code: its title.
        """
        match = _RATE_CODE.match(self.code)
        if match is None:
            return self.title or self.code
        region = match["country"] if match["region"] == "*" else f"{match['country']}-{match['region']}"
        return region if match["postcode"] == "*" else f"{region} {match['name']}"


class OrderTaxes:
    """The taxes of one order, by row."""

    def __init__(self, order: Mapping[str, Any], scope: Scope) -> None:
        self._by_row: dict[str, list[Tax]] = {}
        self._shipping: list[Tax] = []
        self._whole = _taxes(records(extension(order, "applied_taxes")), scope, "extension_attributes.applied_taxes")
        where = "extension_attributes.item_applied_taxes"
        for entry in records(extension(order, "item_applied_taxes")):
            taxes = _taxes(records(entry.get("applied_taxes")), scope, where)
            kind = str(entry.get("type") or "product")
            row = entry.get("item_id") or entry.get("associated_item_id")
            if kind == "shipping":
                self._shipping += taxes
            elif row:
                self._by_row.setdefault(str(row), []).extend(taxes)

    def of_row(self, row: Mapping[str, Any], scope: Scope) -> list[Tax]:
        """Taxes named for this row; empty where the vendor names none."""
        found = self._by_row.get(str(row.get("item_id")), [])
        if found:
            return found
        return [
            Tax(
                code=str(one.get("tax_code") or UNNAMED),
                title=str(one.get("tax_code") or UNNAMED),
                rate=number(one, "tax_percent", scope),
                amount=number(one, "real_amount", scope),
            )
            for one in records(extension(row, "itemized_taxes"))
        ]

    def lines(
        self, named: Sequence[Tax], total: Decimal, taxable: Decimal, rate: Decimal, currency: str
    ) -> list[TaxLine]:
        """Tax lines that add up to `total` to the cent.

        Where the row has no named taxes, those of the whole order with the row's rate stand in, then all.
        """
        if not total and not named:
            return []
        taxes = list(named) or [one for one in self._whole if one.rate == rate] or list(self._whole)
        if not taxes:
            taxes = [Tax(code=UNNAMED, title=UNNAMED, rate=rate, amount=total)]
        weights = [abs(one.amount) for one in taxes]
        return [
            TaxLine(jurisdiction=one.jurisdiction, code=one.code, rate=one.rate, taxable_amount=taxable, amount=part)
            for one, part in zip(taxes, allocate(total, weights, currency), strict=True)
        ]

    def of_shipping(self, total: Decimal, taxable: Decimal, currency: str) -> list[TaxLine]:
        rate = (total * 100 / taxable).quantize(Decimal("0.01")) if taxable else ZERO
        return self.lines(self._shipping, total, taxable, rate, currency)


def _taxes(applied: Sequence[Mapping[str, Any]], scope: Scope, where: str) -> list[Tax]:
    """One Tax per rate: taxes of one priority come as one entry with several rates."""
    taxes = []
    inner = scope.nested(applied, f"{where}.")
    for one in applied:
        amount = number(one, "amount", inner)
        rates = records(extension(one, "rates"))
        percents = [number(rate, "percent", inner) for rate in rates]
        if not rates:
            code = str(one.get("code") or UNNAMED)
            rate = number(one, "percent", inner)
            taxes.append(Tax(code=code, title=str(one.get("title") or code), rate=rate, amount=amount))
            continue
        whole = sum(percents, ZERO)
        for named, percent in zip(rates, percents, strict=True):
            code = str(named.get("code") or one.get("code") or UNNAMED)
            share = amount * percent / whole if whole else amount / len(rates)
            taxes.append(Tax(code=code, title=str(named.get("title") or code), rate=percent, amount=share))
    return taxes


def fixed_product_taxes(row: Mapping[str, Any], scope: Scope, currency: str) -> list[TaxLine]:
    """Fixed product taxes (WEEE, eco fees) of a row: the vendor keeps them beside its tax amount."""
    total = money(row, "weee_tax_applied_row_amount", scope, currency)
    if not total:
        return []
    listed: list[Mapping[str, Any]] = []
    applied = row.get("weee_tax_applied")
    if isinstance(applied, str) and applied:
        try:
            listed = records(msgspec.json.decode(applied))
        except msgspec.DecodeError as error:
            raise scope.problem("weee_tax_applied", f"is no JSON: {error}") from error
    taxable = money(row, "row_total", scope, currency)
    if not listed:
        listed = [{"title": "fixed product tax", "row_amount": total}]
    weights = [abs(number({"row_amount": str(one.get("row_amount", 0))}, "row_amount", scope)) for one in listed]
    return [
        TaxLine(
            jurisdiction=str(one.get("title") or "fixed product tax"),
            code=f"weee:{one.get('title') or 'fixed product tax'}",
            rate=ZERO,
            taxable_amount=taxable,
            amount=part,
        )
        for one, part in zip(listed, allocate(total, weights, currency), strict=True)
    ]
