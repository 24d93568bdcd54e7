"""The ports of one SAP Business One company."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from erp_sync.model.keys import Entity
from erp_sync.ports.connection import Breaker, ConnectionSettings, ExchangeSink, Sessions, Slots
from erp_sync.ports.diagnosis import Diagnosis
from erp_sync.ports.lookups import Lookups
from erp_sync.ports.mapping import RecordMapping
from erp_sync.ports.mapping_overlay import check_names, overlaid
from erp_sync.systems.sap_b1.accounts import BusinessAccountSource
from erp_sync.systems.sap_b1.asked_prices import AskedPrices
from erp_sync.systems.sap_b1.cancellation import CancellationTarget
from erp_sync.systems.sap_b1.capabilities import key_field
from erp_sync.systems.sap_b1.catalogue import ProductSource
from erp_sync.systems.sap_b1.client import ServiceLayerClient
from erp_sync.systems.sap_b1.doctor import examine
from erp_sync.systems.sap_b1.lookups import SettingsLookups
from erp_sync.systems.sap_b1.mapping.business_account import BUSINESS_ACCOUNT
from erp_sync.systems.sap_b1.mapping.customer import CUSTOMER
from erp_sync.systems.sap_b1.mapping.order import sales_order_mapping
from erp_sync.systems.sap_b1.mapping.order_status import ORDER_STATUS
from erp_sync.systems.sap_b1.mapping.product import PRODUCT
from erp_sync.systems.sap_b1.mapping.shipment import shipment_mapping
from erp_sync.systems.sap_b1.mapping.stock import STOCK_LEVEL
from erp_sync.systems.sap_b1.order_status import OrderStatusSource
from erp_sync.systems.sap_b1.orders import SalesOrderTarget
from erp_sync.systems.sap_b1.price_terms import PriceTermsSource
from erp_sync.systems.sap_b1.shipments import ShipmentSource
from erp_sync.systems.sap_b1.stock import StockSource
from erp_sync.systems.sap_b1.terms_mapping import MAPPINGS as TERMS


def mappings(connection: ConnectionSettings) -> dict[str, RecordMapping]:
    """The mappings of a connection, overlays applied: user-defined fields of an installation are added there.

    Raises MappingMistake for a wrong overlay, ValueError for a wrong setting. No I/O.
    """
    base = (
        CUSTOMER,
        sales_order_mapping(connection.settings),
        ORDER_STATUS,
        shipment_mapping(key_field(connection.settings)),
        STOCK_LEVEL,
        PRODUCT,
        BUSINESS_ACCOUNT,
        *TERMS,
    )
    overlays: Mapping[str, Any] = connection.settings.get("mapping") or {}
    check_names(base, overlays)
    return {mapping.name: overlaid(mapping, overlays) for mapping in base}


class SapBusinessOneConnector:
    """`Connector` of one company. Thread-safe; `with_lookups` gives a view for one route."""

    def __init__(self, client: ServiceLayerClient, lookups: Lookups) -> None:
        self.settings = client.connection
        self.client = client
        self.mappings = mappings(client.connection)
        self._lookups = lookups
        self._ports: dict[tuple[str, str], Callable[[], Any]] = {
            (Entity.SALES_ORDER, "target"): lambda: SalesOrderTarget(client, self._lookups, self.mappings),
            (Entity.ORDER_STATUS, "source"): lambda: OrderStatusSource(client, self.mappings["order_status"]),
            (Entity.SHIPMENT, "source"): lambda: ShipmentSource(client, self.mappings["shipment"]),
            (Entity.ORDER_CANCELLATION, "target"): lambda: CancellationTarget(client),
            (Entity.STOCK_LEVEL, "source"): lambda: StockSource(client, self.mappings["stock_level"]),
            (Entity.PRODUCT, "source"): lambda: ProductSource(client, self.mappings["product"]),
            (Entity.BUSINESS_ACCOUNT, "source"): lambda: BusinessAccountSource(
                client, self.mappings["business_account"]
            ),
            (Entity.PRICE_TERMS, "source"): lambda: PriceTermsSource(client, self.mappings),
            (Entity.PRICE_TERMS, "asks_prices"): lambda: AskedPrices(client),
        }

    def with_lookups(self, lookups: Lookups) -> SapBusinessOneConnector:
        """The same connector with the look-up tables of a route. Shares client and session."""
        return SapBusinessOneConnector(self.client, lookups)

    def port(self, entity: str, role: str) -> Any:
        """A port, made anew. Raises KeyError that lists what exists."""
        make = self._ports.get((entity, role))
        if make is None:
            known = ", ".join(f"{name} {side}" for name, side in self._ports)
            raise KeyError(f"sap_b1 has no {role} of {entity}; it has: {known}")
        return make()

    def examine(self) -> list[Diagnosis]:
        """The doctor's checks. Changes nothing."""
        return examine(self.client, self.mappings)

    def close(self) -> None:
        """Log out and close the pool."""
        self.client.close()


def connect(
    settings: ConnectionSettings,
    *,
    slots: Slots,
    breaker: Breaker,
    exchanges: ExchangeSink,
    sessions: Sessions | None = None,
    lookups: Lookups | None = None,
    **transport: Any,
) -> SapBusinessOneConnector:
    """Build the connector; no call is made, nobody is logged in.

    Args:
        sessions: places for log-ins; None takes those of `slots`.
        lookups: without, the tables of setting ``lookups`` serve.
        transport: further arguments of the transport's client (timeouts, retry, sleep).

    Raises IncompleteLogin, MappingMistake, ValueError.
    """
    client = ServiceLayerClient(
        settings, slots=slots, breaker=breaker, exchanges=exchanges, sessions=sessions, **transport
    )
    return SapBusinessOneConnector(client, lookups or SettingsLookups(settings.settings.get("lookups")))
