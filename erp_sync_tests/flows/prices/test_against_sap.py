"""The engine and SAP's own rules, written apart, say the same of the same contracts; so do the store's rows."""

from __future__ import annotations

from datetime import UTC, datetime, time
from decimal import Decimal

import msgspec
from hypothesis import HealthCheck, given, settings

from erp_sync.flows.prices.engine.book import Book
from erp_sync.flows.prices.engine.evaluation import Store
from erp_sync.flows.prices.engine.factoring import factor
from erp_sync.flows.prices.engine.question import Answer, Question, answer
from erp_sync.model.native_prices import NativeRow, NativeRule, RuleMember
from erp_sync.model.price_terms import PriceTerms, records
from erp_sync.ports.pricing import rounded
from erp_sync.sandbox.clock import ManualClock
from erp_sync.sandbox.price_evidence import PricePaid, PriceQuestion
from erp_sync.systems.sap_b1.pricing import PRECEDENCE
from erp_sync.systems.sap_b1.sandbox import create
from erp_sync.systems.sap_b1.sandbox.price_answers import answers
from erp_sync.systems.shopware.pricing import MEANS
from erp_sync_tests.flows.prices.sap_companies import DAY, LOCAL, companies
from erp_sync_tests.flows.prices.worlds import resolved

IN_CENTS = msgspec.structs.replace(PRECEDENCE, price_digits=2)
QUANTITIES = (1, 2, 4, 5, 9, 10, 12, 120)
NOON = datetime.combine(DAY, time(12), UTC)


def questions(terms: PriceTerms) -> list[Question]:
    return [
        Question(account=account.account, item=item.item, unit=unit, quantity=Decimal(quantity), day=DAY)
        for account in terms.accounts
        for item in terms.items
        for unit in item.sold_in or (item.unit,)
        for quantity in QUANTITIES
    ]


def asked_of_sap(terms: PriceTerms, asked: list[Question]) -> list[tuple[Decimal, bool] | None]:
    """What a company of these terms says, rounded once more as a shop has it: price and gross, or None."""
    core = create(":memory:", ManualClock(), {"local_currency": LOCAL, "price_decimals": 2})
    try:
        core.seed(
            {"price_terms": {name: msgspec.to_builtins(rows) for name, rows in msgspec.structs.asdict(terms).items()}}
        )
        currencies = {one.account: one.currency for one in terms.accounts}
        found = answers(
            core.store,
            core.options,
            [
                PriceQuestion(one.account, one.item, one.quantity, currencies[one.account], NOON, one.unit)
                for one in asked
            ],
        )
        return [
            (rounded(price.amount, currencies[one.account], {}), price.gross) if isinstance(price, PricePaid) else None
            for one, price in zip(asked, found, strict=True)
        ]
    finally:
        core.store.close()


def said_by_engine(found: Answer) -> tuple[Decimal, bool] | None:
    return None if found.price is None else (found.price, found.gross)


@settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(terms=companies())
def test_sap_says_what_the_engine_says(terms: PriceTerms):
    asked = questions(terms)
    by_sap = asked_of_sap(terms, asked)
    book = Book(terms)
    schedules = resolved(terms, IN_CENTS, day=DAY)
    native = factor(schedules, MEANS, least_saving=1).tables()
    store = Store(
        records(native["rows"], NativeRow), records(native["rules"], NativeRule), records(native["members"], RuleMember)
    )
    currencies = {one.account: one.currency for one in terms.accounts}
    held = {(row["account"], row["item"]) for row in schedules.quarantine().to_pylist()}
    for one, expected in zip(asked, by_sap, strict=True):
        found = answer(one, book, IN_CENTS)
        if found.held is not None:
            continue
        assert said_by_engine(found) == expected, (one, found, expected)
        if held & {(one.account, one.item), ("", one.item), (one.account, "")}:
            continue
        row = store.price(one.account, one.item, one.unit, currencies[one.account], one.quantity)
        assert (row and (row.price, row.gross)) == expected, (one, found, row, expected)
