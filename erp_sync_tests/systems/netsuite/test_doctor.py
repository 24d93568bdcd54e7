"""The doctor, and adoption."""

from __future__ import annotations

from typing import Any

import pytest

from erp_sync.model.order import OrderCustomer
from erp_sync.ports.adoption import Certainty
from erp_sync.ports.diagnosis import Diagnosis, Verdict
from erp_sync.ports.mapping import MappingMistake
from erp_sync.systems.netsuite.client import MissingCredentials, NetSuiteClient
from erp_sync.systems.netsuite.connector import connect, mappings
from erp_sync.systems.netsuite.doctor import compare_fields
from erp_sync.transport.memory import MemoryBreaker, MemoryExchanges, MemorySlots
from erp_sync_tests.systems.netsuite.conftest import connection
from erp_sync_tests.systems.netsuite.samples import order
from erp_sync_tests.systems.netsuite.scripted import Answer, refused

LIMITS = {"accountConcurrencyLimit": 5, "integrationConcurrencyLimit": 5}


def catalog_of(paths: set[str]) -> dict[str, Any]:
    """A metadata-catalog answer that has exactly these fields."""
    schema: dict[str, Any] = {"type": "object", "properties": {}}
    for path in sorted(paths):
        here = schema
        for part in path.replace("[]", ".items").split("."):
            if part == "items" and here.get("type") == "object" and "items" in here["properties"]:
                here = here["properties"]["items"]
                continue
            if here.get("type") == "array":
                here = here.setdefault("items", {"type": "object", "properties": {}})
                if part == "items":
                    continue
            kind = "array" if part == "items" else "object"
            here = here["properties"].setdefault(part, {"type": kind} | ({} if kind == "array" else {"properties": {}}))
    return schema


def script_healthy(server, **settings: Any) -> None:
    own = mappings(connection(**settings))
    server.on("SUITEQL", ".", Answer(200, {"items": []}))
    server.on("GET", "governanceLimits$", Answer(200, LIMITS))
    records = [{"name": name} for name in ("customer", "salesOrder", "customerDeposit")]
    server.on("GET", "metadata-catalog$", Answer(200, {"items": records}))
    for name, record in (
        ("customer", "customer"),
        ("sales_order", "salesOrder"),
        ("customer_deposit", "customerDeposit"),
    ):
        server.on("GET", f"metadata-catalog/{record}$", Answer(200, catalog_of(own[name].target_paths())))


def problems(found: list[Diagnosis]) -> dict[str, Diagnosis]:
    return {one.check: one for one in found if one.verdict not in (Verdict.OK, Verdict.UNTESTED)}


def test_a_healthy_account_has_no_findings(connector, server):
    script_healthy(server)
    assert problems(connector().examine()) == {}
    assert server.writes() == []


def test_a_missing_custom_field_is_named_with_its_mend(connector, server):
    overlay = {"sales_order": {"add": [{"target": "custbody_channel", "constant": "web"}]}}
    script_healthy(server)
    found = problems(connector(mapping=overlay).examine())
    assert list(found) == ["field custbody_channel of salesOrder"]
    assert "Create the custom field" in found["field custbody_channel of salesOrder"].mend


def test_wrong_credentials_end_the_examination_in_words(connector, server):
    server.on("SUITEQL", ".", refused("Invalid login attempt.", "INVALID_LOGIN", status=401))
    found = connector().examine()
    assert [one.check for one in found] == ["credentials"]
    assert "Login Audit Trail" in found[0].mend


@pytest.mark.parametrize(
    ("told", "settings", "found"),
    [
        ({"accountConcurrencyLimit": 5, "accountUnallocatedConcurrencyLimit": 3}, {}, "the account allows 3, 5 are"),
        ({"accountConcurrencyLimit": 5, "accountUnallocatedConcurrencyLimit": 3}, {"concurrency": 3}, None),
        (
            {"accountConcurrencyLimit": 5, "accountUnallocatedConcurrencyLimit": 5},
            {"concurrency": 8},
            "allows 5, 8 are",
        ),
        (None, {}, "only an administrator may read the account's limit; 5 requests at once are assumed"),
    ],
)
def test_the_limit_that_counts_is_what_is_left_for_this_integration(connector, server, told, settings, found):
    """And it is compared with the setting that the limiter obeys."""
    script_healthy(server)
    answer = refused("You need to be an administrator", "INSUFFICIENT_PERMISSION", status=403)
    server.on("GET", "governanceLimits$", Answer(200, told) if told else answer)
    seen = problems(connector(limits=settings).examine())
    assert (found in seen["concurrency"].found) if found else seen == {}


