"""The shop behind a socket: an OAuth client that knows nothing of it, and every exchange in the contract."""

from __future__ import annotations

import pytest
import requests
from oauthlib.oauth2 import BackendApplicationClient
from requests_oauthlib import OAuth2Session

from erp_sync.sandbox.contract import ContractCheck
from erp_sync.sandbox.core import SandboxCore
from erp_sync.sandbox.testing import running
from erp_sync.systems.shopware.sandbox import contract_book, create
from erp_sync_tests.systems.shopware.sandbox.conftest import CATALOGUE


@pytest.fixture
def served():
    with running(create, vendor="shopware", contract=ContractCheck(contract_book({}))) as sandbox:
        sandbox.control("POST", "seed", CATALOGUE)
        yield sandbox


@pytest.fixture
def session(served, monkeypatch):
    """requests-oauthlib, as anybody would use it; it speaks to http only when told to."""
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    keys = served.status()["credentials"]
    with OAuth2Session(client=BackendApplicationClient(client_id=keys["client_id"])) as client:
        client.headers["Accept"] = "application/json"
        client.fetch_token(
            f"{served.base_url}/api/oauth/token", client_id=keys["client_id"], client_secret=keys["client_secret"],
            include_client_id=True,
        )  # fmt: skip
        yield client


def stock(served, session):
    body = {"filter": [{"type": "equals", "field": "productNumber", "value": "MUG"}]}
    (row,) = session.post(f"{served.base_url}/api/search/product", json=body).json()["data"]
    return row["id"], row["stock"]


def test_a_lost_answer_of_a_sync_has_done_its_work(served, session):
    """The connection drops after the commit; absolute stock written again is the same stock."""
    mug, quantity = stock(served, session)
    assert quantity == 15
    body = [{"entity": "product", "action": "upsert", "payload": [{"id": mug, "stock": 9}]}]
    served.fault("drop_connection", "sync", when="after")
    with pytest.raises(requests.ConnectionError):
        session.post(f"{served.base_url}/api/_action/sync", json=body)
    assert stock(served, session) == (mug, 9)
    assert session.post(f"{served.base_url}/api/_action/sync", json=body).status_code == 200
    breaches = served.control("GET", "contract")["violations"]
    assert [one for one in breaches if one["endpoint"] != "oauth.token"] == []  # the library sends a form there


def test_a_core_is_what_the_kit_wants(served):
    assert isinstance(served.core, SandboxCore)
    assert set(served.status()["credentials"]) == {"client_id", "client_secret", "access_key"}


def test_a_reset_shop_is_empty_and_its_keys_hold(served, session):
    before = served.status()["credentials"]
    served.control("POST", "reset")
    assert served.status()["credentials"] == before
    assert session.post(f"{served.base_url}/api/search/product", json={}).json()["data"] == []
    served.control("POST", "seed", CATALOGUE)
    assert stock(served, session)[1] == 15
