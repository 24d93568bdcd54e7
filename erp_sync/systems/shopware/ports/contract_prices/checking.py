"""What of a batch may be sent: looks up what it is about, and refuses what cannot be right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from erp_sync.model.money import BadNumber, decimal_of
from erp_sync.model.native_prices import NativeRow, NativeRule, RuleMember, native_key
from erp_sync.ports.outcomes import Refused
from erp_sync.systems.shopware.ports.catalogue import Catalogue
from erp_sync.systems.shopware.ports.contract_prices import ids, refusals
from erp_sync.systems.shopware.ports.contract_prices.ladder_writes import Product
from erp_sync.systems.shopware.ports.contract_prices.shop import PriceShop
from erp_sync.systems.shopware.ports.currency import ShopCurrency
from erp_sync.systems.shopware.ports.prices import TAXED
from erp_sync.systems.shopware.ports.products import INHERITED

Row = NativeRule | RuleMember | NativeRow


class Change(NamedTuple):
    """`gone`: the row is to be taken away."""

    row: Row
    gone: bool


class Known(msgspec.Struct):
    """What the shop says of what a call is about."""

    products: dict[str, Product]
    untaxed: set[str]
    customers: dict[str, tuple[str, ...]]
    rules: set[str]


class Checking:
    """Reads only. Thread-safe. Methods raise the errors of the transport."""

    def __init__(self, shop: PriceShop, catalogue: Catalogue, own_currency: ShopCurrency) -> None:
        self._shop, self._catalogue, self._own_currency = shop, catalogue, own_currency

    def look(self, changes: Sequence[Change]) -> Known:
        rows = [one.row for one in changes if isinstance(one.row, NativeRow)]
        accounts = {one.row.account for one in changes if isinstance(one.row, RuleMember)}
        accounts |= {one.owner for one in rows if one.kind == "account" and self._shop.custom_prices}
        products, untaxed = self._products({one.item for one in rows})
        return Known(
            products=products,
            untaxed=untaxed,
            customers=self._shop.customer_ids(accounts) if accounts else {},
            rules=self._shop.there({ids.rule_id(one.owner) for one in rows if one.kind == "rule"}),
        )

    def _products(self, numbers: set[str]) -> tuple[dict[str, Product], set[str]]:
        found: dict[str, Product] = {}
        untaxed: set[str] = set()
        if not numbers:
            return found, untaxed
        for page in self._catalogue.rows(
            sorted(numbers), TAXED, operation="contract_prices.products", headers=INHERITED
        ):
            for row in page:
                number, tax = str(row.get("productNumber")), row.get("tax")
                try:
                    rate = decimal_of(tax.get("taxRate")) if isinstance(tax, Mapping) else None
                except BadNumber:
                    rate = None
                if rate is None:
                    untaxed.add(number)
                else:
                    found[number] = Product(str(row["id"]), rate, ())
        return found, untaxed

    def refusals(self, changes: Sequence[Change], known: Known) -> dict[int, Refused]:
        put_rules = {one.row.rule for one in changes if isinstance(one.row, NativeRule) and not one.gone}
        refused: dict[int, Refused] = {}
        seen: set[str] = set()
        for at, one in enumerate(changes):
            found = refusals.twice(one.row) if (key := native_key(one.row)) in seen else None
            seen.add(key)
            found = found or self._refusal(one, known, put_rules)
            if found is not None:
                refused[at] = found
        return refused

    def _refusal(self, change: Change, known: Known, put_rules: set[str]) -> Refused | None:
        row = change.row
        if isinstance(row, NativeRule):
            return None
        if isinstance(row, RuleMember):
            lacks = not change.gone and row.account not in known.customers
            return refusals.unknown_customer(row.account) if lacks else None
        if (wrong := refusals.of_row(row, self._shop.amounts())) is not None:
            return wrong
        if row.item in known.untaxed:
            return refusals.no_tax(row)
        if change.gone:
            return refusals.stays(row) if row.kind == "base" and row.currency == self._own_currency.code() else None
        if row.item not in known.products:
            return refusals.unknown_product(row)
        if row.kind == "rule" and row.owner not in put_rules and ids.rule_id(row.owner) not in known.rules:
            return refusals.no_rule(row)
        if row.kind == "account" and self._shop.custom_prices and row.owner not in known.customers:
            return refusals.unknown_customer(row.owner)
        return None
