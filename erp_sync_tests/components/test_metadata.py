"""What a data engineer sees of a run: the day's totals, and what stands still with its reason."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest

from erp_sync.components import metadata
from erp_sync.components.configuration import RouteSpec
from erp_sync.components.flow_table import FLOWS
from erp_sync.ledger import Ledger
from erp_sync.ledger.quarantine import Refusal
from erp_sync_tests.ledger import fresh
from erp_sync_tests.ledger.world import FLOW, ROUTE, START, STORE, Clock, accept, claim, deliver, document, record

ORDERS = FLOWS["orders"]
FLOWS_OF_US = {"orders": {}, "prices": {}}
US = RouteSpec.model_validate({"name": ROUTE, "store": STORE, "erp": "netsuite_us", "flows": FLOWS_OF_US})
MIDNIGHT = START.replace(hour=0)
LOADED = dg.AssetKey([ROUTE, FLOW, "loaded"])


@pytest.fixture
def here(tmp_path: Path) -> Iterator[SimpleNamespace]:
    """An installation's ledger with four orders of today: two delivered, one dead, one due."""
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    fresh.create(url)
    ledger = Ledger.open(url, Clock())
    ledger.receive(STORE, "sales_order", [record(number) for number in "1234"], run_id="run-0")
    accept(ledger, *(document(number) for number in "1234"))
    one, two, three = claim(ledger, limit=3)
    deliver(ledger, one)
    deliver(ledger, two)
    ledger.deliveries.dead(three, "unknown_customer", "the ERP has no customer 17")
    yield SimpleNamespace(ledger=ledger, settings=SimpleNamespace(runbook_url="https://wiki.example/runbook"))
    ledger.close()


def rows(value: dg.TableMetadataValue) -> list[dict]:
    return [dict(one.data) for one in value.records]


def test_a_day_tells_how_many_of_its_documents_are_where(here):
    totals = metadata.loaded_of_day(here, US, ORDERS)
    assert totals(MIDNIGHT, MIDNIGHT + timedelta(days=1)) == {
        "dagster/row_count": 2,
        "day_delivered": 2,
        "day_due": 1,
        "day_waiting": 0,
        "day_held": 0,
        "day_dead": 1,
    }
    assert totals(MIDNIGHT - timedelta(days=1), MIDNIGHT)["dagster/row_count"] == 0


def test_a_dead_letter_is_a_warning_that_names_document_system_reason_and_what_to_do(here):
    check = metadata.dead_letters(here, US, ORDERS)
    assert not check.passed
    assert check.severity is dg.AssetCheckSeverity.WARN
    assert "1 document for netsuite_us waiting for a person" in (check.description or "")
    (row,) = rows((check.metadata or {})["documents"])
    assert (row["document"], row["state"], row["code"], row["reason"]) == (
        "N3",
        "dead",
        "unknown_customer",
        "the ERP has no customer 17",
    )
    assert row["next"].startswith("erp-sync retry d")
    assert row["runbook"] == "https://wiki.example/runbook#reason-unknown_customer"


def test_the_warning_goes_away_once_nothing_needs_a_person(here):
    (dead,) = here.ledger.dead_letters.find()
    here.ledger.dead_letters.dismiss([dead.id], "ann", "entered by hand")
    assert metadata.dead_letters(here, US, ORDERS).passed


def test_a_record_in_quarantine_is_told_with_rule_and_reason(here):
    assert metadata.quarantined(here, US, ORDERS) == (0, {"in_quarantine": 0})
    refusal = Refusal(
        connection=STORE, entity="sales_order", native_id="17", rule="malformed_address", problem="958O? is no postcode"
    )
    here.ledger.quarantine.add([refusal], ROUTE, FLOW)
    count, told = metadata.quarantined(here, US, ORDERS)
    assert count == 1
    (row,) = rows(told["rows"])
    assert (row["record"], row["rule"], row["reason"]) == ("17", "malformed_address", "958O? is no postcode")


def test_delivered_documents_come_with_the_way_to_everything_about_them(here):
    done = here.ledger.deliveries.find(states=["delivered"])
    told = metadata.delivered_documents(here, [one.id for one in done])
    assert {row["document"]: row["everything about it"] for row in rows(told["documents"])} == {
        "N1": "erp-sync trace N1",
        "N2": "erp-sync trace N2",
    }
    assert metadata.delivered_documents(here, []) == {}


def test_a_look_that_found_nothing_keeps_the_days_totals_and_the_check(here):
    materialized, check = metadata.fresh_events(here, US, ORDERS, LOADED, START, looks=7)
    assert (materialized.partition, materialized.metadata["dagster/row_count"].value) == ("2026-11-23", 2)
    assert materialized.metadata["looks_since_last"].value == 7
    assert (check.asset_key, check.check_name, check.passed) == (LOADED, "dead_letters", False)


def test_a_state_flow_that_is_fresh_has_no_check_of_documents(here):
    (materialized,) = metadata.fresh_events(here, US, FLOWS["prices"], LOADED, START, looks=1)
    assert materialized.metadata["dagster/row_count"].value == 0


@pytest.mark.parametrize(("text", "expected"), [("0.0500", 0.05), ("5", 5.0), ("a few", "a few")])
def test_figures_become_numbers_where_they_can_be_plotted(text, expected):
    assert metadata.number(text) == expected
