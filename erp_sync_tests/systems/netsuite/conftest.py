from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from erp_sync.ports.connection import ConnectionSettings
from erp_sync.ports.lookups import Lookups
from erp_sync.systems.netsuite.connector import NetSuiteConnector, connect
from erp_sync.transport.memory import MemoryBreaker, MemoryExchanges, MemorySlots
from erp_sync_tests.systems.netsuite.scripted import Scripted, serving

CREDENTIALS = {
    "account": "1234567_SB1",
    "consumer_key": "ck",
    "consumer_secret": "cs",
    "token_id": "ti",
    "token_secret": "ts",
}
SETTINGS: dict[str, Any] = {
    "currencies": {"USD": "1", "EUR": "4"},
    "subsidiary": "1",
    "location": "7",
    "lookups": {
        "payment_methods": {"checkmo": "2", "authorizenet": "5"},
        "tax_codes": {"US-CA-*-Rate 1": "31/2", "VAT": "40"},
        "shipping_methods": {"flatrate_flatrate": "11"},
    },
}


def connection(base_url: str = "http://127.0.0.1:1", **settings: Any) -> ConnectionSettings:
    return ConnectionSettings(
        name="netsuite_us",
        vendor="netsuite",
        base_url=base_url,
        credentials=CREDENTIALS,
        settings=SETTINGS | settings,
        time_zone="America/Los_Angeles",
    )


@pytest.fixture
def server() -> Iterator[Scripted]:
    with serving() as scripted:
        yield scripted


@pytest.fixture
def connector(server: Scripted) -> Iterator[Callable[..., NetSuiteConnector]]:
    """Makes connectors to the scripted server, with settings of the test's choice."""
    made: list[NetSuiteConnector] = []

    def make(lookups: Lookups | None = None, **settings: Any) -> NetSuiteConnector:
        one = connect(
            connection(server.base_url, **settings),
            slots=MemorySlots(),
            breaker=MemoryBreaker(),
            exchanges=MemoryExchanges(),
            lookups=lookups,
            sleep=lambda seconds: None,
        )
        made.append(one)
        return one

    yield make
    for one in made:
        one.close()
