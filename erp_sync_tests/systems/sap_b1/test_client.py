"""Sessions, pages and answers of the Service Layer."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest

from erp_sync.ports.capabilities import Limits
from erp_sync.systems.sap_b1.client import Query
from erp_sync.systems.sap_b1.session import IncompleteLogin, ServiceLayerSession, cookies_of
from erp_sync.transport.errors import (
    NoSession,
    NotAuthenticated,
    NotSentError,
    OutcomeUnknown,
    Rejected,
    Throttled,
)
from erp_sync_tests.systems.sap_b1.conftest import connection
from erp_sync_tests.systems.sap_b1.scripted import Answer, Sent, refused

ITEMS = Query(entity_set="Items", key=("ItemCode",), select=("ItemCode",), page=2)


def rows(client, query: Query = ITEMS):
    return client.rows(query, operation="item.read")


# Sessions ---------------------------------------------------------------------------------


def test_one_login_serves_all_calls_and_ends_with_the_client(connector, server, slots):
    server.rows("Items", {"ItemCode": "A"})
    client = connector().client
    assert slots.sessions == {}
    rows(client)
    rows(client)
    assert [one.body for one in server.logins] == [
        {"CompanyDB": "SBO_PARTS", "UserName": "erp_sync", "Password": "correct horse"}
    ]
    assert {one.headers["cookie"] for one in server.sent} == {"B1SESSION=s1; ROUTEID=.node1"}
    assert len(slots.sessions["sap_de"]) == 1
    client.close()
    assert (server.open, slots.sessions["sap_de"]) == (set(), [])


def test_a_read_that_meets_an_ended_session_logs_in_anew_and_is_repeated_once(connector, server):
    server.rows("Items", {"ItemCode": "A"})
    client = connector().client
    rows(client)
    server.open.clear()
    assert rows(client) == [{"ItemCode": "A"}]
    assert len(server.logins) == 2


def test_a_write_that_meets_an_ended_session_is_not_sent_and_the_next_one_logs_in(connector, server):
    server.on("POST", r"^Orders\?", Answer(201, {"DocEntry": 1}))
    client = connector().client
    body = {"operation": "sales_order.create", "document": "1", "repeatable": False}
    client.create("Orders", {}, **body)
    server.open.clear()
    with pytest.raises(NotSentError, match="session already timeout") as raised:
        client.create("Orders", {}, **body)
    assert not isinstance(raised.value, NotAuthenticated)
    assert len(server.writes()) == 1
    client.create("Orders", {}, **body)
    assert len(server.writes()) == 2


def test_a_session_on_a_broken_node_is_left_and_keeps_its_place(connector, server, slots):
    """Only sessions of that node fail: a read goes by another one, a write is unknown and the next one is served."""
    sick = refused(407, "Internal server error", 500)

    def node(good: Answer):
        return lambda sent: sick if "B1SESSION=s1;" in sent.headers["cookie"] else good

    server.on("GET", "^Items", node(Answer(body={"value": [{"ItemCode": "A"}]})))
    client = connector().client
    assert rows(client) == [{"ItemCode": "A"}]
    assert len(server.logins) == 2
    assert len(slots.sessions["sap_de"]) == 2
    other = connector().client
    server.on("POST", r"^Orders\?", sick, Answer(201, {"DocEntry": 1}))
    body = {"operation": "sales_order.create", "document": "1", "repeatable": False}
    with pytest.raises(OutcomeUnknown, match="node of this session is broken"):
        other.create("Orders", {}, **body)
    assert len(server.writes()) == 1
    other.create("Orders", {}, **body)
    assert [one.headers["cookie"].split(";")[0] for one in server.writes()] == ["B1SESSION=s3", "B1SESSION=s4"]


def test_a_session_lasts_as_long_as_the_login_says(server):
    words = ServiceLayerSession(connection(session_minutes=20))
    assert words.idle_seconds == 20 * 60 - 30
    answer = server.answer(Sent("POST", "Login", {}, {}, None))
    words.ticket(_response(answer.status, answer.body))
    assert words.idle_seconds == 30 * 60 - 30


def test_no_login_is_made_beyond_the_places_there_are(connector, server, slots):
    slots._limits["sap_de"] = Limits(sessions=1)
    server.rows("Items")
    rows(connector().client)
    full = connector().client
    with pytest.raises(NoSession, match="all 1 sessions are open"):
        full.create("Orders", {}, operation="sales_order.create", document="1", repeatable=False)
    assert len(server.logins) == 1


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (refused(-304, "Fail to get DB Credentials from SLD", status=401), NotAuthenticated, "code -304"),
        (refused(-1, "Exceeded the maximum number of sessions", status=400), Throttled, "no further session"),
        (Answer(502, text="<html>Proxy Error</html>"), NotSentError, "HTTP 502"),
        (Answer(200, {"Version": "1"}), NotSentError, "something else than a session"),
    ],
)
def test_a_login_that_is_not_taken(answer, kind, words):
    with pytest.raises(kind, match=words) as raised:
        ServiceLayerSession(connection()).ticket(_response(answer.status, answer.body, answer.text))
    assert type(raised.value) is kind


def test_cookies_are_taken_whatever_else_is_set():
    headers = ["B1SESSION=4d-e1;HttpOnly;;SameSite=None; Secure", "ROUTEID=.node3; path=/b1s", "other=1", "ROUTEID="]
    assert cookies_of(headers) == {"B1SESSION": "4d-e1", "ROUTEID": ".node3"}


def test_a_connection_without_its_credentials_is_refused_by_their_names():
    bare = connection()
    bare.credentials.clear()
    try:
        with pytest.raises(IncompleteLogin, match=r"given: none; .* needs company_db, user_name, password"):
            ServiceLayerSession(bare)
    finally:
        bare.credentials.update(company_db="SBO_PARTS", user_name="erp_sync", password="correct horse")


def test_neither_password_nor_session_is_in_the_exchange_log(connector, server, exchanges):
    server.rows("Items", {"ItemCode": "A"})
    server.numbers = iter([70351])
    rows(connector().client)
    kept = repr(exchanges.records)
    assert len(exchanges.records) == 2
    assert "erp_sync" in kept
    assert "correct horse" not in kept
    assert "s70351" not in kept


def _response(status, body, text=""):
    import httpx

    request = httpx.Request("POST", "http://sap/b1s/v2/Login")
    if text:
        return httpx.Response(status, text=text, request=request)
    return httpx.Response(status, json=body, request=request)


# Pages ------------------------------------------------------------------------------------


def test_pages_are_read_on_from_the_last_key_not_by_offset(connector, server):
    """A row that comes before the place one has read to shifts all offsets; by key none is lost."""
    stock = ["A", "B", "C'1", "D", "E"]

    def page(sent: Sent) -> Answer:
        after = re.fullmatch(r"ItemCode gt '(.*)'", sent.where)
        left = [one for one in stock if not after or one > after[1].replace("''", "'")]
        body = {"value": [{"ItemCode": one} for one in left[:2]]}
        if len(left) > 2:
            body["@odata.nextLink"] = f"Items?$skip={len(stock) - len(left) + 2}"
        stock.insert(0, f"0{len(stock)}")
        return Answer(body=body)

    server.on("GET", "^Items", page)
    assert [row["ItemCode"] for row in rows(connector().client)] == ["A", "B", "C'1", "D", "E"]
    assert {one.headers["prefer"] for one in server.sent} == {"odata.maxpagesize=2"}
    assert {one.query["$orderby"] for one in server.sent} == {"ItemCode"}
    assert [one.where for one in server.sent] == ["", "ItemCode gt 'B'", "ItemCode gt 'D'"]


def test_the_filter_holds_on_every_page_and_a_composite_key_is_read_on_in_its_order(connector, server):
    query = Query(entity_set="Orders", key=("CardCode", "DocEntry"), where="DocNum eq 1 or DocNum eq 2")
    first = {"value": [{"CardCode": "C1", "DocEntry": 7}], "@odata.nextLink": "Orders?$skip=1"}
    server.on("GET", "^Orders", Answer(body=first), Answer(body={"value": []}))
    client = connector().client
    assert rows(client, query) == [{"CardCode": "C1", "DocEntry": 7}]
    assert server.sent[1].where == (
        "(DocNum eq 1 or DocNum eq 2) and ((CardCode gt 'C1') or ((CardCode eq 'C1') and (DocEntry gt 7)))"
    )


@pytest.mark.parametrize(
    "body",
    [{"value": [], "@odata.nextLink": "Items?$skip=20"}, {"error": "none"}, {"value": {}}],
    ids=["empty page with a next one", "no value", "no list"],
)
def test_pages_that_cannot_be_trusted_are_no_end(connector, server, body):
    server.on("GET", "^Items", Answer(body=body))
    with pytest.raises(OutcomeUnknown):
        rows(connector().client)


def test_numbers_come_exact(connector, server):
    server.on("GET", "^Items", Answer(body={"value": [{"ItemCode": "A", "MovingAveragePrice": 0.1, "Series": 3}]}))
    assert rows(connector().client) == [{"ItemCode": "A", "MovingAveragePrice": Decimal("0.1"), "Series": 3}]


def test_an_entity_that_is_not_there_is_none(connector, server):
    server.on("GET", r"^Orders\(1\)", refused(-2028, "No matching records found (ODBC -2028)", 404))
    assert connector().client.get("Orders", 1, operation="sales_order.find") is None


# Answers ----------------------------------------------------------------------------------


def write(client):
    client.create("Orders", {}, operation="sales_order.create", document="1", repeatable=False)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_proxy_s_page_says_nothing_about_what_was_applied(connector, server, status):
    server.on("POST", r"^Orders\?", Answer(status, text="<html>Proxy Error</html>"))
    with pytest.raises(OutcomeUnknown):
        write(connector().client)
    assert len(server.writes()) == 1


@pytest.mark.parametrize(
    ("answer", "code", "again"),
    [
        (refused(-10, "Item code 'i002' already exists"), "already_exists", "never"),
        (refused(-10, "1320000140 - Business partner code 'c1' already assigned"), "already_exists", "never"),
        (refused(-2035, "Entry already there"), "already_exists", "never"),
        (refused(-2039, "Another user or another operation modified data", 412), "changed_meanwhile", "later"),
        (refused(-1116, "(15) Hazardous goods need a permit"), "refused_by_add_on", "never"),
        (refused(-10, "Quantity falls into negative inventory"), "negative_inventory", "later"),
        (refused(-5002, "One of the base documents has already been closed"), "base_document_closed", "never"),
        (refused(-10, "Customer exceeds the credit limit"), "credit_limit_exceeded", "never"),
        (refused(-5002, "Business partner C1 is inactive"), "inactive_customer", "never"),
        (refused(-10, "Date deviates from permissible range"), "closed_period", "later"),
        (refused(-1000, "Property 'U_ErpSyncKey' of 'Document' is invalid"), "unknown_field", "never"),
        (refused(-5002, "Something else"), "sap_5002", "never"),
        (Answer(400, {"error": {"code": -10, "message": {"lang": "en-us", "value": "of v1"}}}), "sap_10", "never"),
    ],
)  # fmt: skip
def test_refusals_have_stable_codes(connector, server, answer, code, again):
    server.on("POST", r"^Orders\?", answer)
    with pytest.raises(Rejected) as raised:
        write(connector().client)
    assert (raised.value.code, raised.value.again) == (code, again)
    message = answer.body["error"]["message"]
    assert (message["value"] if isinstance(message, dict) else message) in raised.value.message


def test_a_sick_node_is_named_and_the_outcome_unknown(connector, server):
    server.on("POST", r"^Orders\?", refused(407, "Internal server error", 500))
    with pytest.raises(OutcomeUnknown, match="node of this session is broken"):
        write(connector().client)
