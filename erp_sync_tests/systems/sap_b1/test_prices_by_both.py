"""The price engine on canonical terms, and the company on its own objects of the same terms: they were written apart,
from the vendor's documents, and answer alike.

Left out is what no document decides and both read otherwise: an agreement's line and a partner's breaks where another
unit is ordered than theirs, breaks of the ordered unit of which none is reached, and a percentage in a period that has
prices, too: the company works its price out once, and rounds it before a discount group takes its place.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from erp_sync.flows.prices.engine.book import Book
from erp_sync.flows.prices.engine.question import Question, answer
from erp_sync.model.price_terms import terms_of
from erp_sync.sandbox.clock import ManualClock
from erp_sync.sandbox.price_evidence import NoPrice, PricePaid, PriceQuestion
from erp_sync.systems.sap_b1.pricing import PRECEDENCE
from erp_sync.systems.sap_b1.sandbox import create
from erp_sync.systems.sap_b1.sandbox.price_answers import answers
from erp_sync.systems.sap_b1.sandbox.seed_terms import tables_of

DAY = date(2026, 11, 30)
OF_PERIODS = (
    {"valid_from": "2026-01-01"},
    {"valid_from": "2026-01-01", "valid_to": "2026-11-30"},
    {"valid_from": "2026-12-01"},
    {"valid_from": "2026-01-01", "valid_to": "2026-11-29"},
)
WINDOWS: tuple[dict[str, str], ...] = ({}, {"valid_to": "2026-11-29"}, *OF_PERIODS)
SCOPES = {"all": "", "group": "workshops", "account": "W1"}
MATCHES = {"item": "SEAL", "item_group": "seals", "manufacturer": "Acme", "property": "round"}
FIXED: dict[str, list[dict[str, Any]]] = {
    "account_groups": [{"group": "workshops"}],
    "items": [{"item": "SEAL", "group": "seals", "manufacturer": "Acme", "unit": "pc", "properties": ["round"]}],
    "item_units": [{"item": "SEAL", "unit": "box", "factor": "12"}],
    "price_lists": [
        {"price_list": "retail", "currency": "EUR"},
        {"price_list": "trade", "currency": "EUR", "base_list": "retail"},
    ],
}

money = st.integers(1, 30_000).map(lambda cents: str(Decimal(cents) / 100))
percent = st.sampled_from(["5", "7", "12.5", "20", "33"])
#: Prices, or percentages off a list.
priced = money.map(lambda price: {"price": price})
discounted = percent.map(lambda off: {"discount": off, "from_list": "trade"})


@st.composite
def specials(draw: st.DrawFn, whose: dict[str, str], unit: str) -> list[dict[str, Any]]:
    """A header, or a period with breaks, or both, or neither."""
    rows = []
    base = {"item": "SEAL", "currency": "EUR", **whose}
    if draw(st.booleans()):
        rows.append({**base, "level": "header", **draw(st.sampled_from(WINDOWS)), **draw(priced | discounted)})
    if draw(st.booleans()):
        window, worth = draw(st.sampled_from(OF_PERIODS)), draw(st.sampled_from([priced, discounted]))
        rows.append({**base, "level": "period", **window, **draw(worth)})
        quantities = draw(st.lists(st.sampled_from(["5", "10", "50"]), unique=True))
        for quantity in ["1", *quantities] if unit == "box" and quantities else quantities:
            rows.append({**base, "level": "period", "quantity": quantity, "unit": unit, **window, **draw(worth)})
    return rows


@st.composite
def agreed(draw: st.DrawFn, unit: str) -> dict[str, list[dict[str, Any]]]:
    account = {
        "account": "W1", "group": "workshops", "price_list": "trade", "currency": "EUR",
        "policy": draw(st.sampled_from(["default", "lowest", "highest"])), "every_source": draw(st.booleans()),
        "combination": draw(st.sampled_from(["lowest", "highest", "average", "total", "multiples"])),
        "no_discounts": draw(st.integers(0, 3)) == 0,
    }  # fmt: skip
    hits = st.tuples(st.sampled_from(sorted(SCOPES)), st.sampled_from(sorted(MATCHES)), percent)
    rules = [
        {"rule": f"r{number}", "scope": scope, "scoped_to": SCOPES[scope], "match": match, "matched": MATCHES[match],
         "percent": off, **draw(st.sampled_from(WINDOWS))}
        for number, (scope, match, off) in enumerate(draw(st.lists(hits, max_size=3)))
    ]  # fmt: skip
    listed = {"price_list": "trade", "item": "SEAL", "currency": "EUR"}
    prices = [{**listed, "price": draw(money)}]
    if draw(st.booleans()):
        prices.append({**listed, "price": draw(money), "unit": "box"})
    frame = {"agreement": "frame", "account": "W1", "item": "SEAL", "currency": "EUR"}
    lines = [{**frame, "price": draw(money), **draw(st.sampled_from(WINDOWS))}]
    return {
        **FIXED,
        "accounts": [account],
        "list_prices": prices,
        "discount_rules": rules,
        "special_prices": draw(specials({"account": "W1"}, unit)) + draw(specials({"price_list": "trade"}, unit)),
        "agreements": lines if unit != "box" and draw(st.booleans()) else [],
    }


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), unit=st.sampled_from(["", "pc", "box"]), quantity=st.sampled_from([1, 5, 10, 60]))
def test_engine_and_company_charge_the_same(data: st.DataObject, unit: str, quantity: int):
    given_terms = data.draw(agreed(unit))
    core = create(":memory:", ManualClock(), {"local_currency": "EUR"})
    try:
        core.seed({"price_terms": given_terms})
        asked = PriceQuestion("W1", "SEAL", Decimal(quantity), "EUR", datetime(2026, 11, 30, 12, tzinfo=UTC), unit)
        (paid,) = answers(core.store, core.options, [asked])
    finally:
        core.close()
    question = Question(account="W1", item="SEAL", quantity=Decimal(quantity), unit=unit, currency="EUR", day=DAY)
    said = answer(question, Book(terms_of(tables_of(given_terms))), PRECEDENCE)
    assert said.held is None
    assert isinstance(paid, PricePaid), isinstance(paid, NoPrice) and paid.reason
    assert paid.amount == said.price, (paid.why, said.why)
