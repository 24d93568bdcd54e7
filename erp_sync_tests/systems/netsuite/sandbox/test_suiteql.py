"""SuiteQL: what it answers, how it writes it, and what it refuses."""

from __future__ import annotations

import itertools
from collections import OrderedDict

import pytest

from erp_sync.systems.netsuite.sandbox.errors import VendorError
from erp_sync.systems.netsuite.sandbox.suiteql import service


def test_values_are_texts_and_names_lower_case(account):
    account.order([("MUG", 7)])
    rows = account.rows(
        """SELECT T.tranId AS Number, L.quantity, L.rate, L.foreignAmount, I.itemid, T.custbody_x
           FROM Transaction T JOIN TransactionLine L ON L.transaction = T.id LEFT JOIN Item I ON I.id = L.item
           WHERE L.mainline = 'F' AND L.taxline = 'F' ORDER BY L.id""".replace(", T.custbody_x", "")
    )
    assert rows == [{"number": "SO1001", "quantity": "-7", "rate": "10.5", "foreignamount": "-73.5", "itemid": "MUG"}]


def test_columns_without_a_value_are_left_out(account):
    assert account.rows("SELECT itemid, parent, manufacturer FROM item WHERE itemid = 'MUG'") == [{"itemid": "MUG"}]


def test_a_date_time_shows_its_local_date_only(account):
    """08:00 UTC is midnight in Los Angeles, and TO_CHAR is the way to the time."""
    account.clock.advance(-1)
    account.customer()
    rows = account.rows(
        "SELECT lastmodifieddate, TO_CHAR(lastmodifieddate, 'YYYY-MM-DD HH24:MI:SS') AS stamp FROM customer"
    )
    assert rows == [{"lastmodifieddate": "11/1/2026", "stamp": "2026-11-01 23:59:59"}]


def test_windows_are_in_the_accounts_time(account):
    account.customer()
    window = "SELECT id FROM customer WHERE lastmodifieddate >= TO_TIMESTAMP('{}', 'YYYY-MM-DD HH24:MI:SS')"
    assert len(account.rows(window.format("2026-11-02 00:00:00"))) == 1
    assert account.rows(window.format("2026-11-02 08:00:00")) == []


@pytest.mark.parametrize("sql", [
    "SELECT id FROM customer WHERE lastmodifieddate >= {} AND lastmodifieddate < {} AND datecreated < {}",
    "SELECT id, TO_CHAR({}, 'YYYY') AS year FROM transaction WHERE trandate >= {} ORDER BY id",
    "SELECT id FROM customer WHERE companyname = '2001-02-03' AND lastmodifieddate >= {}",
])  # fmt: skip
def test_windows_that_differ_in_their_moments_mean_what_each_says(account, sql):
    """Compiled once for all moments, a query is what it is when it is compiled alone."""
    session, suiteql = account.core._session(), account.core.queries
    for year in (2025, 2026, 1999):
        moments = [f"TO_TIMESTAMP('{year}-0{n}-11 10:20:3{n}', 'YYYY-MM-DD HH24:MI:SS')" for n in (1, 7, 3)]
        query = sql.format(*moments)
        assert suiteql._compile(session, query) == suiteql._compiled(session, query)


LISTS = (
    *("'MUG'", "'MUG','a, 1,2', 'it''s'", "'x1,5','7'", "1000", "1000,1001, 7"),
    *("'SalesOrd:B', 'C'", "'B', 'C'", "''", "','", "'a', ','", "',','','"),
)


@pytest.mark.parametrize("sql", [
    "SELECT id FROM item WHERE itemid IN ({0}) AND isinactive IN ('T', 'F') ORDER BY id",
    "SELECT id FROM item WHERE id NOT IN ({0}) OR cost IN ({1})",
    "SELECT id FROM transaction WHERE status IN ({0}) AND id IN (SELECT id FROM item WHERE id IN ({1}))",
    "SELECT id FROM item WHERE itemid IN ({0}) AND lastmodifieddate < TO_TIMESTAMP('2026-07-11 10:20:30', "
    "'YYYY-MM-DD HH24:MI:SS')",
    "SELECT CASE WHEN id IN ({0}) THEN 'in IN (7)' ELSE 'a list stands here, the 1.' END FROM item",
    "SELECT CASE WHEN id IN ({0}) THEN 'in IN (7)' ELSE 'no' END FROM item",
    "SELECT CASE WHEN id IN ({0}) THEN 'it''s IN (7,8)' ELSE ' IN (7,8)' END FROM item WHERE itemid LIKE '% IN (7,8)%'",
    "SELECT id FROM item WHERE itemid = ' IN (7,8)' OR itemid IN ({0})",
    "SELECT CONCAT('x IN (', ')') AS odd FROM item WHERE LOWER(itemid) IN ({0})",
])  # fmt: skip
def test_lists_that_differ_in_their_values_mean_what_each_says(account, sql):
    """Compiled once for all values, a query is what it is when it is compiled alone, or refused as it is then."""
    session, suiteql = account.core._session(), account.core.queries

    def told(compile_it, query):
        try:
            return compile_it(session, query)
        except VendorError as error:
            return error.status, error.code, str(error)

    for one, other in itertools.product(LISTS, LISTS):
        query = sql.format(one, other)
        assert told(suiteql._compile, query) == told(suiteql._compiled, query), query


