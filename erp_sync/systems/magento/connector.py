"""Joins client, mapping and ports of one Magento connection."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import httpx

from erp_sync.ports.capabilities import Capabilities
from erp_sync.ports.connection import Breaker, ConnectionSettings, ExchangeSink, Slots
from erp_sync.ports.diagnosis import Diagnosis
from erp_sync.ports.lookups import Lookups, Passthrough
from erp_sync.ports.mapping import RecordMapping
from erp_sync.ports.mapping_overlay import check_names, overlaid
from erp_sync.systems.magento.capabilities import capabilities_of
from erp_sync.systems.magento.client import MagentoClient, outcome
from erp_sync.systems.magento.doctor import examine
from erp_sync.systems.magento.mapping.customers import CUSTOMER
from erp_sync.systems.magento.mapping.orders import ORDER
from erp_sync.systems.magento.mapping.products import FROM_STORE, TO_STORE, to_store
from erp_sync.systems.magento.mapping.refunds import REFUND
from erp_sync.systems.magento.ports.catalogue import Catalogue
from erp_sync.systems.magento.ports.changes import CUSTOMERS, ChangeSource, RefundSource
from erp_sync.systems.magento.ports.order_status import OrderStatusTarget
from erp_sync.systems.magento.ports.orders import OrderSource
from erp_sync.systems.magento.ports.prices import PriceTarget
from erp_sync.systems.magento.ports.products import ProductTarget
from erp_sync.systems.magento.ports.raw import StoreViews
from erp_sync.systems.magento.ports.shipments import ShipmentTarget
from erp_sync.systems.magento.ports.stock import StockTarget
from erp_sync.systems.magento.privacy import StorePersons
from erp_sync.transport.auth import Bearer, OAuth1
from erp_sync.transport.client import VendorClient

OAUTH = ("consumer_key", "consumer_secret", "access_token", "access_token_secret")
TIMEOUT_SECONDS = 30.0


class MagentoConnector:
    """All ports of one connection. Thread-safe; ports are made once and shared.

    Ports hold the look-up tables of a route: `with_lookups` gives a connector for another route that
    shares client, store directory and catalogue.
    """

    def __init__(
        self,
        settings: ConnectionSettings,
        client: MagentoClient,
        capabilities: Capabilities,
        lookups: Lookups,
        shared: tuple[StoreViews, Catalogue] | None = None,
    ) -> None:
        self.settings, self.client, self.capabilities, self.lookups = settings, client, capabilities, lookups
        self.stores, self.catalogue = shared or (
            StoreViews(client, settings),
            Catalogue(client, capabilities.reading("stock_level").page_size),
        )
        self.mappings = mappings(settings)
        self._ports = {key: make(self) for key, make in _PORTS.items()}

    def port(self, entity: str, role: str) -> Any:
        """The port of an entity; `role` is ``source`` or ``target``. Raises KeyError that lists what exists."""
        found = self._ports.get((entity, role))
        if found is None:
            known = ", ".join(f"{entity} {role}" for entity, role in sorted(self._ports))
            raise KeyError(f"{self.settings.name} has no {entity} {role}; it has: {known}")
        return found

    def with_lookups(self, lookups: Lookups) -> MagentoConnector:
        shared = (self.stores, self.catalogue)
        return MagentoConnector(self.settings, self.client, self.capabilities, lookups, shared)

    def privacy(self) -> StorePersons:
        """A person's data in the store."""
        return StorePersons(self.client)

    def examine(self) -> list[Diagnosis]:
        """The doctor's checks. Changes nothing."""
        return examine(self.client, self.settings, self.mappings, self.lookups)

    def close(self) -> None:
        self.client.close()


