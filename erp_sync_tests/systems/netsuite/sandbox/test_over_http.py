"""The account behind a socket: other software signs, a warehouse works, every exchange is in the contract."""

from __future__ import annotations

from decimal import Decimal

import pytest
import requests
from requests_oauthlib import OAuth1Session

from erp_sync.sandbox.contract import ContractCheck
from erp_sync.sandbox.testing import running
from erp_sync.sandbox.warehouse import Warehouse
from erp_sync.systems.netsuite.sandbox import contract_book, create
from erp_sync.systems.netsuite.sandbox.warehouse import NetSuite
from erp_sync_tests.systems.netsuite.sandbox.conftest import CATALOGUE, PERSON, RECORDS


@pytest.fixture
def served():
    with running(create, vendor="netsuite", contract=ContractCheck(contract_book({}))) as sandbox:
        sandbox.control("POST", "seed", CATALOGUE)
        yield sandbox


@pytest.fixture
def session(served):
    """requests-oauthlib, as anybody would use it."""
    keys = served.status()["credentials"]
    with OAuth1Session(
        keys["consumer_key"],
        keys["consumer_secret"],
        keys["token_id"],
        keys["token_secret"],
        signature_method="HMAC-SHA256",
        realm=keys["account"],
    ) as client:
        yield client


def place(served, session, external_id, lines):
    customer = f"{served.base_url}{RECORDS}/customer/eid:c-1"
    if session.get(customer).status_code == 404:
        assert session.put(customer, json=PERSON).status_code == 204
    body = {
        "externalId": external_id,
        "entity": {"id": session.get(customer).json()["id"]},
        "orderStatus": {"id": "B"},
        "location": {"id": "1"},
        "item": {"items": [{"item": {"id": item}, "quantity": quantity} for item, quantity in lines]},
    }
    return session.post(f"{served.base_url}{RECORDS}/salesOrder", json=body)


def test_an_order_is_placed_found_and_journalled(served, session):
    answer = place(served, session, "o-1", [("1000", 2), ("1001", 3)])
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["location"].startswith(f"{served.base_url}{RECORDS}/salesOrder/")
    query = {"q": "SELECT id, externalid, status FROM transaction WHERE externalid = 'o-1'"}
    found = session.post(
        f"{served.base_url}/services/rest/query/v1/suiteql", json=query, headers={"Prefer": "transient"}
    )
    assert found.json()["items"][0]["status"] == "B"
    (commit,) = served.commits(entity="salesOrder")
    assert (commit["document"], commit["change"]) == ("o-1", "create")


def test_a_stranger_gets_nowhere(served):
    answer = requests.get(f"{served.base_url}{RECORDS}/customer", timeout=30)
    assert (answer.status_code, answer.json()["o:errorDetails"][0]["o:errorCode"]) == (401, "INVALID_LOGIN")


def test_a_lost_answer_leaves_one_order(served, session):
    """The connection drops after the commit; the external id says what became of it."""
    place(served, session, "o-0", [("1001", 1)])
    served.fault("drop_connection", "salesOrder.create", times=1)
    with pytest.raises(requests.ConnectionError):
        place(served, session, "o-1", [("1000", 1)])
    again = place(served, session, "o-1", [("1000", 1)])
    orders = session.get(f"{served.base_url}{RECORDS}/salesOrder", params={"q": 'externalId IS "o-1"'}).json()
    assert orders["totalResults"] == 1
    assert again.status_code in (204, 400)


def test_a_warehouse_works_and_keeps_to_the_contract(served, session):
    for number in range(4):
        assert place(served, session, f"o-{number}", [("1000", 2), ("1001", 1)]).status_code == 204
    netsuite = NetSuite(served.base_url, served.status()["credentials"])
    house = Warehouse(netsuite, "east")
    for _ in range(3):
        house.round()
    netsuite.close()
    assert house.worked.refused == []
    assert house.worked.shipped
    shipped = sum((quantity for one in house.worked.shipped for _, quantity in one.lines), Decimal(0))
    assert shipped == 12
    assert served.control("GET", "contract")["violations"] == []
