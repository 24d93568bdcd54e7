from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from erp_sync.ports.connection import ConnectionSettings
from erp_sync.ports.lookups import Lookups
from erp_sync.systems.sap_b1.connector import SapBusinessOneConnector, connect
from erp_sync.transport.memory import MemoryBreaker, MemoryExchanges, MemorySlots
from erp_sync_tests.systems.sap_b1.scripted import Scripted, serving

CREDENTIALS = {"company_db": "SBO_PARTS", "user_name": "erp_sync", "password": "correct horse"}
SETTINGS: dict[str, Any] = {
    "currencies": {"EUR": "EUR", "USD": "$"},
    "warehouse": "01",
    "freight_expense": "3",
    "lookups": {
        "tax_codes": {"DE-19": "A1", "DE-7": "A2"},
        "shipping_methods": {"dhl": "5"},
    },
}


def connection(base_url: str = "http://127.0.0.1:1", **settings: Any) -> ConnectionSettings:
    return ConnectionSettings(
        name="sap_de",
        vendor="sap_b1",
        base_url=base_url,
        credentials=CREDENTIALS,
        settings=SETTINGS | settings,
        time_zone="Europe/Berlin",
    )


@pytest.fixture
def server() -> Iterator[Scripted]:
    with serving() as scripted:
        yield scripted


@pytest.fixture
def slots() -> MemorySlots:
    return MemorySlots()


@pytest.fixture
def exchanges() -> MemoryExchanges:
    return MemoryExchanges()


@pytest.fixture
def connector(
    server: Scripted, slots: MemorySlots, exchanges: MemoryExchanges
) -> Iterator[Callable[..., SapBusinessOneConnector]]:
    """Makes connectors to the scripted server, with settings of the test's choice."""
    made: list[SapBusinessOneConnector] = []

    def make(lookups: Lookups | None = None, **settings: Any) -> SapBusinessOneConnector:
        one = connect(
            connection(server.base_url, **settings),
            slots=slots,
            breaker=MemoryBreaker(),
            exchanges=exchanges,
            lookups=lookups,
            sleep=lambda seconds: None,
        )
        made.append(one)
        return one

    yield make
    for one in made:
        one.close()
