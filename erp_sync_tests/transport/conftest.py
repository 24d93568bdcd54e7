from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from erp_sync.ports.connection import ConnectionSettings
from erp_sync.transport.client import Call, RetryPolicy, VendorClient
from erp_sync.transport.memory import MemoryBreaker, MemoryExchanges, MemorySlots
from erp_sync_tests.transport.loopback import Loopback


@pytest.fixture
def server() -> Iterator[Loopback]:
    loopback = Loopback()
    yield loopback
    loopback.close()


@dataclass
class Rig:
    """A client with everything around it in reach; pauses are noted, not slept."""

    client: VendorClient
    slots: MemorySlots
    breaker: MemoryBreaker
    exchanges: MemoryExchanges
    pauses: list[float] = field(default_factory=list)


def settings(base_url: str, **credentials: str) -> ConnectionSettings:
    return ConnectionSettings(name="erp_us", vendor="any", base_url=base_url, credentials=credentials)


@pytest.fixture
def rig() -> Iterator[Callable[..., Rig]]:
    rigs: list[Rig] = []

    def build(base_url: str, *, credentials: dict[str, str] | None = None, **options: Any) -> Rig:
        slots, breaker, exchanges = MemorySlots(), MemoryBreaker(threshold=1000), MemoryExchanges()
        pauses: list[float] = []
        given: dict[str, Any] = {
            "auth": None,
            "slots": slots,
            "breaker": breaker,
            "exchanges": exchanges,
            "timeout": 0.25,
            "retry": RetryPolicy(attempts=3),
            "sleep": pauses.append,
        }
        given.update(options)
        client = VendorClient(settings(base_url, **(credentials or {})), **given)
        rigs.append(Rig(client, given["slots"], given["breaker"], given["exchanges"], pauses))
        return rigs[-1]

    yield build
    for built in rigs:
        built.client.close()


def read(**changes: Any) -> Call:
    return Call(**{"method": "GET", "path": "/orders", "operation": "sales_order.read", "repeatable": True, **changes})


def write(**changes: Any) -> Call:
    given = {"method": "POST", "path": "/orders", "operation": "sales_order.create", "repeatable": False}
    return Call(**{**given, "json": {"id": "1"}, "document": "order-1", **changes})
