"""The doctor tries what may be written at both sandboxes: it is right about what is missing, and nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from erp_sync.ledger import State, engine
from erp_sync.ledger.inbox import InboxEvent
from erp_sync.operations.doctor import doctor
from erp_sync.ports.diagnosis import Verdict
from erp_sync.systems.magento.doctor import WRITES
from erp_sync_tests.e2e.business import Business, business
from erp_sync_tests.ledger.databases import postgres_of_its_own

MISSING = {
    "erp_options": {"permissions": {"TRAN_SALESORD": 1, "TRAN_CUSTDEP": 2}},
    "store_options": {"refused_resources": ["Magento_Sales::ship", "Magento_Catalog::catalog"]},
}


def told(shop: Business) -> dict[str, Verdict]:
    """Verdicts on permissions to write."""
    with shop.installation() as here:
        found = doctor(here, here.configuration.routes["us"]).findings
    return {
        one.check.removeprefix("writing with ").rpartition(" > ")[2]: one.verdict
        for one in found
        if one.check.startswith(("writing with", "permission "))
    }


@pytest.fixture(scope="module")
def lacking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Business]:
    with business(tmp_path_factory.mktemp("lacking"), **MISSING) as shop:
        yield shop


def test_every_permission_that_is_there_is_found_and_nothing_is_written(tmp_path: Path) -> None:
    with business(tmp_path) as shop:
        before = shop.store.rows("SELECT * FROM sales_order"), shop.erp_rows('SELECT id FROM "transaction"')
        assert told(shop) == dict.fromkeys(
            [*WRITES, "Customers", "Sales Order", "Customer Deposit", "Tax Details Tab"], Verdict.OK
        )
        assert (shop.store.rows("SELECT * FROM sales_order"), shop.erp_rows('SELECT id FROM "transaction"')) == before
        assert shop.store.rows("SELECT * FROM sales_shipment") == []


def test_what_is_missing_is_an_error_by_name(lacking: Business) -> None:
    assert {name for name, verdict in told(lacking).items() if verdict is Verdict.ERROR} == {
        "Magento_Sales::ship",
        "Magento_Catalog::catalog",
        "Sales Order",
    }


def test_the_flow_meets_what_the_doctor_told(lacking: Business) -> None:
    number = lacking.store.buy("ann")
    lacking.settle()
    found = lacking.delivery(number)
    assert (found.state, found.code) == (State.DEAD, "insufficient_permission")
    assert lacking.in_erp(number) == []


def test_an_account_without_the_search_restlet_leaves_the_permissions_untested(tmp_path: Path) -> None:
    with business(tmp_path, erp_options={"scripts": ["customscript_erp_sync_order"]}) as shop:
        found = told(shop)
    assert {found[name] for name in ("Customers", "Sales Order", "Customer Deposit")} == {Verdict.UNTESTED}


def test_events_that_can_be_verified_and_never_came_are_a_warning(lacking: Business) -> None:
    def events() -> dict[str, Verdict]:
        found = doctor(here, here.configuration.routes["us"]).findings
        return {one.where: one.verdict for one in found if one.check == "events"}

    with lacking.installation() as here:
        assert events() == {}
        here.configuration.connection("netsuite_us").credentials["push_secret"] = "secret"
        assert events() == {"netsuite_us": Verdict.WARNING}
        here.ledger.inbox.put(InboxEvent(connection="netsuite_us", event_id="1", topic="save", entity="shipment"))
        assert events() == {"netsuite_us": Verdict.OK}


def kept(shop: Business) -> list[tuple[Verdict, str]]:
    """What is told of the ledger's commits: verdicts, and the settings named."""
    with shop.installation() as here:
        found = doctor(here, here.configuration.routes["us"])
    told = [one for one in found.findings if one.check == "ledger's commits"]
    assert all(one.mend for one in told if one.verdict is not Verdict.OK)
    assert found.healthy == all(one.verdict is not Verdict.ERROR for one in found.findings)
    return [(one.verdict, one.found.partition(":")[0]) for one in told]


def test_a_postgresql_that_may_lose_what_it_has_confirmed_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def set_to(value: str, *names: str) -> None:
        with server.connect() as connection:
            for name in names:
                connection.execute(f"ALTER SYSTEM SET {name} = {value}".encode())
            connection.execute("SELECT pg_reload_conf()")

    outlast = [(Verdict.OK, "outlast a crash of PostgreSQL's machine")]
    with postgres_of_its_own() as server:
        set_to("on", "fsync", "full_page_writes", "synchronous_commit")
        with business(tmp_path, flows=("orders",), ledger_url=server.url(server.create())) as shop:
            assert kept(shop) == outlast
            set_to("off", "fsync", "full_page_writes")
            assert kept(shop) == [
                (Verdict.ERROR, "PostgreSQL's fsync is off"),
                (Verdict.WARNING, "PostgreSQL's full_page_writes is off"),
            ]
            set_to("on", "fsync", "full_page_writes")
            set_to("off", "synchronous_commit")
            assert kept(shop) == outlast, "the ledger's own sessions wait for the disk"
            # A pooler that keeps settings of sessions from its server.
            monkeypatch.setattr(engine, "_WAIT_FOR_THE_DISK", "SELECT 1")
            assert kept(shop) == [(Verdict.ERROR, "PostgreSQL's synchronous_commit is off")]


def test_of_a_ledger_in_a_file_nothing_is_asked_of_a_server(lacking: Business) -> None:
    assert kept(lacking) == []
