"""One record of SAP Business One's price terms, and the canonical rows that it stands for."""

from __future__ import annotations

from collections import Counter
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erp_sync.model.price_terms import (
    Account,
    Agreement,
    Combination,
    DiscountRule,
    ExchangeRate,
    Item,
    ItemUnit,
    ListPrice,
    Policy,
    PriceList,
    Row,
    SpecialPrice,
)
from erp_sync.ports.mapping import Context
from erp_sync.ports.raw import BadRecord, RawRecord
from erp_sync.systems.sap_b1 import term_tables as tables
from erp_sync.systems.sap_b1.company import Company
from erp_sync.systems.sap_b1.term_tables import Table, key_condition, native_id, with_names
from erp_sync.systems.sap_b1.terms_mapping import MAPPINGS, TermsMapper
from erp_sync_tests.systems.sap_b1.agreed import specials
from erp_sync_tests.systems.sap_b1.conftest import connection

D = Decimal
DAY = date(2026, 11, 30)
NEW_YEAR, SILVESTER = date(2026, 1, 1), date(2026, 12, 31)
BOXES = {
    "BaseUoM": 1,
    "UoMGroupDefinitionCollection": [
        {"AlternateUoM": 1, "AlternateQuantity": D(1), "BaseQuantity": D(1)},
        {"AlternateUoM": 2, "AlternateQuantity": D(1), "BaseQuantity": D(12)},
        {"AlternateUoM": 3, "AlternateQuantity": D(0), "BaseQuantity": D(144)},
        {"AlternateUoM": 4, "AlternateQuantity": D(1), "BaseQuantity": D(5), "Active": "tNO"},
    ],
}
COMPANY = Company(
    local_currency="EUR",
    currencies={"EUR": "EUR", "$": "USD", "CHF": "CHF"},
    units={1: "PC", 2: "BOX", 3: "PALLET", 4: "BAG"},
    unit_groups={7: BOXES},
)


def rows(table: Table, record: dict[str, Any], company: Company = COMPANY) -> list[Row]:
    payload = with_names(table, record, company, DAY)
    name = native_id(table.entity_set, *(payload[one] for one in table.key))
    mapper = TermsMapper({one.name: one for one in MAPPINGS}, Context(connection()))
    return list(mapper.rows(RawRecord(native_id=name, version="1", payload=payload)))


def special(**fields: Any) -> dict[str, Any]:
    return {"CardCode": "C1", "ItemCode": "BOLT", "Currency": "EUR", "AutoUpdate": "tNO", "Valid": "tYES",
            "PriceListNum": 0, "SpecialPriceDataAreas": [], **fields}  # fmt: skip


def period(**fields: Any) -> dict[str, Any]:
    dates = {"DateFrom": "2026-01-01T00:00:00Z", "Dateto": "2026-12-31T00:00:00Z"}
    return {**dates, "PriceCurrency": "EUR", "AutoUpdate": "tNO", "SpecialPriceQuantityAreas": [], **fields}


def step(quantity: Any, price: Any, **fields: Any) -> dict[str, Any]:
    return {"Quantity": quantity, "SpecialPrice": price, "PriceCurrency": "EUR", "UoMEntry": None, **fields}


def term(**fields: Any) -> SpecialPrice:
    return SpecialPrice(**{"account": "C1", "item": "BOLT", "currency": "EUR", **fields})


# Special prices -----------------------------------------------------------------------------------


def test_a_header_its_periods_and_their_breaks_are_rows_of_their_own():
    found = rows(
        tables.SPECIALS,
        special(
            Price=D("9.90"), ValidTo="2026-12-31T00:00:00Z",
            SpecialPriceDataAreas=[
                period(SpecialPrice=D("9.50"), SpecialPriceQuantityAreas=[
                    step(D(10), D("9.00")), step(D(2), D("100"), UoMEntry=2)]),
                period(SpecialPrice=D("8"), DateFrom="2027-01-01T00:00:00Z", Dateto=None),
            ],
        ),
    )  # fmt: skip
    year = {"level": "period", "valid_from": NEW_YEAR, "valid_to": SILVESTER}
    assert found == [
        term(price=D("9.90"), valid_to=SILVESTER),
        term(price=D("9.50"), **year),
        term(price=D("9.00"), quantity=D(10), **year),
        term(price=D("100"), quantity=D(2), unit="BOX", **year),
        term(price=D("8"), level="period", valid_from=date(2027, 1, 1)),
    ]