@pytest.mark.parametrize(("column", "lists"), [
    ("itemid", ("'MUG'", "'MUG', 'TEE'", "'A','B','C'")), ("id", ("7", "1000, 1001", "1,2,3")),
])  # fmt: skip
def test_lists_of_one_query_are_compiled_once(account, monkeypatch, column, lists):
    session, suiteql = account.core._session(), account.core.queries
    compiled: list[str] = []
    compile_it = service.Compiler.compile
    monkeypatch.setattr(service, "_compiled", OrderedDict())
    monkeypatch.setattr(
        service.Compiler, "compile", lambda self, query: compiled.append(query) or compile_it(self, query)
    )
    for values in lists:
        suiteql._compile(session, f"SELECT id FROM item WHERE {column} IN ({values}) ORDER BY id")
    assert len(compiled) == 1


def test_a_list_that_is_too_long_is_refused_however_often_shorter_ones_went(account):
    query = "SELECT id FROM item WHERE id IN ({}) ORDER BY id"
    for length, status in ((1000, 200), (1001, 400)):
        assert account.query(query.format(", ".join(str(1000 + n) for n in range(length)))).status == status


def test_a_window_that_is_none_is_refused_in_its_own_words(account):
    answer = account.query(
        "SELECT nothing FROM customer WHERE lastmodifieddate >= TO_TIMESTAMP('2026-02-31 00:00:00', "
        "'YYYY-MM-DD HH24:MI:SS')"
    )
    assert answer.status == 400
    assert b"2001-02-03" not in answer.body


def test_a_time_with_its_zone_needs_no_guess(account):
    account.customer()
    sql = (
        "SELECT id FROM customer WHERE lastmodifieddate >= "
        "TO_TIMESTAMP_TZ('2026-11-02T08:00:00+00:00', 'YYYY-MM-DD\"T\"HH24:MI:SSTZH:TZM')"
    )
    assert len(account.rows(sql)) == 1


def test_plain_dates_are_read_as_the_account_writes_them(account):
    account.order([("MUG", 1)])
    assert len(account.rows("SELECT id FROM transaction WHERE trandate = '11/2/2026'")) == 1
    assert account.query("SELECT id FROM transaction WHERE trandate = '2026-11-02'").status == 400


@pytest.mark.parametrize("status", ["B", "SalesOrd:B"])
def test_status_is_a_letter_with_or_without_its_type(account, status):
    account.order([("MUG", 1)])
    sql = f"SELECT status, BUILTIN.DF(status) AS label FROM transaction WHERE status = '{status}'"
    assert account.rows(sql) == [{"status": "B", "label": "Sales Order : Pending Fulfillment"}]


@pytest.mark.parametrize(
    ("statuses", "found"),
    [
        ("'B', 'ItemShip:C'", 1),
        ("'SalesOrd:B', 'C'", 1),
        ("'SalesOrd:B', 'ItemShip:C'", 1),
        ("'B', 'C'", 1),
        ("'ItemShip:B', 'C'", 0),
    ],
)
def test_each_status_of_a_list_is_a_letter_with_or_without_its_type(account, statuses, found):
    account.order([("MUG", 1)])
    assert len(account.rows(f"SELECT id FROM transaction WHERE status IN ({statuses})")) == found
    assert len(account.rows(f"SELECT id FROM transaction WHERE status NOT IN ({statuses})")) == 1 - found


def test_sums_are_exact(account):
    for number in range(10):
        account.order([("TEA", 1)], external_id=f"o-{number}", item={
            "items": [{"item": {"id": account.item("TEA")}, "quantity": 1, "rate": "0.1"}]
        })  # fmt: skip
    sql = "SELECT SUM(foreigntotal) AS total, COUNT(*) AS n, AVG(foreigntotal) AS mean FROM transaction"
    total = account.rows(sql)[0]
    assert (total["n"], total["total"]) == ("10", "1.1")  # 0.10 and one cent of Ohio's tax, ten times
    assert account.rows("SELECT id FROM transactionline WHERE -foreignamount = 0.1 AND itemtype = 'InvtPart'")


