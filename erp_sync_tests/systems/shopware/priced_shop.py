"""A shop over HTTP with products and customers, a connector to it, and what its accounts pay by its own rules.

Every exchange is checked against the vendor's contract.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from erp_sync.model.native_prices import NativeRow, NativeRule, RuleMember, native_key, native_row, native_values
from erp_sync.ports.connection import ConnectionSettings
from erp_sync.ports.outcomes import Applied
from erp_sync.sandbox.contract import ContractCheck
from erp_sync.sandbox.evidence import store_evidence
from erp_sync.sandbox.files import SystemFiles
from erp_sync.sandbox.price_evidence import PricePaid, PriceQuestion
from erp_sync.sandbox.testing import RunningSandbox, running
from erp_sync.systems.shopware.connector import connect
from erp_sync.systems.shopware.sandbox import contract_book, create
from erp_sync.transport.memory import MemoryBreaker, MemoryExchanges, MemorySlots

D = Decimal
SEED = {
    "currencies": [{"iso": "USD", "factor": "2"}],
    "customer_groups": [{"name": "Trade", "display_gross": False}],
    "items": [{"sku": sku, "name": sku, "price": "119"} for sku in ("NUT", "BOLT", "A/B 100%")],
    "customers": [
        {"email": f"{number}@example.com", "number": f"C-{number}", "group": "Trade"} for number in ("1", "2", "3")
    ],
}


def rule(name: str, priority: int = 10) -> NativeRule:
    return NativeRule(rule=name, priority=priority)


def member(name: str, account: str = "C-1") -> RuleMember:
    return RuleMember(rule=name, account=account)


def row(price: str, *, item: str = "NUT", quantity: int = 1, **more: Any) -> NativeRow:
    """Of the base price where no owner is named; `rule`, `account`: whose it is."""
    kind = next((one for one in ("rule", "account") if one in more), "base")
    told = {"kind": kind, "owner": more.pop(kind, ""), "currency": "EUR", "unit": "", **more}
    return NativeRow(item=item, quantity=D(quantity), price=D(price), **told)


class PricedShop:
    """Attributes:
    target: the port under test.
    """

    def __init__(self, sandbox: RunningSandbox, **settings: Any) -> None:
        self.sandbox = sandbox
        self.connector = self.connected(**settings)
        self.target = self.connector.port("contract_prices", "target")
        status = sandbox.status()
        self.evidence: Any = store_evidence(SystemFiles(status["database"], sandbox.app.journal.path, "shopware"))

    def connected(self, **settings: Any) -> Any:
        """A connector that remembers nothing."""
        keys = self.sandbox.status()["credentials"]
        own = ConnectionSettings(
            name="shopware_de",
            vendor="shopware",
            base_url=self.sandbox.base_url,
            credentials={name: keys[name] for name in ("client_id", "client_secret")},
            settings={"base_currency": "EUR", **settings},
        )
        return connect(
            own,
            slots=MemorySlots(),
            breaker=MemoryBreaker(threshold=1_000),
            exchanges=MemoryExchanges(),
            sleep=lambda seconds: None,
        )

    def put(self, *rows: Any) -> None:
        outcomes = self.target.submit(rows)
        assert all(isinstance(one, Applied) for one in outcomes), outcomes

    def take(self, *rows: Any) -> None:
        outcomes = self.target.remove(rows)
        assert all(isinstance(one, Applied) for one in outcomes), outcomes

    def held(self, *, base: bool = False) -> dict[str, dict[str, Any]]:
        """Key to values of all that the shop has, base prices left out unless asked for."""
        fresh = self.connected(**dict(self.connector.settings.settings))
        try:
            found = [one for page in fresh.port("contract_prices", "target").snapshot() for one in page]
        finally:
            fresh.close()
        keys = [native_key(one) for one in found]
        assert len(set(keys)) == len(keys), keys
        return {
            key: native_values(one)
            for key, one in zip(keys, found, strict=True)
            if base or not key.startswith("row/base/")
        }

    def paid(self, account: str, item: str = "NUT", *quantities: int, currency: str = "EUR") -> list[Decimal]:
        """Net unit prices by the shop's own rules."""
        asked = [
            PriceQuestion(account, item, D(quantity), currency, datetime(2026, 11, 30, tzinfo=UTC))
            for quantity in quantities or (1,)
        ]
        found = self.evidence.prices_paid(asked)
        assert all(isinstance(one, PricePaid) for one in found), found
        return [one.amount for one in found]

    def calls(self, path: str) -> list[dict[str, Any]]:
        return [one for one in self.sandbox.journal() if path in one["path"]]


def keyed(*rows: Any) -> dict[str, dict[str, Any]]:
    """As `PricedShop.held`."""
    made = {native_key(one): native_values(one) for one in rows}
    assert [native_row(key, values) for key, values in made.items()] == list(rows)
    return made


@contextmanager
def priced_shop(*, options: dict[str, Any] | None = None, **settings: Any) -> Iterator[PricedShop]:
    check = ContractCheck(contract_book({}))
    taxed = {"tax_rate": "19", "currency": "EUR", **(options or {})}
    with running(create, vendor="shopware", options=taxed, contract=check) as sandbox:
        sandbox.control("POST", "seed", SEED)
        shop = PricedShop(sandbox, **settings)
        try:
            yield shop
            assert sandbox.control("GET", "contract")["violations"] == []
        finally:
            shop.connector.close()
