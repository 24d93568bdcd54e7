"""The process is killed while it puts back what somebody edited in the ERP, on both databases: it goes back once."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from erp_sync.components.configuration import read_configuration
from erp_sync.components.documents import drain_documents
from erp_sync.components.flow_table import FLOWS
from erp_sync.components.installation import Installation
from erp_sync.ledger import State
from erp_sync.settings import load
from erp_sync.systems.netsuite.client import NetSuiteClient
from erp_sync_tests.e2e.business import Business, business
from erp_sync_tests.ledger.databases import postgres
from erp_sync_tests.operations.test_putting_back import PAYMENTS, daily, edit, left, line, named, policy, remove, sold

CUSTOMER_TOO = {"foreign_edits": "put_back"}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Business]:
    folder = tmp_path_factory.mktemp("killed")
    told: dict[str, Any] = {"payment_methods": PAYMENTS, "erp_settings": {"us": {"location": "1"}}}
    if request.param == "sqlite":
        with business(folder, flows=("orders",), **told) as running:
            policy(running, CUSTOMER_TOO)
            yield running
        return
    with postgres() as server:
        name = server.create()
        with business(folder, flows=("orders",), ledger_url=server.url(name), **told) as running:
            policy(running, CUSTOMER_TOO)
            yield running
        server.drop(name)


def die(home: str, defs: str, ledger: str, skipped: str, method: str, when: str) -> None:
    """A run of the flow in this process, which ends like one that is killed: at its first such write to the ERP before
    it leaves, or once it is committed there and nothing is recorded here; or so at its second."""
    settings = load({"ERP_SYNC_HOME": home, "ERP_SYNC_DEFS": defs, "ERP_SYNC_LEDGER_URL": ledger})
    ahead = timedelta(seconds=float(skipped))
    here = Installation(settings, read_configuration(settings.defs), clock=lambda: datetime.now(UTC) + ahead)
    write, writes = getattr(NetSuiteClient, method), []

    def killed(self: NetSuiteClient, *given: Any, **more: Any) -> Any:
        writes.append(more["operation"])
        last = len(writes) == (2 if when == "second" else 1)
        answer = None if last and when == "before" else write(self, *given, **more)
        if last:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    setattr(NetSuiteClient, method, killed)
    drain_documents(here, here.configuration.routes["us"], FLOWS["orders"], owner="dying:1", lane="normal")


#: Processes of their own, of which only the first has to import anything: that takes three seconds of a processor.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload([__name__])


def killed(shop: Business, method: str, when: str) -> None:
    told = (shop.settings.home, shop.settings.defs, shop.settings.ledger_url)
    words = (*map(str, told), str(shop.clock.skipped.total_seconds()), method, when)
    dying = PROCESSES.Process(target=die, args=words)
    dying.start()
    dying.join()
    assert dying.exitcode == -signal.SIGKILL


@pytest.mark.parametrize("when", ["before", "after", "second"])
def test_an_order_and_its_deposit(shop: Business, when: str) -> None:
    number, order = sold(shop, f"order{when}")
    total, mug, (deposit,) = shop.in_erp(number)[0]["foreigntotal"], line(shop, order, "MUG"), shop.deposits(number)
    cup = shop.erp_rows("SELECT id FROM item WHERE itemid = 'CUP'")[0]["id"]
    edit(shop, f"salesOrder/{order}", item={"items": [{"item": {"id": str(cup)}, "quantity": 1, "rate": 7}]})
    edit(shop, f"customerDeposit/{deposit['id']}", payment=2)
    assert left(daily(shop), number) == []
    killed(shop, "update", when)
    assert named(daily(shop), number) == {}, "what is on its way back is nobody's edit"
    shop.settle()
    assert shop.delivery(number, sequence=2).state is State.DELIVERED
    assert shop.in_erp(number)[0]["foreigntotal"] == total
    assert line(shop, order, "MUG")["quantity"] == mug["quantity"]
    assert [one["foreigntotal"] for one in shop.deposits(number)] == [deposit["foreigntotal"]]
    assert named(daily(shop), number) == {}


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_deposit_that_is_made_again_is_made_once(shop: Business, when: str) -> None:
    number, _ = sold(shop, f"deposit{when}")
    (deposit,) = shop.deposits(number)
    remove(shop, f"customerDeposit/{deposit['id']}")
    daily(shop)
    killed(shop, "create", when)
    shop.settle()
    assert [one["foreigntotal"] for one in shop.deposits(number)] == [deposit["foreigntotal"]]
    assert named(daily(shop), number) == {}


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_customer(shop: Business, when: str) -> None:
    number, _ = sold(shop, f"customer{when}")
    customer = shop.in_erp(number)[0]["entity"]
    edit(shop, f"customer/{customer}", lastName="Other", email="else@example.com")
    daily(shop)
    killed(shop, "update", when)
    shop.settle()
    (there,) = shop.erp_rows("SELECT lastname, email FROM customer WHERE id = ?", customer)
    assert there == {"lastname": "Shopper", "email": f"customer{when}@example.com"}
    books = shop.erp_rows("SELECT internalid FROM customeraddressbook WHERE entity = ?", customer)
    assert len(books) == 1
    (correction,) = (
        one for one in shop.deliveries() if one.key.entity == "customer_correction" and when in one.concerns
    )
    assert correction.state is State.DELIVERED