def test_stock_per_location(account):
    rows = account.rows(
        """SELECT i.itemid, BUILTIN.DF(a.location) AS place, a.quantityonhand, NVL(a.quantityavailable, 0) AS free
           FROM aggregateitemlocation a, item i WHERE i.id = a.item AND a.quantityonhand > 4.5 ORDER BY i.itemid"""
    )
    assert rows == [
        {"itemid": "MUG", "place": "East Warehouse", "quantityonhand": "5", "free": "5"},
        {"itemid": "TEA", "place": "East Warehouse", "quantityonhand": "100", "free": "100"},
    ]


def test_pages_are_multiples_of_the_limit(account):
    sql = "SELECT id FROM item ORDER BY id"
    first = account.query(sql, limit=3)
    assert (first.body["count"], first.body["hasMore"], first.body["totalResults"]) == (3, True, 10)
    assert {link["rel"] for link in first.body["links"]} == {"self", "next", "last"}
    last = account.query(sql, limit=3, offset=9)
    assert (last.body["count"], last.body["hasMore"]) == (1, False)
    assert account.query(sql, limit=3, offset=4).error["o:errorQueryParam"] == "offset"
    assert account.query(sql, limit=1001).error["o:errorQueryParam"] == "limit"


def test_the_prefer_header_is_a_must(account):
    answer = account.call("POST", "/services/rest/query/v1/suiteql", {"q": "SELECT id FROM item"})
    assert (answer.status, answer.error["o:errorHeader"]) == (400, "Prefer")


@pytest.mark.parametrize(
    ("sql", "code", "says"),
    [
        ("SELECT colour FROM item", "USER_ERROR", "Field 'colour' for record 'item' was not found"),
        ("SELECT id FROM sandbox_state", "USER_ERROR", "Record 'sandbox_state' was not found"),
        ("SELECT custom FROM transaction", "USER_ERROR", "Field 'custom'"),
        ("SELECT sqlite_version() FROM item", "USER_ERROR", "Function 'SQLITE_VERSION' is not supported"),
        ("SELECT LISTAGG(id, ',') WITHIN GROUP (ORDER BY id) FROM item", "INVALID_PARAMETER", "syntax"),
        ("SELECT * FROM transaction", "UNEXPECTED_ERROR", "timed out"),
        ("SELECT id FROM item LIMIT 5", "INVALID_PARAMETER", "LIMIT"),
        ("SELECT id::text FROM item", "INVALID_PARAMETER", "::"),
        ("SELECT quantityonhand / 0 FROM aggregateitemlocation", "INVALID_PARAMETER", "divisor is equal to zero"),
        ("SELECT TO_NUMBER(itemid) FROM item", "INVALID_PARAMETER", "invalid number"),
        ("SELECT id FROM item; DELETE FROM item", "INVALID_PARAMETER", "parse"),
        ("DELETE FROM item", "INVALID_PARAMETER", "only one SELECT"),
        ("SELECT id FROM", "INVALID_PARAMETER", "parse"),
        ("SELECT id FROM item i JOIN customer c ON c.id = i.id", "INVALID_PARAMETER", "ambiguously"),
        ("SELECT id FROM transaction WHERE trandate > 5", "INVALID_PARAMETER", "expected DATE"),
    ],
)  # fmt: skip
def test_what_netsuite_does_not_allow_is_said_clearly(account, sql, code, says):
    answer = account.query(sql)
    assert answer.status == 400
    if says != "syntax":
        assert says in answer.error["detail"]
        assert answer.error["o:errorCode"] == code


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("DECODE(itemtype, 'InvtPart', 'stocked', 'other')", "stocked"),
        ("NVL2(parent, 'child', 'single')", "single"),
        ("COALESCE(manufacturer, 'none')", "none"),
        ("UPPER(SUBSTR(displayname, 1, 2)) || '-' || id", "MU-1000"),
        ("ROUND(cost / 3, 2)", "1.33"),
        ("cost * 2.5", "10"),
        ("CASE WHEN isinactive = 'F' THEN 1 ELSE 0 END", "1"),
        ("BUILTIN.DF(isinactive)", "No"),
        ("BUILTIN.DF(itemtype)", "Inventory Item"),
        ("LENGTH(itemid) + 1", "4"),
        ("TO_NUMBER('2.50') - 1", "1.5"),
        ("TO_CHAR(createddate, 'MM/DD/YYYY HH:MI AM')", "11/02/2026 12:00 AM"),
        ("TRUNC(createddate)", "11/2/2026"),
        ("(SELECT MAX(price) FROM itemprice p WHERE p.item = item.id)", "10.5"),
    ],
)
def test_functions(account, expression, value):
    assert account.rows(f"SELECT {expression} FROM item WHERE itemid = 'MUG'") == [{"expr1": value}]


