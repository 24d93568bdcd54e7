"""Filters, order, pages: what comes back is what a reader of the same rows would pick."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from erp_sync_tests.systems.sap_b1.sandbox.conftest import order_body


@pytest.fixture
def orders(company):
    """Five orders with NumAtCard A-1 to A-5 and totals 10 to 50."""
    for number in range(1, 6):
        line = {"ItemCode": "BOLT", "Quantity": number, "UnitPrice": 10}
        company.order(line, NumAtCard=f"A-{number}", U_ErpSyncKey=f"key'{number}")
    return company


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("NumAtCard eq 'A-2'", [2]),
        ("NumAtCard ne 'A-2' and DocTotal gt 20", [3, 4, 5]),
        ("DocTotal le 20.0 or DocTotal ge 50", [1, 2, 5]),
        ("not (DocTotal lt 40)", [4, 5]),
        ("startswith(NumAtCard,'A-') and endswith(NumAtCard,'3')", [3]),
        ("contains(NumAtCard,'-4')", [4]),
        ("substringof('-4',NumAtCard)", [4]),
        ("contains(NumAtCard,'a-4')", []),
        ("startswith(NumAtCard,'A-4') eq false", [1, 2, 3, 5]),
        ("DocumentStatus eq 'bost_Open' and Cancelled eq 'tNO'", [1, 2, 3, 4, 5]),
        ("DocumentStatus eq 'C'", []),
        ("Cancelled eq 'N' and DocEntry eq 1", [1]),
        ("U_ErpSyncKey eq 'key''5'", [5]),
        ("Comments eq null and 40 le DocTotal", [4, 5]),
        ("Comments ne null", []),
        ("CreationDate eq '2026-11-02'", [1, 2, 3, 4, 5]),
        ("CreationDate ge '2026-11-02T23:59:00Z' and CreationDate le 2026-11-02", [1, 2, 3, 4, 5]),
        ("UpdateDate gt '2026-11-01' or (UpdateDate eq '2026-11-01' and UpdateTime ge '10:00:00')", [1, 2, 3, 4, 5]),
        ("UpdateDate gt '20261102' or (UpdateDate eq '20261102' and UpdateTime ge '08:00:01')", []),
        *[
            (f"DocTime eq '{time}'", [1, 2, 3, 4, 5])
            for time in ("08:00:59", "08:00", "080059", "0800", "2014-06-18T08:00:00Z", "2014-06-18T08:00")
        ],
        ("DocTime eq '08:01'", []),
        ("CreationDate eq '20261102000000'", [1, 2, 3, 4, 5]),
        ("CreationDate ge datetime'2026-11-02T00:00:00' and NumAtCard ne 'datetime''A'", [1, 2, 3, 4, 5]),
    ],
)
def test_a_filter_picks(orders, condition, expected):
    found = [row["NumAtCard"] for row in orders.rows(f"Orders?$filter={condition.replace('#', '%23')}")]
    assert found == [f"A-{number}" for number in expected]
    assert orders.get(f"Orders/$count?$filter={condition}") == str(len(expected))


@pytest.mark.parametrize(
    ("query", "code", "message"),
    [
        ("$filter=DocStatus eq 'O'", "201", "Property 'DocStatus' is invalid"),
        ("$select=DocStatus", "-1000", "Property 'DocStatus' of 'Document' is invalid"),
        ("$orderby=DocStatus", "-1000", "Property 'DocStatus' of 'Document' is invalid"),
        ("$filter=toupper(NumAtCard) eq 'X'", "-1000", None),
        ("$filter=DocumentLines/any(l: l/Quantity gt 1)", "-1000", None),
        ("$filter=DocTotal add 1 gt 2", "-1000", None),
        ("$filter=Cancelled eq 'perhaps'", "-1000", "Enum value 'perhaps' is invalid for 'BoYesNoEnum'"),
        ("$filter=DocTotal eq 'ten'", "-1000", None),
        ("$filter=CreationDate eq 'today'", "-1000", None),
        ("$filter=NumAtCard eq", "-1000", None),
        ("$filter=NumAtCard", "-1000", None),
        ("$filter=DocumentLines eq 'x'", "-1000", None),
        ("$expand=DocumentLines", "-1000", "Query string error: 'DocumentLines' is not a navigation property"),
        ("$search=x", "-1000", "Query string error: '$search' is not supported"),
        ("$top=few", "-1000", None),
        ("$inlinecount=allpages", "-1000", None),
    ],
)
def test_a_wrong_query_is_refused(orders, query, code, message):
    answer = orders.call("GET", f"Orders?{query}")
    assert (answer.status, answer.code) == (400, code)
    assert message is None or answer.message == message


def test_order_and_top_and_skip(orders):
    assert [row["NumAtCard"] for row in orders.rows("Orders?$orderby=DocTotal desc&$top=2&$skip=1")] == ["A-4", "A-3"]
    assert [row["NumAtCard"] for row in orders.rows("Orders?$orderby=CardCode,NumAtCard desc&$top=1")] == ["A-5"]
    assert orders.rows("Orders?$top=0") == []


def test_only_what_is_selected_comes_back(orders):
    (row,) = orders.rows("Orders?$select=DocNum,U_ErpSyncKey,Comments&$filter=DocEntry eq 2")
    assert row == {"DocNum": 1002, "U_ErpSyncKey": "key'2", "Comments": None}


def test_pages_are_of_twenty_and_link_to_the_next_in_either_version(company):
    company.core.seed({"items": [{"sku": f"P{number:03}"} for number in range(41)]})
    first = company.get("Items?$filter=startswith(ItemCode,'P')&$select=ItemCode")
    assert len(first["value"]) == 20
    assert first["@odata.nextLink"] == "Items?$filter=startswith(ItemCode,%27P%27)&$select=ItemCode&$skip=20"
    last = company.get("Items?$filter=startswith(ItemCode,'P')&$skip=40")
    assert len(last["value"]) == 1
    assert "@odata.nextLink" not in last
    older = company.get("Items?$filter=startswith(ItemCode,'P')&$inlinecount=allpages", version="v1")
    assert older["odata.nextLink"].startswith("/b1s/v1/Items?$filter=")
    assert older["odata.count"] == "41"
    assert company.get("Items?$filter=startswith(ItemCode,'P')&$count=true")["@odata.count"] == 41


def test_a_link_may_forget_what_was_asked(make_company):
    company = make_company(bare_next_links=True)
    page = company.get("Items?$filter=Valid eq 'Y'&$select=ItemCode", prefer="odata.maxpagesize=1")
    assert page["@odata.nextLink"] == "Items?$skip=1"


def test_pages_may_be_cut_short(make_company):
    company = make_company(page_limit=2)
    for wanted in ("0", "100"):
        page = company.call("GET", "Items", prefer=f"odata.maxpagesize={wanted}")
        assert (len(page.body["value"]), page.body["@odata.nextLink"]) == (2, "Items?$skip=2")
        assert page.headers["preference-applied"] == f"odata.maxpagesize={wanted}"


def test_the_page_size_is_the_callers(company):
    company.core.seed({"items": [{"sku": f"P{number:03}"} for number in range(30)]})
    answer = company.call("GET", "Items", prefer="odata.maxpagesize=25")
    assert len(answer.body["value"]) == 25
    assert answer.headers["preference-applied"] == "odata.maxpagesize=25"
    whole = company.call("GET", "Items", B1S_PageSize="0")
    assert len(whole.body["value"]) == 34
    assert "@odata.nextLink" not in whole.body
    top = company.get("Items?$top=25")
    assert (len(top["value"]), top["@odata.nextLink"]) == (20, "Items?$top=5&$skip=20")


def test_a_row_that_goes_between_two_pages_hides_another(company):
    """Offsets drift: the third item is on neither page."""
    company.core.seed({"items": [{"sku": sku} for sku in ("A1", "A2", "A3", "A4")]})
    page = company.rows("Items?$filter=startswith(ItemCode,'A')&$select=ItemCode", prefer="odata.maxpagesize=2")
    assert company.call("DELETE", "Items('A1')").status == 204
    rest = company.rows("Items?$filter=startswith(ItemCode,'A')&$select=ItemCode&$skip=2")
    assert [row["ItemCode"] for row in page + rest] == ["A1", "A2", "A4"]


def test_dates_are_written_in_two_ways(orders):
    assert orders.get("Orders(1)")["DocDueDate"] == "2026-12-01T00:00:00Z"
    assert orders.get("Orders(1)", version="v1")["DocDueDate"] == "2026-12-01"


def test_one_property_is_read_by_its_path(orders):
    assert orders.get("Orders(2)/NumAtCard") == {"value": "A-2"}
    assert orders.get("Orders(2)/DocDueDate") == {"value": "2026-12-01T00:00:00Z"}
    assert orders.get("Orders(2)/Comments") == {"@odata.null": True}
    assert orders.get("Orders(2)/Comments", version="v1") == {"odata.null": True}
    assert orders.call("GET", "Orders(2)/Nothing").code == "-1000"
    assert orders.call("GET", "Orders(9)/NumAtCard").code == "-2028"


def test_composite_keys(company):
    price = {"CardCode": "C1", "ItemCode": "BOLT", "Price": 9, "Currency": "USD"}
    made = company.call("POST", "SpecialPrices", price)
    assert made.headers["location"].endswith("/b1s/v2/SpecialPrices(CardCode='C1',ItemCode='BOLT')")
    assert company.get("SpecialPrices(ItemCode='BOLT',CardCode='C1')")["Price"] == 9
    assert company.get("Items(ItemCode='BOLT')")["ItemCode"] == "BOLT"
    assert company.call("GET", "SpecialPrices('C1')").code == "-1000"
    assert company.call("GET", "Orders('1')").code == "-1000"
    assert company.call("GET", "Nothing(1)").code == "200"


text = st.text(alphabet="ab'%_Ä ", max_size=3)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(st.tuples(text, st.integers(0, 3)), max_size=8), wanted=text, limit=st.integers(0, 3))
def test_filters_agree_with_python(make_company, values, wanted, limit):
    """Quotes, wildcards and case of SQL mean nothing in a filter."""
    company = make_company()
    for comment, quantity in values:
        line = {"ItemCode": "BOLT", "Quantity": quantity + 1, "UnitPrice": 1}
        company.call("POST", "Orders", order_body(line, Comments=comment))
    quoted = wanted.replace("'", "''").replace("%", "%25")
    tests = {
        f"contains(Comments,'{quoted}')": lambda comment, _: wanted in comment,
        f"startswith(Comments,'{quoted}')": lambda comment, _: comment.startswith(wanted),
        f"endswith(Comments,'{quoted}')": lambda comment, _: comment.endswith(wanted),
        f"Comments eq '{quoted}' or DocTotal gt {limit}": lambda comment, total: comment == wanted or total > limit,
        f"not (Comments eq '{quoted}') and DocTotal le {limit}": lambda c, total: c != wanted and total <= limit,
    }
    for condition, judge in tests.items():
        found = [row["Comments"] for row in company.rows(f"Orders?$filter={condition}", B1S_PageSize="0")]
        assert found == [comment for comment, quantity in values if judge(comment, Decimal(quantity + 1))]


def test_pages_are_found_by_their_place_whatever_happens_between_them(company):
    """With a remembered place a page is the same as by counting up to it."""
    company.core.seed({"business_partners": [{"CardCode": f"P{n:03}", "CardType": "cCustomer"} for n in range(50)]})
    places = company.core.store.places

    def page(skip, path="BusinessPartners?"):
        found = company.rows(f"{path}$skip={skip}&$select=CardCode", Prefer="odata.maxpagesize=10")
        return [row["CardCode"] for row in found]

    for path in ("BusinessPartners?", "BusinessPartners?$filter=startswith(CardCode,'P')&"):
        places.forget()
        counted = [page(skip, path) for skip in (0, 10, 20, 30)]
        assert [page(skip, path) for skip in (10, 20, 30)] == counted[1:]  # from the places that are known now
        company.changed("BusinessPartners('P030')", {"CardName": "same place"})
        assert page(20, path) == counted[2]
        company.made("BusinessPartners", {"CardCode": "P0000"})
        drifted = page(20, path)
        places.forget()
        assert drifted == page(20, path) != counted[2]
        company.call("DELETE", "BusinessPartners('P0000')")
        assert page(20, path) == counted[2]


def test_a_place_is_not_remembered_of_a_transaction_that_was_undone(company):
    company.core.seed({"business_partners": [{"CardCode": f"P{n}", "CardType": "cCustomer"} for n in range(9)]})
    company.get("BusinessPartners?$select=CardCode", Prefer="odata.maxpagesize=5")
    before = company.rows("BusinessPartners?$skip=5&$select=CardCode")
    company.core.store.places.keep(("BusinessPartners", "1", ()), 5, ("P8",))
    assert company.call("POST", "BusinessPartners", {"CardCode": "P1"}).status == 400  # undone
    assert company.rows("BusinessPartners?$skip=5&$select=CardCode") == before
