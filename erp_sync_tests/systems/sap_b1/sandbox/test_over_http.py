"""The company behind a socket: cookies as a browser would keep them, faults, and every exchange in the contract."""

from __future__ import annotations

import httpx
import pytest

from erp_sync.sandbox.contract import ContractCheck
from erp_sync.sandbox.testing import running
from erp_sync.systems.sap_b1.sandbox import contract_book, create
from erp_sync_tests.systems.sap_b1.sandbox.conftest import CATALOGUE, order_body


@pytest.fixture
def served():
    with running(create, vendor="sap_b1", contract=ContractCheck(contract_book({}))) as sandbox:
        sandbox.control("POST", "seed", CATALOGUE)
        yield sandbox


@pytest.fixture
def client(served):
    keys = served.status()["credentials"]
    with httpx.Client(base_url=f"{served.base_url}/b1s/v2/") as client:
        body = {"CompanyDB": keys["company_db"], "UserName": keys["user_name"], "Password": keys["password"]}
        assert client.post("Login", json=body).status_code == 200
        yield client


def test_both_cookies_arrive_and_the_session_holds(served, client):
    assert set(client.cookies) == {"B1SESSION", "ROUTEID"}
    assert client.get("Items('BOLT')").status_code == 200
    client.cookies.delete("ROUTEID")
    assert client.get("Items('BOLT')").status_code == 200
    client.cookies.delete("B1SESSION")
    assert client.get("Items('BOLT')").json()["error"]["code"] == "301"
    assert [call["endpoint"] for call in served.journal(status=401)] == ["Items.read"]


def test_an_order_is_journalled_by_the_customers_number(served, client):
    client.post("Orders", json=order_body(NumAtCard="100000001"))
    client.get("Orders(1)")
    client.post("Orders(1)/Cancel")
    commits = [(row["entity"], row["document"], row["change"]) for row in served.commits()]
    assert commits == [("Orders", "100000001", "create"), ("Orders", "100000001", "update")]
    assert [call["endpoint"] for call in served.journal(document="100000001")] == [
        "Orders.create",
        "Orders.read",
        "Orders.Cancel",
    ]


def test_overload_is_the_proxys_page(served, client):
    served.fault("too_many_requests", "Items.*")
    served.fault("server_error", "Orders.create", when="after")
    busy = client.get("Items('BOLT')")
    assert (busy.status_code, busy.headers["content-type"]) == (503, "text/html; charset=iso-8859-1")
    lost = client.post("Orders", json=order_body())
    assert lost.status_code == 502
    assert client.get("Orders/$count").text == "1"


def test_a_stale_read_does_not_see_the_new_order(served, client):
    served.fault("stale_read", "Orders.list")
    client.post("Orders", json=order_body())
    assert client.get("Orders").json()["value"] == []
    assert len(client.get("Orders").json()["value"]) == 1


def test_every_exchange_was_in_the_contract(served, client):
    client.post("Orders", json=order_body())
    client.get("Orders", params={"$filter": "NumAtCard eq null", "$select": "DocEntry"})
    client.get("Orders(9)")
    report = served.control("GET", "contract")
    assert report["violations_total"] == 0
    client.post("Orders", json={**order_body(), "Unknown": 1})
    assert served.control("GET", "contract")["violations_total"] > 0
