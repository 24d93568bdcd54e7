"""Joins client, mapping and ports of one Shopware connection."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from erp_sync.ports.capabilities import Capabilities
from erp_sync.ports.connection import Breaker, ConnectionSettings, ExchangeSink, Slots
from erp_sync.ports.diagnosis import Diagnosis
from erp_sync.ports.lookups import Lookups, Passthrough
from erp_sync.ports.mapping import RecordMapping
from erp_sync.ports.mapping_overlay import check_names, overlaid
from erp_sync.systems.shopware.capabilities import capabilities_of
from erp_sync.systems.shopware.client import ShopwareClient
from erp_sync.systems.shopware.doctor import examine
from erp_sync.systems.shopware.errors import outcome, token_outcome
from erp_sync.systems.shopware.mapping.orders import ORDER
from erp_sync.systems.shopware.mapping.products import FROM_STORE, TO_STORE
from erp_sync.systems.shopware.ports.accounts import AccountTarget
from erp_sync.systems.shopware.ports.catalogue import Catalogue
from erp_sync.systems.shopware.ports.contract_prices.target import ContractPriceTarget
from erp_sync.systems.shopware.ports.order_status import OrderStatusTarget
from erp_sync.systems.shopware.ports.orders import OrderSource
from erp_sync.systems.shopware.ports.prices import PriceTarget
from erp_sync.systems.shopware.ports.products import ProductTarget
from erp_sync.systems.shopware.ports.shipments import ShipmentTarget
from erp_sync.systems.shopware.ports.stock import StockTarget
from erp_sync.systems.shopware.privacy import ShopPersons
from erp_sync.transport.auth import OAuth2ClientSecret
from erp_sync.transport.client import VendorClient

CREDENTIALS = ("client_id", "client_secret")
TIMEOUT_SECONDS = 30.0


class ShopwareConnector:
    """All ports of one connection. Thread-safe; ports are made once and shared.

    Ports hold the look-up tables of a route: `with_lookups` gives a connector for another route that shares client and
    catalogue.
    """

    def __init__(
        self,
        settings: ConnectionSettings,
        client: ShopwareClient,
        capabilities: Capabilities,
        lookups: Lookups,
        catalogue: Catalogue | None = None,
    ) -> None:
        self.settings, self.client, self.capabilities, self.lookups = settings, client, capabilities, lookups
        self.catalogue = catalogue or Catalogue(client, capabilities.reading("stock_level").page_size)
        self.mappings = mappings(settings)
        self._ports = {key: make(self) for key, make in _PORTS.items()}

    def port(self, entity: str, role: str) -> Any:
        """The port of an entity; `role` is ``source`` or ``target``. Raises KeyError that lists what exists."""
        found = self._ports.get((entity, role))
        if found is None:
            known = ", ".join(f"{entity} {role}" for entity, role in sorted(self._ports))
            raise KeyError(f"{self.settings.name} has no {entity} {role}; it has: {known}")
        return found

    def with_lookups(self, lookups: Lookups) -> ShopwareConnector:
        return ShopwareConnector(self.settings, self.client, self.capabilities, lookups, self.catalogue)

    def privacy(self) -> ShopPersons:
        """A person's data in the shop."""
        return ShopPersons(self.client)

    def examine(self) -> list[Diagnosis]:
        """The doctor's checks. Changes nothing."""
        return examine(self.client, self.settings, self.port("sales_order", "source"), self.lookups)

    def close(self) -> None:
        self.client.close()


_PORTS: dict[tuple[str, str], Callable[[ShopwareConnector], Any]] = {
    ("business_account", "target"): lambda one: AccountTarget(one.client, one.settings, one.capabilities),
    ("sales_order", "source"): lambda one: OrderSource(one.client, one.settings, one.capabilities),
    ("contract_prices", "target"): lambda one: ContractPriceTarget(
        one.client, one.settings, one.capabilities, one.catalogue
    ),
    ("order_status", "target"): lambda one: OrderStatusTarget(one.client, one.settings, one.capabilities),
    ("price", "target"): lambda one: PriceTarget(one.client, one.settings, one.capabilities, one.catalogue),
    ("product", "target"): lambda one: ProductTarget(
        one.client, one.settings, one.capabilities, one.catalogue, one.lookups
    ),
    ("shipment", "target"): lambda one: ShipmentTarget(one.client, one.settings, one.capabilities, one.lookups),
    ("stock_level", "target"): lambda one: StockTarget(one.client, one.settings, one.capabilities, one.catalogue),
}
MAPPINGS = (ORDER, TO_STORE, FROM_STORE)


def mappings(connection: ConnectionSettings) -> dict[str, RecordMapping]:
    """The mappings of a connection by name, overlays applied. Raises MappingMistake for a wrong overlay. No I/O."""
    overlays: Mapping[str, Any] = connection.settings.get("mapping") or {}
    check_names(MAPPINGS, overlays)
    return {one.name: overlaid(one, overlays) for one in MAPPINGS}


def authentication(settings: ConnectionSettings) -> OAuth2ClientSecret:
    """The tokens of an integration: ten minutes each, one for all threads of the process.

    Credentials: ``client_id`` (access key id, ``SWIA...``) and ``client_secret``. Raises ValueError naming the first
    that is missing.
    """
    for name in CREDENTIALS:
        if not settings.credentials.get(name):
            raise ValueError(f"{settings.name}: credential {name} is missing; needed are {', '.join(CREDENTIALS)}")
    return OAuth2ClientSecret(
        f"{settings.base_url.rstrip('/')}/api/oauth/token",
        client_id=settings.credentials["client_id"],
        client_secret=settings.credentials["client_secret"],
        verdict=token_outcome,
    )


def connect(
    settings: ConnectionSettings,
    *,
    slots: Slots,
    breaker: Breaker,
    exchanges: ExchangeSink,
    lookups: Lookups | None = None,
    **transport: Any,
) -> ShopwareConnector:
    """A connector for one installation; nothing is called before a port is used.

    Settings: ``timeout_seconds``, and those of `capabilities_of` and of the ports. Further arguments go to the
    transport's client. Raises ValueError for a wrong one, MappingMistake for a wrong mapping overlay.
    """
    sender = VendorClient(
        settings,
        auth=authentication(settings),
        slots=slots,
        breaker=breaker,
        exchanges=exchanges,
        outcome=outcome,
        **{"timeout": float(settings.settings.get("timeout_seconds", TIMEOUT_SECONDS)), **transport},
    )
    return ShopwareConnector(
        settings, ShopwareClient(sender), capabilities_of(settings.settings), lookups or Passthrough()
    )
