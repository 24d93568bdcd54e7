"""The sandbox accepts and answers only what the published contract allows, and the check notices every defect."""

from __future__ import annotations

import json

import pytest

from erp_sync.sandbox.contract import ContractCheck, mutations
from erp_sync.sandbox.core import Request, Response
from erp_sync.sandbox.journal import Call
from erp_sync.systems.sap_b1.sandbox import contract, contract_book
from erp_sync.systems.sap_b1.sandbox.entities import SETS
from erp_sync_tests.sandbox.samples import unnoticed
from erp_sync_tests.systems.sap_b1.sandbox.conftest import Company, order_body
from erp_sync_tests.systems.sap_b1.sandbox.test_approvals import BIG, LARGE
from erp_sync_tests.systems.sap_b1.sandbox.test_sessions import CREDENTIALS


@pytest.fixture(scope="module")
def check():
    return ContractCheck(contract_book({}))


class Checked(Company):
    """Keeps every exchange."""

    def __init__(self, *given) -> None:
        super().__init__(*given)
        self.exchanges = []

    def seen(self, request, handled):
        self.exchanges.append((request, handled.response))


def call_of(endpoint):
    return Call(0.0, "", "", "", "", "", endpoint, "read")


def a_day(company):
    """Every operation of orders, drafts and prices, most of the rest."""
    session = company.call("POST", "Login", CREDENTIALS)
    company.made("Currencies", {"Code": "EUR", "Name": "Euro"})
    company.call("POST", "Login", {**CREDENTIALS, "Password": "x"}, version="v1")
    address = {"AddressName": "Home", "AddressType": "bo_ShipTo", "Street": "1 Main St", "Country": "US"}
    company.made("BusinessPartners", {"CardCode": "C2", "CardName": "Two", "BPAddresses": [address]})
    company.changed("BusinessPartners('C2')", {"CreditLimit": 100.5, "ValidTo": "2027-01-01"})
    company.made("Items", {"ItemCode": "NEW", "ItemName": "New", "ItemPrices": [{"PriceList": 1, "Price": 2.5}]})
    company.made(
        "UserFieldsMD", {"TableName": "OITM", "Name": "Brand", "Type": "db_Alpha", "Size": 20, "SubType": "st_None"}
    )
    company.made("PriceLists", {"PriceListName": "Trade", "BasePriceList": 1, "Factor": 0.9})
    freight = [{"ExpenseCode": 1, "LineTotal": 5}]
    company.order(NumAtCard="A-1", U_ErpSyncKey="k", DocumentAdditionalExpenses=freight)
    company.changed("Orders(1)", {"DocumentLines": [{"LineNum": 0, "Quantity": 3}]})
    company.call("PUT", "Orders(1)", {"CardCode": "C1", "DocDueDate": "2026-12-02"})
    company.call("POST", "Orders", order_body(LARGE))
    company.call("POST", "OrdersService_Preview", {"Document": order_body(LARGE)})
    company.call("PATCH", "ApprovalRequests(1)", {"ApprovalRequestDecisions": [{"Status": "ardApproved"}]})
    company.done("DraftsService_SaveDraftToDocument", {"Document": {"DocEntry": 1}})
    picks = [{"BaseObjectType": 17, "OrderEntry": 1, "OrderRowID": 0, "ReleasedQuantity": 1}]
    company.made("PickLists", {"PickListsLines": picks, "Remarks": "today"})
    company.changed("PickLists(1)", {"PickListsLines": [{"LineNumber": 0, "PickedQuantity": 1}]})
    company.done("PickListsService_Close", {"PickList": {"Absoluteentry": 1}})
    for movement in ("InventoryGenEntries", "InventoryGenExits"):
        company.made(movement, {"DocumentLines": [{"ItemCode": "NUT", "Quantity": 5}], "Comments": "counted"})
        company.changed(f"{movement}(1)", {"Comments": "counted again"})
    goods = [{"ItemCode": "NUT", "Quantity": 1}]
    for posted in ("DeliveryNotes", "Invoices", "Returns", "CreditNotes", "PurchaseDeliveryNotes"):
        company.made(posted, {"CardCode": "C1", "DocumentLines": goods, "NumAtCard": posted})
        company.changed(f"{posted}(1)", {"Comments": "x"})
        company.done(f"{posted}(1)/CreateCancellationDocument")
        company.get(f"{posted}?$filter=CancelStatus eq 'csNo'")
    company.made("StockTransfers", {"FromWarehouse": "01", "ToWarehouse": "02", "StockTransferLines": goods})
    company.done("StockTransfers(1)/Cancel")
    company.done("SBOBobService_SetCurrencyRate", {"Currency": "EUR", "Rate": 1.1, "RateDate": "20261101"})
    company.call("POST", "SBOBobService_GetCurrencyRate", {"Currency": "EUR", "Date": "20261101"})
    company.made("Drafts", order_body(DocObjectCode="oOrders"))
    company.done("Drafts(2)/Close")
    company.done("Orders(1)/Close")
    company.done("Orders(1)/Reopen")
    company.done("Orders(1)/Cancel")
    company.call("DELETE", "Orders(1)")
    period = {"DateFrom": "2026-01-01", "Dateto": "2026-12-31", "PriceListNo": 1, "Discount": 5, "SpecialPrice": 9}
    breaks = [{"Quantity": 10, "SpecialPrice": 8, "PriceCurrency": "USD"}]
    company.made(
        "SpecialPrices",
        {"CardCode": "C1", "ItemCode": "BOLT", "Price": 9.5, "Currency": "USD", "SpecialPriceDataAreas":
         [{**period, "SpecialPriceQuantityAreas": breaks}]},
    )  # fmt: skip
    line = {"ItemNo": "NUT", "UnitPrice": 3, "PlannedQuantity": 100}
    company.made(
        "BlanketAgreements",
        {"BPCode": "C1", "StartDate": "2026-01-01", "EndDate": "2026-12-31", "Status": "asApproved",
         "BlanketAgreements_ItemsLines": [line]},
    )  # fmt: skip
    group = {"ObjectType": "dgboItemGroups", "ObjectCode": "101", "DiscountType": "dgdt_Fixed", "Discount": 5}
    company.made(
        "EnhancedDiscountGroups", {"Type": "dgt_AllBPs", "Active": "tYES", "DiscountGroupLineCollection": [group]}
    )
    question = {"CardCode": "C1", "ItemCode": "BOLT", "Date": "2026-11-02", "UoMQuantity": 12}
    company.call("POST", "CompanyService_GetCompanyInfo")
    company.call("POST", "CompanyService_GetAdminInfo", {})
    company.call("POST", "CompanyService_GetItemPrice", {"ItemPriceParams": question})
    for version in ("v1", "v2"):
        for name in SETS:
            company.get(name, version=version)
            company.get(f"{name}/$count", version=version)
        for path in ("Orders(1)", "Drafts(1)", "Items('BOLT')", "BusinessPartners('C2')", "PriceLists(1)"):
            company.get(path, version=version)
        company.call("GET", "Orders(999)", version=version)
        company.get("Orders(1)/DocNum", version=version)
        company.get("Orders(1)/TrackingNumber", version=version)
    company.call("DELETE", "Items('NEW')")
    company.call("POST", "Logout", cookie=f"B1SESSION={session.body['SessionId']}")


