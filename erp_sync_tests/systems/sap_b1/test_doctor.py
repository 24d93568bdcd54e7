"""What the doctor finds at a SAP Business One company, and what an operator does about it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from erp_sync.ports.diagnosis import Verdict
from erp_sync_tests.systems.sap_b1.scripted import Answer, Scripted, refused

UNKNOWN = refused(-1000, "Property 'U_ErpSyncKey' of 'Document' is invalid")


@pytest.fixture(autouse=True)
def company(server: Scripted) -> None:
    """Everything may be read, and nothing has the doctor's keys."""
    server.on("GET", ".*", Answer(body={"value": []}))
    server.rows("Warehouses", {"WarehouseCode": "01"})
    server.on("POST", "^CompanyService_GetAdminInfo", Answer(body={"LocalCurrency": "EUR"}))
    server.on("POST", "^SBOBobService_GetCurrencyRate", Answer(body={"value": 0.9}))


def found(connector, **settings):
    return {one.check: one for one in connector(**settings).examine()}


def test_a_company_that_is_ready_has_nothing_to_mend(connector, server):
    told = found(connector)
    assert {one.verdict for one in told.values()} == {Verdict.OK, Verdict.UNTESTED}
    assert {"log-in", "user-defined field U_ErpSyncKey of Orders", "warehouse 01", "reading Invoices"} <= set(told)
    assert server.writes() == []


def test_nobody_may_log_in_and_nothing_else_is_looked_at(connector, server):
    server.on("GET", "^Currencies", refused(-304, "Fail to get DB Credentials from SLD", 401))
    told = found(connector)
    assert [(one.check, one.verdict) for one in told.values()] == [("log-in", Verdict.ERROR)]
    assert "company database" in told["log-in"].mend


def test_a_system_that_does_not_answer_is_told(connector, server):
    server.on("GET", "^Currencies", Answer(503, text="<html>"))
    assert found(connector)["log-in"].verdict is Verdict.ERROR


def test_the_field_of_our_key_is_missing(connector, server):
    server.on("GET", "^Drafts.*U_ErpSyncKey", UNKNOWN)
    told = found(connector)
    assert told["user-defined field U_ErpSyncKey of Orders"].verdict is Verdict.OK
    missing = told["user-defined field U_ErpSyncKey of Drafts"]
    assert (missing.verdict, "restarts the Service Layer" in missing.mend) == (Verdict.ERROR, True)
    assert "Property 'U_ErpSyncKey'" in missing.found


def test_fields_of_the_mapping_are_tried(connector, server):
    overlay = {
        "sales_order": {"add": [{"target": "U_CostCentre", "source": "custom.cost_centre"}]},
        "customer": {"add": [{"target": "U_Shop", "constant": "x"}]},
    }
    server.on("GET", "^BusinessPartners.*erp_sync_doctor", refused(-1000, "Property 'U_Shop' is invalid"))
    told = found(connector, mapping=overlay)
    assert told["user-defined field U_CostCentre of Orders"].verdict is Verdict.OK
    assert told["user-defined field U_Shop of BusinessPartners"].verdict is Verdict.ERROR


def test_a_warehouse_that_is_not_there_is_named(connector):
    told = found(connector, websites={"b2b": {"warehouse": "07"}}, stock_warehouses=["01"])
    assert told["warehouse 01"].verdict is Verdict.OK
    assert told["warehouse 07"].verdict is Verdict.ERROR


def test_warehouses_that_may_not_be_read_are_a_warning(connector, server):
    server.on("GET", "^Warehouses", refused(-5002, "No authorization", 403))
    assert found(connector)["warehouses of the settings"].verdict is Verdict.WARNING


def test_what_a_flow_reads_and_may_not_is_named(connector, server):
    server.on("GET", "^ProductTrees", refused(-5002, "No authorization", 403))
    told = found(connector, moving_documents=["Orders"], delivering_documents=["DeliveryNotes"])
    assert told["reading ProductTrees"].verdict is Verdict.ERROR
    assert "reading Invoices" not in told
    assert "reading StockTransfers" not in told


def test_what_decides_prices_and_may_not_be_read_is_a_warning(connector, server):
    server.on("GET", "^SpecialPrices", refused(-5002, "No authorization", 403))
    server.on("POST", "^CompanyService_GetAdminInfo", refused(-5002, "No authorization", 403))
    told = found(connector)
    assert told["reading PriceLists for prices"].verdict is Verdict.OK
    assert told["reading SpecialPrices for prices"].verdict is Verdict.WARNING
    assert told["currency of the company"].verdict is Verdict.WARNING
    assert "exchange rates of today" not in told


def test_currencies_without_a_rate_today_are_named(connector, server):
    server.rows("Currencies", {"Code": "EUR"}, {"Code": "CHF"}, {"Code": "$", "DocumentsCode": "USD"})
    server.on("POST", "^SBOBobService_GetCurrencyRate", lambda sent: (
        Answer(body={"value": 0.9}) if sent.body["Currency"] == "CHF" else refused(-4006, "Update the exchange rate")
    ))  # fmt: skip
    told = found(connector, currencies={})
    assert told["currency of the company"].found == "EUR"
    rates = told["exchange rates of today"]
    assert (rates.verdict, rates.found) == (Verdict.WARNING, "none for USD")
    assert found(connector, currencies={}, rate_currencies=["CHF"])["exchange rates of today"].verdict is Verdict.OK


# The server's clock ---------------------------------------------------------------------------

HERE = ZoneInfo("Europe/Berlin")
CHECK = "time zone of the server"


def at(zone=HERE, form="%Y-%m-%dT%H:%M:%S", **away) -> str:
    return (datetime.now(UTC) + timedelta(**away)).astimezone(zone).strftime(form)


@pytest.mark.parametrize(
    ("told", "verdict", "words"),
    [
        (lambda: at(), Verdict.OK, "as in Europe/Berlin"),
        (lambda: {"ServerTime": at(form="%Y-%m-%d %H:%M")}, Verdict.OK, "as in Europe/Berlin"),
        (lambda: at(minutes=3) + "Z", Verdict.OK, "as in Europe/Berlin"),
        (lambda: at(hours=5), Verdict.ERROR, "the server says"),
        (lambda: at(minutes=-15), Verdict.ERROR, "in Europe/Berlin it is"),
        (lambda: at(zone=UTC) + "Z", Verdict.UNTESTED, "cannot be checked; it tells the time as UTC"),
        (lambda: "10:31", Verdict.UNTESTED, "cannot be checked; 10:31"),
    ],
    ids=["local", "inside a record", "local with a Z", "five hours off", "a quarter off", "UTC", "no date"],
)
def test_the_time_zone_is_compared_with_the_servers_own_time(connector, server, told, verdict, words):
    server.on("GET", "^CompanyService_GetCurrentServerTime", Answer(body=told()))
    one = found(connector)[CHECK]
    assert (one.verdict, words in one.found) == (verdict, True), one.found


def test_a_service_layer_that_does_not_tell_its_time_cannot_be_checked(connector, server):
    server.on("GET", "^CompanyService_GetCurrentServerTime", refused(-1000, "Unrecognized resource path.", 404))
    one = found(connector)[CHECK]
    assert one.verdict is Verdict.UNTESTED
    assert one.found.startswith("cannot be checked; it does not tell its time")
    assert "Manage Company Time" in one.mend
