"""The ports of one NetSuite account."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from erp_sync.model.keys import Entity
from erp_sync.ports.connection import Breaker, ConnectionSettings, ExchangeSink, Slots
from erp_sync.ports.diagnosis import Diagnosis
from erp_sync.ports.lookups import Lookups
from erp_sync.ports.mapping import RecordMapping
from erp_sync.ports.mapping_overlay import check_names, overlaid
from erp_sync.systems.netsuite.adoption import NetSuiteAdoption
from erp_sync.systems.netsuite.cancellation import CancellationTarget
from erp_sync.systems.netsuite.catalogue import PriceSource, ProductSource
from erp_sync.systems.netsuite.client import NetSuiteClient
from erp_sync.systems.netsuite.corrections import CorrectionTarget
from erp_sync.systems.netsuite.doctor import examine
from erp_sync.systems.netsuite.fulfillments import FulfillmentTarget
from erp_sync.systems.netsuite.lookups import SettingsLookups
from erp_sync.systems.netsuite.mapping.customer import CUSTOMER
from erp_sync.systems.netsuite.mapping.deposit import deposit_mapping
from erp_sync.systems.netsuite.mapping.order import sales_order_mapping
from erp_sync.systems.netsuite.mapping.order_status import ORDER_STATUS
from erp_sync.systems.netsuite.mapping.product import PRICE, PRODUCT
from erp_sync.systems.netsuite.mapping.refund import REFUND
from erp_sync.systems.netsuite.mapping.shipment import SHIPMENT
from erp_sync.systems.netsuite.mapping.stock import STOCK_LEVEL
from erp_sync.systems.netsuite.order_status import OrderStatusSource
from erp_sync.systems.netsuite.orders import SalesOrderTarget
from erp_sync.systems.netsuite.privacy import AccountPersons
from erp_sync.systems.netsuite.refunds import RefundTarget
from erp_sync.systems.netsuite.shipments import ShipmentSource
from erp_sync.systems.netsuite.stock import StockSource

CANCELLATION = "order_cancellation"


def mappings(connection: ConnectionSettings) -> dict[str, RecordMapping]:
    """The mappings of a connection, overlays applied. Raises MappingMistake for a wrong overlay. No I/O."""
    deposit = deposit_mapping(str(connection.settings.get("payment_field", "paymentOption")))
    base = (
        CUSTOMER,
        sales_order_mapping(connection.settings),
        deposit,
        ORDER_STATUS,
        SHIPMENT,
        REFUND,
        STOCK_LEVEL,
        PRODUCT,
        PRICE,
    )
    overlays: Mapping[str, Any] = connection.settings.get("mapping") or {}
    check_names(base, overlays)
    return {mapping.name: overlaid(mapping, overlays) for mapping in base}


class NetSuiteConnector:
    """`Connector` of one account. Thread-safe; `with_lookups` gives a view for one route."""

    def __init__(self, client: NetSuiteClient, lookups: Lookups) -> None:
        self.settings = client.connection
        self.client = client
        self.mappings = mappings(client.connection)
        self._lookups = lookups
        self._ports: dict[tuple[str, str], Callable[[], Any]] = {
            (Entity.SALES_ORDER, "target"): lambda: SalesOrderTarget(client, self._lookups, self.mappings),
            (CANCELLATION, "target"): lambda: CancellationTarget(client),
            (Entity.ORDER_CORRECTION, "target"): lambda: CorrectionTarget(
                client, SalesOrderTarget(client, self._lookups, self.mappings)
            ),
            (Entity.ORDER_STATUS, "source"): lambda: OrderStatusSource(client, self.mappings["order_status"]),
            (Entity.SHIPMENT, "target"): lambda: FulfillmentTarget(client),
            (Entity.SHIPMENT, "source"): lambda: ShipmentSource(client, self.mappings["shipment"]),
            (Entity.REFUND, "target"): lambda: RefundTarget(client, self.mappings["refund"]),
            (Entity.STOCK_LEVEL, "source"): lambda: StockSource(client, self.mappings["stock_level"]),
            (Entity.PRODUCT, "source"): lambda: ProductSource(client, self.mappings["product"]),
            (Entity.PRICE, "source"): lambda: PriceSource(client, self.mappings["price"]),
        }

    def with_lookups(self, lookups: Lookups) -> NetSuiteConnector:
        """The same connector with the look-up tables of a route. Shares client and pool."""
        return NetSuiteConnector(self.client, lookups)

    def port(self, entity: str, role: str) -> Any:
        """A port, made anew. Raises KeyError that lists what exists."""
        make = self._ports.get((entity, role))
        if make is None:
            known = ", ".join(f"{name} {side}" for name, side in self._ports)
            raise KeyError(f"netsuite has no {role} of {entity}; it has: {known}")
        return make()

    def adoption(self, stores: Sequence[str] = ()) -> NetSuiteAdoption:
        """Finds what the account holds without our external ids; `stores` are all stores that share the account."""
        return NetSuiteAdoption(self.client, stores)

    def privacy(self) -> AccountPersons:
        """A person's data in the account."""
        return AccountPersons(self.client)

    def examine(self) -> list[Diagnosis]:
        """The doctor's checks. Changes nothing."""
        return examine(self.client, self.mappings)

    def close(self) -> None:
        self.client.close()


def connect(
    settings: ConnectionSettings,
    *,
    slots: Slots,
    breaker: Breaker,
    exchanges: ExchangeSink,
    lookups: Lookups | None = None,
    **transport: Any,
) -> NetSuiteConnector:
    """Build the connector; no call is made.

    Without `lookups` the tables of setting ``lookups`` serve. Further arguments go to the transport's
    client (timeouts, retry, sleep). Raises MissingCredentials, MappingMistake, ValueError.
    """
    client = NetSuiteClient(settings, slots=slots, breaker=breaker, exchanges=exchanges, **transport)
    return NetSuiteConnector(client, lookups or SettingsLookups(settings.settings.get("lookups")))
