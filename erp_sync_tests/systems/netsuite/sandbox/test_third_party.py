"""restsuite (PyPI, MIT), written by others for the real NetSuite, works here unchanged.

Only name resolution and trust differ: the sandbox serves TLS under the account's host names.
"""

from __future__ import annotations

import pytest
from restsuite import NetSuiteQL, NetSuiteRest, NetSuiteRESTlet

from erp_sync.sandbox.contract import ContractCheck
from erp_sync.sandbox.testing import running
from erp_sync.systems.netsuite.sandbox import contract_book, create
from erp_sync_tests.sandbox.vendor_names import resolve
from erp_sync_tests.systems.netsuite.sandbox.conftest import CATALOGUE, PERSON

ACCOUNT = "1234567"
HOST = f"{ACCOUNT}.suitetalk.api.netsuite.com"
SCRIPTS_HOST = f"{ACCOUNT}.restlets.api.netsuite.com"
RECORDS = f"https://{HOST}/services/rest/record/v1"


@pytest.fixture
def sandbox(monkeypatch):
    options = {"account": ACCOUNT}
    check = ContractCheck(contract_book(options))
    with running(create, vendor="netsuite", options=options, contract=check, hosts=(HOST, SCRIPTS_HOST)) as sandbox:
        sandbox.control("POST", "seed", CATALOGUE)
        resolve(monkeypatch, HOST, sandbox)
        resolve(monkeypatch, SCRIPTS_HOST, sandbox)
        yield sandbox
        assert sandbox.control("GET", "contract")["violations"] == []


@pytest.fixture
def keys(sandbox):
    given = sandbox.status()["credentials"]
    return [given[name] for name in ("account", "consumer_key", "consumer_secret", "token_id", "token_secret")]


def test_it_creates_an_order_and_ships_it(sandbox, keys):
    rest = NetSuiteRest(*keys)
    customer = rest.request("POST", f"{RECORDS}/customer", body={**PERSON, "externalId": "c-1"})
    assert (customer.status_code, customer.content) == (204, b"")
    order = {
        "externalId": "o-1",
        "entity": {"id": customer.headers["Location"].rpartition("/")[2]},
        "orderStatus": {"id": "B"},
        "location": {"id": "1"},
        "item": {"items": [{"item": {"id": "1000"}, "quantity": 2}]},
    }
    placed = rest.request("POST", f"{RECORDS}/salesOrder", body=order)
    assert placed.headers["Location"].startswith(f"{RECORDS}/salesOrder/")
    refused = rest.request("POST", f"{RECORDS}/salesOrder", body=order)
    assert (refused.status_code, refused.json()["o:errorDetails"][0]["o:errorCode"]) == (400, "USER_ERROR")
    leaving = {"shipStatus": {"id": "C"}, "item": {"items": [{"orderLine": 1, "location": {"id": "1"}, "quantity": 1}]}}
    shipped = rest.request("POST", f"{placed.headers['Location']}/!transform/itemFulfillment", body=leaving)
    assert shipped.status_code == 204
    read = rest.request("GET", f"{RECORDS}/salesOrder/eid:o-1", params={"expandSubResources": "true"}).json()
    assert (read["status"]["id"], read["item"]["items"][0]["quantityFulfilled"]) == ("E", 1)
    assert [commit["document"] for commit in sandbox.commits(entity="salesOrder", change="create")] == ["o-1"]
    assert sandbox.core.store.value("SELECT quantityonhand FROM aggregateitemlocation WHERE item = 1000") == "4.00000"


def test_it_reads_all_pages_of_a_query(keys):
    """It follows the links that the sandbox gives, which must carry the vendor's own host."""
    rest = NetSuiteRest(*keys)
    for number in range(5):
        body = {**PERSON, "externalId": f"c-{number}", "email": f"{number}@example.org"}
        assert rest.request("POST", f"{RECORDS}/customer", body=body).status_code == 204
    query = NetSuiteQL(*keys)
    query.url += "?limit=2"
    rows = query.suiteql("SELECT externalid, email FROM customer WHERE externalid LIKE 'c-%' ORDER BY id")
    assert [row["externalid"] for row in rows] == [f"c-{number}" for number in range(5)]


def test_it_tells_its_user_what_netsuite_refused(keys, capsys):
    assert NetSuiteQL(*keys).suiteql("SELECT colour FROM customer") == {}
    assert "Field 'colour' for record 'customer' was not found" in capsys.readouterr().out


def test_it_calls_a_restlet(keys):
    url = f"https://{SCRIPTS_HOST}/app/site/hosting/restlet.nl"
    which = {"script": "customscript_erp_sync_search", "deploy": "customdeploy_erp_sync_search"}
    answer = NetSuiteRESTlet(*keys).request("GET", url, params={**which, "search": "customsearch_erp_sync_stock"})
    assert (answer.status_code, answer.json()["count"]) == (200, 3)


def test_a_wrong_secret_gets_nowhere(sandbox, keys):
    answer = NetSuiteRest(*keys[:-1], "wrong").request("GET", f"{RECORDS}/customer")
    assert (answer.status_code, answer.json()["o:errorDetails"][0]["o:errorCode"]) == (401, "INVALID_LOGIN")
