"""Software that others wrote for the real Service Layer (b1sl-python) works with the sandbox as it is."""

from __future__ import annotations

import pytest
from b1sl.b1sl import B1Client, B1Config, entities
from b1sl.b1sl.exceptions.exceptions import (
    B1AuthError,
    B1NotFoundError,
    B1SqlNotAllowedError,
    B1SqlParamError,
    B1ValidationError,
    SAPConcurrencyError,
)
from b1sl.b1sl.resources.odata import F

from erp_sync.sandbox.testing import running
from erp_sync.systems.sap_b1.sandbox import create
from erp_sync_tests.systems.sap_b1.sandbox.conftest import CATALOGUE
from erp_sync_tests.systems.sap_b1.sandbox.test_approvals import BIG


@pytest.fixture(params=["v1", "v2"])
def served(request):
    with running(create, vendor="sap_b1", options={"approval_templates": [BIG]}) as sandbox:
        sandbox.control("POST", "seed", CATALOGUE)
        sandbox.version = request.param
        yield sandbox


def config(served, **changes):
    keys = served.status()["credentials"]
    given = {"username": keys["user_name"], "password": keys["password"], "company_db": keys["company_db"]}
    return B1Config(base_url=f"{served.base_url}/b1s/{served.version}", **(given | changes))


@pytest.fixture
def b1(served):
    with B1Client(config(served)) as client:
        yield client


def order(quantity=2, **fields):
    line = entities.DocumentLine(item_code="BOLT", quantity=quantity, unit_price=10)
    return entities.Order(card_code="C1", doc_due_date="2026-12-01", document_lines=[line], **fields)


def test_wrong_credentials(served):
    with pytest.raises(B1AuthError), B1Client(config(served, password="guess")) as client:
        client.items.get("BOLT")


def test_a_lost_session_is_opened_again(served, b1):
    b1.items.get("BOLT")
    served.control("POST", "seed", {"restart": True})
    assert b1.items.get("BOLT").item_name == "Bolt M8"
    assert len(served.journal(endpoint="Login")) == 2


def test_an_order_is_made_found_and_changed(b1):
    made = b1.orders.create(order(num_at_card="A-1", udfs={"U_ErpSyncKey": "k'1"}))
    assert (made.doc_entry, made.doc_total) == (1, 20)
    (found,) = b1.orders.filter(F.U_ErpSyncKey == "k'1").execute()
    assert (found.doc_num, found.udfs["U_ErpSyncKey"]) == (1001, "k'1")
    b1.orders.update(1, entities.Order(comments="later"))
    assert b1.orders.get(1).comments == "later"
    b1.orders.action(1, "Cancel")
    assert b1.orders.get(1).cancelled is True
    assert b1.orders.count() == 1


def test_an_order_that_waits_for_approval_looks_like_not_found(b1):
    with pytest.raises(B1NotFoundError):
        b1.orders.create(order(200, udfs={"U_ErpSyncKey": "k"}))
    (draft,) = b1.drafts.filter(F.U_ErpSyncKey == "k").execute()
    assert draft.authorization_status == "dasPending"


def test_refusals_have_their_kind(b1):
    with pytest.raises(B1NotFoundError):
        b1.orders.get(99)
    with pytest.raises(B1ValidationError, match="already exists"):
        b1.items.create(entities.Item(item_code="BOLT"))


def test_somebody_else_was_faster(served, b1):
    b1.items.get("BOLT")  # which the client keeps the ETag of
    with B1Client(config(served)) as other:
        other.items.update("BOLT", entities.Item(item_name="Mine"))
    with pytest.raises(SAPConcurrencyError):
        b1.items.update("BOLT", entities.Item(item_name="Yours"))


def test_all_pages_are_followed(served, b1):
    served.control("POST", "seed", {"items": [{"sku": f"P{number:03}"} for number in range(55)]})
    codes = [item.item_code for item in b1.items.filter("startswith(ItemCode,'P')").stream()]
    assert codes == [f"P{number:03}" for number in range(55)]
    assert len([item for item in b1.items.top(30).stream(page_size=7)]) == 30


def test_user_fields_are_found(b1):
    assert b1.orders.get_udf_schema("ORDR")["U_ErpSyncKey"].type == "db_Alpha"


@pytest.mark.parametrize("served", ["v2"], indirect=True)  # it writes no other version into batches
def test_batches_and_change_sets(served, b1):
    with b1.batch() as batch:
        batch.items.get("BOLT")
        with batch.changeset() as group:
            group.items.create(entities.Item(item_code="B001", item_name="New"))
            group.items.update("NUT", entities.Item(item_name="Renamed"))
        results = batch.execute()
    assert results.all_ok
    assert b1.items.get("NUT").item_name == "Renamed"
    with b1.batch() as batch:
        with batch.changeset() as group:
            group.items.create(entities.Item(item_code="B002"))
            group.items.create(entities.Item(item_code="BOLT"))
        results = batch.execute()
    assert not results.all_ok
    assert not b1.items.exists("B002")


def test_stored_queries(b1):
    text = "SELECT T0.ItemCode, T1.Price FROM OITM T0 JOIN ITM1 T1 ON T1.ItemCode = T0.ItemCode WHERE T1.Price > :low"
    b1.sql_queries.create(entities.SQLQuery(sql_code="q", sql_name="q", sql_text=text))
    assert b1.sql_queries.describe("q").params == ["low"]
    assert {row["ItemCode"] for row in b1.sql_queries.run_stream("q", low=5)} == {"BOLT", "MANUAL"}
    with pytest.raises(B1SqlParamError):
        b1.sql_queries.run("q", high=5)
    with pytest.raises(B1SqlNotAllowedError):
        b1.sql_queries.create(entities.SQLQuery(sql_code="x", sql_name="x", sql_text="SELECT Price FROM OSPP"))
