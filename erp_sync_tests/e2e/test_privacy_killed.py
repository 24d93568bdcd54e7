"""The process is killed while it erases a person, and the erasure ends without anybody naming them again."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import msgspec
import pytest
import sqlalchemy as sa

from erp_sync.components.configuration import Configuration, FromEnvironment, read_configuration
from erp_sync.components.exchange_log import InstallationsLog
from erp_sync.components.housekeeping import keep_house
from erp_sync.components.installation import Installation
from erp_sync.lake import DamagedFile, Lake
from erp_sync.ledger import erasing
from erp_sync.model.personal import PersonalTexts
from erp_sync.operations import privacy, under_way
from erp_sync.operations.choosing import CannotDo
from erp_sync.operations.chores import CHORES
from erp_sync.ports.outcomes import CallFailed
from erp_sync.settings import load
from erp_sync.systems.magento.privacy import StorePersons
from erp_sync.systems.netsuite.privacy import AccountPersons
from erp_sync.transport.exchange_store import Store
from erp_sync.transport.exchanges import StillWriting, WrongExchangeLog
from erp_sync_tests.e2e.business import PATIENT, Business, business
from erp_sync_tests.e2e.test_privacy import PAYMENTS, WORDS, ZORA, buy
from erp_sync_tests.e2e.test_privacy_everywhere import traces
from erp_sync_tests.ledger.databases import postgres

#: Of which only the first has to import anything.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload([__name__])
#: What is called once or more, and whether the process dies before it or once it is done and not yet noted.
MOMENTS: dict[str, tuple[Any, str, bool]] = {
    "after the ledger": (erasing, "erase", True),
    "before the store": (StorePersons, "erase", False),
    "after the store": (StorePersons, "erase", True),
    "after the first record of the ERP": (AccountPersons, "erase", True),
    "after the exchange log": (InstallationsLog, "erase", True),
    "between bodies of its calls and their rows": (Store, "write", False),
}


@pytest.fixture(params=["sqlite", "postgresql"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Business]:
    """One of its own for every test: an erasure looks at all that there is, and nothing is left for the next one."""
    if request.param == "sqlite":
        with business(tmp_path, erp_settings=PATIENT, payment_methods=PAYMENTS) as running:
            yield running
        return
    with postgres() as server:
        name = server.create()
        url = server.url(name)
        with business(tmp_path, erp_settings=PATIENT, payment_methods=PAYMENTS, ledger_url=url) as running:
            yield running
        server.drop(name)


def die(home: str, defs: str, ledger: str, moment: str) -> None:
    settings = load({"ERP_SYNC_HOME": home, "ERP_SYNC_DEFS": defs, "ERP_SYNC_LEDGER_URL": ledger})
    here = Installation(settings, read_configuration(settings.defs))
    place, name, done = MOMENTS[moment]
    act = getattr(place, name)

    def killed(*given: Any) -> Any:
        if done:
            act(*given)
        os.kill(os.getpid(), signal.SIGKILL)

    begin = under_way.begin

    def begun(*given: Any) -> Any:
        work = begin(*given)
        setattr(place, name, killed)
        return work

    under_way.begin = begun
    privacy.erase(here, ZORA.email, who="ann", also_open=True)


def cut_short(shop: Business, moment: str) -> str:
    """Gives the number of the order of then."""
    number = buy(shop, ZORA)
    settings = shop.settings
    process = PROCESSES.Process(target=die, args=(str(settings.home), str(settings.defs), settings.ledger_url, moment))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    folder = settings.home / "privacy"
    assert list(folder.glob("under-way-*"))
    kept = b"".join(path.read_bytes() for path in folder.iterdir())
    assert not [word for word in WORDS if word.casefold().encode() in kept.lower()]
    return number


@pytest.mark.parametrize("moment", MOMENTS)
def test_it_ends_by_itself_with_a_whole_certificate(shop: Business, moment: str) -> None:
    cut_short(shop, moment)
    with shop.installation() as here:
        (done,) = privacy.resume(here)
        assert done.why == ""
        assert privacy.resume(here) == []
        assert here.ledger.privacy.under_way() == {}
    assert traces(shop) == []
    assert not list((shop.settings.home / "privacy").glob("under-way-*"))
    certificate = Path(done.file).read_text()
    told = {(line["where"], line["what"], line["how"]) for line in msgspec.json.decode(certificate)["lines"]}
    assert told >= {("magento_us", "sales_order", "anonymised"), ("netsuite_us", "salesOrder", "anonymised")}
    assert ("ledger", "received", "anonymised") in told or ("ledger", "numbers", "incomplete") in told
    if MOMENTS[moment][0] is Store:
        assert ("exchange log", "remains of bodies", "overwritten") in told
    assert '"who": "ann"' in certificate


PROBLEMS = (
    CallFailed("the store does not answer"),
    sqlite3.OperationalError("the store does not answer"),
    sa.exc.OperationalError("UPDATE event_logs", {}, Exception("the store does not answer")),
    CannotDo("the store does not answer"),
)


def test_it_waits_where_a_system_does_not_answer(shop: Business, monkeypatch: pytest.MonkeyPatch) -> None:
    cut_short(shop, "before the store")
    with shop.installation() as here:
        for problem in PROBLEMS:
            with monkeypatch.context() as patched:
                patched.setattr(StorePersons, "erase", Mock(side_effect=problem))
                (waits,) = privacy.resume(here)
            assert (waits.file, waits.why) == ("", "the store does not answer"), type(problem)
        (done,) = privacy.resume(here)
    assert Path(done.file).is_file()
    assert traces(shop) == []


def test_it_waits_and_says_what_to_do_where_lake_or_exchange_log_cannot_be_used(
    shop: Business, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_short(shop, "after the store")
    problems: list[tuple[Any, Exception, str]] = [
        (Lake, DamagedFile("orders/7.parquet", "it ends too early"), "Restore the file from the backup"),
        (InstallationsLog, WrongExchangeLog("sqlite:///x", 9), "does not look into a folder that was moved"),
        (InstallationsLog, StillWriting(Path("x"), 30), "Let the process that holds writers.lock go on, or end it"),
    ]
    for place, problem, words in problems:

        def unusable(*_: object, problem: Exception = problem) -> None:
            raise problem

        with shop.installation() as here, monkeypatch.context() as patched:
            patched.setattr(place, "erase", unusable)
            (waits,) = privacy.resume(here)
            assert (waits.file, waits.why) == ("", str(problem))
            assert words in waits.next
            assert waits.next.endswith("Then erp-sync privacy resume")
            assert words in dict(keep_house(here, datetime.now(UTC), CHORES).failed)["erasures that were cut short"]
    with shop.installation() as here:
        (done,) = privacy.resume(here)
        assert done.why == ""
    assert traces(shop) == []


def without_store(shop: Business) -> Installation:
    whole = read_configuration(shop.settings.defs)
    connections = {name: one for name, one in whole.connections.items() if name != "magento_us"}
    return Installation(shop.settings, Configuration(connections=connections, routes={}), clock=shop.clock)


def without_secret(shop: Business) -> Installation:
    whole = read_configuration(shop.settings.defs)
    store = whole.connections["magento_us"]
    unset = {**store.credentials, "access_token": FromEnvironment(env="NOT_SET_HERE")}
    connections = {**whole.connections, store.name: store.model_copy(update={"credentials": unset})}
    return Installation(shop.settings, Configuration(connections=connections, routes=whole.routes), clock=shop.clock)


UNCONNECTED: dict[Callable[[Business], Installation], str] = {
    without_store: "not configured any more, with records of the person still to be treated: magento_us (1)",
    without_secret: "magento_us: credentials.access_token: environment variable NOT_SET_HERE is not set",
}


def test_it_waits_where_a_store_is_not_connected_any_more(shop: Business) -> None:
    cut_short(shop, "before the store")
    for opened, words in UNCONNECTED.items():
        here = opened(shop)
        try:
            (waits,) = privacy.resume(here)
            assert (waits.file, words in waits.why) == ("", True), waits.why
            ((what, why),) = keep_house(here, datetime.now(UTC), CHORES).failed
            assert what == "erasures that were cut short"
            assert words in why
            assert len(here.ledger.privacy.under_way()) == 1
        finally:
            here.close()
    with shop.installation() as whole:
        (done,) = privacy.resume(whole)
        assert done.why == ""
    assert traces(shop) == []


def test_what_a_removed_connection_had_is_told_as_kept_where_it_is_asked_for_again(shop: Business) -> None:
    number = cut_short(shop, "before the store")
    here = without_store(shop)
    try:
        certificate = privacy.erase(here, ZORA.email, who="bea", also_open=True)
        assert here.ledger.privacy.under_way() == {}
        assert privacy.resume(here) == []
    finally:
        here.close()
    kept = [one for one in certificate.lines if one.where == "magento_us" and "erase it there by hand" in one.why]
    assert [(one.what, one.how, one.native_id) for one in kept] == [
        ("sales_order", "kept", str(shop.store.id_of(number)))
    ]
    with shop.installation() as whole:
        privacy.erase(whole, ZORA.email, who="bea", also_open=True)
    assert traces(shop) == []


def stones(here: Installation) -> set[datetime]:
    return {one.erased_at for one in here.ledger.privacy.buried()}


def is_erased(shop: Business, number: str) -> bool:
    """In both systems, and in the ledger; the articles and amounts are there."""
    (row,) = shop.store.rows("SELECT customer_email FROM sales_order WHERE increment_id = ?", number)
    sold = shop.in_erp(number)
    texts = [row["customer_email"], shop.delivery(number).payload.decode(), *(str(one["email"]) for one in sold)]
    return len({ZORA.email in text for text in texts}) == 1 and ZORA.email not in texts[0]


@pytest.mark.parametrize("stage", ["in the store", "received", "delivered"])
def test_who_buys_again_before_it_has_ended_is_served_and_it_ends_by_itself(shop: Business, stage: str) -> None:
    before = cut_short(shop, "before the store")
    number = shop.store.buy(ZORA, {"MUG": 1}, ship_to=ZORA.place)
    if stage == "received":
        shop.extract_and_transform("orders")
    elif stage == "delivered":
        shop.run()
    with shop.installation() as here:
        of_asking = stones(here)
        done = keep_house(here, datetime.now(UTC), CHORES)
        assert (done.failed, done.removed["erasures_ended"]) == ([], 1)
        assert here.ledger.privacy.under_way() == {}
        assert stones(here) == of_asking
    shop.run()
    assert shop.states()[number] == ("delivered", "")
    (sold,) = shop.in_erp(number)
    (customer,) = shop.erp_rows("SELECT * FROM customer WHERE id = ?", sold["entity"])
    assert customer["email"] == ZORA.email
    (row,) = shop.store.rows("SELECT customer_email FROM sales_order WHERE increment_id = ?", number)
    assert row["customer_email"] == ZORA.email
    assert ZORA.email in shop.delivery(number).payload.decode()
    assert is_erased(shop, before)
    newest = max((shop.settings.home / "privacy").glob("certificate-*.json"), key=lambda path: path.stat().st_mtime)
    kept = [one for one in msgspec.json.decode(newest.read_bytes())["lines"] if "a customer again since" in one["why"]]
    places = {(one["where"], one["what"], one["native_id"]) for one in kept}
    assert ("magento_us", "sales_order", str(shop.store.id_of(number))) in places
    if stage == "delivered":
        assert {
            ("netsuite_us", "salesOrder", str(sold["id"])),
            ("netsuite_us", "customer", str(sold["entity"])),
        } <= places
    if stage != "in the store":
        assert ("ledger", "new records", "") in places
    with shop.installation() as here:
        about = here.exchanges.about(PersonalTexts(email=ZORA.email))
        assert about if stage != "in the store" else True
        assert not [one for one in about if one.document == before or one.time <= max(of_asking)]
        privacy.erase(here, ZORA.email, who="bea", also_open=True)
        assert max(stones(here)) > max(of_asking)
    assert traces(shop) == []


def test_what_is_bought_while_the_systems_are_treated_is_served(
    shop: Business, monkeypatch: pytest.MonkeyPatch
) -> None:
    buy(shop, ZORA)
    bought: list[str] = []
    treat = AccountPersons.erase

    def treating(*given: Any) -> Any:
        if not bought:
            bought.append(shop.store.buy(ZORA, {"MUG": 1}, ship_to=ZORA.place))
            shop.extract_and_transform("orders")
        return treat(*given)

    with shop.installation() as here, monkeypatch.context() as patched:
        patched.setattr(AccountPersons, "erase", treating)
        certificate = privacy.erase(here, ZORA.email, who="ann", also_open=True)
    assert [line.count for line in certificate.lines if line.what == "new records"] == [1]
    shop.run()
    assert shop.states()[bought[0]] == ("delivered", "")
    (sold,) = shop.in_erp(bought[0])
    (customer,) = shop.erp_rows("SELECT * FROM customer WHERE id = ?", sold["entity"])
    assert customer["email"] == ZORA.email
    with shop.installation() as here:
        privacy.erase(here, ZORA.email, who="ann", also_open=True)
    assert traces(shop) == []


def test_it_is_of_the_time_at_which_it_was_asked_for(shop: Business) -> None:
    cut_short(shop, "after the store")
    with shop.installation() as here:
        before = stones(here)
        (done,) = privacy.resume(here)
        assert done.why == ""
        assert stones(here) == before


def test_the_daily_housekeeping_ends_it_and_names_what_does_not_answer(
    shop: Business, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_short(shop, "before the store")

    def down(*_: object) -> None:
        raise CallFailed("the store does not answer")

    with shop.installation() as here:
        with monkeypatch.context() as patched:
            patched.setattr(StorePersons, "erase", down)
            ((what, why),) = keep_house(here, datetime.now(UTC), CHORES).failed
        assert what == "erasures that were cut short"
        assert "the store does not answer; next: erp-sync privacy resume" in why
        done = keep_house(here, datetime.now(UTC), CHORES)
        assert (done.failed, done.removed["erasures_ended"]) == ([], 1)
        again = keep_house(here, datetime.now(UTC), CHORES)
        assert (again.failed, again.removed.get("erasures_ended", 0)) == ([], 0)
    assert traces(shop) == []


def test_it_waits_while_what_they_bought_since_is_being_sent(shop: Business) -> None:
    cut_short(shop, "before the store")
    number = shop.store.buy(ZORA, {"MUG": 1}, ship_to=ZORA.place)
    shop.extract_and_transform("orders")
    with shop.installation() as here:
        here.ledger.deliveries.claim("us", "orders", "netsuite_us", limit=1, owner="run:1", run_id="run")
        (waits,) = privacy.resume(here)
        assert waits.why.endswith(f"being sent: {number}: it goes on by itself")
    shop.clock.skipped += timedelta(hours=1)
    shop.settle()
    with shop.installation() as here:
        (done,) = privacy.resume(here)
        assert done.why == ""
    assert shop.states()[number] == ("delivered", "")
    with shop.installation() as here:
        privacy.erase(here, ZORA.email, who="ann", also_open=True)
    assert traces(shop) == []