def test_what_differs_from_the_configuration_is_found(connector, server):
    script_healthy(server)
    server.on("GET", "governanceLimits$", Answer(200, {"integrationConcurrencyLimit": 3}))
    server.on("GET", "metadata-catalog/salesOrder$", Answer(200, {"properties": {"taxItem": {}}}))
    server.on("SUITEQL", "FROM aggregateitemlocation", refused("Unknown identifier 'quantityonorder'"))
    server.on("SUITEQL", "HAVING", Answer(200, {"items": [{"itemid": "TWICE", "records": "2"}]}))
    found = problems(connector().examine())
    assert found["concurrency"].mend == "Set `limits: {concurrency: 3}`."
    assert found["tax engine"].found == "the account runs legacy, configured is suitetax"
    assert "quantityonorder" in found["query of stock"].found
    assert "TWICE" in found["item names"].found


def test_the_order_script_is_looked_at_where_it_is_needed(connector, server):
    script_healthy(server, tax_engine="legacy")
    server.on("GET", "restlet.nl$", refused("The script could not be found", "SSS_INVALID_SCRIPTLET_ID"))
    found = problems(connector(tax_engine="legacy").examine())
    assert "Install" in found["RESTlet customscript_erp_sync_order"].mend


def test_saved_searches_that_are_used_are_run_and_their_labels_compared(connector, server):
    searches = {"customsearch_erp_sync_stock": ["item", "onhand"]}
    script_healthy(server, saved_searches=searches)
    server.on("GET", "restlet.nl$", Answer(200, {"rows": [{"item": "7", "onhand": "3"}], "count": 1}))
    assert problems(connector(saved_searches=searches).examine()) == {}
    server.on("GET", "restlet.nl$", Answer(200, {"rows": [{"item": "7"}], "count": 1}))
    found = problems(connector(saved_searches=searches).examine())["saved search customsearch_erp_sync_stock"]
    assert "no onhand" in found.found
    server.on("GET", "restlet.nl$", refused("That search does not exist", "INVALID_SEARCH"))
    found = problems(connector(saved_searches=searches).examine())["saved search customsearch_erp_sync_stock"]
    assert found.verdict is Verdict.ERROR
    assert "erp_sync_saved_searches.js" in found.mend


def test_a_record_service_that_lists_too_little_is_found(connector, server):
    script_healthy(server)
    server.on("GET", "metadata-catalog$", Answer(200, {"items": [{"name": "customer"}]}))
    assert "customerDeposit, salesOrder" in problems(connector().examine())["API versions"].found


def test_fields_that_metadata_does_not_describe_are_unclear_not_missing():
    assert compare_fields({"properties": {"item": {"$ref": "#/x"}}}, ["item.items[].rate", "memo"]) == (
        ["memo"],
        ["item.items[].rate"],
    )


# Building the connector ------------------------------------------------------------------------


def test_incomplete_credentials_are_refused_by_name():
    settings = connection()
    del settings.credentials["token_secret"]
    try:
        with pytest.raises(MissingCredentials, match="token_secret"):
            connect(settings, slots=MemorySlots(), breaker=MemoryBreaker(), exchanges=MemoryExchanges())
    finally:
        settings.credentials["token_secret"] = "ts"


def test_an_overlay_of_an_unknown_mapping_is_refused():
    with pytest.raises(MappingMistake, match="sales_orders"):
        mappings(connection(mapping={"sales_orders": {}}))


def test_an_unknown_port_lists_those_that_exist(connector):
    with pytest.raises(KeyError, match="sales_order target"):
        connector().port("invoice", "target")


