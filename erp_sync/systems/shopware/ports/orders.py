"""Sales orders as a source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from erp_sync.model.order import SalesOrder
from erp_sync.ports.capabilities import Capabilities
from erp_sync.ports.connection import ConnectionSettings
from erp_sync.ports.lookups import Lookups
from erp_sync.ports.mapping import Context, RecordMapping
from erp_sync.ports.raw import News, RawRecord, Window, all_new
from erp_sync.systems.shopware.client import CURSOR, ShopwareClient, none_found
from erp_sync.systems.shopware.criteria import Between, Criteria, OneOf, any_of, touched
from erp_sync.systems.shopware.mapping.orders import OrderMapper
from erp_sync.systems.shopware.ports.raw import RawReader, last_touched, readable_time, version_time

ENTITY = "order"
PEEK_ROWS = 50
# What belongs to an order and has times of its own: a write to it does not move the order's (fact sheet, section 3).
CHILDREN = ("lineItems", "deliveries", "transactions", "addresses", "orderCustomer")
# Where their times stand in what is answered; addresses are answered where they are used.
TIMES = (
    "lineItems",
    "deliveries",
    "deliveries.shippingOrderAddress",
    "transactions",
    "billingAddress",
    "orderCustomer",
)
ALONG = (
    "lineItems",
    "deliveries.positions",
    "deliveries.stateMachineState",
    "deliveries.shippingMethod",
    "deliveries.shippingOrderAddress.country",
    "deliveries.shippingOrderAddress.countryState",
    "transactions.stateMachineState",
    "transactions.paymentMethod",
    "billingAddress.country",
    "billingAddress.countryState",
    "orderCustomer.customer",
    "currency",
    "stateMachineState",
)
# Of records that are not the order's own, only what is mapped: their other changes are not the order's.
INCLUDES = {
    "currency": ("id", "isoCode"),
    "country": ("id", "iso"),
    "country_state": ("id", "shortCode"),
    "payment_method": ("id", "technicalName", "formattedHandlerIdentifier"),
    "shipping_method": ("id", "technicalName"),
    "state_machine_state": ("id", "technicalName"),
    "customer": ("id", "customerNumber", "groupId", "guest"),
}
WHOLE = Criteria().along(*ALONG).including(INCLUDES)
LISTED = {"order": ("id", CURSOR, "createdAt", "updatedAt")}


class OrderSource:
    """Orders by time of change. `native_id` is the vendor's id, scope the sales channel (setting ``sales_channels``).

    An order is in a window when it or one of its `CHILDREN` was last written in it, widened to whole milliseconds: so
    in that of its creation, too, where a child was never changed. Its version is the latest of those times and a
    digest, so it grows with each of them. The setting ``order_sales_channels`` (list of ids) limits what is read, by
    window and by id: webhooks tell of orders of all channels, and those of another one may be another connection's.
    """

    def __init__(self, client: ShopwareClient, connection: ConnectionSettings, capabilities: Capabilities) -> None:
        """`limits`: conditions of every search for orders of this connection."""
        self.capabilities = capabilities
        self._client, self._connection = client, connection
        self._reader = RawReader(connection)
        self._page_size = capabilities.reading("sales_order").page_size
        self._mapper = OrderMapper(connection.settings.get("mapping") or {})
        only = connection.settings.get("order_sales_channels") or []
        self.limits = (OneOf("salesChannelId", tuple(str(one) for one in only)),) if only else ()

    @property
    def mapping(self) -> RecordMapping:
        """The mapping in force, with the connection's overlays."""
        return self._mapper.mapping

    def _changed(self, window: Window) -> Criteria:
        ways = [touched(window.start, window.end, path) for path in ("", *CHILDREN)]
        return WHOLE.where(*self.limits, any_of(*(one for way in ways for one in way)))

    def changed(self, window: Window, news: News = all_new) -> Iterator[list[RawRecord]]:
        pages = self._client.all(ENTITY, self._changed(window), operation="sales_order.read", page_size=self._page_size)
        for page in pages:
            yield [self._reader.record(item, TIMES) for item in page]

    def fetch(self, native_ids: Sequence[str]) -> Iterator[list[RawRecord]]:
        """An order of a channel that is not read is none of ours (core, EntitySearcher: ids and filters are joined by
        AND)."""
        ours = WHOLE.where(*self.limits)
        pages = self._client.by_ids(ENTITY, native_ids, ours, operation="sales_order.read", page_size=self._page_size)
        for page in pages:
            yield [self._reader.record(item, TIMES) for item in page]

    def created(self, window: Window) -> dict[str, str]:
        """Ids created in the window, with the time of the order's own last change."""
        criteria = Criteria().where(*self.limits, Between("createdAt", window.start, window.end)).including(LISTED)
        pages = self._client.all(ENTITY, criteria, operation="sales_order.list", page_size=self._page_size)
        return {str(item["id"]): version_time(last_touched(item)) for page in pages for item in page}

    def behind_seconds(self) -> float:
        return self._client.behind_seconds

    def peek(self, window: Window) -> dict[str, str] | None:
        """Whole orders are asked for: their digest is part of the version. Mostly there are none."""
        search = self._changed(window).sorted_by(CURSOR).at_most(PEEK_ROWS)
        page = self._client.search(ENTITY, search, operation="sales_order.peek", found_nothing=none_found)
        if page.found >= PEEK_ROWS:
            return None
        return {one.native_id: one.version for one in (self._reader.record(item, TIMES) for item in page.rows)}

    def to_canonical(self, raw: RawRecord, lookups: Lookups) -> SalesOrder:
        values = {
            "sales_channel": raw.scope,
            "version": raw.version,
            "updated_at": raw.source_time or readable_time(raw.payload, "createdAt"),
        }
        return self._mapper.map(raw, Context(self._connection, lookups, values))