@pytest.fixture
def day(make_company):
    company = make_company(Checked, approval_templates=[BIG])
    a_day(company)
    return company


def test_everything_asked_and_answered_is_in_the_contract(day, check):
    found = []
    for request, response in day.exchanges:
        found += check.check(call_of(day.core.classify(request).name), request, response)
    assert {f"{v.endpoint} {v.side} {v.place}: {v.message[:150]}" for v in found} == set()


def test_every_defect_is_noticed(day, check):
    """An unknown property in every object and a wrong type in every leaf, of every operation, both ways."""
    missed, tried = [], set()
    for request, response in day.exchanges:
        endpoint = day.core.classify(request).name
        operation = check.book.operations[endpoint]
        sides = []
        if request.body and operation.request.checked_by != "not checkable":
            sides.append(("request", json.loads(request.body)))
        if response.body and operation.response(response.status).checked_by != "not checkable":
            sides.append(("response", json.loads(response.body)))
        for side, body in sides:
            if (endpoint, side, response.status) in tried:
                continue
            tried.add((endpoint, side, response.status))
            for place, wrong in mutations(body):
                content = json.dumps(wrong).encode()
                if side == "request":
                    exchange = (Request.build(request.method, request.url, headers=request.headers, body=content), None)
                else:
                    exchange = (request, Response(response.status, {}, content))
                if not check.check(call_of(endpoint), *exchange):
                    missed.append((endpoint, side, place))
    assert missed == []
    assert len(tried) > 60


def test_every_operation_of_the_book_is_mutated_both_ways(check):
    """With bodies made from the schemas, also those that no day calls; the day goes deeper."""
    tried: set[str] = set()
    assert [line for name in sorted(check.book.operations) for line in unnoticed(check, name, tried, 1)] == []


def test_the_contract_says_where_it_comes_from():
    assert "operator-ita/b1sl-python@9acbf5d" in contract.origin()
    assert contract.properties("SpecialPriceDataArea")["Dateto"] == "string"
    assert contract.methods("Orders")["Orders(id)/Cancel"] == "POST"
