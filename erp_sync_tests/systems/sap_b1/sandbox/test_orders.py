"""Sales orders as Service Layer makes, changes, closes and cancels them."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from erp_sync.systems.sap_b1.sandbox.totals import Row, discounted, totals
from erp_sync_tests.systems.sap_b1.sandbox.conftest import order_body

CENT = Decimal("0.01")
BOLTS = {"ItemCode": "BOLT", "Quantity": 2, "UnitPrice": 10}


def lines_of(company, entry, *names):
    return [tuple(line[name] for name in names) for line in company.get(f"Orders({entry})")["DocumentLines"]]


# -- prices and totals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "unit", "price", "source"),
    [
        ({"UnitPrice": 12.34, "DiscountPercent": 25}, "12.34", "9.26", "dpsManual"),
        ({"UnitPrice": 0}, "0", "0", "dpsManual"),
        ({"UnitPrice": 7}, "7", "7", "dpsManual"),
        ({"Price": 1}, "10.5", "10.5", "dpsActivePriceList"),
        ({}, "10.5", "10.5", "dpsActivePriceList"),
        ({"DiscountPercent": 10}, "10.5", "9.45", "dpsActivePriceList"),
        ({"PriceAfterVAT": 11.9, "VatGroup": "S19"}, "10", "10", "dpsManual"),
    ],
)
def test_the_price_of_a_line(company, sent, unit, price, source):
    (line,) = company.order({"ItemCode": "BOLT", "Quantity": 1, **sent})["DocumentLines"]
    assert (line["UnitPrice"], line["Price"], line["PriceSource"]) == (Decimal(unit), Decimal(price), source)


def test_numbers_may_be_quoted_as_in_the_manual(company):
    (line,) = company.order({"ItemCode": "BOLT", "Quantity": "3", "UnitPrice": "30.5"})["DocumentLines"]
    assert (line["Quantity"], line["LineTotal"]) == (3, Decimal("91.5"))
    assert company.call("POST", "Orders", order_body({**BOLTS, "Quantity": "three"})).code == "-1000"


def test_what_an_order_amounts_to(company):
    made = company.order(
        {"ItemCode": "BOLT", "Quantity": 3, "UnitPrice": 12.34, "DiscountPercent": 25, "VatGroup": "S19"},
        {"ItemCode": "NUT", "Quantity": 10},
        DiscountPercent=10,
        DocumentAdditionalExpenses=[{"ExpenseCode": 1, "LineTotal": 5, "VatGroup": "S19"}],
    )
    # 27.78 + 33.33 = 61.11, less 6.11, 5.00 freight, 19 % on 27.78 less 10 % and on the freight
    assert [line["LineTotal"] for line in made["DocumentLines"]] == [Decimal("27.78"), Decimal("33.33")]
    figures = {name: made[name] for name in ("TotalDiscount", "VatSum", "DocTotal", "DocTotalFc")}
    assert figures == {
        "TotalDiscount": Decimal("6.11"),
        "VatSum": Decimal("5.7"),
        "DocTotal": Decimal("65.7"),
        "DocTotalFc": 0,
    }


def test_an_order_in_a_foreign_currency_has_both_totals(company):
    company.core.seed(
        {
            "exchange_rates": [{"currency": "EUR", "rate": "1.10"}],
            "business_partners": [{"CardCode": "C2", "CardName": "GmbH", "Currency": "EUR"}],
        }
    )
    made = company.order({"ItemCode": "BOLT", "Quantity": 3, "UnitPrice": 9.99, "VatGroup": "S19"}, CardCode="C2")
    assert (made["DocCurrency"], made["DocRate"]) == ("EUR", Decimal("1.1"))
    assert (made["DocTotalFc"], made["VatSumFc"]) == (Decimal("35.66"), Decimal("5.69"))
    assert (made["DocTotal"], made["VatSum"]) == (Decimal("39.23"), Decimal("6.26"))
    # A price from the list is converted at the posting date's rate: 10.50 / 1.10.
    assert company.order({"ItemCode": "BOLT"}, CardCode="C2")["DocumentLines"][0]["UnitPrice"] == Decimal("9.55")


amount = st.decimals("0", "999", places=2)
percent = st.sampled_from([Decimal(0), Decimal("7"), Decimal("19"), Decimal("33.33")])


@given(
    rows=st.lists(st.tuples(st.decimals("0.01", "50", places=2), amount, percent), min_size=1, max_size=5),
    discount=st.decimals("0", "100", places=2),
    freight=st.lists(st.tuples(amount, percent), max_size=2),
    gross=st.booleans(),
)
def test_totals_add_up(rows, discount, freight, gross):
    found = totals([Row(*row, row[1] if gross else None) for row in rows], discount, freight, CENT)
    assert found.net == sum(row.total for row in found.rows)
    assert found.document == found.net - found.discount + found.expenses + found.vat
    assert all(value == value.quantize(CENT) for value in (found.net, found.discount, found.vat, found.document))
    assert 0 <= found.discount <= found.net
    exact = sum(row.total for row in found.rows) * (1 - discount / 100)
    assert abs(found.net - found.discount - exact) <= CENT / 2
    if gross and not discount:
        whole = sum((quantity * price).quantize(CENT, "ROUND_HALF_UP") for quantity, price, _ in rows)
        assert found.net + sum(row.vat for row in found.rows) == whole


@given(price=amount, first=percent, second=percent)
def test_a_higher_discount_is_never_dearer(price, first, second):
    low, high = sorted((first, second))
    assert discounted(price, high, CENT) <= discounted(price, low, CENT) <= price


# -- keys and duplicates ---------------------------------------------------------------------------------


def test_an_order_has_a_key_and_another_visible_number(company):
    made = company.order(NumAtCard="100000001", U_ErpSyncKey="k-1")
    assert (made["DocEntry"], made["DocNum"], made["DocumentStatus"]) == (1, 1001, "bost_Open")
    found = company.rows("Orders?$filter=U_ErpSyncKey eq 'k-1'&$select=DocEntry,DocNum,Cancelled")
    assert found == [{"DocEntry": 1, "DocNum": 1001, "Cancelled": "tNO"}]


def test_the_same_number_of_the_customer_twice_is_two_orders(company):
    company.order(NumAtCard="100000001")
    company.order(NumAtCard="100000001")
    assert company.get("Orders/$count?$filter=NumAtCard eq '100000001'") == "2"


def test_a_caller_may_want_no_content(company):
    answer = company.call("POST", "Orders", order_body(), prefer="return-no-content")
    assert (answer.status, answer.body) == (204, None)
    assert answer.headers["location"] == "/b1s/v2/Orders(1)"


@pytest.mark.parametrize(
    ("change", "status", "code", "message"),
    [
        ({"CardCode": "NOBODY"}, 404, "-2028", "No matching records found (ODBC -2028)"),
        ({"DocumentLines": [{"ItemCode": "NOTHING"}]}, 404, "-2028", "No matching records found (ODBC -2028)"),
        ({"DocumentLines": [{**BOLTS, "WarehouseCode": "99"}]}, 404, "-2028", None),
        ({"DocumentLines": [{"ItemCode": "OLD"}]}, 400, "-10", "10001069 - Item OLD is inactive"),
        ({"DocumentLines": [{**BOLTS, "VatGroup": "X"}]}, 400, "-10", "10000180 - Invalid VAT Group"),
        ({"DocumentLines": [{**BOLTS, "Quantity": 0}]}, 400, "-10", None),
        ({"DocumentLines": []}, 400, "-10", None),
        ({"DocDueDate": None}, 400, "-10", "Enter valid date [ORDR.DocDueDate]"),
        ({"PaymentGroupCode": 77}, 404, "-2028", "[ORDR.GroupNum] , No matching records found (ODBC -2028)"),
        ({"U_Unknown": "x"}, 400, "-1000", "Property 'U_Unknown' of 'Document' is invalid"),
        ({"DocumentLines": [{"ItemCod": "BOLT"}]}, 400, "-1000", "Property 'ItemCod' of 'DocumentLine' is invalid"),
        ({"DocCurrency": "CHF"}, 404, "-2028", None),
        ({"NumAtCard": 5}, 400, "-1000", None),
    ],
)
def test_what_an_order_is_refused_for(company, change, status, code, message):
    answer = company.call("POST", "Orders", order_body(**change))
    assert (answer.status, answer.code) == (status, code)
    assert message is None or answer.message == message
    assert company.get("Orders/$count") == "0"
    assert not answer.handled.committed


@pytest.mark.parametrize(
    "change",
    [
        {"Frozen": "tYES", "Valid": "tNO"},
        {"Frozen": "tYES", "FrozenFrom": "2026-11-01", "FrozenTo": "2026-11-30"},
        {"ValidFrom": "2026-12-01"},
        {"ValidTo": "2026-11-01"},
    ],
)
def test_an_inactive_customer_gets_no_order(company, change):
    company.changed("BusinessPartners('C1')", change)
    answer = company.call("POST", "Orders", order_body())
    assert (answer.status, answer.code, answer.message) == (400, "-10", "10001071 - Customer C1 is inactive")
    company.changed("BusinessPartners('C1')", {"Frozen": "tNO", "Valid": "tYES", "ValidFrom": None, "ValidTo": None})
    assert company.call("POST", "Orders", order_body()).status == 201


def test_a_company_with_branches_wants_one(make_company):
    company = make_company(branches=[1, 2])
    assert company.call("POST", "Orders", order_body()).code == "-2028"
    assert company.order(BPL_IDAssignedToInvoice=2)["BPL_IDAssignedToInvoice"] == 2


def test_errors_have_another_shape_in_each_version(company):
    newer = company.call("POST", "Orders", order_body(CardCode="X")).body
    older = company.call("POST", "Orders", order_body(CardCode="X"), version="v1").body
    text = "No matching records found (ODBC -2028)"
    assert newer == {"error": {"code": "-2028", "details": [{"code": "", "message": ""}], "message": text}}
    assert older == {"error": {"code": -2028, "message": {"lang": "en-us", "value": text}}}


# -- changes ---------------------------------------------------------------------------------------------


def test_sent_lines_merge_and_unsent_ones_stay(company):
    company.order(BOLTS, {"ItemCode": "NUT", "Quantity": 5, "UnitPrice": 3})
    company.changed("Orders(1)", {"DocumentLines": [{"LineNum": 1, "Quantity": 7}, {"ItemCode": "MANUAL"}]})
    assert lines_of(company, 1, "LineNum", "ItemCode", "Quantity", "UnitPrice") == [
        (0, "BOLT", 2, 10),
        (1, "NUT", 7, 3),
        (2, "MANUAL", 1, Decimal("9.99")),
    ]
    assert company.get("Orders(1)")["DocTotal"] == Decimal("50.99")


def test_replacing_removes_what_is_not_sent(company):
    company.order(BOLTS, {"ItemCode": "NUT", "Quantity": 5, "UnitPrice": 3})
    change = {"DocumentLines": [{"LineNum": 1, "Quantity": 6}]}
    company.changed("Orders(1)", change, B1S_ReplaceCollectionsOnPatch="true")
    assert lines_of(company, 1, "LineNum", "ItemCode", "Quantity") == [(1, "NUT", 6)]


def test_read_only_properties_are_ignored(company):
    company.order()
    company.changed("Orders(1)", {"DocTotal": 1, "DocNum": 5, "Cancelled": "tYES", "Comments": "hello"})
    after = company.get("Orders(1)")
    assert (after["DocTotal"], after["DocNum"], after["Cancelled"], after["Comments"]) == (20, 1001, "tNO", "hello")


@pytest.mark.parametrize("method", ["PATCH", "PUT", "DELETE", "GET"])
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_missing_key_is_not_made(company, method, version):
    body = {"Comments": "x"} if method in ("PATCH", "PUT") else None
    answer = company.call(method, "Orders(7)", body, version=version)
    assert (answer.status, answer.code) == (404, "-2028")
    assert company.get("Orders/$count") == "0"


def test_put_resets_what_is_not_sent(company):
    company.order(Comments="old", NumAtCard="A-1", U_ErpSyncKey="k")
    body = {"CardCode": "C1", "DocDueDate": "2026-12-05", "Comments": "new"}
    assert company.call("PUT", "Orders(1)", body).status == 204
    after = company.get("Orders(1)")
    assert (after["Comments"], after["NumAtCard"], after["DocNum"]) == ("new", None, 1001)


def test_stamps_are_the_servers_date_and_time_apart(make_company):
    company = make_company(timezone="America/New_York")
    company.order()
    company.clock.advance(20 * 3600)
    company.changed("Orders(1)", {"Comments": "later"})
    after = company.get("Orders(1)", version="v1")
    assert (after["CreationDate"], after["UpdateDate"], after["UpdateTime"]) == ("2026-11-02", "2026-11-02", "23:00:00")


def test_a_stale_etag_is_refused_and_anything_else_writes_blindly(company):
    made = company.call("POST", "Orders", order_body())
    first = made.headers["etag"]
    assert first == 'W/"356A192B7913B04C54574D18C28D46E6395428AB"' == made.body["@odata.etag"]  # SHA1 of 1
    company.changed("Orders(1)", {"Comments": "a"}, if_match=first)
    stale = company.call("PATCH", "Orders(1)", {"Comments": "b"}, if_match=first)
    assert (stale.status, stale.code) == (412, "-2039")
    company.changed("Orders(1)", {"Comments": "c"}, if_match='"0"')
    company.changed("Orders(1)", {"Comments": "d"}, if_match="*")
    assert company.get("Orders(1)")["Comments"] == "d"


def test_an_action_heeds_the_etag_too(company):
    first = company.call("POST", "Orders", order_body()).headers["etag"]
    company.changed("Orders(1)", {"Comments": "a"})
    assert company.call("POST", "Orders(1)/Cancel", if_match=first).code == "-2039"
    assert company.get("Orders(1)")["Cancelled"] == "tNO"


@pytest.mark.parametrize("override", ["PATCH", "MERGE"])
def test_a_client_that_can_only_post_overrides_the_method(company, override):
    company.order()
    answer = company.call("POST", "Orders(1)", {"Comments": "x"}, x_http_method_override=override)
    assert (answer.status, company.get("Orders(1)")["Comments"]) == (204, "x")


def test_the_body_etag_is_wrong_when_the_version_is_not_selected(company):
    company.order()
    right = company.call("GET", "Orders(1)").headers["etag"]
    assert company.get("Orders(1)?$select=DocEntry,DataVersion")["@odata.etag"] == right
    assert company.get("Orders(1)?$select=DocEntry")["@odata.etag"] != right


def test_an_order_bumps_its_customer(company):
    before = company.get("BusinessPartners('C1')")
    company.order()
    after = company.get("BusinessPartners('C1')")
    assert after["DataVersion"] == before["DataVersion"] + 1
    assert (after["UpdateTime"], after["OpenOrdersBalance"]) == (before["UpdateTime"], 20)


# -- the end of an order ---------------------------------------------------------------------------------


def test_close_cancel_reopen(company):
    company.order()
    company.order()
    company.done("Orders(1)/Close")
    company.done("Orders(2)/Cancel")
    states = company.rows("Orders?$select=DocumentStatus,Cancelled,CancelStatus")
    assert [tuple(row.values()) for row in states] == [
        ("bost_Close", "tNO", "csNo"),
        ("bost_Close", "tYES", "csYes"),
    ]
    assert company.call("POST", "Orders(1)/Close").code == "-10"
    assert company.call("POST", "Orders(2)/Reopen").code == "-10"
    assert company.call("PATCH", "Orders(1)", {"Comments": "x"}).code == "-10"
    company.done("Orders(1)/Reopen")
    company.changed("Orders(1)", {"Comments": "x"})
    assert company.get("Orders(1)")["DocumentStatus"] == "bost_Open"
    assert company.call("POST", "Orders(9)/Close").code == "-2028"
    assert company.call("POST", "Orders(1)/Explode").code == "200"


def test_an_order_is_not_deleted(company):
    company.order()
    answer = company.call("DELETE", "Orders(1)")
    message = "The requested action is not supported for this object."
    assert (answer.status, answer.code, answer.message) == (400, "-5006", message)


def test_open_orders_commit_stock_and_leave_the_items_stamp(company):
    before = company.get("Items('BOLT')")
    company.clock.advance(600)
    company.order(BOLTS, {"ItemCode": "BOLT", "Quantity": 5, "WarehouseCode": "02"}, {"ItemCode": "MANUAL"})
    assert company.stock("BOLT") == (50, 2)
    assert company.stock("BOLT", "02") == (20, 5)
    assert company.stock("MANUAL") == (0, 0)
    company.changed("Orders(1)", {"DocumentLines": [{"LineNum": 1, "Quantity": 1}]})
    assert company.stock("BOLT", "02") == (20, 1)
    company.done("Orders(1)/Cancel")
    assert company.stock("BOLT") == (50, 0)
    after = company.get("Items('BOLT')")
    assert (after["UpdateTime"], after["DataVersion"]) == (before["UpdateTime"], before["DataVersion"])


steps = st.lists(
    st.tuples(
        st.sampled_from(["order", "more", "row", "Close", "Cancel", "Reopen"]), st.integers(1, 4), st.integers(1, 9)
    ),
    max_size=12,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps)
def test_committed_is_always_what_open_orders_want(make_company, steps):
    company = make_company()
    for step, entry, quantity in steps:
        if step == "order":
            company.order({"ItemCode": "BOLT", "Quantity": quantity})
        elif step == "more":
            company.call("PATCH", f"Orders({entry})", {"DocumentLines": [{"ItemCode": "BOLT", "Quantity": quantity}]})
        elif step == "row":
            row = {"LineNum": quantity % 3, "LineStatus": "bost_Close"}
            company.call("PATCH", f"Orders({entry})", {"DocumentLines": [row]})
        else:
            company.call("POST", f"Orders({entry})/{step}")
        wanted = sum(
            line["RemainingOpenQuantity"]
            for order in company.rows("Orders?$filter=DocumentStatus eq 'bost_Open'", B1S_PageSize="0")
            for line in order["DocumentLines"]
        )
        assert company.stock("BOLT") == (50, wanted)


# -- preview ---------------------------------------------------------------------------------------------


def test_a_preview_calculates_and_saves_nothing(company):
    body = order_body({"ItemCode": "BOLT", "Quantity": 3, "VatGroup": "S19"})
    answer = company.call("POST", "OrdersService_Preview", {"Document": body})
    assert answer.status == 200
    assert (answer.body["DocTotal"], answer.body["DocumentLines"][0]["LineTotal"]) == (
        Decimal("37.49"),
        Decimal("31.5"),
    )
    assert (answer.body["DocEntry"], answer.body["DocNum"], answer.body["DocObjectCode"]) == (None, None, "17")
    assert not answer.handled.committed
    assert company.get("Orders/$count") == "0"
    assert company.stock("BOLT") == (50, 0)
    assert company.call("POST", "OrdersService_Preview", {"Document": order_body(CardCode="X")}).code == "-2028"
    assert company.call("GET", "OrdersService_Preview").code == "-5006"