def test_a_create_without_a_key_is_refused(connector):
    client: NetSuiteClient = connector().client
    with pytest.raises(ValueError, match="twice"):
        client.create("salesOrder", {"memo": "x"}, operation="sales_order.create", document="1")


# Adoption --------------------------------------------------------------------------------------


def test_orders_of_an_earlier_integration_are_found_by_number(connector, server):
    rows = {
        "ours": {"id": "1", "otherrefnum": "100", "externalid": "magento_us_1", "foreigntotal": "74.31"},
        "theirs": {"id": "2", "tranid": "200", "foreigntotal": "74.31"},
        "other total": {"id": "3", "otherrefnum": "300", "foreigntotal": "74.30"},
        "other system": {"id": "4", "otherrefnum": "400", "externalid": "shop_9", "foreigntotal": "74.31"},
        "twice": {"id": "5", "otherrefnum": "500"},
        "again": {"id": "6", "otherrefnum": "500"},
    }
    server.rows("FROM transaction t", *rows.values())
    numbers = ("100", "200", "300", "400", "500", "600")
    documents = [order(native_id=str(position), number=number) for position, number in enumerate(numbers, start=1)]
    matches = connector().adoption().orders(documents)
    assert [(match.certainty, match.target_ids, match.ours) for match in matches] == [
        (Certainty.CERTAIN, ("1",), True),
        (Certainty.CERTAIN, ("2",), False),
        (Certainty.DOUBTFUL, ("3",), False),
        (Certainty.DOUBTFUL, ("4",), False),
        (Certainty.DOUBTFUL, ("5", "6"), False),
        (Certainty.MISSING, (), False),
    ]
    assert len(server.queries()) == 1
    assert server.writes() == []


def test_customers_are_found_by_e_mail_and_items_by_name(connector, server):
    server.rows("FROM customer c", {"id": "5", "email": "ADA@example.com", "isinactive": "F"})
    server.rows(
        "FROM item i", {"id": "7", "itemid": "A", "isinactive": "F"}, {"id": "8", "itemid": "B", "isinactive": "T"}
    )
    adoption = connector().adoption()
    customer = OrderCustomer(native_id="77", guest=False, email="ada@example.com")
    assert adoption.customers([order(customer=customer)])[0].target_ids == ("5",)
    assert [match.certainty for match in adoption.items(["A", "B", "C"])] == [
        Certainty.CERTAIN, Certainty.DOUBTFUL, Certainty.MISSING,
    ]  # fmt: skip


# Cancellation ----------------------------------------------------------------------------------


def test_what_a_role_may_write_is_named_as_untested_with_how_to_look(connector, server):
    script_healthy(server)
    untested = [one for one in connector().examine() if one.verdict is Verdict.UNTESTED]
    assert [one.check for one in untested] == [
        "permission Lists > Customers",
        "permission Transactions > Sales Order",
        "permission Transactions > Customer Deposit",
        "permission Transactions > Tax Details Tab",
    ]
    assert all("Manage Roles" in one.mend and "rolepermissions" in one.mend for one in untested)


def test_what_the_search_restlet_says_of_the_role_is_compared_with_what_flows_write(connector, server):
    script_healthy(server)
    levels = {"LIST_CUSTJOB": 4, "TRAN_SALESORD": 2, "TRAN_CUSTDEP": 0, "TRAN_TAXDETAILSTAB": -1}
    server.on("GET", "restlet.nl", Answer(200, {"role": 1042, "permissions": levels}))
    found = {one.check.partition(" > ")[2]: one for one in connector().examine() if one.check.startswith("permission")}
    assert {name: (one.verdict, one.found.partition(";")[0]) for name, one in found.items()} == {
        "Customers": (Verdict.OK, "full"),
        "Sales Order": (Verdict.ERROR, "create"),
        "Customer Deposit": (Verdict.ERROR, "none"),
        "Tax Details Tab": (Verdict.UNTESTED, "edit: needed for the store's tax on orders"),
    }
    assert found["Sales Order"].mend.endswith("set it to edit.")
    assert server.writes() == []
