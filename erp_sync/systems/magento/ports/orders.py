"""Sales orders as a source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from erp_sync.model.order import SalesOrder
from erp_sync.ports.capabilities import Capabilities
from erp_sync.ports.connection import ConnectionSettings
from erp_sync.ports.lookups import Lookups
from erp_sync.ports.mapping import Context, RecordMapping
from erp_sync.ports.raw import News, RawRecord, Window, all_new
from erp_sync.systems.magento.client import MagentoClient
from erp_sync.systems.magento.criteria import Criteria
from erp_sync.systems.magento.mapping.orders import OrderMapper
from erp_sync.systems.magento.ports.raw import RawReader, StoreViews, readable_time, version_time

PATH = "orders"


class OrderSource:
    """Orders by time of change. `native_id` is the vendor's entity_id, scope the website's code.

    Windows are read as they are given, widened to whole seconds (the resolution of ``updated_at``); the
    caller overlaps them by the declared lateness. The setting ``order_stores`` (list of store view ids)
    limits what is read.
    """

    def __init__(
        self, client: MagentoClient, connection: ConnectionSettings, capabilities: Capabilities, stores: StoreViews
    ) -> None:
        self.capabilities = capabilities
        self._client, self._connection, self._stores = client, connection, stores
        self._reader = RawReader(connection, stores)
        self._page_size = capabilities.reading("sales_order").page_size
        self._mapper = OrderMapper(connection.settings.get("mapping") or {})
        self._only = [str(one) for one in connection.settings.get("order_stores") or []]
        self._criteria = self._limited(Criteria())

    def _limited(self, criteria: Criteria) -> Criteria:
        return criteria.any_of("store_id", self._only) if self._only else criteria

    @property
    def mapping(self) -> RecordMapping:
        """The mapping in force, with the connection's overlays."""
        return self._mapper.mapping

    def changed(self, window: Window, news: News = all_new) -> Iterator[list[RawRecord]]:
        pages = self._client.window(
            PATH,
            window.start,
            window.end,
            operation="sales_order.read",
            page_size=self._page_size,
            criteria=self._criteria,
        )
        for page in pages:
            yield [self._reader.record(item) for item in page]

    def fetch(self, native_ids: Sequence[str]) -> Iterator[list[RawRecord]]:
        numbers = [one for one in native_ids if one.isdigit()]  # no other id can exist
        # Events come for all store views: another connection's orders are none of this one's.
        pages = self._client.by_keys(
            PATH,
            "entity_id",
            numbers,
            operation="sales_order.read",
            page_size=self._page_size,
            also=self._limited,
        )
        for page in pages:
            yield [self._reader.record(item) for item in page]

    def created(self, window: Window) -> dict[str, str]:
        """Ids created in the window, with the time of their last change: how their versions begin."""
        pages = self._client.window(
            PATH,
            window.start,
            window.end,
            operation="sales_order.list",
            page_size=self._page_size,
            time_field="created_at",
            fields="items[entity_id,created_at,updated_at],total_count",
            criteria=self._criteria,
        )
        return {
            str(item["entity_id"]): version_time(readable_time(item, "updated_at")) for page in pages for item in page
        }

    def behind_seconds(self) -> float:
        return self._client.behind_seconds

    def peek(self, window: Window) -> dict[str, str] | None:
        return self._reader.versions(self._client, PATH, self._criteria, window, operation="sales_order.peek")

    def to_canonical(self, raw: RawRecord, lookups: Lookups) -> SalesOrder:
        values = {
            "website": raw.scope,
            "store_view": self._stores.code(raw.payload.get("store_id")),
            "version": raw.version,
        }
        return self._mapper.map(raw, Context(self._connection, lookups, values))
