"""Terms that are entered in a company and read back come to the same prices: units, policies, discount groups, periods,
breaks and agreements, whatever numbers SAP gives the things."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from erp_sync.flows.prices.engine.book import Book
from erp_sync.flows.prices.engine.question import Answer, Question, answer
from erp_sync.model.price_terms import TABLES, PriceTerms, terms_of
from erp_sync.ports.connection import ConnectionSettings
from erp_sync.ports.lookups import Passthrough
from erp_sync.sandbox.contract import ContractCheck
from erp_sync.sandbox.testing import running
from erp_sync.systems.sap_b1.connector import connect
from erp_sync.systems.sap_b1.pricing import PRECEDENCE
from erp_sync.systems.sap_b1.sandbox import contract_book, create
from erp_sync.systems.sap_b1.sandbox.seed_terms import tables_of
from erp_sync.transport.memory import MemoryBreaker, MemoryExchanges, MemorySlots
from erp_sync_tests.systems.sap_b1.test_prices_by_both import agreed

DAYS = (date(2025, 12, 31), date(2026, 1, 1), date(2026, 11, 29), date(2026, 11, 30), date(2026, 12, 1))
QUANTITIES = (1, 4, 5, 10, 50)


def read_back(entered: dict[str, list[dict[str, Any]]]) -> PriceTerms:
    """What a company says of its terms, over HTTP."""
    options = {"local_currency": "EUR"}
    with running(create, vendor="sap_b1", options=options, contract=ContractCheck(contract_book(options))) as sandbox:
        sandbox.control("POST", "seed", {"price_terms": entered})
        company = ConnectionSettings(
            name="sap_de", vendor="sap_b1", base_url=sandbox.base_url, credentials=sandbox.status()["credentials"],
            time_zone="UTC",
        )  # fmt: skip
        connector = connect(company, slots=MemorySlots(), breaker=MemoryBreaker(), exchanges=MemoryExchanges())
        try:
            source = connector.port("price_terms", "source")
            apply = source.mapper(Passthrough())
            rows = [row for page in source.snapshot() for record in page for row in apply(record)]
        finally:
            connector.close()
        assert sandbox.control("GET", "contract")["violations_total"] == 0
    return PriceTerms(**{name: tuple(row for row in rows if type(row) is kind) for name, kind in TABLES.items()})  # type: ignore[arg-type]


def paid(terms: PriceTerms, unit: str) -> list[tuple[Any, ...]]:
    book = Book(terms)

    def told(said: Answer) -> tuple[Any, ...]:
        return said.price, said.currency, said.gross, said.source, said.discount, said.held

    return [
        told(
            answer(
                Question(account="W1", item="SEAL", quantity=Decimal(quantity), unit=unit, day=day), book, PRECEDENCE
            )
        )
        for day in DAYS
        for quantity in QUANTITIES
    ]


def one_kind_a_period(entered: dict[str, list[dict[str, Any]]]) -> bool:
    """Prices that follow a list are so by AutoUpdate of their period: all of it, or nothing."""
    kinds: dict[Any, set[bool]] = {}
    for row in entered["special_prices"]:
        if row["level"] == "period":
            kinds.setdefault(row.get("account"), set()).add("price" in row)
    return all(len(several) == 1 for several in kinds.values())


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), unit=st.sampled_from(["", "pc", "box"]))
def test_terms_that_are_read_back_come_to_the_same_prices(data: st.DataObject, unit: str) -> None:
    entered = data.draw(agreed(unit).filter(one_kind_a_period))
    known = terms_of(tables_of(entered))
    found = read_back(entered)
    for ordered in ("", "pc", "box"):
        assert paid(found, ordered) == paid(known, ordered)


BAD = {
    "account_groups": [{"group": "workshops"}],
    "accounts": [{"account": "W1", "group": "workshops", "price_list": "trade", "currency": "EUR"}],
    "items": [{"item": "SEAL", "group": "seals", "manufacturer": "Acme", "unit": "pc"}],
    "price_lists": [{"price_list": "trade", "currency": "EUR"}],
    "list_prices": [{"price_list": "trade", "item": "SEAL", "currency": "EUR", "price": "10"}],
}
PERIOD = {"account": "W1", "item": "SEAL", "currency": "EUR", "level": "period", "price": "9"}


@pytest.mark.parametrize(
    ("wrong", "held"),
    [
        ({"special_prices": [PERIOD | {"valid_from": "2026-12-01", "valid_to": "2026-01-01"}]}, "dates_backwards"),
        ({"special_prices": [PERIOD | {"valid_from": "2026-01-01"},
                             PERIOD | {"valid_from": "2026-01-01", "quantity": "10"},
                             PERIOD | {"valid_from": "2026-01-01", "quantity": "10", "price": "8"}]}, "equal_breaks"),
        ({"special_prices": [PERIOD | {"valid_from": "2026-01-01"}, PERIOD | {"valid_from": "2026-06-01"}]},
         "dates_overlap"),
        ({"items": [BAD["items"][0] | {"unit": "pc"}], "item_units": [{"item": "SEAL", "unit": "box", "factor": "12"}],
          "special_prices": [PERIOD | {"valid_from": "2026-01-01"},
                             PERIOD | {"valid_from": "2026-01-01", "quantity": "5", "currency": "USD"}]},
         "two_currencies"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_the_company_is_read_and_held_by_the_engine(wrong: dict[str, Any], held: str) -> None:
    found = read_back({**BAD, **wrong})
    said = answer(Question(account="W1", item="SEAL", day=date(2026, 11, 30)), Book(found), PRECEDENCE)
    assert (said.held, said.price) == (held, None)