def test_rownum_top_and_subqueries(account):
    newest = "SELECT id FROM (SELECT id FROM item WHERE id >= 1000 ORDER BY id DESC) WHERE ROWNUM <= 2"
    assert [row["id"] for row in account.rows(newest)] == ["1003", "1002"]
    assert len(account.rows("SELECT TOP 2 id FROM item ORDER BY id")) == 2
    assert len(account.rows("WITH a AS (SELECT id FROM item) SELECT id FROM a WHERE id = '1000'")) == 1
    assert len(account.rows("SELECT id FROM item WHERE id = 1000 UNION ALL SELECT id FROM customer")) == 1


def test_oracles_outer_joins(account):
    sql = (
        "SELECT i.itemid, a.quantityonhand FROM item i, aggregateitemlocation a WHERE i.id = a.item(+) AND i.id >= 1000"
    )
    assert {"itemid": "OLD"} in account.rows(f"{sql} ORDER BY i.id")
    mixed = "SELECT i.id FROM item i JOIN itemprice p ON p.item = i.id, location l WHERE i.preferredlocation = l.id(+)"
    assert "mixed" in account.query(mixed).error["detail"]


def test_keyset_paging(account):
    sql = "SELECT id FROM item WHERE id > {} ORDER BY id FETCH FIRST 2 ROWS ONLY"
    seen, last = [], 0
    while rows := account.rows(sql.format(last)):
        seen += [row["id"] for row in rows]
        last = seen[-1]
    assert len(seen) == len(set(seen)) == 10


def test_a_figure_is_printed_alike_stored_or_computed(account):
    account.order([("MUG", 7), ("TEA", 20)])
    rows = account.rows(
        "SELECT quantity, quantity + 0 AS same, rate, rate * 1 AS alike, netamount, netamount + 0 AS too "
        "FROM transactionline WHERE mainline = 'F' AND taxline = 'F' ORDER BY id"
    )
    assert [(row["quantity"], row["rate"], row["netamount"]) for row in rows] == [
        ("-7", "10.5", "-73.5"), ("-20", "3.333", "-66.66"),
    ]  # fmt: skip
    assert all(
        (row["same"], row["alike"], row["too"]) == (row["quantity"], row["rate"], row["netamount"]) for row in rows
    )


@pytest.mark.parametrize("order", ["2 DESC", "quantityonhand DESC", "onhand DESC"])
def test_figures_are_ordered_as_numbers_however_the_column_is_named(account, order):
    rows = account.rows(
        "SELECT item, quantityonhand AS onhand FROM aggregateitemlocation WHERE quantityonhand > 0 ORDER BY " + order
    )
    assert [row["onhand"] for row in rows] == ["100", "5", "2"]


def test_the_total_is_told_on_every_page(account):
    sql = "SELECT id FROM item ORDER BY id"
    everything = account.query(sql).body
    pages = [account.query(sql, limit=2, offset=offset).body for offset in range(0, everything["count"] + 4, 2)]
    assert {page["totalResults"] for page in pages} == {everything["count"]}
    assert [row["id"] for page in pages for row in page["items"]] == [row["id"] for row in everything["items"]]
    assert [page["hasMore"] for page in pages][-3:] == [False, False, False]


def test_pages_of_a_query_without_an_order_repeat_and_skip_rows(account):
    sql = "SELECT id FROM item"
    total = account.query(sql).body["totalResults"]
    seen = [
        row["id"] for offset in range(0, total, 2) for row in account.query(sql, limit=2, offset=offset).body["items"]
    ]
    assert len(seen) == total
    assert len(set(seen)) < total


def test_a_query_ends_after_so_many_rows(account, monkeypatch):
    """100,000 in life: the rest is not told, so one has to page by a key."""
    monkeypatch.setattr(service, "MAX_ROWS", 4)
    sql = "SELECT id FROM item ORDER BY id"
    pages = [account.query(sql, limit=2, offset=offset).body for offset in (0, 2, 4)]
    assert [(page["count"], page["hasMore"], page["totalResults"]) for page in pages] == [
        (2, True, 4), (2, False, 4), (0, False, 4),
    ]  # fmt: skip
