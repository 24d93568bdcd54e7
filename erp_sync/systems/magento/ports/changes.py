"""Customers and credit memos as sources: records by time of change, mapped by a declaration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from erp_sync.ports.capabilities import Capabilities
from erp_sync.ports.connection import ConnectionSettings
from erp_sync.ports.lookups import Lookups
from erp_sync.ports.mapping import Context, RecordMapping
from erp_sync.ports.mapping_overlay import overlaid
from erp_sync.ports.raw import News, RawRecord, Window, all_new
from erp_sync.systems.magento.client import MagentoClient
from erp_sync.systems.magento.criteria import Criteria
from erp_sync.systems.magento.mapping.customers import CUSTOMER
from erp_sync.systems.magento.mapping.refunds import REFUND
from erp_sync.systems.magento.ports.raw import RawReader, StoreViews, readable_time, version_time


@dataclass(frozen=True)
class Kind:
    """What tells one kind of record from another.

    Attributes:
        id_name: the id's name in a record; it is searched by as ``entity_id``.
        by_website: the record names its website, not its store view.
    """

    entity: str
    path: str
    mapping: RecordMapping
    id_name: str = "entity_id"
    by_website: bool = False


CUSTOMERS = Kind("customer", "customers/search", CUSTOMER, id_name="id", by_website=True)
REFUNDS = Kind("refund", "creditmemos", REFUND)


class ChangeSource:
    """A `DocumentSource` of one kind of record."""

    def __init__(
        self,
        client: MagentoClient,
        connection: ConnectionSettings,
        capabilities: Capabilities,
        stores: StoreViews,
        kind: Kind,
    ) -> None:
        self.capabilities = capabilities
        self._client, self._connection, self._stores, self._kind = client, connection, stores, kind
        self._reader = RawReader(connection, stores)
        self._page_size = capabilities.reading(kind.entity).page_size
        self.mapping = overlaid(kind.mapping, connection.settings.get("mapping") or {})

    def changed(self, window: Window, news: News = all_new) -> Iterator[list[RawRecord]]:
        pages = self._client.window(
            self._kind.path,
            window.start,
            window.end,
            operation=f"{self._kind.entity}.read",
            page_size=self._page_size,
            id_name=self._kind.id_name,
        )
        for page in pages:
            yield [self._record(item) for item in page]

    def fetch(self, native_ids: Sequence[str]) -> Iterator[list[RawRecord]]:
        numbers = [one for one in native_ids if one.isdigit()]  # no other id can exist
        if not numbers:
            return
        pages = self._client.by_keys(
            self._kind.path, "entity_id", numbers, operation=f"{self._kind.entity}.read", page_size=self._page_size
        )
        for page in pages:
            yield [self._record(item) for item in page]

    def created(self, window: Window) -> dict[str, str]:
        """Ids created in the window, with the time of their last change: how their versions begin."""
        pages = self._client.window(
            self._kind.path,
            window.start,
            window.end,
            operation=f"{self._kind.entity}.list",
            page_size=self._page_size,
            time_field="created_at",
            id_name=self._kind.id_name,
            fields=f"items[{self._kind.id_name},created_at,updated_at],total_count",
        )
        return {
            str(item.get(self._kind.id_name)): version_time(readable_time(item, "updated_at"))
            for page in pages
            for item in page
        }

    def behind_seconds(self) -> float:
        return self._client.behind_seconds

    def peek(self, window: Window) -> dict[str, str] | None:
        return self._reader.versions(
            self._client,
            self._kind.path,
            Criteria(),
            window,
            operation=f"{self._kind.entity}.peek",
            id_name=self._kind.id_name,
        )

    def to_canonical(self, raw: RawRecord, lookups: Lookups) -> Any:
        values = {"website": raw.scope, "version": raw.version}
        return self.mapping.apply(raw.payload, Context(self._connection, lookups, values), raw.native_id)

    def _record(self, item: Mapping[str, Any]) -> RawRecord:
        website = self._stores.website_code(item.get("website_id")) if self._kind.by_website else None
        return self._reader.record(item, id_name=self._kind.id_name, website=website)


class RefundSource(ChangeSource):
    """Credit memos, also found by their orders: `ports.reconciling.ListsRefunds`."""

    def __init__(
        self, client: MagentoClient, connection: ConnectionSettings, capabilities: Capabilities, stores: StoreViews
    ) -> None:
        super().__init__(client, connection, capabilities, stores, REFUNDS)

    def refunded(self, window: Window) -> list[str]:
        """Orders with a credit memo created in the window."""
        pages = self._client.window(
            self._kind.path,
            window.start,
            window.end,
            operation="refund.list",
            page_size=self._page_size,
            time_field="created_at",
            fields="items[entity_id,order_id,created_at],total_count",
        )
        return sorted({str(item["order_id"]) for page in pages for item in page})

    def refunds_of(self, orders: Sequence[str]) -> dict[str, list[RawRecord]]:
        """All credit memos of these orders, by order: one listing a page."""
        numbers = [one for one in orders if one.isdigit()]
        found: dict[str, list[RawRecord]] = {}
        pages = self._client.by_keys(
            self._kind.path,
            "order_id",
            numbers,
            operation="refund.reconcile",
            page_size=self._page_size,
            sort=("entity_id",),
        )
        for page in pages:
            for item in page:
                found.setdefault(str(item.get("order_id")), []).append(self._record(item))
        return found
