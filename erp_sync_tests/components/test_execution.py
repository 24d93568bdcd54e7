"""What Dagster adds to a run: it asks a source again where nobody else would soon, and bounds runs by system."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa
import yaml

from erp_sync.components import execution, installation
from erp_sync.components.configuration import read_configuration
from erp_sync.components.route import flow_key, installation_definitions
from erp_sync.ports.outcomes import Again
from erp_sync.runtime.storage import TEMPLATE
from erp_sync.transport.errors import NotAuthenticated, NotSentError, OutcomeUnknown, Rejected, TransportError

SHIPPED = read_configuration(Path(__file__).resolve().parents[2] / "erp_sync" / "defs")
(ROUTE,) = SHIPPED.routes.values()
ORDERS = dg.AssetKey([ROUTE.store, "sales_order", "extracted"])
WEEK = {"dagster/asset_partition_range_start": "2026-11-17", "dagster/asset_partition_range_end": "2026-11-23"}
FULL = {"ops": {"__".join(ORDERS.path): {"config": {"full": True, "lane": "bulk"}}}}
AWAY = NotSentError("the store does not answer")


def tries(monkeypatch: pytest.MonkeyPatch, *failures: TransportError, **chosen: Any) -> tuple[bool, int]:
    """Whether a run that reads orders ends well, and how often it reads, where the first reads fail like this."""
    left, asked = list(failures), []

    def read(*_: Any) -> dg.MaterializeResult:
        asked.append(1)
        if left:
            raise left.pop(0)
        return dg.MaterializeResult()

    monkeypatch.setattr(execution, "_extract", read)
    monkeypatch.setattr(execution, "RETRY_SECONDS", 0.0)
    job = installation_definitions(SHIPPED).get_repository_def().get_job(ROUTE.name)
    ran = job.execute_in_process(asset_selection=[ORDERS], raise_on_error=False, **chosen)
    return ran.success, len(asked)


@pytest.mark.parametrize(
    "long", [{"tags": WEEK}, {"partition_key": "2026-11-23", "run_config": FULL}], ids=["backfill", "everything"]
)
def test_a_backfill_and_a_full_comparison_ask_a_source_again_that_did_not_answer(monkeypatch, long):
    failures = (AWAY, OutcomeUnknown("timed out"), Rejected(409, "locked", "in use", again=Again.LATER))
    assert tries(monkeypatch, *failures, **long) == (True, 4)


def test_after_three_times_the_run_fails_for_good(monkeypatch):
    assert tries(monkeypatch, *[AWAY] * 9, tags=WEEK) == (False, 4)


def test_other_runs_fail_at_once_and_leave_it_to_the_next_look(monkeypatch):
    assert tries(monkeypatch, AWAY, partition_key="2026-11-23") == (False, 1)


@pytest.mark.parametrize("failure", [NotAuthenticated("no such token"), Rejected(400, "bad_field", "no such field")])
def test_what_no_waiting_mends_is_asked_once(monkeypatch, failure):
    """Repeating wrong credentials gets accounts locked."""
    assert tries(monkeypatch, failure, tags=WEEK) == (False, 1)


def test_runs_that_write_to_one_system_share_its_pool_and_the_pool_is_limited():
    graph = installation_definitions(SHIPPED).get_repository_def().asset_graph
    pools = {flow: graph.get(flow_key(ROUTE.name, flow, "loaded")).pools for flow in ROUTE.flows}
    assert pools["orders"] == {ROUTE.erp}
    assert all(pools[flow] == {ROUTE.store} for flow in ROUTE.flows if flow != "orders")
    shipped = yaml.safe_load(TEMPLATE.read_text())["concurrency"]
    assert shipped["pools"]["granularity"] == "run"
    assert 0 < shipped["pools"]["default_limit"] < shipped["runs"]["max_concurrent_runs"]


def test_a_run_whose_ledger_is_gone_says_which_and_what_to_do_in_one_sentence(monkeypatch):
    url = "postgresql+psycopg://clerk:hidden@127.0.0.1:5432/ledger"
    here = SimpleNamespace(settings=SimpleNamespace(ledger_url=url))

    def gone(*_: Any) -> dg.MaterializeResult:
        raise sa.exc.OperationalError("SELECT 1", {}, Exception("server closed the connection unexpectedly"))

    monkeypatch.setattr(installation, "current", lambda: here)
    monkeypatch.setattr(execution, "_extract", gone)
    job = installation_definitions(SHIPPED).get_repository_def().get_job(ROUTE.name)
    ran = job.execute_in_process(asset_selection=[ORDERS], raise_on_error=False, partition_key="2026-11-23")
    (failed,) = [one.step_failure_data.error for one in ran.all_events if one.is_step_failure]
    assert failed.cause.message.strip() == (
        "erp_sync.ledger.errors.DatabaseAway: the ledger at postgresql+psycopg://clerk:***@127.0.0.1:5432/ledger does "
        "not answer: server closed the connection unexpectedly; next: start the database, or correct "
        "ERP_SYNC_LEDGER_URL"
    )
    assert failed.cause.cause is None