_PORTS: dict[tuple[str, str], Callable[[MagentoConnector], Any]] = {
    ("sales_order", "source"): lambda one: OrderSource(one.client, one.settings, one.capabilities, one.stores),
    ("customer", "source"): lambda one: ChangeSource(one.client, one.settings, one.capabilities, one.stores, CUSTOMERS),
    ("refund", "source"): lambda one: RefundSource(one.client, one.settings, one.capabilities, one.stores),
    ("order_status", "target"): lambda one: OrderStatusTarget(one.client, one.settings, one.capabilities),
    ("shipment", "target"): lambda one: ShipmentTarget(one.client, one.settings, one.capabilities, one.lookups),
    ("stock_level", "target"): lambda one: StockTarget(one.client, one.settings, one.capabilities, one.catalogue),
    ("price", "target"): lambda one: PriceTarget(
        one.client, one.settings, one.capabilities, one.catalogue, one.lookups
    ),
    ("product", "target"): lambda one: ProductTarget(
        one.client, one.settings, one.capabilities, one.catalogue, one.lookups
    ),
}
MAPPINGS = (ORDER, CUSTOMER, REFUND, TO_STORE, FROM_STORE)


def mappings(connection: ConnectionSettings) -> dict[str, RecordMapping]:
    """The mappings of a connection by name, overlays applied. Raises MappingMistake for a wrong overlay. No I/O."""
    overlays: Mapping[str, Any] = connection.settings.get("mapping") or {}
    check_names(MAPPINGS, overlays)
    base = (to_store(one, connection.settings) if one is TO_STORE else one for one in MAPPINGS)
    return {one.name: overlaid(one, overlays) for one in base}


def authentication(settings: ConnectionSettings) -> httpx.Auth:
    """OAuth 1.0a of an integration, or its access token alone where the shop allows it.

    Credentials: ``consumer_key, consumer_secret, access_token, access_token_secret``; with the setting
    ``authentication: bearer`` only ``access_token`` (needs ``oauth/consumer/enable_integration_as_bearer``).
    Raises ValueError naming the first that is missing.
    """
    way = settings.settings.get("authentication", "oauth")
    if way not in ("oauth", "bearer"):
        raise ValueError(f"{settings.name}: authentication {way!r}; expected oauth or bearer")
    needed = OAUTH if way == "oauth" else ("access_token",)
    for name in needed:
        if not settings.credentials.get(name):
            raise ValueError(f"{settings.name}: credential {name} is missing; {way} needs {', '.join(needed)}")
    if way == "bearer":
        return Bearer(settings.credentials["access_token"])
    key, secret, token, token_secret = (settings.credentials[name] for name in OAUTH)
    return OAuth1(key, secret, token, token_secret, signature_method="HMAC-SHA256")


def connect(
    settings: ConnectionSettings,
    *,
    slots: Slots,
    breaker: Breaker,
    exchanges: ExchangeSink,
    lookups: Lookups | None = None,
    **transport: Any,
) -> MagentoConnector:
    """A connector for one installation; nothing is called before a port is used.

    Settings: ``store`` (code in the URL, default ``all``), ``website`` or ``stores``, ``edition``
    (``open_source`` or ``commerce``), ``input_limits``, ``authentication``, ``timeout_seconds``, and those
    of `capabilities_of` and of the ports. Further arguments go to the transport's client. Raises
    ValueError for a wrong one, MappingMistake for a wrong
    mapping overlay.
    """
    edition = settings.settings.get("edition", "open_source")
    if edition not in ("open_source", "commerce"):
        raise ValueError(f"{settings.name}: edition {edition!r}; expected open_source or commerce")
    sender = VendorClient(
        settings,
        auth=authentication(settings),
        slots=slots,
        breaker=breaker,
        exchanges=exchanges,
        outcome=outcome,
        **{"timeout": float(settings.settings.get("timeout_seconds", TIMEOUT_SECONDS)), **transport},
    )
    client = MagentoClient(sender, store=str(settings.settings.get("store", "all")))
    return MagentoConnector(settings, client, capabilities_of(settings.settings), lookups or Passthrough())
