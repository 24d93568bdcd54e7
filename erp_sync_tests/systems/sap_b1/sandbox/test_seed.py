"""What an administrator loads: the kit's own retailer, and the vendor's words."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from erp_sync.sandbox.clock import ManualClock
from erp_sync.sandbox.retailer import Retailer
from erp_sync.systems.sap_b1.sandbox import create
from erp_sync.systems.sap_b1.sandbox.seed import WrongSeed
from erp_sync.systems.sap_b1.sandbox.seed_prices import UnknownCode
from erp_sync_tests.systems.sap_b1.sandbox.conftest import Company


@pytest.fixture(scope="module")
def retailer():
    """Promoted articles and bundles of the kit's retailer, loaded."""
    made = Retailer()
    whole = made.catalogue(made.days[0])
    parts = {sku for item in whole.items for sku, _ in item.members}
    chosen = [item for item in whole.items if item.members or item.sku in parts or item.special_price is not None]
    skus = {item.sku for item in chosen}
    stock = {place: quantity for place, quantity in whole.stock.items() if place[0] in skus}
    catalogue = replace(whole, items=tuple(chosen), stock=stock)
    clock = ManualClock()
    core = create(":memory:", clock, {})
    core.seed(catalogue.seed(erp=True))
    yield catalogue, Company(core, clock)
    core.store.close()


def test_the_retailer_has_all_that_the_erp_knows(retailer):
    catalogue, company = retailer
    known = [item for item in catalogue.items if item.in_erp and item.kind != "configurable"]
    assert company.get("Items/$count") == str(len(known))
    assert company.get("ProductTrees/$count") == str(sum(item.kind == "bundle" for item in known))
    promoted = [item for item in known if item.special_price is not None]
    assert company.get("SpecialPrices/$count") == str(len(promoted))
    item = promoted[0]
    question = {"ItemPriceParams": {"ItemCode": item.sku}}
    assert company.call("POST", "CompanyService_GetItemPrice", question).body["Price"] == item.special_price
    stocked = {sku for sku, _ in catalogue.stock if catalogue.by_sku[sku].in_erp}
    sku = sorted(stocked)[0]
    assert company.get(f"Items('{sku}')")["QuantityOnStock"] == sum(
        quantity for (one, _), quantity in catalogue.stock.items() if one == sku
    )


def test_loading_again_changes_and_doubles_nothing(company):
    again = {"items": [{"sku": "BOLT", "name": "Bolt", "price": "11"}], "stock": [
        {"sku": "BOLT", "location": "01", "quantity": 7}]}  # fmt: skip
    for _ in range(2):
        company.core.seed(again)
    item = company.get("Items('BOLT')")
    assert (item["ItemName"], item["ItemPrices"][0]["Price"], item["QuantityOnStock"]) == ("Bolt", 11, 27)
    assert company.get("Items/$count") == "4"


def test_variants_and_options_go_where_the_installation_has_fields(company):
    fields = [
        {"TableName": "OITM", "Name": name, "Type": "db_Alpha", "Size": 50} for name in ("ParentItem", "Option_size")
    ]
    variant = {"sku": "V1", "parent_sku": "P", "options": {"size": "L", "colour": "red"}, "custom": {}}
    company.core.seed({"user_fields": fields, "items": [{"sku": "P", "kind": "configurable"}, variant]})
    item = company.get("Items('V1')")
    assert (item["U_ParentItem"], item["U_Option_size"]) == ("P", "L")
    assert company.call("GET", "Items('P')").status == 404


def test_customers_in_neutral_words(company):
    place = {"street": ["1 Main St"], "city": "Dayton", "region": "OH", "postcode": "45402", "country": "US"}
    someone = {"code": "C7", "first_name": "Ada", "last_name": "L", "email": "ada@example.org", "addresses": [place]}
    company.core.seed({"customers": [someone]})
    partner = company.get("BusinessPartners('C7')")
    assert (partner["CardName"], partner["EmailAddress"]) == ("Ada L", "ada@example.org")
    assert [row["AddressType"] for row in partner["BPAddresses"]] == ["bo_BillTo", "bo_ShipTo"]


def test_prices_in_other_lists_and_currencies(company):
    company.core.seed(
        {
            "price_lists": [{"PriceListNo": 7, "PriceListName": "Euro", "BasePriceList": 7}],
            "currencies": [{"Code": "EUR", "Name": "Euro"}],
            "item_prices": [{"sku": "BOLT", "price_list": 7, "price": "9.10", "currency": "EUR"}],
        }
    )
    row = company.get("Items('BOLT')")["ItemPrices"][1]
    assert (row["PriceList"], row["Price"], row["Currency"]) == (7, Decimal("9.1"), "EUR")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"orders": []}, "seed has 'orders'; expected some of"),
        ({"stock": [{"sku": "BOLT", "location": "x", "quantity": 1}]}, "is at 'x'; expected a location code"),
        ({"stock": [{"sku": "X", "location": "01", "quantity": 1}]}, "stock of 'X': no such item"),
    ],
)
def test_a_wrong_seed_is_named(company, data, message):
    with pytest.raises(WrongSeed) as wrong:
        company.core.seed(data)
    assert message in str(wrong.value)


def test_negotiated_prices_in_bulk_are_those_of_a_post(company):
    steps = [{"Quantity": 10, "SpecialPrice": 8.5, "PriceCurrency": "USD"}]
    area = {"DateFrom": "2026-01-01", "Dateto": "2026-12-31", "SpecialPrice": 9, "PriceCurrency": "USD",
            "SpecialPriceQuantityAreas": steps}  # fmt: skip
    company.made("SpecialPrices", {"CardCode": "C1", "ItemCode": "BOLT", "SpecialPriceDataAreas": [area]})
    company.made("SpecialPrices", {"CardCode": "C1", "ItemCode": "NUT", "Price": 3, "Currency": "USD"})
    posted = company.rows("SpecialPrices")
    row = {"card": "C1", "item": "BOLT", "currency": "USD", "price": "9", "from": "2026-01-01", "to": "2026-12-31"}
    rows = [{**row, "breaks": [[10, "8.50"]]}, {"card": "C1", "item": "NUT", "currency": "USD", "price": 3}]
    for entity in posted:
        company.call("DELETE", f"SpecialPrices(CardCode='C1',ItemCode='{entity['ItemCode']}')")
    assert company.core.seed({"negotiated_prices": rows}) == {"negotiated_prices": 2}
    assert company.rows("SpecialPrices") == posted


def test_a_negotiated_price_of_nobody_is_named(company):
    row = {"card": "*9", "item": "BOLT", "currency": "USD", "price": 1}
    with pytest.raises(UnknownCode, match="has card '\\*9', which does not exist"):
        company.core.seed({"negotiated_prices": [row]})
