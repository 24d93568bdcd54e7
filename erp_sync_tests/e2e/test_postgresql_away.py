"""PostgreSQL, which holds the ledger, is restarted or gone while documents are being sent: each arrives once."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import dagster as dg
import pytest
from rich.console import Console
from typer.testing import CliRunner

from erp_sync.cli import app
from erp_sync.commands import watching
from erp_sync.components import due, installation
from erp_sync.components.route import installation_definitions
from erp_sync.flows import writing_again
from erp_sync.flows.delivery import endings
from erp_sync.flows.delivery.drain import Drain
from erp_sync.ledger import engine
from erp_sync.ledger.errors import NO_ANSWER, DatabaseAway
from erp_sync.ledger.limits import LONGEST_CALL_SECONDS
from erp_sync.systems.netsuite.client import NetSuiteClient
from erp_sync_tests.e2e.business import PATIENT, Business, business
from erp_sync_tests.ledger.databases import OwnServer, postgres_of_its_own

pytestmark = pytest.mark.timeout(600)

ORDERS = 8
CREATED = ("customer.create", "salesOrder.create", "customerDeposit.create")


@pytest.fixture(scope="module")
def server() -> Iterator[OwnServer]:
    with postgres_of_its_own() as running:
        yield running


@pytest.fixture(scope="module")
def shop(server: OwnServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Business]:
    folder = tmp_path_factory.mktemp("away")
    url = server.url(server.create())
    with business(folder, erp_settings=PATIENT, flows=("orders",), ledger_url=url) as running:
        yield running


class Disturbance:
    """Something that happens beside the n-th write to the ERP: before it leaves, or once it is answered and nothing of
    the answer is recorded here. `happened` is set then."""

    def __init__(self, number: int, when: str, act: Callable[[], object]) -> None:
        self.number, self.when, self.act = number, when, act
        self.happened = threading.Event()

    def at(self, number: int, when: str) -> None:
        if (number, when) == (self.number, self.when):
            self.act()
            self.happened.set()


Disturb = Callable[..., list[Disturbance]]


@pytest.fixture
def disturb(monkeypatch: pytest.MonkeyPatch) -> Disturb:
    create, lock = NetSuiteClient.create, threading.Lock()
    calls: list[str] = []
    planned: list[Disturbance] = []

    def disturbed(self: NetSuiteClient, *given: Any, **more: Any) -> Any:
        with lock:
            calls.append(more["operation"])
            number = len(calls)
        for one in planned:
            one.at(number, "before")
        answer = create(self, *given, **more)
        for one in planned:
            one.at(number, "after")
        return answer

    monkeypatch.setattr(NetSuiteClient, "create", disturbed)

    def plan(*wanted: Disturbance) -> list[Disturbance]:
        planned.extend(wanted)
        return planned

    return plan


class Back(logging.Handler):
    """Starts the server once a document's outcome could not be written, for which the drain has waited for seconds."""

    def __init__(self, server: OwnServer) -> None:
        super().__init__()
        self.server, self.happened, self.once = server, threading.Event(), threading.Lock()

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg == "written again" and self.once.acquire(blocking=False):
            self.server.start()
            self.happened.set()

    @contextmanager
    def listening(self) -> Iterator[None]:
        logger = logging.getLogger(endings.__name__)
        logger.addHandler(self)
        try:
            yield
        finally:
            logger.removeHandler(self)
            if not self.happened.is_set():
                self.server.start()


