"""Stored SQL queries: what they may ask, and that their rows are those of the entities."""

from __future__ import annotations

from decimal import Decimal

import pytest


def store(company, text, code="q"):
    return company.call("POST", "SQLQueries", {"SqlCode": code, "SqlName": code, "SqlText": text})


def asked(company, text, query=""):
    answer = store(company, text)
    assert answer.status == 201, answer.body
    return company.rows(f"SQLQueries('q')/List{query}")


def test_prices_and_stock_in_bulk(company):
    text = (
        'SELECT T0."ItemCode", T1."Price", T2."OnHand" - T2."IsCommited" AS "Free" FROM OITM T0 '
        'INNER JOIN ITM1 T1 ON T0."ItemCode" = T1."ItemCode" INNER JOIN OITW T2 ON T2."ItemCode" = T0."ItemCode" '
        'WHERE T1."PriceList" = 1 AND T2."WhsCode" = \'01\' AND T0."validFor" = \'Y\' ORDER BY T0."ItemCode"'
    )
    company.order({"ItemCode": "BOLT", "Quantity": 4})
    assert asked(company, text) == [
        {"ItemCode": "BOLT", "Price": Decimal("10.5"), "Free": 46},
        {"ItemCode": "MANUAL", "Price": Decimal("9.99"), "Free": 0},
        {"ItemCode": "NUT", "Price": Decimal("3.333"), "Free": 1000},
    ]


def test_documents_have_the_databases_names_and_forms(company):
    company.order({"ItemCode": "BOLT", "Quantity": 2, "UnitPrice": 10}, NumAtCard="A-1", U_ErpSyncKey="k-1")
    text = (
        "SELECT T0.DocEntry, T0.DocStatus, T0.CANCELED, T0.UpdateDate, T0.UpdateTS, T0.U_ErpSyncKey, T1.LineTotal "
        "FROM ORDR T0 JOIN RDR1 T1 ON T1.DocEntry = T0.DocEntry WHERE T0.U_ErpSyncKey = :k"
    )
    assert asked(company, text, "?k='k-1'") == [
        {"DocEntry": 1, "DocStatus": "O", "CANCELED": "N", "UpdateDate": "20261102", "UpdateTS": 80000,
         "U_ErpSyncKey": "k-1", "LineTotal": 20}
    ]  # fmt: skip
    assert company.rows("SQLQueries('q')/List?k='other'") == []
    posted = company.call("POST", "SQLQueries('q')/List", {"ParamList": "k='k-1'"})
    assert len(posted.body["value"]) == 1
    for wrong in ("", "?k=k-1", "?k='k-1'&more=1", "?K='k-1'"):
        refused = company.call("GET", f"SQLQueries('q')/List{wrong}")
        assert (refused.status, refused.code, refused.message) == (400, "704", "Parameter error.")
    assert company.get("SQLQueries('q')/List?ParamList=k%3D'k-1'")["SqlText"] == text
    assert company.get("SQLQueries('q')")["ParamList"] == "k"


def test_addresses_lists_and_empty_tables(company):
    company.changed("BusinessPartners('C1')", {"BPAddresses": [{"AddressName": "Home", "City": "Dayton"}]})
    text = "SELECT T0.CardName, T1.City, T1.AdresType FROM OCRD T0 JOIN CRD1 T1 ON T0.CardCode = T1.CardCode"
    assert asked(company, text) == [{"CardName": "Works Ltd", "City": "Dayton", "AdresType": "S"}]
    store(company, "SELECT ListNum, BASE_NUM FROM OPLN", "lists")
    assert company.rows("SQLQueries('lists')/List") == [{"ListNum": 1, "BASE_NUM": 1}]
    store(company, "SELECT COUNT(*) AS N, SUM(DocTotal) AS T FROM OINV", "invoices")
    assert company.rows("SQLQueries('invoices')/List") == [{"N": 0, "T": None}]


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("SELECT T0.Price FROM OSPP T0", "702", "Table 'OSPP' not accessible"),
        ("SELECT T0.Price FROM sandbox_state T0", "702", "Table 'sandbox_state' not accessible"),
        ("SELECT name FROM main.OITM", "702", None),
        ("SELECT * FROM OITM", "701", None),
        ("SELECT T0.* FROM OITM T0", "701", None),
        ("SELECT T0.ItemCode FROM", "701", None),
        ("DELETE FROM OITM", "701", None),
        ("SELECT LENGTH(T0.ItemName) AS L FROM OITM T0", "701", None),
        ("SELECT T0.ItemCode AS A, T0.ItemName AS A FROM OITM T0", "701", None),
        ("SELECT COUNT(ItemCode) FROM OITM", "701", None),
        ("SELECT load_extension('x') AS X FROM OITM", "701", None),
        ("WITH X AS (SELECT ItemCode FROM OITM) SELECT ItemCode FROM X", "701", None),
    ],
)
def test_what_a_query_may_not_say(company, text, code, message):
    answer = store(company, text)
    assert (answer.status, answer.code) == (400, code)
    assert message is None or answer.message == message


def test_a_star_is_allowed_in_a_subquery(company):
    text = "SELECT T0.ItemCode FROM (SELECT * FROM OITM T1 WHERE T1.ItemCode = 'NUT') T0"
    assert asked(company, text) == [{"ItemCode": "NUT"}]


def test_an_unknown_column_fails_when_it_is_asked(company):
    assert store(company, "SELECT T0.Nothing FROM OITM T0").status == 201
    assert company.call("GET", "SQLQueries('q')/List").code == "701"


def test_rows_come_always_in_pages(company):
    company.core.seed({"items": [{"sku": f"P{number:03}"} for number in range(45)]})
    text = "SELECT T0.ItemCode FROM OITM T0 WHERE T0.ItemCode LIKE :p ORDER BY T0.ItemCode"
    store(company, text)
    first = company.get("SQLQueries('q')/List?p='P%25'", prefer="odata.maxpagesize=0")
    assert (len(first["value"]), first["@odata.nextLink"]) == (20, "SQLQueries('q')/List?p='P%25'&$skip=20")
    last = company.get("SQLQueries('q')/List?p='P%25'&$skip=40")
    assert (len(last["value"]), "@odata.nextLink" in last) == (5, False)
    small = company.get("SQLQueries('q')/List?p='P%25'", version="v1", prefer="odata.maxpagesize=5")
    assert small["odata.nextLink"] == "/b1s/v1/SQLQueries('q')/List?p='P%25'&$skip=5"
    store(company, "SELECT T0.ItemCode FROM OITM T0", "all")
    assert company.get("SQLQueries('all')/List")["@odata.nextLink"] == "SQLQueries('all')/List?&$skip=20"


def test_a_code_is_taken_once_and_nothing_may_be_a_404(make_company):
    company = make_company(empty_query_is_not_found=True)
    assert store(company, "SELECT DocEntry FROM ORDR").status == 201
    assert store(company, "SELECT DocEntry FROM ORDR").code == "-2035"
    answer = company.call("GET", "SQLQueries('q')/List")
    assert (answer.status, answer.code) == (404, "-2028")
    assert company.call("GET", "SQLQueries('none')/List").status == 404