def test_a_price_that_follows_its_list_is_the_percentage_off_it():
    areas = [period(AutoUpdate="tYES", PriceListNo=3, Discount=D(7), SpecialPrice=D("9.30"),
                    SpecialPriceQuantityAreas=[step(D(10), D("9"), Discountin=D(10))])]  # fmt: skip
    found = rows(
        tables.SPECIALS,
        special(AutoUpdate="tYES", PriceListNum=2, DiscountPercent=D(0), Price=D(10), SpecialPriceDataAreas=areas),
    )
    assert [(one.price, one.discount, one.from_list) for one in found] == [
        (None, D(0), "2"),
        (None, D(7), "3"),
        (None, D(10), "3"),
    ]


def test_a_percentage_without_a_price_is_off_its_list():
    steps = [step(D(10), None, Discountin=D(12))]
    areas = [period(SpecialPrice=D(9), PriceListNo=3, SpecialPriceQuantityAreas=steps)]
    found = rows(tables.SPECIALS, special(PriceListNum=2, DiscountPercent=D(5), SpecialPriceDataAreas=areas))
    assert [(one.price, one.discount, one.from_list) for one in found] == [
        (None, D(5), "2"),
        (D(9), None, ""),
        (None, D(12), "3"),
    ]


@pytest.mark.parametrize("price_list", [0, -1, None])
def test_without_a_list_to_follow_a_price_stands(price_list: int | None):
    record = special(AutoUpdate="tYES", PriceListNum=price_list, DiscountPercent=D(5), Price=D("9.50"))
    assert rows(tables.SPECIALS, record) == [term(price=D("9.50"))]


def test_period_and_volume_discounts_are_of_everybody_who_buys_from_the_list():
    (found,) = rows(tables.SPECIALS, special(CardCode="*3", Price=D(1)))
    assert (found.account, found.price_list) == ("", "3")


def test_a_break_from_the_first_piece_on_stands_for_its_period():
    found = rows(tables.SPECIALS, special(SpecialPriceDataAreas=[
        period(SpecialPrice=D(9), SpecialPriceQuantityAreas=[step(D(0), D(8))])]))  # fmt: skip
    assert [(one.quantity, one.price) for one in found] == [(D(0), D(8))]


def test_a_header_that_is_not_valid_has_no_price_of_its_own():
    found = rows(tables.SPECIALS, special(Valid="tNO", Price=D(9), SpecialPriceDataAreas=[period(SpecialPrice=D(8))]))
    assert [one.price for one in found] == [D(8)]


def test_currencies_are_iso_codes():
    found = rows(tables.SPECIALS, special(Currency="$", Price=D(9), SpecialPriceDataAreas=[
        period(SpecialPrice=D(8), PriceCurrency=None), period(SpecialPrice=D(7), PriceCurrency="CHF")]))  # fmt: skip
    assert [one.currency for one in found] == ["USD", "USD", "CHF"]
    (local,) = rows(tables.SPECIALS, special(Currency=None, Price=D(9)), company_in("$"))
    assert local.currency == "USD"


def company_in(code: str) -> Company:
    return Company(local_currency=code, currencies=COMPANY.currencies, units={}, unit_groups={})


