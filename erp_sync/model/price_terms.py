"""What an ERP has agreed about prices, in canonical tables: the price engine's input. No I/O.

Every table is a record here and an Arrow schema by `schema(record)`. Amounts and quantities are decimal128(18, 6),
percentages decimal128(9, 6), 12.5 is 12.5 %. A `date` is the posting date of the ERP's company, both ends of an
interval belong to it, None is unbounded. A promotion's times are UTC, half-open.

A unit of ``""`` is the item's own (`Item.unit`).
"""

from __future__ import annotations

import typing
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

if TYPE_CHECKING:
    import pyarrow as pa

PERCENT = "percent"
Percent = Annotated[Decimal, msgspec.Meta(title=PERCENT)]

SCALE = 6
WIDTH, PERCENT_WIDTH = 18, 9


class Policy(StrEnum):
    """Which of several prices an account pays."""

    DEFAULT = "default"  # the first of the order of precedence
    LOWEST = "lowest"
    HIGHEST = "highest"


class Combination(StrEnum):
    """What several percentages are together."""

    LOWEST = "lowest"
    HIGHEST = "highest"
    AVERAGE = "average"
    TOTAL = "total"
    MULTIPLES = "multiples"  # one after the other: 5 % and 7 % are 11.65 %


class Row(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A row of a canonical table."""


class AccountGroup(Row, frozen=True, kw_only=True, gc=False):
    group: str


class Account(Row, frozen=True, kw_only=True, gc=False):
    """Attributes:
    price_list: the list of its documents.
    every_source: under `LOWEST` and `HIGHEST` all sources count, whether or not a group discount exists.
    combination: of the percentages of several discount rules.
    no_discounts: no discount rule is for it.
    """

    account: str
    group: str
    price_list: str
    currency: str
    policy: Policy = Policy.DEFAULT
    every_source: bool = False
    combination: Combination = Combination.LOWEST
    no_discounts: bool = False


class Item(Row, frozen=True, kw_only=True, gc=False):
    """Attributes:
    sold_in: units in which the store sells it; none is its own unit.
    """

    item: str
    group: str = ""
    manufacturer: str = ""
    properties: tuple[str, ...] = ()
    no_discounts: bool = False
    unit: str
    sold_in: tuple[str, ...] = ()


class ItemUnit(Row, frozen=True, kw_only=True, gc=False):
    """`factor`: the item's own units in one of this; not above zero does not convert."""

    item: str
    unit: str
    factor: Decimal


class PriceList(Row, frozen=True, kw_only=True, gc=False):
    """Attributes:
    gross: its prices, and those of documents that use it, include tax.
    base_list: whose prices these were made of; ``""`` and itself are none.
    """

    price_list: str
    currency: str
    gross: bool = False
    base_list: str = ""
    active: bool = True


class ListPrice(Row, frozen=True, kw_only=True, gc=False):
    """A price as the ERP keeps it: in the list's currency, or one of its additional ones."""

    price_list: str
    item: str
    unit: str = ""
    currency: str
    price: Decimal


class ExchangeRate(Row, frozen=True, kw_only=True, gc=False):
    """`rate`: what one unit of `currency` is in `into`, from `day` until the next."""

    day: date
    currency: str
    into: str
    rate: Decimal


class DiscountRule(Row, frozen=True, kw_only=True, gc=False):
    """One line of a discount rule.

    Attributes:
        scoped_to: the group or account; ``""`` for all.
        matched: the item, item group, manufacturer or property; ``""`` for all.
        relation: of several lines of one rule that match by property.
    """

    rule: str
    scope: Literal["all", "group", "account"] = "all"
    scoped_to: str = ""
    match: Literal["all", "item", "item_group", "manufacturer", "property"] = "all"
    matched: str = ""
    percent: Percent
    relation: Combination = Combination.LOWEST
    valid_from: date | None = None
    valid_to: date | None = None
    active: bool = True


class SpecialPrice(Row, frozen=True, kw_only=True, gc=False):
    """One step of a special price of an account, or of everybody who buys from a list.

    A header, a period and each quantity break of a period is a row of its own, with the dates of what it belongs to.

    Attributes:
        account, price_list: one of them; the other is ``""``.
        quantity: from this quantity of `unit` on; 0 is from the first.
        price: after `discount`; None: `discount` off the price in `from_list`.
        from_list: ``""`` with `discount` is the account's list.
        rule: the ERP's own name of it.
    """

    account: str = ""
    price_list: str = ""
    item: str
    unit: str = ""
    level: Literal["header", "period"] = "header"
    quantity: Decimal = Decimal(0)
    price: Decimal | None = None
    discount: Percent | None = None
    from_list: str = ""
    currency: str
    valid_from: date | None = None
    valid_to: date | None = None
    rule: str = ""


class Agreement(Row, frozen=True, kw_only=True, gc=False):
    """A line of a blanket agreement. `active`: approved, not terminated."""

    agreement: str
    account: str
    item: str
    unit: str = ""
    price: Decimal
    currency: str
    valid_from: date | None = None
    valid_to: date | None = None
    active: bool = True


class Promotion(Row, frozen=True, kw_only=True, gc=False):
    """A price for a time, for all, a group or an account. `price`, or `discount` off the account's list."""

    promotion: str
    scope: Literal["all", "group", "account"] = "all"
    scoped_to: str = ""
    item: str
    unit: str = ""
    quantity: Decimal = Decimal(0)
    price: Decimal | None = None
    discount: Percent | None = None
    currency: str
    starts: datetime
    ends: datetime


TABLES: dict[str, type[Row]] = {
    "account_groups": AccountGroup,
    "accounts": Account,
    "items": Item,
    "item_units": ItemUnit,
    "price_lists": PriceList,
    "list_prices": ListPrice,
    "exchange_rates": ExchangeRate,
    "discount_rules": DiscountRule,
    "special_prices": SpecialPrice,
    "agreements": Agreement,
    "promotions": Promotion,
}


class PriceTerms(msgspec.Struct, frozen=True, kw_only=True):
    """All tables, as records."""

    account_groups: tuple[AccountGroup, ...] = ()
    accounts: tuple[Account, ...] = ()
    items: tuple[Item, ...] = ()
    item_units: tuple[ItemUnit, ...] = ()
    price_lists: tuple[PriceList, ...] = ()
    list_prices: tuple[ListPrice, ...] = ()
    exchange_rates: tuple[ExchangeRate, ...] = ()
    discount_rules: tuple[DiscountRule, ...] = ()
    special_prices: tuple[SpecialPrice, ...] = ()
    agreements: tuple[Agreement, ...] = ()
    promotions: tuple[Promotion, ...] = ()

    def tables(self) -> dict[str, pa.Table]:
        """As Arrow, by name."""
        return {name: table(record, getattr(self, name)) for name, record in TABLES.items()}


def schema(record: type[msgspec.Struct]) -> pa.Schema:
    """The Arrow schema of a record: its fields, in order. Raises TypeError for a type it has no word for."""
    import pyarrow as pa

    hints = typing.get_type_hints(record, include_extras=True)
    return pa.schema([pa.field(name, *_arrow(hints[name])) for name in record.__struct_fields__])


def table(record: type[msgspec.Struct], rows: Iterable[msgspec.Struct]) -> pa.Table:
    """Records as an Arrow table.

    A number that its column does not take stops no other: a finer one is rounded half up to the column's digits, a
    larger one, and what is none, becomes the largest that there is, with its sign. No price or percentage is that
    large, so that whoever reads the table holds the row.
    """
    import pyarrow as pa

    given = list(rows)
    fields = schema(record)
    columns = []
    for field in fields:
        values = [getattr(row, field.name) for row in given]
        try:
            columns.append(pa.array(values, field.type))
        except pa.ArrowInvalid:
            if not pa.types.is_decimal(field.type):
                raise
            columns.append(pa.array([_within(one, field.type.precision) for one in values], field.type))
    return pa.table(columns, schema=fields)


def _within(number: Decimal | None, width: int) -> Decimal | None:
    if number is None:
        return None
    largest = Decimal(10) ** (width - SCALE) - Decimal(1).scaleb(-SCALE)
    if number.is_nan():
        return largest
    number = max(-largest, min(largest, number))
    return number.quantize(Decimal(1).scaleb(-SCALE), rounding=ROUND_HALF_UP)


def records(table: pa.Table, record: type[msgspec.Struct]) -> list[Any]:
    """The rows of a table as records. Raises msgspec.ValidationError where a row is none."""
    return [msgspec.convert(row, record) for row in table.select(list(record.__struct_fields__)).to_pylist()]


def terms_of(tables: Mapping[str, pa.Table]) -> PriceTerms:
    """The records of Arrow tables; one that is not given has none."""
    return PriceTerms(**{name: tuple(records(given, TABLES[name])) for name, given in tables.items()})


def _arrow(hint: Any) -> tuple[pa.DataType, bool]:
    """Arrow type of a field, and whether it may be missing."""
    import pyarrow as pa

    arguments = typing.get_args(hint)
    if type(None) in arguments:
        (rest,) = (one for one in arguments if one is not type(None))
        return _arrow(rest)[0], True
    if hint == Percent:
        return pa.decimal128(PERCENT_WIDTH, SCALE), False
    if typing.get_origin(hint) is Literal or (isinstance(hint, type) and issubclass(hint, str)):
        return pa.string(), False
    if typing.get_origin(hint) is tuple:
        return pa.list_(pa.field("item", pa.string(), nullable=False)), False
    known = {
        Decimal: pa.decimal128(WIDTH, SCALE),
        bool: pa.bool_(),
        int: pa.int32(),
        date: pa.date32(),
        datetime: pa.timestamp("us", tz="UTC"),
    }
    if hint not in known:
        raise TypeError(f"{hint} is no type of a canonical column")
    return known[hint], False
