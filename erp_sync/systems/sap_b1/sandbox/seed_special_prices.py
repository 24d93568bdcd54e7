"""Special prices in great numbers, from the canonical table: what ``POST SpecialPrices`` makes of the same, as text.

A million one by one would take a quarter of an hour.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, Any

import msgspec

from erp_sync.systems.sap_b1.sandbox.rows import write_many
from erp_sync.systems.sap_b1.sandbox.store import Store, dumps, loads
from erp_sync.systems.sap_b1.sandbox.values import exact, number

if TYPE_CHECKING:
    import pyarrow as pa

_ORDER = ("account", "price_list", "item", "level", "valid_from", "valid_to", "quantity", "unit")
_COLUMNS = (*_ORDER, "price", "discount", "from_list", "currency")
_AT_ONCE = 200_000
_Row = tuple[Any, ...]
Upsert = Callable[[str, dict[str, Any]], dict[str, Any]]
# Places in a row.
_ACCOUNT, _LIST, _ITEM, _LEVEL, _FROM, _TO, _QUANTITY, _UNIT, _PRICE, _DISCOUNT, _FROM_LIST, _CURRENCY = range(12)


class WrongTerms(ValueError):
    """Rows that one special price cannot hold; the message names account and item."""


class Writer:
    """Numbers of lists and units by name; `own_units` are those of items that are sold in several.

    Of a period some of whose rows follow a list the company works out the prices once: that goes the way of a POST.
    """

    def __init__(
        self,
        store: Store,
        upsert: Upsert,
        lists: Mapping[str, int],
        units: Mapping[str, int],
        own_units: Mapping[str, int],
    ) -> None:
        self.store, self.upsert, self.lists, self.units, self.own_units = store, upsert, lists, units, own_units
        self.cards = {code for (code,) in store.rows('SELECT k1 FROM "BusinessPartners"')}
        self.items = {code for (code,) in store.rows('SELECT k1 FROM "Items"')}

    def write(self, table: pa.Table) -> int:
        """Write the table's special prices and answer how many. Raises WrongTerms."""
        written = 0
        waiting: list[tuple[str, str, str]] = []
        for (account, price_list, item), rows in groupby(_sorted_rows(table), key=lambda row: row[:3]):
            of_one = list(rows)
            found = self._entity(account, price_list, item, of_one)
            if _is_mixed(of_one):
                self.upsert("SpecialPrices", loads(dumps(found)))
                written += 1
                continue
            waiting.append((found["CardCode"], item, dumps(found)))
            if len(waiting) == _AT_ONCE // 10:
                written += self._flush(waiting)
        return written + self._flush(waiting)

    def _flush(self, waiting: list[tuple[str, str, str]]) -> int:
        count = len(waiting)
        write_many(self.store, "SpecialPrices", waiting)
        waiting.clear()
        return count

    def _entity(self, account: str, price_list: str, item: str, rows: list[_Row]) -> dict[str, Any]:
        card = account or f"*{self.lists[price_list]}"
        if (account and account not in self.cards) or item not in self.items:
            raise WrongTerms(f"special price of account {account!r} for item {item!r}: one of them does not exist")
        header = [row for row in rows if row[_LEVEL] == "header"]
        if len(header) > 1:
            raise WrongTerms(f"special price of {card!r} for {item!r} has {len(header)} headers; one is possible")
        found: dict[str, Any] = {
            "Valid": "tYES", "PriceListNum": 0, "AutoUpdate": "tNO", "SpecialPriceDataAreas": [], "CardCode": card,
            "ItemCode": item,
        }  # fmt: skip
        if header:
            found |= self._header(card, header[0])
        of_periods = [row for row in rows if row[_LEVEL] == "period"]
        found["SpecialPriceDataAreas"] = [
            self._area(card, item, place, list(steps))
            for place, (_, steps) in enumerate(groupby(of_periods, key=lambda row: row[_FROM : _TO + 1]))
        ]
        return found

    def _header(self, card: str, row: _Row) -> dict[str, Any]:
        if _is_step(row):
            raise WrongTerms(
                f"header of {card!r} for {row[_ITEM]!r} is from {row[_QUANTITY]} on; a header has no steps"
            )
        found = {"ValidFrom": row[_FROM], "ValidTo": row[_TO]}
        found = {name: day for name, day in found.items() if day is not None}
        if row[_PRICE] is None:
            found["AutoUpdate"] = "tYES"
        return found | self._priced(card, row, "Price", "DiscountPercent", "PriceListNum", "Currency")

    def _area(self, card: str, item: str, place: int, steps: list[_Row]) -> dict[str, Any]:
        first = [row for row in steps if not _is_step(row) and self._is_own_unit(row)]
        if len(first) != 1 or first[0][_FROM] is None:
            raise WrongTerms(
                f"period of {card!r} for {item!r} from {steps[0][_FROM]}: it needs a start and one price from the first"
            )
        own = {"BPCode": card, "ItemNo": item}
        area: dict[str, Any] = {"DateFrom": first[0][_FROM], "Dateto": first[0][_TO], "RowNumber": place, **own}
        area |= self._priced(card, first[0], "SpecialPrice", "Discount", "PriceListNo", "PriceCurrency")
        breaks = []
        for number_, row in enumerate(row for row in steps if row is not first[0]):
            step = self._priced(card, row, "SpecialPrice", "Discountin", "PriceListNo", "PriceCurrency")
            # The list that breaks follow is their period's.
            follows = step.pop("PriceListNo", None)
            if follows is not None and area.setdefault("PriceListNo", follows) != follows:
                raise WrongTerms(f"period of {card!r} for {item!r} follows several lists; one is possible")
            breaks.append({"Quantity": _digits(row[_QUANTITY]), **step, **self._unit(row), "RowNumber": number_,
                           "SPDARowNumber": place, **own})  # fmt: skip
        if all(row[_PRICE] is None for row in steps):
            area["AutoUpdate"] = "tYES"
        return {**area, "SpecialPriceQuantityAreas": breaks}

    def _priced(self, card: str, row: _Row, price: str, percent: str, price_list: str, currency: str) -> dict[str, Any]:
        found: dict[str, Any] = {currency: row[_CURRENCY]}
        if row[_PRICE] is not None:
            found[price] = _digits(row[_PRICE])
        if row[_DISCOUNT] is not None:
            found[percent] = _digits(row[_DISCOUNT])
        if row[_PRICE] is None:
            name = row[_FROM_LIST] or row[_LIST]
            if name not in self.lists:
                raise WrongTerms(f"special price of {card!r} for {row[_ITEM]!r} is a discount off no list")
            found[price_list] = self.lists[name]
        return found

    def _is_own_unit(self, row: _Row) -> bool:
        own = self.own_units.get(row[_ITEM])
        return own is None or not row[_UNIT] or self.units[row[_UNIT]] == own

    def _unit(self, row: _Row) -> dict[str, int]:
        own = self.own_units.get(row[_ITEM])
        if own is None:
            return {}
        return {"UoMEntry": self.units[row[_UNIT]] if row[_UNIT] else own}


def _is_mixed(rows: list[_Row]) -> bool:
    periods = groupby((row for row in rows if row[_LEVEL] == "period"), key=lambda row: row[_FROM : _TO + 1])
    return any(len({row[_PRICE] is None for row in steps}) > 1 for _, steps in periods)


def _is_step(row: _Row) -> bool:
    return float(row[_QUANTITY]) > 0


def _sorted_rows(table: pa.Table) -> Iterator[_Row]:
    """Rows in the order of their keys; numbers and days as texts."""
    import pyarrow as pa

    chosen = table.select(list(_COLUMNS)).sort_by([(name, "ascending") for name in _ORDER])
    for start in range(0, chosen.num_rows, _AT_ONCE):
        part = chosen.slice(start, _AT_ONCE)
        columns = [column if pa.types.is_string(column.type) else column.cast(pa.string()) for column in part.columns]
        yield from zip(*(column.to_pylist() for column in columns), strict=True)


@lru_cache(maxsize=100_000)
def _digits(text: str) -> msgspec.Raw:
    """A number as `values.number` prints it."""
    return msgspec.Raw(str(number(exact(text))).encode())