def test_what_is_wrong_with_terms_is_read_as_it_is():
    """Judging is the engine's: dates that run backwards, equal breaks, two currencies, a unit that is none."""
    steps = [step(D(10), D(9)), step(D(10), D(8)), step(D(20), D(7), UoMEntry=99, PriceCurrency="$")]
    found = rows(
        tables.SPECIALS,
        special(SpecialPriceDataAreas=[period(Dateto="2025-12-31", SpecialPriceQuantityAreas=steps)]),
    )
    assert [(one.quantity, one.unit, one.currency) for one in found] == [
        (D(10), "", "EUR"),
        (D(10), "", "EUR"),
        (D(20), "99", "USD"),
    ]
    assert {one.valid_to for one in found} == {date(2025, 12, 31)}


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (special(Price="nine"), "SpecialPrices/C1/BOLT, field price: account C1, item BOLT: 'nine' is not a number"),
        (special(Price=D("1e12")), "too large"),
        (special(Price=D(1), ValidFrom="yesterday"), "field valid_from"),
        (special(SpecialPriceDataAreas=[period(SpecialPrice=D(1), Dateto="31.12.2026")]),
         r"field SpecialPriceDataAreas\[0\]\.valid_to"),
        (special(SpecialPriceDataAreas=[period(SpecialPriceQuantityAreas=[step(D(1), D(1), UoMEntry="BOX")])]),
         "'BOX' is not a number"),
        (special(SpecialPriceDataAreas="none"), "SpecialPriceDataAreas is no list of records"),
        (special(AutoUpdate="tYES", PriceListNum=D("1.5"), DiscountPercent=D(1)), "no whole number"),
    ],
)  # fmt: skip
def test_what_cannot_be_mapped_names_account_item_and_place(record: dict[str, Any], words: str):
    with pytest.raises(BadRecord, match=words) as raised:
        rows(tables.SPECIALS, record)
    assert raised.value.native_id == "SpecialPrices/C1/BOLT"


cents = st.integers(1, 10**9).map(lambda number: D(number).scaleb(-4))
days = st.dates(date(2025, 1, 1), date(2027, 12, 31))


@st.composite
def agreed(draw: st.DrawFn) -> tuple[SpecialPrice, ...]:
    """What SAP can hold of one pair: a header, and periods from different days on, with breaks of the own unit."""
    owner = draw(st.sampled_from([{"account": "C1"}, {"price_list": "2"}]))
    common: dict[str, Any] = {**owner, "item": "BOLT", "currency": "EUR"}
    found = (
        [SpecialPrice(**common, price=draw(cents), valid_from=draw(st.none() | days))] if draw(st.booleans()) else []
    )
    for start in draw(st.lists(days, max_size=3, unique=True)):
        quantities = draw(st.lists(st.integers(1, 999), min_size=1, max_size=4, unique=True))
        dates: dict[str, Any] = {"level": "period", "valid_from": start, "valid_to": draw(st.none() | days)}
        found += [SpecialPrice(**common, **dates, price=draw(cents), quantity=D(one)) for one in quantities]
        if draw(st.booleans()):
            found.append(SpecialPrice(**common, **dates, price=draw(cents)))
    return tuple(found)


@given(agreed())
def test_whatever_is_agreed_is_read_back(terms: tuple[SpecialPrice, ...]):
    for record in specials(terms):
        assert Counter(rows(tables.SPECIALS, record)) == Counter(terms)


# Items --------------------------------------------------------------------------------------------


def item(**fields: Any) -> dict[str, Any]:
    return {"ItemCode": "BOLT", "SalesItem": "tYES", "ItemsGroupCode": 103, "Manufacturer": 7, "SalesUnit": "pc",
            "UoMGroupEntry": -1, "NoDiscounts": "tNO", "ItemPrices": [], **fields}  # fmt: skip


def price(number: int, amount: Any, currency: Any = "EUR", **fields: Any) -> dict[str, Any]:
    return {"PriceList": number, "Price": amount, "Currency": currency, "UoMPrices": [], **fields}


def test_an_item_of_the_manual_group_has_one_unit():
    record = item(Properties1="tYES", Properties2="tNO", Properties64="tYES")
    (found,) = rows(tables.ITEMS, record)
    assert found == Item(item="BOLT", group="103", manufacturer="7", properties=("1", "64"), unit="pc")


