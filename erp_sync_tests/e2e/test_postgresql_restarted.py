"""PostgreSQL, with the ledger and Dagster's storage in it, is restarted under runs of real Dagster processes."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from erp_sync.ledger import Ledger
from erp_sync.ledger.schema import deliveries, steps
from erp_sync_tests.e2e.test_dagster import Running, orders_on, wait_for
from erp_sync_tests.ledger.databases import OwnServer, postgres_of_its_own

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

ORDERS, RESTARTS = 24, 3
#: Within two minutes every flow moves again, whatever died.
MOVES_AGAIN = 120


@pytest.fixture(scope="module")
def server() -> Iterator[OwnServer]:
    with postgres_of_its_own() as running:
        yield running


@pytest.fixture(scope="module")
def running(server: OwnServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    urls = {
        "ERP_SYNC_LEDGER_URL": server.url(server.create()),
        "ERP_SYNC_DAGSTER_POSTGRES_URL": server.url(server.create()).replace("+psycopg:", "+psycopg2:"),
    }
    with orders_on(tmp_path_factory.mktemp("restarted"), **urls) as made:
        yield made


def test_runs_whose_postgresql_is_restarted_deliver_each_order_once_and_nobody_helps(
    running: Running, server: OwnServer
):
    ledger = Ledger.open(running.settings.ledger_url)
    sending = sa.select(steps.c.delivery_id).where(steps.c.state == "sending").limit(1)

    def in_the_middle() -> bool:
        """A request of a run is on its way to the ERP."""
        with ledger.database.read() as read:
            return read.execute(sending).first() is not None

    shoppers = threading.Thread(target=running.buy, args=(ORDERS,))
    shoppers.start()
    for number in range(1, RESTARTS + 1):
        wait_for(in_the_middle, MOVES_AGAIN, f"a run that sends, before restart {number}", running.tell)
        server.restart()
    shoppers.join()
    assert running.placed == ORDERS
    wait_for(running.all_arrived, MOVES_AGAIN, "all orders in the ERP after the last restart", running.tell)
    running.buy(2)
    wait_for(running.all_arrived, MOVES_AGAIN, "orders that were bought afterwards", running.tell)
    running.assert_exactly_once()

    def ended() -> Counter[tuple[str, str]]:
        with ledger.database.read() as read:
            found = read.execute(sa.select(deliveries.c.state, deliveries.c.code).where(deliveries.c.flow == "orders"))
            return Counter((row.state, row.code) for row in found)

    everything = Counter({("delivered", ""): ORDERS + 2})
    wait_for(lambda: ended() == everything, MOVES_AGAIN, "every delivery ended", running.tell)
    ledger.close()
