"""Contract prices as a target: rules, who is in them, and prices of rules, accounts and products.

How a row is kept here:
- a rule is a rule of the shop that asks for a tag, and its members are the customers who have the tag. The vendor's
  other way, a list of customer numbers in the rule, would be one record for all members: two runs that add one each
  would lose one of them, each change would write the rule, and each page that a shopper opens would compare thousands
  of numbers. A tag is a record for each member, its rule never changes, and 1,000 rules ask 1,000 short questions. The
  vendor's limits: it takes the matching rules by priority and then by id, and beyond 100 that match at once it leaves
  the rest out of listings (fact sheet, section 11: [RL], dal.max_rule_prices).
- a rule's tier is a row of product_price, an account's tiers are the customer's custom_price (Commercial). With setting
  ``account_prices`` "rule" an account's tiers are rows of a rule for that account alone, above all others: for shops
  without Commercial, and for some hundred accounts at most, since every shopper is compared with every rule.
- a base price is the product's own price of that currency; it cannot be taken away in the shop's own currency.

Where the canonical row says ``gross``, the price includes tax: setting ``price_amounts`` says for the connection which
side leads (``amounts``), and rows of the other side are refused.

Only what has an id of ours and, of rules, our custom field is read and written; rules that people made are left alone,
but in rules of ours every row is ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from erp_sync.model.native_prices import NativeRow, NativeRule, RuleMember, native_key, native_row, native_values
from erp_sync.ports.capabilities import Capabilities
from erp_sync.ports.connection import ConnectionSettings
from erp_sync.ports.documents import Requirement
from erp_sync.ports.outcomes import Outcome
from erp_sync.ports.pricing import StoreMeans
from erp_sync.systems.shopware.client import ShopwareClient
from erp_sync.systems.shopware.ports.catalogue import Catalogue
from erp_sync.systems.shopware.ports.contract_prices.checking import Change
from erp_sync.systems.shopware.ports.contract_prices.held import HeldRows
from erp_sync.systems.shopware.ports.contract_prices.shop import PriceShop
from erp_sync.systems.shopware.ports.contract_prices.writing import Writing
from erp_sync.systems.shopware.ports.currency import ShopCurrency
from erp_sync.systems.shopware.pricing import MEANS

WRITE = "contract_prices.write"
CUSTOM_PRICE, RULE = "custom_price", "rule"
Row = NativeRule | RuleMember | NativeRow


class ContractPriceTarget:
    """See the module. Rows are of `model.native_prices`; keys and values are its."""

    nets_own_orders = False
    means: StoreMeans = MEANS

    def __init__(
        self, client: ShopwareClient, connection: ConnectionSettings, capabilities: Capabilities, catalogue: Catalogue
    ) -> None:
        self.capabilities = capabilities
        self._catalogue = catalogue
        settings = connection.settings
        self._shop = PriceShop(
            client,
            str(settings.get("price_amounts") or "net"),
            custom_prices=str(settings.get("account_prices") or CUSTOM_PRICE) == CUSTOM_PRICE,
        )
        self._held = HeldRows(client, self._shop, catalogue, capabilities.reading("contract_prices").page_size)
        self._writing = Writing(
            client, self._shop, catalogue, ShopCurrency(client), capabilities.operation(WRITE).batch_size, WRITE
        )

    def operation(self, row: Row) -> str:
        return WRITE

    def key(self, row: Row) -> str:
        return native_key(row)

    def sku(self, key: str) -> str:
        """The product's number; "" for a rule and its members."""
        kind, *parts = key.split("/")
        return parts[2].replace("%2F", "/").replace("%25", "%") if kind == "row" else ""

    def values(self, row: Row) -> dict[str, Any]:
        return native_values(row)

    def row(self, key: str, values: dict[str, Any]) -> Row:
        return native_row(key, values)

    def requirements(self, row: Row) -> list[Requirement]:
        if isinstance(row, NativeRule):
            return []
        if isinstance(row, RuleMember):
            return [Requirement("customer", row.account)]
        own = [Requirement("customer", row.owner)] if row.kind == "account" else []
        return [Requirement("product", row.item), *own]

    def resolve(self, requirements: Sequence[Requirement]) -> dict[Requirement, str]:
        customers = self._shop.customer_ids(one.key for one in requirements if one.entity == "customer")
        found = self._catalogue.resolve(requirements)
        return found | {
            one: customers[one.key][0] for one in requirements if one.entity == "customer" and one.key in customers
        }

    def snapshot(self) -> Iterator[list[Row]]:
        """Rules, members, then rows by product. Base prices are those of all products, whoever made them."""
        yield from self._held.everything()

    def read(self, skus: Sequence[str]) -> Iterator[list[Row]]:
        """Rows of these products; with "" among them all rules and members, too."""
        yield from self._held.of(skus)

    def submit(self, rows: Sequence[Row]) -> list[Outcome]:
        return self._writing.write([Change(row, False) for row in rows])

    def remove(self, rows: Sequence[Row]) -> list[Outcome]:
        return self._writing.write([Change(row, True) for row in rows])

    def submit_together(self, puts: Sequence[Row], takes: Sequence[Row]) -> list[Outcome]:
        """Outcomes of `puts`, then of `takes`. One transaction of the shop; only rules are deleted in a second one,
        after their rows: the vendor refuses to delete a rule that has any. Rows that can never go stay behind; where
        one has to come again, all do."""
        changes = [*(Change(row, False) for row in puts), *(Change(row, True) for row in takes)]
        return self._writing.write(changes, together=True)

    def settle(self, handles: Sequence[str]) -> list[Outcome]:
        raise ValueError("a price is never accepted for later: there is nothing to settle")