def test_an_item_of_a_group_has_the_units_of_it():
    further = [{"UoMType": "iutSales", "UoMEntry": 1}, {"UoMType": "iutPurchasing", "UoMEntry": 3}]
    own, *units = rows(
        tables.ITEMS,
        item(UoMGroupEntry=7, InventoryUoMEntry=1, DefaultSalesUoMEntry=2, ItemUnitOfMeasurementCollection=further),
    )
    assert isinstance(own, Item)
    assert (own.unit, own.sold_in) == ("PC", ("BOX", "PC"))
    # One that does not convert is told; one that is not active is none.
    assert units == [
        ItemUnit(item="BOLT", unit="BOX", factor=D(12)),
        ItemUnit(item="BOLT", unit="PALLET", factor=D(0)),
    ]


def test_prices_are_for_the_pricing_unit():
    own, *units = rows(tables.ITEMS, item(UoMGroupEntry=7, InventoryUoMEntry=1, PricingUnit=2))
    assert isinstance(own, Item)
    assert own.unit == "BOX"
    assert ItemUnit(item="BOLT", unit="PC", factor=D("0.083333")) in units


def test_an_item_has_a_price_in_each_list_and_currency_that_has_one():
    prices = [
        price(1, D("10.995"), AdditionalPrice1=D(12), AdditionalCurrency1="$", AdditionalPrice2=D(0),
              AdditionalCurrency2="CHF"),
        price(2, D(0)), price(3, None, None), price(4, D("1.5"), "CHF"),
    ]  # fmt: skip
    _, *found = rows(tables.ITEMS, item(ItemPrices=prices))
    assert found == [
        ListPrice(price_list="1", item="BOLT", currency="EUR", price=D("10.995")),
        ListPrice(price_list="1", item="BOLT", currency="USD", price=D(12)),
        ListPrice(price_list="4", item="BOLT", currency="CHF", price=D("1.5")),
    ]


def test_a_unit_has_its_own_price_or_is_reduced():
    of_units = [{"UoMEntry": 2, "Price": D(110), "Currency": "EUR"}]
    reduced = [{"UoMEntry": 2, "Price": D(0), "ReduceBy": D(10), "Currency": "EUR"}]
    prices = [price(1, D(10), UoMPrices=of_units), price(2, D(10), UoMPrices=reduced)]
    found = rows(tables.ITEMS, item(UoMGroupEntry=7, InventoryUoMEntry=1, ItemPrices=prices))
    assert [(one.price_list, one.unit, one.price) for one in found if isinstance(one, ListPrice)] == [
        ("1", "", D(10)),
        ("1", "BOX", D(110)),
        ("2", "", D(10)),
        ("2", "BOX", D(108)),
    ]


def test_what_is_not_for_sale_has_no_terms():
    assert rows(tables.ITEMS, item(SalesItem="tNO", ItemPrices=[price(1, D(1))])) == []


def test_a_price_that_is_none_is_named_with_its_list():
    with pytest.raises(BadRecord, match="record Items/BOLT"):
        rows(tables.ITEMS, item(ItemPrices=[price(1, D(1)), price(2, "dear")]))


# Accounts, lists, groups --------------------------------------------------------------------------


def partner(**fields: Any) -> dict[str, Any]:
    return {"CardCode": "C1", "CardType": "cCustomer", "GroupCode": 100, "PriceListNum": 1, "Currency": "EUR", **fields}


def test_an_account_with_all_that_decides_which_price_it_pays():
    (found,) = rows(
        tables.ACCOUNTS,
        partner(EffectivePrice="epLowestPrice", EffectivePriceConsidersPriceBeforeDiscount="tYES",
                EffectiveDiscount="dgrMultipliedDiscount", NoDiscounts="tYES", Frozen="tYES", Currency="$"),
    )  # fmt: skip
    assert found == Account(
        account="C1", group="100", price_list="1", currency="USD", policy=Policy.LOWEST, every_source=True,
        combination=Combination.MULTIPLES, no_discounts=True,
    )  # fmt: skip


@pytest.mark.parametrize("code", ["##", None, ""])
def test_an_account_of_all_currencies_buys_in_the_company_s_own(code: str | None):
    assert rows(tables.ACCOUNTS, partner(Currency=code))[0] == Account(
        account="C1", group="100", price_list="1", currency="EUR"
    )