@pytest.fixture
def soon_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits for the server does so by the same rules, a fraction of the time: an answer for as long as the lease
    holds, a transaction and a claim for as long as a restart may take."""
    monkeypatch.setattr(engine, "RESTART_SECONDS", 0.5)
    monkeypatch.setattr(writing_again, "CLAIMED_AGAIN_SECONDS", 1.0)
    monkeypatch.setitem(Drain.__init__.__kwdefaults__, "lease_seconds", 6.0)


def buy(shop: Business, name: str) -> list[str]:
    return [shop.store.buy(f"{name}{index}") for index in range(ORDERS)]


def calls(shop: Business) -> Counter[str]:
    return Counter({name: len(shop.erp.journal(endpoint=name)) for name in CREATED})


def exactly_once(shop: Business, numbers: list[str]) -> None:
    orders = shop.report().orders
    assert (orders.lost, orders.duplicated, orders.deposits_duplicated, orders.customers_duplicated) == ([], [], [], [])
    assert orders.differences == []
    assert [len(shop.in_erp(number)) for number in numbers] == [1] * len(numbers)
    assert [len(shop.deposits(number)) for number in numbers] == [1] * len(numbers)
    assert {shop.states()[number] for number in numbers} == {("delivered", "")}


@pytest.mark.parametrize("when", ["before", "after"])
def test_restarted_while_documents_are_sent_nothing_that_was_answered_is_sent_again(
    shop: Business, server: OwnServer, disturb: Disturb, when: str
) -> None:
    numbers, before = buy(shop, when), calls(shop)
    planned = disturb(*(Disturbance(number, when, server.restart) for number in (2, 9, 17)))
    # A look that was under way as the server went makes the run fail in the end, having gone on.
    with suppress(*NO_ANSWER):
        shop.run()
    shop.settle()
    assert all(one.happened.is_set() for one in planned)
    exactly_once(shop, numbers)
    assert calls(shop) - before == Counter(dict.fromkeys(CREATED, ORDERS))
    with shop.installation() as here:
        assert [one.in_use for one in here.ledger.limits.status() if one.in_use] == []


def test_away_for_seconds_what_was_answered_meanwhile_is_written_once_it_is_back(
    shop: Business, server: OwnServer, disturb: Disturb
) -> None:
    numbers, before = buy(shop, "seconds"), calls(shop)
    (gone,) = disturb(Disturbance(9, "after", server.stop))
    back = Back(server)
    with back.listening(), suppress(*NO_ANSWER):
        shop.run()
    assert gone.happened.is_set()
    assert back.happened.is_set()
    shop.settle()
    exactly_once(shop, numbers)
    assert calls(shop) - before == Counter(dict.fromkeys(CREATED, ORDERS))


@pytest.mark.usefixtures("soon_given_up")
def test_gone_until_the_run_has_ended_the_next_one_delivers_the_rest(
    shop: Business, server: OwnServer, disturb: Disturb
) -> None:
    numbers = buy(shop, "gone")
    (gone,) = disturb(Disturbance(9, "after", server.stop))
    try:
        with pytest.raises(NO_ANSWER):
            shop.run()
    finally:
        server.start()
    assert gone.happened.is_set()
    assert sum(len(shop.in_erp(number)) for number in numbers) < ORDERS
    # In life the run's process has ended, and what it held is free.
    shop.clock.skip_to(shop.clock() + timedelta(seconds=LONGEST_CALL_SECONDS))
    shop.settle()
    exactly_once(shop, numbers)


@pytest.mark.usefixtures("soon_given_up")
def test_a_look_of_the_sensor_fails_with_one_sentence_and_the_next_one_works(
    shop: Business, server: OwnServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = shop.store.buy("sensor")
    with shop.installation() as here, dg.DagsterInstance.ephemeral() as instance:
        monkeypatch.setattr(installation, "current", lambda: here)
        monkeypatch.setattr(due, "current", lambda: here)
        repository = installation_definitions(here.configuration).get_repository_def()
        sensor = repository.get_sensor_def("due_work")

        def tick() -> object:
            return sensor.evaluate_tick(dg.build_sensor_context(instance=instance, repository_def=repository))

        tick()
        server.stop()
        try:
            with pytest.raises(DatabaseAway, match=f"the ledger at .*{here.ledger.database.url.database}") as failed:
                tick()
        finally:
            server.start()
        assert "next: start the database, or correct ERP_SYNC_LEDGER_URL" in str(failed.value)
        assert failed.value.__suppress_context__
        tick()
    shop.settle()
    exactly_once(shop, [number])


@pytest.mark.usefixtures("soon_given_up")
def test_status_that_is_watched_says_so_and_goes_on(
    shop: Business, server: OwnServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts: list[str] = []

    def looking(look: Callable[[], str], every: float, console: Console) -> None:
        texts.append(look())
        server.stop()
        try:
            texts.append(look())
        finally:
            server.start()
        texts.append(look())

    monkeypatch.setattr(watching, "keep_looking", looking)
    for name in ("HOME", "DEFS", "LEDGER_URL"):
        monkeypatch.setenv(f"ERP_SYNC_{name}", str(getattr(shop.settings, name.lower())))
    result = CliRunner().invoke(app, ["status", "--watch"])
    assert result.exit_code == 0, result.output
    up, away, again = texts
    assert "orders" in up
    assert away.startswith("the ledger at postgresql")
    assert "\n" not in away
    assert "orders" in again
