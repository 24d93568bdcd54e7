"""An installation with two connections that take notifications, and a ledger of its own for each test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from erp_sync.components.configuration import Configuration, ConnectionSpec
from erp_sync.ledger import Ledger, migrate
from erp_sync.service.receiving import Receiver
from erp_sync_tests.systems.magento.io_events import CLIENT_ID, signing_key

NOW = datetime(2026, 11, 23, 9, 0, 30, tzinfo=UTC)
SECRET = "s3cret"


class Clock:
    """Stands until moved."""

    def __init__(self) -> None:
        self.time = NOW

    def __call__(self) -> datetime:
        return self.time

    def advance(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


def configuration() -> Configuration:
    key = signing_key("one")
    connections = [
        ConnectionSpec(
            name="netsuite_us",
            vendor="netsuite",
            base_url="https://netsuite.test",
            credentials={"push_secret": SECRET},
        ),
        ConnectionSpec(
            name="magento_us",
            vendor="magento",
            base_url="https://magento.test",
            settings={"edition": "commerce", "events": {"client_id": CLIENT_ID, "keys": {key.path: key.pem}}},
        ),
        ConnectionSpec(name="magento_open", vendor="magento", base_url="https://open.test"),
        ConnectionSpec.model_validate(
            {
                "name": "netsuite_wrong",
                "vendor": "netsuite",
                "base_url": "https://wrong.test",
                "credentials": {"push_secret": {"env": "NO_SUCH_VARIABLE_IS_SET"}},
            }
        ),
    ]
    return Configuration(connections={one.name: one for one in connections}, routes={})


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("events") / "template.db"
    migrate.upgrade(f"sqlite:///{file}")
    return file


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(template: Path, tmp_path: Path, clock: Clock) -> Iterator[Ledger]:
    shutil.copyfile(template, tmp_path / "ledger.db")
    opened = Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}", clock)
    yield opened
    opened.close()


@pytest.fixture
def receiver(ledger: Ledger, clock: Clock) -> Receiver:
    return Receiver(configuration(), ledger.inbox, clock)
