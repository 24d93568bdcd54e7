"""Price terms out of a whole company, behind a socket: what was agreed is what is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from erp_sync.model.price_terms import TABLES, Account, PriceTerms, Row, SpecialPrice
from erp_sync.ports.connection import ConnectionSettings
from erp_sync.ports.lookups import Passthrough
from erp_sync.sandbox.contract import ContractCheck
from erp_sync.sandbox.distributor import Distributor
from erp_sync.sandbox.testing import RunningSandbox, running
from erp_sync.systems.sap_b1.connector import connect
from erp_sync.systems.sap_b1.price_terms import PriceTermsSource
from erp_sync.systems.sap_b1.sandbox import contract_book, create
from erp_sync.transport.memory import MemoryBreaker, MemoryExchanges, MemorySlots
from erp_sync_tests.systems.sap_b1.agreed import LOCAL, numbered, seed_of

DISTRIBUTOR = Distributor(items=60, accounts=15, lists=12, pairs=300, day=date(2026, 11, 30))


@pytest.fixture(scope="module")
def agreed() -> PriceTerms:
    return numbered(DISTRIBUTOR)


@pytest.fixture(scope="module")
def company(agreed: PriceTerms) -> Iterator[RunningSandbox]:
    options = {"local_currency": LOCAL, "timezone": "Europe/Berlin", "page_limit": 70}
    with running(create, vendor="sap_b1", options=options, contract=ContractCheck(contract_book({}))) as sandbox:
        sandbox.control("POST", "seed", seed_of(agreed))
        yield sandbox


@pytest.fixture(scope="module")
def source(company: RunningSandbox) -> Iterator[PriceTermsSource]:
    keys = company.status()["credentials"]
    settings = ConnectionSettings(
        name="sap_de", vendor="sap_b1", base_url=company.base_url, credentials=keys, time_zone="Europe/Berlin"
    )
    connector = connect(settings, slots=MemorySlots(), breaker=MemoryBreaker(), exchanges=MemoryExchanges())
    yield connector.port("price_terms", "source")
    connector.close()


def rows(source: PriceTermsSource, pages: Any) -> list[Row]:
    apply = source.mapper(Passthrough())
    return [row for page in pages for record in page for row in apply(record)]


@pytest.fixture(scope="module")
def everything(source: PriceTermsSource) -> list[Row]:
    return rows(source, source.snapshot())


# Of exchange rates the sandbox is asked for today's alone; SAP knows no promotions besides special prices.
@pytest.mark.parametrize("table", [one for one in TABLES if one not in ("exchange_rates", "promotions")])
def test_what_was_agreed_is_what_is_read(everything: list[Row], agreed: PriceTerms, table: str) -> None:
    of_kind = [row for row in everything if type(row) is TABLES[table]]
    wanted: tuple[Row, ...] = getattr(agreed, table)
    if table == "account_groups":  # SAP comes with one
        of_kind = [row for row in of_kind if row.group != "100"]
    assert Counter(of_kind) == Counter(wanted)


def test_the_terms_of_an_item_are_everybody_s(source: PriceTermsSource, agreed: PriceTerms) -> None:
    item = agreed.special_prices[0].item
    found = rows(source, source.read([item, "NO-SUCH-ITEM"]))
    assert {row.item for row in found} == {item}
    assert Counter(row for row in found if isinstance(row, SpecialPrice)) == Counter(
        row for row in agreed.special_prices if row.item == item
    )


def test_the_terms_of_an_account_are_of_all_items(source: PriceTermsSource, agreed: PriceTerms) -> None:
    account = agreed.special_prices[0].account
    found = rows(source, source.read_accounts([account]))
    assert [row.account for row in found if isinstance(row, Account)] == [account]
    assert Counter(row for row in found if isinstance(row, SpecialPrice)) == Counter(
        row for row in agreed.special_prices if row.account == account
    )


def test_every_exchange_was_in_the_contract(company: RunningSandbox, everything: list[Row]) -> None:
    assert everything
    assert company.control("GET", "contract")["violations_total"] == 0