def test_an_account_without_group_or_list_is_read():
    (found,) = rows(tables.ACCOUNTS, partner(GroupCode=None, PriceListNum=None))
    assert isinstance(found, Account)
    assert (found.group, found.price_list) == ("", "")


@pytest.mark.parametrize("kind", ["cLid", "cSupplier"])
def test_only_customers_are_accounts(kind: str):
    assert rows(tables.ACCOUNTS, partner(CardType=kind)) == []


def test_a_policy_that_nobody_knows_is_named():
    with pytest.raises(BadRecord, match="'epBestPrice' is none of epDefaultPriority"):
        rows(tables.ACCOUNTS, partner(EffectivePrice="epBestPrice"))


def price_list(**fields: Any) -> dict[str, Any]:
    return {"PriceListNo": 2, "DefaultPrimeCurrency": "$", "BasePriceList": 1, "IsGrossPrice": "tYES", "Active": "tYES",
            "ValidFrom": None, "ValidTo": None, **fields}  # fmt: skip


def test_a_price_list():
    assert rows(tables.LISTS, price_list()) == [PriceList(price_list="2", currency="USD", gross=True, base_list="1")]


@pytest.mark.parametrize(("base", "name"), [(2, ""), (-1, ""), (None, ""), (3, "3")])
def test_the_base_of_a_list_is_another_list(base: int | None, name: str):
    (found,) = rows(tables.LISTS, price_list(BasePriceList=base))
    assert isinstance(found, PriceList)
    assert found.base_list == name


@pytest.mark.parametrize(
    ("fields", "active"),
    [
        ({"Active": "tNO"}, False),
        ({"ValidFrom": "2026-11-30T00:00:00Z", "ValidTo": "2026-11-30T00:00:00Z"}, True),
        ({"ValidFrom": "2026-12-01T00:00:00Z"}, False),
        ({"ValidTo": "2026-11-29T00:00:00Z"}, False),
    ],
)
def test_a_list_is_active_within_its_days(fields: dict[str, Any], active: bool):
    (found,) = rows(tables.LISTS, price_list(**fields))
    assert isinstance(found, PriceList)
    assert found.active is active


def test_a_list_whose_day_is_none_is_named():
    with pytest.raises(BadRecord, match="ValidFrom or ValidTo is no day"):
        rows(tables.LISTS, price_list(ValidTo="soon"))


def test_a_discount_group_is_a_row_for_each_percentage():
    lines = [
        {"ObjectType": "dgboItemGroups", "ObjectCode": "103", "DiscountType": "dgdt_Fixed", "Discount": D("12.5")},
        {"ObjectType": "dgboItems", "ObjectCode": "BOLT", "DiscountType": "dgdt_Variable", "Discount": D(0)},
    ]
    group = {"AbsEntry": 5, "Type": "dgt_CustomerGroup", "ObjectCode": "100", "DiscountRelations": "dgrDiscountTotals",
             "Active": "tYES", "ValidFrom": "2026-01-01", "DiscountGroupLineCollection": lines}  # fmt: skip
    assert rows(tables.DISCOUNTS, group) == [
        DiscountRule(rule="5", scope="group", scoped_to="100", match="item_group", matched="103", percent=D("12.5"),
                     relation=Combination.TOTAL, valid_from=NEW_YEAR)
    ]  # fmt: skip
    assert rows(tables.DISCOUNTS, group | {"Type": "dgt_VendorGroup"}) == []
    (for_all,) = rows(tables.DISCOUNTS, group | {"Type": "dgt_AllBPs", "ObjectCode": "0"})
    assert isinstance(for_all, DiscountRule)
    assert (for_all.scope, for_all.scoped_to) == ("all", "")


# Agreements and rates -----------------------------------------------------------------------------


