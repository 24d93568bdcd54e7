"""Small worlds of price terms: a distributor with one list, one account and one item, to which a test adds."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import duckdb
import msgspec

from erp_sync.flows.prices.engine.book import Book
from erp_sync.flows.prices.engine.question import Answer, Question, answer
from erp_sync.flows.prices.engine.schedules import Schedules, resolve
from erp_sync.model.price_terms import (
    Account,
    AccountGroup,
    Agreement,
    DiscountRule,
    Item,
    ListPrice,
    PriceList,
    PriceTerms,
    SpecialPrice,
)
from erp_sync.ports.pricing import Precedence
from erp_sync.systems.sap_b1.pricing import PRECEDENCE

TODAY = date(2026, 11, 30)
NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)


def d(number: str | int) -> Decimal:
    return Decimal(number)


def world(**more: Any) -> PriceTerms:
    """A bolt at 10.00 in the list "trade" for ACME, of the group "plumbers"; `more` is added to the tables."""
    base = PriceTerms(
        account_groups=(AccountGroup(group="plumbers"),),
        accounts=(Account(account="ACME", group="plumbers", price_list="trade", currency="USD"),),
        items=(Item(item="bolt", unit="pc", group="fasteners", manufacturer="Hilti", properties=("zinc", "m8")),),
        price_lists=(PriceList(price_list="trade", currency="USD"),),
        list_prices=(ListPrice(price_list="trade", item="bolt", currency="USD", price=d(10)),),
    )
    return msgspec.structs.replace(base, **{name: getattr(base, name) + tuple(rows) for name, rows in more.items()})


def resolved(terms: PriceTerms, precedence: Precedence = PRECEDENCE, **options: Any) -> Schedules:
    """Everything, by SAP's order; a small world needs no second thread."""
    database = duckdb.connect(":memory:", config={"threads": 1})
    return resolve(terms.tables(), precedence, **{"day": TODAY, "database": database, **options})


def changed(terms: PriceTerms, table: str, **fields: Any) -> PriceTerms:
    """The only row of a table with other values."""
    (row,) = getattr(terms, table)
    return msgspec.structs.replace(terms, **{table: (msgspec.structs.replace(row, **fields),)})


def special(price: str | None = None, **fields: Any) -> SpecialPrice:
    """Of ACME for the bolt."""
    row = {"account": "ACME", "item": "bolt", "currency": "USD", "price": None if price is None else d(price)}
    return SpecialPrice(**{**row, **fields})


def period(price: str, quantity: str | int = 0, **fields: Any) -> SpecialPrice:
    return special(price, level="period", quantity=d(quantity), **fields)


def agreement(price: str, **fields: Any) -> Agreement:
    row = {"agreement": "BA-1", "account": "ACME", "item": "bolt", "currency": "USD", "price": d(price)}
    return Agreement(**{**row, **fields})


def discount(percent: str, **fields: Any) -> DiscountRule:
    return DiscountRule(**{"rule": f"D-{percent}", "percent": d(percent), **fields})


def ask(terms: PriceTerms, quantity: str | int = 1, **fields: Any) -> Answer:
    """What ACME pays for a bolt today, by SAP's order."""
    rounding = fields.pop("rounding", None)
    question = Question(**{"account": "ACME", "item": "bolt", "quantity": d(quantity), "day": TODAY, **fields})
    return answer(question, Book(terms), PRECEDENCE, rounding)
