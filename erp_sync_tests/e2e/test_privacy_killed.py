"""The process is killed while it erases a person, and the erasure ends without anybody naming them again."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from erp_sync.components.configuration import read_configuration
from erp_sync.components.housekeeping import keep_house
from erp_sync.components.installation import Installation
from erp_sync.ledger import erasing
from erp_sync.operations import privacy
from erp_sync.operations.chores import CHORES
from erp_sync.ports.outcomes import CallFailed
from erp_sync.settings import load
from erp_sync.systems.magento.privacy import StorePersons
from erp_sync.systems.netsuite.privacy import AccountPersons
from erp_sync.transport.exchanges import ExchangeLog
from erp_sync_tests.e2e.business import Business, business
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
    "after the exchange log": (ExchangeLog, "erase", True),
}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Business]:
    folder = tmp_path_factory.mktemp("killed")
    if request.param == "sqlite":
        with business(folder, payment_methods=PAYMENTS) as running:
            yield running
        return
    with postgres() as server:
        name = server.create()
        with business(folder, payment_methods=PAYMENTS, ledger_url=server.url(name)) as running:
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

    setattr(place, name, killed)
    privacy.erase(here, ZORA.email, who="ann", also_open=True)


def cut_short(shop: Business, moment: str) -> None:
    buy(shop, ZORA)
    settings = shop.settings
    process = PROCESSES.Process(target=die, args=(str(settings.home), str(settings.defs), settings.ledger_url, moment))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    folder = settings.home / "privacy"
    assert list(folder.glob("under-way-*"))
    kept = b"".join(path.read_bytes() for path in folder.iterdir())
    assert not [word for word in WORDS if word.casefold().encode() in kept.lower()]


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
    assert '"who": "ann"' in certificate


def test_it_waits_where_a_system_does_not_answer(shop: Business, monkeypatch: pytest.MonkeyPatch) -> None:
    cut_short(shop, "before the store")

    def down(*_: object) -> None:
        raise CallFailed("the store does not answer")

    with shop.installation() as here:
        with monkeypatch.context() as patched:
            patched.setattr(StorePersons, "erase", down)
            (waits,) = privacy.resume(here)
        assert (waits.file, waits.why) == ("", "the store does not answer")
        (done,) = privacy.resume(here)
    assert Path(done.file).is_file()
    assert traces(shop) == []


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