def agreement(**fields: Any) -> dict[str, Any]:
    line = {"ItemNo": "BOLT", "UnitPrice": D("21.99"), "LineDiscount": D(50), "PriceCurrency": "EUR", "UoMEntry": 2}
    return {"AgreementNo": 3, "BPCode": "C1", "Status": "asApproved", "AgreementType": "atSpecific",
            "AgreementMethod": "amItem", "IgnorePricesInAgreement": "tNO", "StartDate": "2026-01-01",
            "EndDate": "2026-12-31", "BlanketAgreements_ItemsLines": [line], **fields}  # fmt: skip


def test_a_line_of_an_agreement_is_its_price_after_its_discount():
    assert rows(tables.AGREEMENTS, agreement()) == [
        Agreement(agreement="3", account="C1", item="BOLT", unit="BOX", price=D("10.995"), currency="EUR",
                  valid_from=NEW_YEAR, valid_to=SILVESTER)
    ]  # fmt: skip


def test_an_agreement_ends_when_it_is_terminated():
    (found,) = rows(tables.AGREEMENTS, agreement(TerminateDate="2026-06-30"))
    assert isinstance(found, Agreement)
    assert found.valid_to == date(2026, 6, 30)


@pytest.mark.parametrize(
    "fields",
    [
        {"Status": "asDraft"}, {"Status": "asTerminated"}, {"AgreementType": "atGeneral"},
        {"AgreementMethod": "amMonetary"}, {"IgnorePricesInAgreement": "tYES"},
    ],
)  # fmt: skip
def test_an_agreement_that_does_not_count_is_not_active(fields: dict[str, Any]):
    (found,) = rows(tables.AGREEMENTS, agreement(**fields))
    assert isinstance(found, Agreement)
    assert not found.active


def test_two_currencies_in_one_agreement_are_read():
    lines = [
        {"ItemNo": name, "UnitPrice": D(1), "PriceCurrency": code} for name, code in (("BOLT", "EUR"), ("NUT", "$"))
    ]
    found = rows(tables.AGREEMENTS, agreement(BlanketAgreements_ItemsLines=lines))
    assert [one.currency for one in found if isinstance(one, Agreement)] == ["EUR", "USD"]


def test_a_line_without_a_price_is_named_with_account_and_item():
    lines = [{"ItemNo": "BOLT", "UnitPrice": None, "PriceCurrency": "EUR"}]
    with pytest.raises(
        BadRecord, match=r"BlanketAgreements/3, .*ItemsLines\[0\]\.price: account C1, item BOLT: is empty"
    ):
        rows(tables.AGREEMENTS, agreement(BlanketAgreements_ItemsLines=lines))


def rates(direct: bool, **of: str) -> dict[tuple[str, str], Decimal]:
    payload = {"day": "2026-11-30", "local": "EUR", "rates": of, "direct": direct}
    mapper = TermsMapper({one.name: one for one in MAPPINGS}, Context(connection()))
    found = mapper.rows(RawRecord(native_id="CurrencyRates/EUR", version="1", payload=payload))
    assert all(isinstance(one, ExchangeRate) and one.day == DAY for one in found)
    return {(one.currency, one.into): one.rate for one in found if isinstance(one, ExchangeRate)}


def test_a_rate_is_what_the_foreign_currency_is_worth():
    assert rates(True, USD="0.8", CHF="1.0") == {("USD", "EUR"): D("0.8"), ("CHF", "EUR"): D(1)}


def test_where_the_company_says_so_it_is_the_other_way_round():
    assert rates(False, USD="1.25") == {("EUR", "USD"): D("1.25")}


# Names --------------------------------------------------------------------------------------------

names = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)


@given(card=names, code=names)
def test_a_record_s_name_leads_back_to_its_key(card: str, code: str):
    name = native_id("SpecialPrices", card, code)
    quoted = [one.replace("'", "''") for one in (card, code)]
    assert key_condition(tables.SPECIALS, name) == f"(CardCode eq '{quoted[0]}') and (ItemCode eq '{quoted[1]}')"


@pytest.mark.parametrize("name", ["PriceLists/one", "PriceLists/1/2", "PriceLists", "PriceLists/"])
def test_what_is_no_key_asks_for_nothing(name: str):
    assert key_condition(tables.LISTS, name) == ""
