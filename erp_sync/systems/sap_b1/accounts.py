"""Business accounts out of SAP Business One: partners that are customers, by their stamps.

Names of groups and payment terms are read once for a reading. A change of these alone moves no stamp of a partner, nor,
as far as anybody says, do invoices and orders that move its balances (unconfirmed): those are found by the comparison
of everything. Locks are the partner's own, and found by its stamp; one that begins by its date alone is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from erp_sync.model.business_account import BusinessAccount
from erp_sync.ports.lookups import Lookups
from erp_sync.ports.mapping import Context, RecordMapping
from erp_sync.ports.raw import News, RawRecord, Window, all_new
from erp_sync.systems.sap_b1 import odata
from erp_sync.systems.sap_b1.capabilities import capabilities_of
from erp_sync.systems.sap_b1.changes import ordered_time, stamp_text
from erp_sync.systems.sap_b1.client import MOST_IN_FILTER, Query, ServiceLayerClient
from erp_sync.systems.sap_b1.term_tables import digest

Row = dict[str, Any]
FIELDS = (
    *("CardCode", "CardName", "CardForeignName", "CardType", "GroupCode", "PayTermsGrpCode", "Currency", "CreditLimit"),
    *("CurrentAccountBalance", "OpenDeliveryNotesBalance", "OpenOrdersBalance", "FederalTaxID", "VatLiable"),
    *("ExemptNum", "ExemptionValidityDateTo", "Frozen", "FrozenFrom", "FrozenTo", "FrozenRemarks"),
    *("Valid", "ValidFrom", "ValidTo", "CreateDate", "CreateTime", "UpdateDate", "UpdateTime"),
)
_CUSTOMERS = odata.equals("CardType", "cCustomer")
_PAGE = 100


class BusinessAccountSource:
    """`StateSource` of business accounts. Native id is the CardCode. Removed partners are those that a snapshot no
    longer has."""

    def __init__(
        self,
        client: ServiceLayerClient,
        mapping: RecordMapping,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client, self._mapping, self._clock = client, mapping, clock
        self.capabilities = capabilities_of(client.connection.settings)
        self._zone = client.connection.time_zone

    def snapshot(self) -> Iterator[list[RawRecord]]:
        """Customers, locked ones too."""
        return self._pages(_CUSTOMERS, "business_account.snapshot", all_new)

    def changed(self, window: Window, news: News = all_new) -> Iterator[list[RawRecord]]:
        where = odata.every(_CUSTOMERS, odata.changed_since(window.start, self._zone))
        return self._pages(where, "business_account.changed", news, poll=True)

    def read(self, keys: Sequence[str]) -> Iterator[list[RawRecord]]:
        unique = list(dict.fromkeys(keys))
        for some in (unique[at : at + MOST_IN_FILTER] for at in range(0, len(unique), MOST_IN_FILTER)):
            where = odata.every(_CUSTOMERS, odata.any_of("CardCode", some))
            yield from self._pages(where, "business_account.read", all_new)

    def peek(self, window: Window) -> dict[str, str] | None:
        query = Query(
            entity_set="BusinessPartners",
            key=("CardCode",),
            where=odata.every(_CUSTOMERS, odata.changed_since(window.start, self._zone)),
            select=FIELDS,
            page=_PAGE,
        )
        pages = self._client.pages(query, operation="business_account.peek", poll=True)
        first = next(pages, [])
        return None if next(pages, None) else {row["CardCode"]: _version(row) for row in first}

    def behind_seconds(self) -> float:
        return self._client.behind_seconds

    def to_canonical(self, record: RawRecord, lookups: Lookups) -> BusinessAccount:
        account: BusinessAccount = self._mapping.apply(_source(record), self._context(lookups), record.native_id)
        return account

    def mapper(self, lookups: Lookups) -> Callable[[RawRecord], BusinessAccount]:
        """`to_canonical` for many records."""
        apply = self._mapping.repeated(self._context(lookups))
        return lambda record: apply(_source(record), record.native_id)

    def _context(self, lookups: Lookups) -> Context:
        today = self._clock().astimezone(ZoneInfo(self._zone)).date()
        values = {"connection": self._client.connection.name, "today": today}
        return Context(self._client.connection, lookups, values)

    def _pages(self, where: str, operation: str, news: News, *, poll: bool = False) -> Iterator[list[RawRecord]]:
        query = Query(entity_set="BusinessPartners", key=("CardCode",), where=where, select=FIELDS, page=_PAGE)
        names: tuple[dict[Any, str], dict[Any, str]] | None = None
        for rows in self._client.pages(query, operation=operation, poll=poll):
            wanted = news({row["CardCode"]: _version(row) for row in rows})
            fresh = [row for row in rows if row["CardCode"] in wanted]
            if fresh:
                names = names or (
                    self._named("BusinessPartnerGroups", "Code", "Name"),
                    self._named("PaymentTermsTypes", "GroupNumber", "PaymentTermsGroupName"),
                )
                yield [self._record(row, *names) for row in fresh]

    def _named(self, entity_set: str, key: str, name: str) -> dict[Any, str]:
        query = Query(entity_set=entity_set, key=(key,), select=(key, name))
        rows = self._client.rows(query, operation="business_account.read_names")
        return {row[key]: str(row.get(name) or "") for row in rows}

    def _record(self, row: Row, groups: Mapping[Any, str], terms: Mapping[Any, str]) -> RawRecord:
        more = {
            "group": groups.get(row.get("GroupCode"), ""),
            "payment_terms": terms.get(row.get("PayTermsGrpCode"), ""),
        }
        return RawRecord(
            native_id=row["CardCode"],
            version=_version(row),
            source_time=ordered_time(row, self._zone),
            payload={**row, **more},
        )


def _version(row: Row) -> str:
    """The stamp, and what it says nothing of: a second change within its second, balances that move."""
    return f"{stamp_text(row)} {digest(row)}"


def _source(record: RawRecord) -> Row:
    return {**record.payload, "version": record.version}
