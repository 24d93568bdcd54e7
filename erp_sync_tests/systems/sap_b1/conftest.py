from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from erp_sync.ports.connection import ConnectionSettings
from erp_sync.ports.lookups import Lookups
from erp_sync.systems.sap_b1.connector import SapBusinessOneConnector, connect
from erp_sync.transport.memory import MemoryBreaker, MemoryExchanges, MemorySlots
from erp_sync_tests.systems.sap_b1.scripted import Answer, Scripted, serving

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
# What SAP comes to for the order of the samples.
PREVIEW: dict[str, Any] = {
    "DocTotal": 119.0, "DocTotalFc": 0.0, "VatSum": 19.0, "VatSumFc": 0.0, "DocRate": 1.0,
    "DocumentLines": [
        {"LineNum": 0, "ItemCode": "BEARING-6204", "LineTotal": 45.0, "TreeType": "iNotATree"},
        {"LineNum": 1, "ItemCode": "SHAFT-20", "LineTotal": 40.0, "TreeType": "iNotATree"},
    ],
}  # fmt: skip


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
        scripted.on("POST", "^OrdersService_Preview", Answer(body=PREVIEW))
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
