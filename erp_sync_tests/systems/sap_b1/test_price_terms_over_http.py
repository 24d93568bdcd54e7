"""Price terms out of a whole company, behind a socket: what was agreed is what is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from erp_sync.flows.prices.engine.book import Book
from erp_sync.flows.prices.engine.question import Question, answer
from erp_sync.model.price_terms import TABLES, Account, PriceTerms, Row, SpecialPrice
from erp_sync.ports.connection import ConnectionSettings
from erp_sync.ports.lookups import Passthrough
from erp_sync.ports.price_questions import AsksPrices, PriceQuestion, ReadsAccounts
from erp_sync.ports.pricing import Rounding, rounded
from erp_sync.sandbox.contract import ContractCheck
from erp_sync.sandbox.distributor import Distributor
from erp_sync.sandbox.testing import RunningSandbox, running
from erp_sync.systems.sap_b1.connector import SapBusinessOneConnector, connect
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
def connector(company: RunningSandbox) -> Iterator[SapBusinessOneConnector]:
    keys = company.status()["credentials"]
    settings = ConnectionSettings(
        name="sap_de", vendor="sap_b1", base_url=company.base_url, credentials=keys, time_zone="Europe/Berlin"
    )
    made = connect(settings, slots=MemorySlots(), breaker=MemoryBreaker(), exchanges=MemoryExchanges())
    yield made
    made.close()


@pytest.fixture(scope="module")
def source(connector: SapBusinessOneConnector) -> PriceTermsSource:
    found: PriceTermsSource = connector.port("price_terms", "source")
    return found


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


def test_records_are_read_by_their_names(source: PriceTermsSource) -> None:
    records = {record.native_id: record for page in source.snapshot() for record in page}
    wanted = [*[*records][::7], "CurrencyRates/EUR"]
    assert {one.partition("/")[0] for one in wanted} == {one.partition("/")[0] for one in records}
    found = {one.native_id: one for page in source.fetch([*wanted, "SpecialPrices/C000000/NONE", "PriceLists/x"])
             for one in page}  # fmt: skip
    assert {name: one.payload for name, one in found.items()} == {name: records[name].payload for name in wanted}


def test_the_source_says_what_prices_are_found_by(source: PriceTermsSource) -> None:
    assert isinstance(source, ReadsAccounts)
    assert source.precedence.system == "SAP Business One"
    assert source.day_zone == "Europe/Berlin"


def test_sap_s_own_prices_are_those_that_its_terms_come_to(
    connector: SapBusinessOneConnector, everything: list[Row]
) -> None:
    """Read by the client, resolved by the engine, against what the company itself calculates."""
    by_table = {name: tuple(row for row in everything if type(row) is kind) for name, kind in TABLES.items()}
    terms = PriceTerms(**by_table)  # type: ignore[arg-type]
    book, draw = Book(terms), Random(7)
    questions = []
    for _ in range(150):
        account = draw.choice(terms.accounts)
        named = [one.item for one in terms.special_prices if one.account == account.account]
        item = draw.choice(named) if named and draw.random() < 0.6 else draw.choice(terms.items).item
        quantity, month = Decimal(draw.choice([1, 9, 10, 49, 50, 99, 100, 500])), draw.choice([1, 6, 11, 12])
        year = draw.choice([2026, 2026, 2027])
        questions.append(PriceQuestion(account=account.account, item=item, quantity=quantity, day=date(year, month, 1)))
    asks: AsksPrices = connector.port("price_terms", "asks_prices")
    rounding = {currency: Rounding() for currency in ("EUR", "USD", "CHF")}
    differ = []
    for question, asked in zip(questions, asks.prices(questions), strict=True):
        ours = answer(
            Question(account=question.account, item=question.item, quantity=question.quantity, day=question.day),
            book,
            connector.port("price_terms", "source").precedence,
            rounding,
        )
        # A special price that is kept with more digits than a document shows is told with all of them.
        paid = None if asked.price is None else rounded(asked.price, asked.currency, rounding)
        if asked.problem or (ours.price, ours.currency) != (paid, asked.currency):
            differ.append((question, asked, ours))
    assert differ == []


def test_what_sap_cannot_answer_is_said(connector: SapBusinessOneConnector) -> None:
    asks: AsksPrices = connector.port("price_terms", "asks_prices")
    known = PriceQuestion(account="C000000", item="P000000", day=date(2026, 11, 30))
    wrong = PriceQuestion(account="C000000", item="NO-SUCH-ITEM", day=date(2026, 11, 30))
    unit = PriceQuestion(account="C000000", item="P000000", unit="PALLET", day=date(2026, 11, 30))
    good, bad, strange = asks.prices([known, wrong, unit])
    assert good.price is not None
    assert good.problem == ""
    assert (bad.price, strange.price) == (None, None)
    assert "No matching records" in bad.problem
    assert strange.problem == "SAP Business One has no unit PALLET"


def test_every_exchange_was_in_the_contract(company: RunningSandbox, everything: list[Row]) -> None:
    assert everything
    assert company.control("GET", "contract")["violations_total"] == 0
