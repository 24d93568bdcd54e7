"""Price terms out of SAP Business One: what is read when, in which words, and what counts as a change."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from erp_sync.model.price_terms import ExchangeRate, PriceList, SpecialPrice
from erp_sync.ports.lookups import Passthrough
from erp_sync.ports.price_questions import PriceQuestion
from erp_sync.ports.raw import RawRecord, Window
from erp_sync.systems.sap_b1.asked_prices import AskedPrices
from erp_sync.systems.sap_b1.price_terms import PriceTermsSource
from erp_sync.transport.errors import TransportError
from erp_sync_tests.systems.sap_b1.scripted import Answer, Scripted, refused

# Half past midnight on the 15th in Berlin
NOW = datetime(2026, 1, 14, 23, 30, tzinfo=UTC)
WINDOW = Window(start=NOW, end=NOW + timedelta(minutes=1))
LIST = {
    "PriceListNo": 1,
    "DefaultPrimeCurrency": "EUR",
    "BasePriceList": 1,
    "Active": "tYES",
    "ValidFrom": "2026-01-15",
}
STAMPED = {"UpdateDate": "2026-01-15T00:00:00Z", "UpdateTime": "00:30:10", "DataVersion": 3}
PARTNER = {"CardCode": "C1", "CardType": "cCustomer", "GroupCode": 100, "PriceListNum": 1, "Currency": "EUR",
           "CreateDate": "2025-06-01T00:00:00Z", **STAMPED}  # fmt: skip
ITEM = {"ItemCode": "BOLT", "SalesItem": "tYES", "SalesUnit": "pc", "ItemPrices": [], **STAMPED}
SPECIAL = {"CardCode": "C1", "ItemCode": "BOLT", "Price": 9.90, "Currency": "EUR", "SpecialPriceDataAreas": []}
SETS = ("Currencies", "UnitOfMeasurements", "UnitOfMeasurementGroups", "PriceLists", "BusinessPartnerGroups",
        "EnhancedDiscountGroups", "BlanketAgreements", "Items", "BusinessPartners", "SpecialPrices")  # fmt: skip


@pytest.fixture(autouse=True)
def company(server: Scripted) -> None:
    for name in SETS:
        server.rows(name)
    server.on("POST", "^CompanyService_GetAdminInfo", Answer(body={"LocalCurrency": "EUR"}))
    server.rows("Currencies", {"Code": "EUR", "DocumentsCode": "EUR"}, {"Code": "$", "DocumentsCode": "USD"})
    server.on("POST", "^SBOBobService_GetCurrencyRate", Answer(body={"value": 0.8}))


@pytest.fixture
def source(connector: Callable[..., Any]) -> Callable[..., PriceTermsSource]:
    def make(at: datetime = NOW, **settings: Any) -> PriceTermsSource:
        made = connector(currencies={}, **settings)
        return PriceTermsSource(made.client, made.mappings, clock=lambda: at)

    return make


def records(pages: Any) -> dict[str, RawRecord]:
    return {record.native_id: record for page in pages for record in page}


def rows(found: PriceTermsSource, pages: Any) -> list[Any]:
    return [row for record in records(pages).values() for row in found.to_canonical(record, Passthrough())]


def test_special_prices_of_suppliers_are_not_sales(server, source):
    server.rows("BusinessPartners", PARTNER)
    server.rows("SpecialPrices", SPECIAL, SPECIAL | {"CardCode": "V9"}, SPECIAL | {"CardCode": "*1"})
    found = records(source().snapshot())
    assert [one for one in found if one.startswith("SpecialPrices")] == [
        "SpecialPrices/C1/BOLT",
        "SpecialPrices/*1/BOLT",
    ]
    assert found["CurrencyRates/EUR"].payload["rates"] == {"USD": "0.8"}


def test_special_prices_are_read_in_ranges_of_accounts_that_leave_none_out(server, source):
    codes = [f"C{number:02}" for number in range(25)]
    server.rows("BusinessPartners", *(PARTNER | {"CardCode": one} for one in codes))
    records(source().snapshot())
    asked = sorted(one.where for one in server.sent if one.path == "SpecialPrices")
    assert asked == ["(CardCode gt 'C09') and (CardCode le 'C19')", "CardCode gt 'C19'", "CardCode le 'C09'"]


def test_a_page_of_special_prices_is_read_on_from_its_last_key(server, source):
    more = Answer(body={"value": [SPECIAL], "@odata.nextLink": "SpecialPrices?$skip=1"})
    server.on("GET", r"^SpecialPrices\?", more, Answer(body={"value": [SPECIAL | {"ItemCode": "NUT"}]}))
    server.rows("BusinessPartners", PARTNER)
    found = records(source().snapshot())
    assert {"SpecialPrices/C1/BOLT", "SpecialPrices/C1/NUT"} < found.keys()
    first, second = (one for one in server.sent if one.path == "SpecialPrices")
    assert (first.where, first.headers["prefer"]) == ("", "odata.maxpagesize=500")
    assert second.where == "(CardCode gt 'C1') or ((CardCode eq 'C1') and (ItemCode gt 'BOLT'))"


def test_a_snapshot_that_breaks_off_is_an_error(server, source):
    server.rows("BusinessPartners", PARTNER)
    server.on("GET", r"^SpecialPrices\?", refused(-2028, "No matching records found", status=404))
    with pytest.raises(TransportError):
        records(source().snapshot())


def test_items_and_partners_are_told_by_their_stamps(server, source):
    server.rows("Items", ITEM)
    server.rows("BusinessPartners", PARTNER)
    found = records(source().changed(WINDOW))
    assert (found["Items/BOLT"].version, found["Items/BOLT"].source_time) == (
        "2026-01-15 00:30:10 3",
        datetime(2026, 1, 14, 23, 30, 10, tzinfo=UTC),
    )
    since = "UpdateDate gt '2026-01-15' or (UpdateDate eq '2026-01-15' and UpdateTime ge '00:30:00')"
    assert [one.where for one in server.sent if one.path == "Items"] == [since]
    assert not [one for one in server.sent if one.path == "SpecialPrices"]


def test_what_is_not_for_sale_any_more_is_told_and_has_no_terms(server, source):
    server.rows("Items", ITEM | {"SalesItem": "tNO"})
    server.rows("BusinessPartners", PARTNER | {"CardType": "cLid"})
    found = source()
    changed = records(found.changed(WINDOW))
    assert [found.to_canonical(changed[name], Passthrough()) for name in ("Items/BOLT", "BusinessPartners/C1")] == [
        (),
        (),
    ]


def test_special_prices_of_a_new_account_come_with_it(server, source):
    server.rows("BusinessPartners", PARTNER | {"CreateDate": "2026-01-15T00:00:00Z"})
    server.rows("SpecialPrices", SPECIAL)
    found = source()
    assert [one.price for one in rows(found, found.changed(WINDOW)) if isinstance(one, SpecialPrice)] == [
        Decimal("9.90")
    ]
    assert server.sent[-1].where == "CardCode eq 'C1'"


def test_what_has_no_stamp_is_read_whole_and_told_where_it_is_news(server, source):
    server.rows("PriceLists", LIST, LIST | {"PriceListNo": 2})
    had = records(source().changed(WINDOW))
    server.rows("PriceLists", LIST, LIST | {"PriceListNo": 2, "IsGrossPrice": "tYES"})

    def news(versions):
        return {name for name, version in versions.items() if had[name].version != version}

    found = records(source().changed(WINDOW, news))
    assert [*found] == ["PriceLists/2"]
    assert found["PriceLists/2"].version.startswith("2026-01-14T23 ")


def test_a_value_that_comes_back_is_another_version_with_the_next_hour(server, source):
    server.rows("PriceLists", LIST)
    first, same, later = (
        records(source(NOW + timedelta(minutes=minutes)).changed(WINDOW))["PriceLists/1"].version
        for minutes in (0, 29, 31)
    )
    assert first == same != later


def test_a_record_that_is_read_by_name_has_the_minute(server, source):
    server.rows("SpecialPrices", SPECIAL)
    one, another = (
        records(source(NOW + timedelta(minutes=minutes)).fetch(["SpecialPrices/C1/BOLT"]))["SpecialPrices/C1/BOLT"]
        for minutes in (0, 1)
    )
    assert one.version != another.version
    assert one.payload == another.payload


def test_a_list_whose_days_begin_is_a_change(server, source):
    server.rows("PriceLists", LIST)
    found = source()
    yesterday = source(NOW - timedelta(hours=1))  # 23:30 on the 14th in Berlin
    assert [rows(one, one.changed(WINDOW))[0] for one in (yesterday, found)] == [
        PriceList(price_list="1", currency="EUR", active=False),
        PriceList(price_list="1", currency="EUR"),
    ]


def test_a_look_tells_the_versions_that_a_read_of_changes_gives(server, source):
    server.rows("PriceLists", LIST)
    server.rows("Items", ITEM)
    server.rows("BusinessPartners", PARTNER)
    found = source()
    looked = found.peek(WINDOW)
    assert looked == {one.native_id: one.version for one in records(found.changed(WINDOW)).values()}
    assert {"PriceLists/1", "Items/BOLT", "BusinessPartners/C1", "CurrencyRates/EUR"} == looked.keys()


def test_many_changed_items_are_not_looked_through(server, source):
    server.rows("Items", *(ITEM | {"ItemCode": f"P{number}"} for number in range(201)))
    assert source().peek(WINDOW) is None


def test_others_that_the_database_takes_for_the_same_are_left_out(server, source):
    server.rows("SpecialPrices", SPECIAL, SPECIAL | {"CardCode": "c1"})
    server.rows("BusinessPartners", PARTNER, PARTNER | {"CardCode": "c1"})
    found = source()
    assert [*records(found.read_accounts(["C1"]))] == ["BusinessPartners/C1", "SpecialPrices/C1/BOLT"]
    assert [*records(found.fetch(["SpecialPrices/C1/BOLT"]))] == ["SpecialPrices/C1/BOLT"]


def test_many_names_are_asked_for_in_few_calls(server, source):
    names = [f"SpecialPrices/C1/P{number}" for number in range(60)]
    records(source().fetch([*names, "PriceLists/1", "Unknown/1"]))
    asked = [one.path for one in server.sent if one.path in ("SpecialPrices", "PriceLists")]
    assert asked == ["SpecialPrices"] * 3 + ["PriceLists"]


def test_nothing_asked_for_costs_no_call(server, source):
    assert records(source().read([])) == records(source().read_accounts([])) == {}
    assert server.sent == []


# Rates --------------------------------------------------------------------------------------------


def test_a_day_without_a_rate_has_none(server, source):
    server.on("POST", "^SBOBobService_GetCurrencyRate", refused(-4006, "Update the exchange rate, '$'"))
    found = source()
    assert [one for one in rows(found, found.snapshot()) if isinstance(one, ExchangeRate)] == []


@pytest.mark.parametrize("body", [{"value": 0.8}, 0.8])
def test_rates_are_of_the_company_s_day_by_iso_codes(server, source, body):
    server.on("POST", "^SBOBobService_GetCurrencyRate", Answer(text=str(body)) if body == 0.8 else Answer(body=body))
    found = source()
    got = [one for one in rows(found, found.snapshot()) if isinstance(one, ExchangeRate)]
    assert ExchangeRate(day=date(2026, 1, 15), currency="USD", into="EUR", rate=Decimal("0.8")) in got
    asked = [one.body for one in server.sent if one.path == "SBOBobService_GetCurrencyRate"]
    assert asked == [{"Currency": "$", "Date": "20260115"}]


def test_prices_that_sap_calculates_have_the_company_s_digits(source):
    assert source().precedence.price_digits is None
    assert source(price_digits=4).precedence.price_digits == 4


def test_only_rates_that_are_wanted_are_asked_for(server, source):
    records(source(rate_currencies=["CHF"]).snapshot())
    assert not [one for one in server.sent if one.path == "SBOBobService_GetCurrencyRate"]


# SAP's own prices ---------------------------------------------------------------------------------

QUESTION = PriceQuestion(account="C1", item="BOLT", quantity=Decimal("2.5"), unit="BOX", day=date(2026, 1, 15),
                         currency="USD")  # fmt: skip


def asked(connector, server, answer: dict[str, Any], **settings: Any):
    server.rows("UnitOfMeasurements", {"AbsEntry": 2, "Code": "BOX"})
    server.on("POST", "^CompanyService_GetItemPrice", Answer(body=answer))
    (found,) = AskedPrices(connector(currencies={}, **settings).client).prices([QUESTION])
    return found


def test_a_question_in_sap_s_words(connector, server):
    found = asked(connector, server, {"Price": 9.99, "Currency": "$", "Discount": 10})
    assert (found.price, found.currency, found.discount, found.problem) == (Decimal("9.99"), "USD", 10, "")
    assert server.sent[-1].body == {
        "ItemPriceParams": {"CardCode": "C1", "ItemCode": "BOLT", "Date": "2026-01-15", "UoMQuantity": Decimal("2.5"),
                            "UoMEntry": 2, "Currency": "$"}
    }  # fmt: skip


def test_where_sap_s_price_is_before_its_discount_it_is_taken_off(connector, server):
    found = asked(connector, server, {"Price": 10, "Currency": "$", "Discount": 25}, item_price="before")
    assert found.price == Decimal("7.5")


def test_a_price_of_zero_is_none(connector, server):
    found = asked(connector, server, {"Price": 0, "Currency": "$", "Discount": 0})
    assert (found.price, found.problem) == (None, "")


def test_an_answer_that_is_no_price_is_said(connector, server):
    assert "answered no price" in asked(connector, server, {"Price": "dear"}).problem


def test_a_setting_that_does_not_exist_is_refused(connector):
    with pytest.raises(ValueError, match="setting item_price: 'both' does not exist; known are before, after"):
        AskedPrices(connector(item_price="both").client)
