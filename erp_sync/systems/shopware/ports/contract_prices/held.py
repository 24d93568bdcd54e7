"""The shop's rules, members and rows as canonical rows."""

from __future__ import annotations

import contextvars
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from decimal import Decimal
from typing import Any

from erp_sync.model.native_prices import NativeRow, NativeRule, RuleMember
from erp_sync.systems.shopware.client import ShopwareClient
from erp_sync.systems.shopware.criteria import Criteria
from erp_sync.systems.shopware.ports.catalogue import Catalogue
from erp_sync.systems.shopware.ports.contract_prices import ids
from erp_sync.systems.shopware.ports.contract_prices.ladders import ladder_of
from erp_sync.systems.shopware.ports.contract_prices.shop import Kept, OwnRule, PriceShop

Row = NativeRule | RuleMember | NativeRow
Ladder = dict[tuple[int, str], Decimal]
PRODUCTS = 100  # whose rows are read together
AT_ONCE = 4  # of the connection's calls under way at once (`Limits.concurrency`)
PRICED = Criteria().including({"product": ("id", "versionId", "autoIncrement", "productNumber", "price", "childCount")})


class HeldRows:
    """Reads pages. Every method raises the errors of the transport."""

    def __init__(self, client: ShopwareClient, shop: PriceShop, catalogue: Catalogue, page_size: int) -> None:
        self._client, self._shop, self._catalogue, self._page_size = client, shop, catalogue, page_size

    def everything(self) -> Iterator[list[Row]]:
        rules, customers = self._shop.rules(), self._customers()
        yield from self._pages_of_rules(rules, customers)
        pages = self._client.all("product", PRICED, operation="contract_prices.snapshot", page_size=self._page_size)
        yield from self._read(pages, rules, customers)

    def of(self, skus: Sequence[str]) -> Iterator[list[Row]]:
        rules, customers, wanted = self._shop.rules(), self._customers(), set(skus)
        if "" in wanted:
            yield from self._pages_of_rules(rules, customers)
        pages = self._catalogue.rows(skus, PRICED, operation="contract_prices.read")
        wished = ([one for one in page if str(one.get("productNumber")) in wanted] for page in pages)
        yield from self._read(wished, rules, customers)

    def _read(
        self,
        pages: Iterable[Sequence[Mapping[str, Any]]],
        rules: Sequence[OwnRule],
        customers: Mapping[str, Sequence[Mapping[str, Any]]],
    ) -> Iterator[list[Row]]:
        """Rows of the products, in their order; of some at once, since their records come by many small questions."""
        with ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="contract-prices") as pool:
            asked: deque[Future[list[Row]]] = deque()
            some = (page[start : start + PRODUCTS] for page in pages for start in range(0, len(page), PRODUCTS))
            for products in some:
                context = contextvars.copy_context()
                asked.append(pool.submit(context.run, self._rows, products, rules, customers))
                if len(asked) > AT_ONCE:
                    yield asked.popleft().result()
            while asked:
                yield asked.popleft().result()

    def _customers(self) -> dict[str, list[Mapping[str, Any]]]:
        """By number."""
        found: dict[str, list[Mapping[str, Any]]] = {}
        for page in self._shop.customers():
            for row in page:
                if row.get("customerNumber"):
                    found.setdefault(str(row["customerNumber"]), []).append(row)
        return found

    def _pages_of_rules(
        self, rules: Sequence[OwnRule], customers: Mapping[str, Sequence[Mapping[str, Any]]]
    ) -> Iterator[list[Row]]:
        """A rule whose conditions somebody changed is none of ours any more: it is written again. Of customers who
        share a number all must have the tag."""
        shared = [one for one in rules if one.rule]
        yield [NativeRule(rule=one.rule, priority=one.priority) for one in shared if one.whole]
        tags = {ids.tag_id(one.rule): one.rule for one in shared}
        members: list[Row] = []
        for number, some in sorted(customers.items()):
            everywhere = set.intersection(*(set(one.get("tagIds") or ()) for one in some))
            members += [RuleMember(rule=tags[tag], account=number) for tag in sorted(everywhere & tags.keys())]
        yield members

    def _rows(
        self,
        page: Sequence[Mapping[str, Any]],
        rules: Sequence[OwnRule],
        customers: Mapping[str, Sequence[Mapping[str, Any]]],
    ) -> list[Row]:
        if not page:
            return []
        self._catalogue.remember(page)
        numbers = {str(row["id"]): str(row.get("productNumber") or "") for row in page}
        found: list[Row] = []
        for row in page:
            if not row.get("childCount"):  # a parent of variants is not bought itself
                prices = self._shop.base(row).items()
                found += self._told("base", "", numbers[str(row["id"])], {(1, code): price for code, price in prices})
        found += self._of_rules(numbers, rules)
        found += self._of_accounts(numbers, customers)
        return found

    def _of_rules(self, numbers: Mapping[str, str], rules: Sequence[OwnRule]) -> Iterator[Row]:
        owners = {one.id: one for one in rules}
        kept: dict[tuple[str, str], list[Kept]] = {}
        for rule, product, record in self._shop.tiers_of_products(list(numbers), list(owners)):
            kept.setdefault((rule, product), []).append(record)
        for (rule, product), records in sorted(kept.items()):
            owner = owners[rule]
            ladder = ladder_of(one.step for one in records)
            yield from self._told(
                "rule" if owner.rule else "account", owner.rule or owner.account, numbers[product], ladder
            )

    def _of_accounts(
        self, numbers: Mapping[str, str], customers: Mapping[str, Sequence[Mapping[str, Any]]]
    ) -> Iterator[Row]:
        """Of customers who share a number all must have the same prices, by records of ours."""
        accounts = {str(one["id"]): number for number, some in customers.items() for one in some}
        ladders: dict[tuple[str, str], dict[str, Ladder]] = {}
        for customer, product, records in self._shop.own_prices_of_products(list(numbers), list(accounts)):
            if records and records[0].id == ids.custom_price_id(customer, product):
                ladder = ladder_of(one.step for one in records)
                ladders.setdefault((accounts[customer], product), {})[customer] = ladder
        for (account, product), of_customers in sorted(ladders.items()):
            ladder = next(iter(of_customers.values()))
            if len(of_customers) == len(customers[account]) and all(one == ladder for one in of_customers.values()):
                yield from self._told("account", account, numbers[product], ladder)

    def _told(self, kind: Any, owner: str, item: str, ladder: Ladder) -> list[Row]:
        gross = self._shop.gross
        return [
            NativeRow(
                kind=kind, owner=owner, item=item, unit="", currency=currency, quantity=Decimal(start), price=price,
                gross=gross,
            )
            for (start, currency), price in sorted(ladder.items())
        ]  # fmt: skip
