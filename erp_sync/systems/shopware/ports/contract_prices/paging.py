"""All records below some products, rules or customers, of entities for which the vendor has no cursor.

product_price, custom_price and rule have no ``autoIncrement``, and numbered pages drift while somebody writes. So
what is asked for is made small enough to fit on one page: a page that comes full is asked for again in two halves.
Facts: fact sheet, section 3 (limit 500; ``total`` counts the page's rows).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from erp_sync.systems.shopware.client import ShopwareClient
from erp_sync.systems.shopware.criteria import LARGEST_PAGE, All, Criteria, Equals, Filter, OneOf, any_of
from erp_sync.systems.shopware.errors import UnexpectedAnswer

Value = TypeVar("Value")
_FILLED = 0.7  # of a page: what the next question aims at


class Below(Generic[Value]):
    """Reads one entity by values of anything, in questions that grow and shrink with what they find.

    Args:
        condition: what records of some values have.
        divided: reads one value's records in parts, where they alone fill a page.
    """

    def __init__(
        self,
        client: ShopwareClient,
        entity: str,
        criteria: Criteria,
        condition: Callable[[Sequence[Value]], Filter],
        *,
        operation: str,
        divided: Callable[[Value], Iterator[list[dict[str, Any]]]] | None = None,
        at_once: int = 50,
    ) -> None:
        self._client, self._entity, self._criteria, self._condition = client, entity, criteria, condition
        self._operation, self._divided, self._at_once = operation, divided, at_once

    def rows(self, values: Sequence[Value]) -> Iterator[list[dict[str, Any]]]:
        """Pages of all records of these values. Raises UnexpectedAnswer where one value's fill a page and cannot be
        divided, and a TransportError where the shop does not answer."""
        start = 0
        while start < len(values):
            some = values[start : start + self._at_once]
            search = self._criteria.where(self._condition(some)).at_most(LARGEST_PAGE)
            page = self._client.search(self._entity, search, operation=self._operation)
            if page.found < LARGEST_PAGE:
                start += len(some)
                each = max(1, page.found) / len(some)
                self._at_once = min(LARGEST_PAGE, self._at_once * 2, max(1, int(_FILLED * LARGEST_PAGE / each)))
                if page.rows:
                    yield page.rows
            elif len(some) > 1:
                self._at_once = len(some) // 2
            elif self._divided is not None:
                yield from self._divided(some[0])
                start += 1
            else:
                raise UnexpectedAnswer(
                    f"records of {self._entity} at {some[0]!r} fill a page of {LARGEST_PAGE}: they cannot be read "
                    "safely",
                    operation=self._operation,
                )


def one_of(field: str) -> Callable[[Sequence[str]], Filter]:
    """The field has one of the values."""
    return lambda values: OneOf(field, tuple(values))


def pairs_of(first: str, second: str) -> Callable[[Sequence[tuple[str, str]]], Filter]:
    """Both fields have the values of one pair."""

    def condition(pairs: Sequence[tuple[str, str]]) -> Filter:
        by_first: dict[str, list[str]] = {}
        for one, other in pairs:
            by_first.setdefault(one, []).append(other)
        return any_of(*(All((Equals(first, one), OneOf(second, tuple(some)))) for one, some in by_first.items()))

    return condition
