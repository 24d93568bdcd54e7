"""Orders through real Dagster processes with ledger and Dagster's storage in PostgreSQL, as in production."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg
import pytest

from erp_sync.runtime import services
from erp_sync_tests.e2e.test_dagster import Running, orders_on, wait_for
from erp_sync_tests.ledger.databases import Server, postgres

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres() as running:
        yield running


@pytest.fixture(scope="module")
def running(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    urls = {
        "ERP_SYNC_LEDGER_URL": server.url(server.create()),
        "ERP_SYNC_DAGSTER_POSTGRES_URL": server.url(server.create()).replace("+psycopg:", "+psycopg2:"),
    }
    with orders_on(tmp_path_factory.mktemp("installation"), **urls) as made:
        yield made


def test_orders_arrive_once_over_a_kill_of_everything_and_nothing_is_kept_in_files(running: Running):
    running.buy(3)
    wait_for(running.all_arrived, 180, "orders in the ERP", running.tell)
    services.kill_everything(running.settings)
    running.buy(2)
    running.start()
    wait_for(running.all_arrived, 180, "all orders in the ERP after the restart", running.tell)
    running.assert_exactly_once()
    tags = {"erp_sync/flow": "orders"}
    wait_for(
        lambda: dg.DagsterRunStatus.SUCCESS in {run.status for run in running.runs(**tags)},
        180,
        "a run ended",
        running.tell,
    )
    home = running.settings.home
    assert not (running.settings.dagster_home / "history").exists()
    assert list(home.glob("ledger*.db")) == []
