"""Nothing is missed and nothing comes twice where the vendor has no cursor, however unevenly records are spread."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from erp_sync.systems.shopware.client import Page
from erp_sync.systems.shopware.criteria import Criteria
from erp_sync.systems.shopware.errors import UnexpectedAnswer
from erp_sync.systems.shopware.ports.contract_prices.paging import Below, one_of, pairs_of

COUNTS = st.dictionaries(st.integers(0, 80), st.sampled_from([0, 1, 3, 40, 499, 500, 620]), max_size=12)


class Shelves:
    """Answers searches for records by product, or by pairs of rule and product: the first 500, and says no total."""

    def __init__(self, counts: dict[int, int]) -> None:
        self.records = {f"p{product}": [f"r{rule}" for rule in range(count)] for product, count in counts.items()}
        self.searches = 0

    def search(self, entity: str, criteria: Criteria, *, operation: str) -> Page:
        self.searches += 1
        (asked,) = criteria.body()["filter"]
        if asked["type"] == "equalsAny":
            found = [(rule, product) for product in asked["value"] for rule in self.records.get(product, ())]
        else:
            pairs = [(first["value"], one) for group in asked["queries"]
                     for first, second in [group["queries"]] for one in second["value"]]  # fmt: skip
            found = [(rule, product) for rule, product in pairs if rule in self.records.get(product, ())]
        rows = [{"ruleId": rule, "productId": product} for rule, product in found[: criteria.limit]]
        return Page(rows, len(rows))


def below(shelves: Any, **more: Any) -> Below[str]:
    return Below(shelves, "product-price", Criteria(), one_of("productId"), operation="test", **more)


@given(COUNTS)
@settings(deadline=None, max_examples=40)
def test_all_records_of_products_are_read_once(counts):
    there: Any = Shelves(counts)

    def divided(product):
        pairs = [(f"r{number}", product) for number in range(620)]
        condition = pairs_of("ruleId", "productId")
        yield from Below(there, "product-price", Criteria(), condition, operation="test").rows(pairs)

    pages = below(there, divided=divided).rows([f"p{number}" for number in range(81)])
    found = [(row["ruleId"], row["productId"]) for page in pages for row in page]
    assert sorted(found) == sorted((rule, product) for product, rules in there.records.items() for rule in rules)


def test_few_records_take_few_calls():
    there = Shelves({number: 3 for number in range(80)})
    assert sum(len(page) for page in below(there).rows([f"p{number}" for number in range(81)])) == 240
    assert there.searches == 2


def test_what_cannot_be_divided_is_not_read_in_part():
    with pytest.raises(UnexpectedAnswer, match="fill a page"):
        list(below(Shelves({1: 500})).rows(["p1"]))
