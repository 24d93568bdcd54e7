"""Items, price lists, business partners, user-defined fields."""

from __future__ import annotations

from decimal import Decimal

import pytest

from erp_sync_tests.systems.sap_b1.sandbox.conftest import order_body


def prices(company, item):
    return {row["PriceList"]: row["Price"] for row in company.get(f"Items('{item}')")["ItemPrices"]}


def test_an_item_comes_with_prices_and_one_row_for_every_warehouse(company):
    item = company.get("Items('BOLT')")
    assert [(row["PriceList"], row["Price"], row["Currency"]) for row in item["ItemPrices"]] == [
        (1, Decimal("10.5"), "USD")
    ]
    stock = [(row["WarehouseCode"], row["InStock"], row["Committed"]) for row in item["ItemWarehouseInfoCollection"]]
    assert stock == [("01", 50, 0), ("02", 20, 0)]
    assert item["QuantityOnStock"] == 70
    assert company.rows("Items?$filter=QuantityOnStock gt 69 and Valid eq 'Y'&$select=ItemCode") == [
        {"ItemCode": "BOLT"},
        {"ItemCode": "NUT"},
    ]


def test_an_items_code_exists_once(company):
    answer = company.call("POST", "Items", {"ItemCode": "BOLT"})
    assert (answer.status, answer.code, answer.message) == (400, "-10", "Item code 'BOLT' already exists")


def test_an_item_with_stock_is_not_removed(company):
    assert company.call("DELETE", "Items('BOLT')").code == "-10"
    assert company.call("DELETE", "Items('MANUAL')").status == 204


def test_factors_of_a_chain_multiply_and_are_stored_rounded(company):
    company.made("PriceLists", {"PriceListName": "Trade", "BasePriceList": 1, "Factor": 0.9})
    company.made(
        "PriceLists",
        {"PriceListName": "Key accounts", "BasePriceList": 2, "Factor": 0.5, "RoundingMethod":
         "borm_RoundToFullDecAmount", "RoundingRule": "borrRoundUp"},
    )  # fmt: skip
    assert prices(company, "BOLT") == {1: Decimal("10.5"), 2: Decimal("9.45"), 3: Decimal("4.8")}
    company.changed("Items('BOLT')", {"ItemPrices": [{"PriceList": 1, "Price": 20}]})
    assert prices(company, "BOLT") == {1: 20, 2: 18, 3: 9}
    company.changed("PriceLists(2)", {"Factor": 0.8})
    assert prices(company, "BOLT") == {1: 20, 2: 16, 3: 8}


def test_a_price_by_hand_no_longer_follows_its_base(company):
    company.made("PriceLists", {"PriceListName": "Trade", "BasePriceList": 1, "Factor": 0.9})
    company.changed("Items('BOLT')", {"ItemPrices": [{"PriceList": 2, "Price": 5}]})
    company.changed("Items('BOLT')", {"ItemPrices": [{"PriceList": 1, "Price": 100}]})
    assert prices(company, "BOLT") == {1: 100, 2: 5}
    assert prices(company, "NUT")[2] == Decimal("3")


def test_price_lists_in_a_circle_leave_their_prices(company):
    company.made("PriceLists", {"PriceListName": "A", "BasePriceList": 1, "Factor": 1})
    company.made("PriceLists", {"PriceListName": "B", "BasePriceList": 2, "Factor": 2})
    company.changed("PriceLists(2)", {"BasePriceList": 3})
    company.changed("Items('BOLT')", {"ItemPrices": [{"PriceList": 1, "Price": 1}]})
    assert prices(company, "BOLT") == {1: 1, 2: Decimal("10.5"), 3: 21}


def test_changes_of_prices_leave_no_stamp_but_the_items(company):
    company.clock.advance(60)
    company.changed("Items('BOLT')", {"ItemPrices": [{"PriceList": 1, "Price": 2}]})
    assert company.get("Items('BOLT')")["UpdateTime"] == "08:01:00"
    assert not [name for name in company.get("PriceLists(1)") if "Update" in name]


