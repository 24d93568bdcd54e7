"""What was agreed about prices, loaded in great numbers: it is there as a POST would have made it."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from erp_sync.sandbox.distributor import Distributor
from erp_sync.sandbox.price_evidence import PricePaid, PriceQuestion
from erp_sync.systems.sap_b1.sandbox.price_answers import answers
from erp_sync.systems.sap_b1.sandbox.seed_special_prices import WrongTerms
from erp_sync.systems.sap_b1.sandbox.seed_terms import CannotSay

LISTS = [{"price_list": "retail", "currency": "USD"}, {"price_list": "trade", "currency": "USD", "base_list": "retail"}]
TERMS = {
    "account_groups": [{"group": "workshops"}],
    "accounts": [
        {"account": "W1", "group": "workshops", "price_list": "trade", "currency": "USD", "combination": "highest"},
        {"account": "W2", "group": "workshops", "price_list": "retail", "currency": "USD", "policy": "lowest"},
    ],
    "items": [
        {"item": "SEAL", "group": "seals", "manufacturer": "Acme", "unit": "pc", "properties": ["round"]},
        {"item": "HOSE", "unit": "m"},
    ],
    "item_units": [{"item": "SEAL", "unit": "box", "factor": "12"}],
    "price_lists": LISTS,
    "list_prices": [
        {"price_list": "retail", "item": "SEAL", "currency": "USD", "price": "10"},
        {"price_list": "retail", "item": "SEAL", "currency": "EUR", "price": "8.5"},
        {"price_list": "retail", "item": "SEAL", "currency": "USD", "price": "100", "unit": "box"},
        {"price_list": "trade", "item": "SEAL", "currency": "USD", "price": "9.99"},
        {"price_list": "trade", "item": "HOSE", "currency": "USD", "price": "2.5"},
    ],
    "exchange_rates": [{"day": "2026-01-01", "currency": "EUR", "into": "USD", "rate": "1.1"}],
    "discount_rules": [
        {"rule": "d1", "scope": "group", "scoped_to": "workshops", "match": "manufacturer", "matched": "Acme",
         "percent": "10"},
        {"rule": "d2", "scope": "account", "scoped_to": "W1", "match": "property", "matched": "round", "percent": "20"},
    ],
    "special_prices": [
        {"account": "W2", "item": "HOSE", "price": "2.2", "currency": "USD"},
        {"account": "W2", "item": "SEAL", "level": "period", "price": "9", "currency": "USD",
         "valid_from": "2026-01-01", "valid_to": "2026-12-31"},
        {"account": "W2", "item": "SEAL", "level": "period", "quantity": "10", "price": "8.123456", "currency": "USD",
         "valid_from": "2026-01-01", "valid_to": "2026-12-31"},
        {"price_list": "trade", "item": "HOSE", "level": "period", "discount": "10", "from_list": "trade",
         "currency": "USD", "valid_from": "2026-01-01"},
    ],
    "agreements": [{"agreement": "frame", "account": "W1", "item": "HOSE", "price": "2", "currency": "USD",
                    "valid_from": "2027-01-01"}],
}  # fmt: skip


@pytest.fixture
def termed(make_company):
    company = make_company()
    company.core.seed({"price_terms": TERMS})
    return company


def ask(company, account, item, quantity=1, **more):
    body = {"CardCode": account, "ItemCode": item, "UoMQuantity": quantity, **more}
    return company.call("POST", "CompanyService_GetItemPrice", {"ItemPriceParams": body}).body["Price"]


def test_what_was_agreed_decides_the_prices(termed):
    assert ask(termed, "W1", "SEAL") == Decimal("7.99")  # 9.99 less the highest of 10 and 20 %
    assert (ask(termed, "W2", "SEAL"), ask(termed, "W2", "SEAL", 10)) == (9, Decimal("8.123456"))
    assert ask(termed, "W2", "HOSE") == Decimal("2.2")
    assert ask(termed, "W1", "HOSE") == Decimal("2.25")  # 10 % off its list, for everybody who buys from it
    assert ask(termed, "W1", "HOSE", Date="2027-02-01") == 2  # the agreement


def test_units_and_currencies_are_where_the_vendor_keeps_them(termed):
    row = termed.get("Items('SEAL')")["ItemPrices"][0]
    assert (row["Price"], row["AdditionalPrice1"], row["AdditionalCurrency1"]) == (10, Decimal("8.5"), "EUR")
    (box,) = row["UoMPrices"]
    assert termed.get(f"UnitOfMeasurements({box['UoMEntry']})")["Code"] == "box"
    entry = termed.get("Items('SEAL')")["UoMGroupEntry"]
    group = termed.get(f"UnitOfMeasurementGroups({entry})")
    assert group["UoMGroupDefinitionCollection"][1]["BaseQuantity"] == 12
    assert termed.get("Items('HOSE')")["UoMGroupEntry"] == -1
    rate = termed.call("POST", "SBOBobService_GetCurrencyRate", {"Currency": "EUR", "Date": "20261102"})
    assert rate.body["value"] == Decimal("1.1")


def test_special_prices_are_those_that_a_post_makes(termed):
    loaded = termed.rows("SpecialPrices")
    assert len(loaded) == 3
    for entity in loaded:
        key = f"CardCode='{entity['CardCode']}',ItemCode='{entity['ItemCode']}'"
        assert termed.call("DELETE", f"SpecialPrices({key})").status == 204
        termed.made("SpecialPrices", {name: _plain(value) for name, value in entity.items()})
        assert termed.rows(f"SpecialPrices?$filter=CardCode eq '{entity['CardCode']}' and "
                           f"ItemCode eq '{entity['ItemCode']}'") == [entity]  # fmt: skip


def _plain(value):
    if isinstance(value, list):
        return [{name: _plain(one) for name, one in row.items()} for row in value]
    return float(value) if isinstance(value, Decimal) else value


@pytest.mark.parametrize(
    ("table", "row", "error", "message"),
    [
        ("special_prices", {"account": "X", "item": "SEAL", "price": "1", "currency": "USD"}, WrongTerms, "'X'"),
        ("special_prices", {"account": "W2", "item": "HOSE", "price": "1", "currency": "USD"}, WrongTerms, "2 headers"),
        (
            "special_prices",
            {"account": "W1", "item": "SEAL", "level": "period", "quantity": "5", "price": "1", "currency": "USD",
             "valid_from": "2026-01-01"},
            WrongTerms,
            "one price from the first",
        ),
        ("list_prices", {"price_list": "trade", "item": "X", "currency": "USD", "price": "1"}, CannotSay, "'X'"),
        ("discount_rules", {"rule": "all", "percent": "5"}, CannotSay, "is for all items"),
    ],
)  # fmt: skip
def test_what_the_company_has_no_object_for_is_named(make_company, table, row, error, message):
    with pytest.raises(error, match=message):
        make_company().core.seed({"price_terms": {**TERMS, table: [*TERMS[table], row]}})


def test_the_distributor_is_there_and_pays_what_it_negotiated(make_company):
    company = make_company(local_currency="EUR", price_decimals=4)
    counts = company.core.seed({"distributor": {"scale": 0.001}})
    whole = Distributor.scaled(0.001)
    specials = whole.special_prices.to_pylist()
    pairs = {(row["account"], row["item"]) for row in specials}
    assert (counts["items"], counts["accounts"], counts["special_prices"]) == (50, 12, len(pairs))
    at = datetime(2026, 11, 30, 12, tzinfo=UTC)
    asked = [
        PriceQuestion(row["account"], row["item"], row["quantity"] or Decimal(1), row["currency"], at)
        for row in specials
    ]
    paid = answers(company.core.store, company.core.options, asked)
    assert [one.amount for one in paid if isinstance(one, PricePaid)] == [row["price"] for row in specials]
