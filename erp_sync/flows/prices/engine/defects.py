"""What can be wrong with price terms. A defect is named with account, item and rule, and holds what it is about only.

A held (account, item) keeps the price that the store has for it; all others go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from enum import StrEnum

import msgspec

from erp_sync.model.price_terms import Agreement, DiscountRule, Item, PriceList, Promotion, SpecialPrice


class Defect(StrEnum):
    """Rules of quarantine. The first of several in this order is the one that an answer names."""

    UNKNOWN_ACCOUNT = "unknown_account"
    UNKNOWN_ITEM = "unknown_item"
    UNKNOWN_GROUP = "unknown_group"
    UNKNOWN_PRICE_LIST = "unknown_price_list"
    DATES_BACKWARDS = "dates_backwards"
    DATES_OVERLAP = "dates_overlap"
    EQUAL_BREAKS = "equal_breaks"
    TWO_CURRENCIES = "two_currencies"
    NUMBER_TOO_LARGE = "number_too_large"
    PERCENT_OUT_OF_RANGE = "percent_out_of_range"
    UNIT_DOES_NOT_CONVERT = "unit_does_not_convert"
    CIRCULAR_PRICE_LIST = "circular_price_list"
    INACTIVE_PRICE_LIST = "inactive_price_list"
    GROSS_AND_NET = "gross_and_net"
    NO_EXCHANGE_RATE = "no_exchange_rate"
    ITEM_IN_NO_LIST = "item_in_no_list"
    NO_PRICE_GIVEN = "no_price_given"
    PRICE_BELOW_ZERO = "price_below_zero"


WORDS: dict[Defect, str] = {
    Defect.UNKNOWN_ACCOUNT: "the account is not in the accounts",
    Defect.UNKNOWN_ITEM: "the item is not in the items",
    Defect.UNKNOWN_GROUP: "the account's group is not in the groups",
    Defect.UNKNOWN_PRICE_LIST: "the price list is not in the price lists",
    Defect.DATES_BACKWARDS: "a term ends before it begins",
    Defect.DATES_OVERLAP: "two terms are valid on the same day",
    Defect.EQUAL_BREAKS: "two breaks begin at the same quantity",
    Defect.TWO_CURRENCIES: "one agreement has prices in two currencies",
    Defect.NUMBER_TOO_LARGE: "a price or quantity is larger than any",
    Defect.PERCENT_OUT_OF_RANGE: "a percentage is above 100 or below -100",
    Defect.UNIT_DOES_NOT_CONVERT: "the item has no such unit",
    Defect.CIRCULAR_PRICE_LIST: "the price list is based on itself, by way of others",
    Defect.INACTIVE_PRICE_LIST: "the price list is not active",
    Defect.GROSS_AND_NET: "a list with tax is to discount a price without, or the other way round",
    Defect.NO_EXCHANGE_RATE: "there is no rate into the currency asked for on that day",
    Defect.ITEM_IN_NO_LIST: "no price list has the item",
    Defect.NO_PRICE_GIVEN: "a term has neither a price nor a percentage",
    Defect.PRICE_BELOW_ZERO: "discounts take off more than the price",
}
LARGEST = Decimal(10) ** 11  # nothing costs that much; with less the exact arithmetic has room
WHOLE = Decimal(100)
ORDER = {defect: place for place, defect in enumerate(Defect)}


class Held(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """A row of the quarantine table. An `account` of ``""`` is every account that the rest concerns."""

    account: str = ""
    price_list: str = ""
    item: str = ""
    rule: Defect
    term: str = ""
    problem: str


def first(found: Iterable[Defect]) -> Defect | None:
    return min(found, key=ORDER.__getitem__, default=None)


def of_specials(rows: Sequence[SpecialPrice], item: Item, factors: Mapping[str, Decimal], day: date) -> set[Defect]:
    """What is wrong with the special prices of one account or list for one item, on that day or later."""
    rows = [row for row in rows if alive(row, day)]
    found = _of_rows(rows, item, factors)
    if any(abs(row.quantity) >= LARGEST for row in rows):
        found.add(Defect.NUMBER_TOO_LARGE)
    if any(row.discount is not None and not in_range(row.discount) for row in rows):
        found.add(Defect.PERCENT_OUT_OF_RANGE)
    if len({row.currency for row in rows}) > 1:
        found.add(Defect.TWO_CURRENCIES)
    if any(row.price is None and row.discount is None for row in rows):
        found.add(Defect.NO_PRICE_GIVEN)
    spans: dict[tuple[str, str], set[tuple[date, date]]] = {}
    steps: set[tuple[object, ...]] = set()
    for row in rows:
        unit = row.unit or item.unit
        span = (row.valid_from or date.min, _end(row.valid_to))
        spans.setdefault((row.level, unit), set()).add(span)
        step = (row.level, unit, *span, row.quantity)
        if step in steps:
            found.add(Defect.EQUAL_BREAKS)
        steps.add(step)
    if any(_overlap(sorted(several)) for several in spans.values()):
        found.add(Defect.DATES_OVERLAP)
    return found


def of_agreements(rows: Sequence[Agreement], item: Item, factors: Mapping[str, Decimal], day: date) -> set[Defect]:
    """What is wrong with the agreements of one account for one item, on that day or later; their currencies see
    `mixed_agreements`."""
    rows = [row for row in rows if alive(row, day)]
    found = _of_rows(rows, item, factors)
    spans: dict[str, list[tuple[date, date]]] = {}
    for row in rows:
        spans.setdefault(row.unit or item.unit, []).append((row.valid_from or date.min, _end(row.valid_to)))
    if any(_overlap(sorted(several)) for several in spans.values()):
        found.add(Defect.DATES_OVERLAP)
    return found


def mixed_agreements(rows: Iterable[Agreement], day: date) -> set[tuple[str, str]]:
    """(account, agreement) of those whose lines have two currencies, on that day or later."""
    currencies: dict[tuple[str, str], set[str]] = {}
    for row in rows:
        if not alive(row, day):
            continue
        currencies.setdefault((row.account, row.agreement), set()).add(row.currency)
    return {key for key, several in currencies.items() if len(several) > 1}


def circular(lists: Iterable[PriceList]) -> set[str]:
    """Active lists whose chain of active base lists never ends."""
    base = {one.price_list: one.base_list for one in lists if one.active}
    found = set()
    for name in base:
        seen, at = {name}, base[name]
        while at and at in base and at not in seen:
            seen.add(at)
            at = base[at] if base[at] != at else ""
        if at in seen and not (at == name and base[name] == name):
            found.add(name)
    return found


def alive(row: DiscountRule | SpecialPrice | Agreement, day: date) -> bool:
    """It counts on that day or may later. What is over or switched off holds nothing, however wrong it is."""
    ends = row.valid_to or date.max
    return getattr(row, "active", True) and max(ends, row.valid_from or date.min) >= day


def in_range(percent: Decimal) -> bool:
    return -WHOLE <= percent <= WHOLE


def backwards(row: DiscountRule | Promotion | SpecialPrice | Agreement) -> bool:
    if isinstance(row, Promotion):
        return row.starts >= row.ends
    return row.valid_from is not None and row.valid_to is not None and row.valid_from > row.valid_to


def _of_rows(
    rows: Sequence[SpecialPrice] | Sequence[Agreement], item: Item, factors: Mapping[str, Decimal]
) -> set[Defect]:
    found = set()
    if any(backwards(row) for row in rows):
        found.add(Defect.DATES_BACKWARDS)
    if any(row.price is not None and abs(row.price) >= LARGEST for row in rows):
        found.add(Defect.NUMBER_TOO_LARGE)
    if any(row.unit not in ("", item.unit) and not converts(factors.get(row.unit)) for row in rows):
        found.add(Defect.UNIT_DOES_NOT_CONVERT)
    return found


def converts(factor: Decimal | None) -> bool:
    return factor is not None and 0 < factor < LARGEST


def _end(day: date | None) -> date:
    return day or date.max


def _overlap(spans: Sequence[tuple[date, date]]) -> bool:
    """Spans sorted by their start, both ends belonging to them."""
    latest = None
    for start, end in spans:
        if latest is not None and start <= latest:
            return True
        latest = end if latest is None else max(latest, end)
    return False