def test_a_partners_code_exists_once_or_is_numbered(company):
    answer = company.call("POST", "BusinessPartners", {"CardCode": "C1", "CardName": "Again"})
    assert (answer.status, answer.code) == (400, "-10")
    assert answer.message.startswith("1320000140 - Business partner code 'C1' already assigned")
    assert company.made("BusinessPartners", {"Series": 1, "CardName": "New"})["CardCode"] == "C10001"
    assert company.call("POST", "BusinessPartners", {"CardName": "None"}).code == "-1000"


def test_addresses_merge_by_row_or_name(company):
    home = {"AddressName": "Home", "AddressType": "bo_ShipTo", "Street": "1 Main St"}
    company.changed("BusinessPartners('C1')", {"BPAddresses": [home, {**home, "AddressType": "B"}]})
    company.changed("BusinessPartners('C1')", {"BPAddresses": [{"RowNum": 1, "Street": "PO Box 5"}]})
    company.changed("BusinessPartners('C1')", {"BPAddresses": [{**home, "Street": "2 Main St"}]})
    partner = company.get("BusinessPartners('C1')")
    assert [(row["AddressType"], row["Street"]) for row in partner["BPAddresses"]] == [
        ("bo_ShipTo", "2 Main St"),
        ("bo_BillTo", "PO Box 5"),
    ]
    assert (partner["ShipToDefault"], partner["BilltoDefault"]) == ("Home", "Home")
    assert company.order()["AddressExtension"]["ShipToStreet"] == "2 Main St"
    own = company.order(AddressExtension={"ShipToCity": "Dayton"})["AddressExtension"]
    assert (own["ShipToStreet"], own["ShipToCity"]) == ("2 Main St", "Dayton")


@pytest.mark.parametrize(
    "change", [{"PriceListNum": 9}, {"PayTermsGrpCode": 9}, {"Currency": "CHF"}, {"VatGroup": "X"}]
)
def test_a_partner_refers_only_to_what_there_is(company, change):
    assert company.call("PATCH", "BusinessPartners('C1')", change).code == "-2028"


def test_a_user_field_made_by_call_is_known_after_a_restart(company):
    field = {"TableName": "ORDR", "Name": "Channel", "Type": "db_Alpha", "Size": 20, "SubType": "st_None"}
    assert company.made("UserFieldsMD", field)["FieldID"] == 1
    assert company.call("POST", "UserFieldsMD", field).code == "-2035"
    assert company.call("POST", "Orders", order_body(U_Channel="web")).code == "-1000"
    company.core.seed({"restart": True})
    assert company.order(U_Channel="web")["U_Channel"] == "web"
    assert company.get("UserFieldsMD(TableName='ORDR',FieldID=1)")["Name"] == "Channel"


def test_every_user_field_is_answered_also_an_empty_one(company):
    assert company.order()["U_ErpSyncKey"] is None


def test_the_administrators_reset_leaves_an_empty_company(company):
    company.order()
    company.core.reset()
    assert company.get("Items/$count") == "0"
    assert company.get("PriceLists/$count") == "1"
    assert company.core.status()["credentials"] == {
        "company_db": "SBODEMOUS",
        "user_name": "manager",
        "password": "sandbox",
    }


def test_the_company_tells_its_currency_and_decimals(make_company):
    company = make_company(local_currency="EUR", price_decimals=4, negative_stock=True)
    info = company.call("POST", "CompanyService_GetAdminInfo").body
    assert (info["LocalCurrency"], info["PriceAccuracy"], info["TotalsAccuracy"]) == ("EUR", 4, 2)
    assert info["BlockStockNegativeQuantity"] == "tNO"
    assert company.call("POST", "CompanyService_GetCompanyInfo", {}).body["Version"] == 1000110
    assert company.call("POST", "CompanyService_UpdateAdminInfo", {"AdminInfo": {"PriceAccuracy": 3}}).code == "-1000"
