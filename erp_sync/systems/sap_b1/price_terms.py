"""Everything that decides prices, out of SAP Business One: lists, items, accounts, special prices, agreements, groups.

A record is one of SAP's, named ``<set>/<key>`` (``SpecialPrices/C20000/BEARING-6204``), and maps to rows of the
canonical tables (`model.price_terms`). All rates of a day are one record, ``CurrencyRates/<local currency>``.

What tells of changes (contract 1.27): items and partners have a time of last change. Lists, groups, discount groups,
agreements and rates have none; they are few and read whole each time. Special prices have none and are many: a look for
changes reads those of partners that are new. Any other is told by an event, or found by the comparison of everything;
so is what was deleted, and a list price whose edit leaves the item's stamp alone (unconfirmed which edits do).

What has no time of last change has the time of its reading as its version, and what it says: a value that comes back is
another version.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from erp_sync.model.price_terms import Row
from erp_sync.ports.lookups import Lookups
from erp_sync.ports.mapping import Context, RecordMapping
from erp_sync.ports.raw import News, RawRecord, Window, all_new
from erp_sync.systems.sap_b1 import odata
from erp_sync.systems.sap_b1.at_once import at_once
from erp_sync.systems.sap_b1.capabilities import capabilities_of
from erp_sync.systems.sap_b1.changes import stamp_text, utc_of
from erp_sync.systems.sap_b1.client import MOST_IN_FILTER, Query, ServiceLayerClient
from erp_sync.systems.sap_b1.company import Company, read_company, read_rates
from erp_sync.systems.sap_b1.pricing import PRECEDENCE
from erp_sync.systems.sap_b1.term_tables import (
    ACCOUNTS,
    AGREEMENTS,
    CUSTOMERS,
    ITEMS,
    RATES,
    SOLD,
    SPECIALS,
    STAMPS,
    TABLES,
    UNSTAMPED,
    Table,
    digest,
    key_condition,
    native_id,
    with_names,
)
from erp_sync.systems.sap_b1.terms_mapping import TermsMapper

Rows = list[dict[str, Any]]
#: More changed items or partners than this are not looked through.
_MOST_PEEKED = 200
#: Accounts whose special prices are read one after the other; several such reads go at once.
_ACCOUNTS_A_READ = 10
_AT_ONCE = 4
# What is read whole by every look has its hour as version: a value that comes back within it is found with the next.
_MINUTE, _HOUR = "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H"


class PriceTermsSource:
    """`StateSource` of price terms, and `ReadsAccounts`.

    Attributes:
        precedence: the order in which SAP finds a price, with the company's digits of prices (setting `price_digits`;
            without it nothing that is calculated counts as rounded).
        day_zone: time zone of the company's posting dates.
    """

    def __init__(
        self,
        client: ServiceLayerClient,
        mappings: Mapping[str, RecordMapping],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client, self._mappings, self._clock = client, mappings, clock
        settings = client.connection.settings
        self.capabilities = capabilities_of(settings)
        digits = settings.get("price_digits")
        self.precedence = msgspec.structs.replace(PRECEDENCE, price_digits=None if digits is None else int(digits))
        self._at_once = int(settings.get("reads_at_once") or _AT_ONCE)
        self._zone = self.day_zone = client.connection.time_zone

    # Reading -------------------------------------------------------------------------------

    def snapshot(self) -> Iterator[list[RawRecord]]:
        """Customers and items for sale, with all that decides what the ones pay for the others."""
        company = read_company(self._client)
        for table in UNSTAMPED:
            yield from self._pages(table, company, operation="price_terms.snapshot")
        yield [self._rates(company)]
        yield from self._pages(ITEMS, company, SOLD, operation="price_terms.snapshot")
        accounts: list[str] = []
        for page in self._pages(ACCOUNTS, company, CUSTOMERS, operation="price_terms.snapshot"):
            accounts += [record.payload["CardCode"] for record in page]
            yield page
        reads = [
            partial(self._pages, SPECIALS, company, where, operation="price_terms.snapshot")
            for where in _ranges(accounts)
        ]
        customers = set(accounts)
        for page in at_once(reads, self._at_once):
            yield _sales(page, customers)

    def changed(self, window: Window, news: News = all_new) -> Iterator[list[RawRecord]]:
        """What was changed in the window, and special prices of partners that were made in it. What has no time of
        last change is read whole, and given where it is news."""
        company = read_company(self._client)
        for page in self._unstamped(company):
            yield _fresh(page, news)
        yield from (_fresh(page, news) for page in self._stamped(ITEMS, company, window))
        made: list[str] = []
        first = window.start.astimezone(ZoneInfo(self._zone)).date()
        for page in self._stamped(ACCOUNTS, company, window):
            made += [one.payload["CardCode"] for one in page if _made_since(one.payload, first)]
            yield _fresh(page, news)
        for page in self._of(SPECIALS, "CardCode", made, company, operation="price_terms.changed"):
            yield page

    def read(self, keys: Sequence[str]) -> Iterator[list[RawRecord]]:
        """Items of these codes, everybody's special prices of them, agreements that name them.

        What is for all items alike (lists, groups, discount groups, rates, accounts) is not given.
        """
        items = list(dict.fromkeys(keys))
        if not items:
            return
        company, operation = read_company(self._client), "price_terms.read"
        yield from self._of(ITEMS, "ItemCode", items, company, operation=operation)
        accounts: set[str] | None = None
        for page in self._of(SPECIALS, "ItemCode", items, company, operation=operation):
            accounts = self._customers() if accounts is None else accounts
            yield _sales(page, accounts)
        # A line of an agreement cannot be filtered by: conditions are on fields of the agreement only.
        wanted = set(items)
        for page in self._pages(AGREEMENTS, company, operation=operation):
            if named := [one for one in page if wanted & _items_of(one.payload)]:
                yield named

    def fetch(self, native_ids: Sequence[str]) -> Iterator[list[RawRecord]]:
        """Records of these native ids as they are now; what does not exist is left out. The change of a list also
        changes prices that SAP stores with items: those records are not named by it."""
        company, operation = read_company(self._client), "price_terms.fetch"
        conditions: dict[str, dict[str, str]] = {}
        for name in dict.fromkeys(native_ids):
            kind = name.partition("/")[0]
            if kind == RATES and (rates := self._rates(company)).native_id == name:
                yield [rates]
            elif kind in TABLES and (condition := key_condition(TABLES[kind], name)):
                conditions.setdefault(kind, {})[name] = condition
        for kind, wanted in conditions.items():
            ways = list(wanted.values())
            for some in (ways[at : at + MOST_IN_FILTER] for at in range(0, len(ways), MOST_IN_FILTER)):
                where = some[0] if len(some) == 1 else " or ".join(f"({one})" for one in some)
                for page in self._pages(TABLES[kind], company, where, operation=operation):
                    # A database that takes upper and lower case for the same gives others, too.
                    if asked := [one for one in page if one.native_id in wanted]:
                        yield asked

    def read_accounts(self, accounts: Sequence[str]) -> Iterator[list[RawRecord]]:
        """Partners of these card codes, their special prices and agreements, as they are now; what does not exist is
        left out."""
        codes = list(dict.fromkeys(accounts))
        if not codes:
            return
        company, operation = read_company(self._client), "price_terms.read_accounts"
        for table in (ACCOUNTS, SPECIALS, AGREEMENTS):
            yield from self._of(table, table.accounts, codes, company, operation=operation)

    def peek(self, window: Window) -> dict[str, str] | None:
        """Versions as `changed` gives them; None where many items or partners changed."""
        company = read_company(self._client)
        found = {one.native_id: one.version for page in self._unstamped(company) for one in page}
        for table in (ITEMS, ACCOUNTS):
            stamped: dict[str, str] = {}
            select = tuple(one for one in ("CardType", *table.key, *STAMPS) if one in table.select)
            for rows in self._client.pages(
                self._query(table, self._since(table, window), select), operation="price_terms.peek", poll=True
            ):
                stamped |= {native_id(table.entity_set, row[table.key[0]]): _stamp(row) for row in rows}
                if len(stamped) > _MOST_PEEKED:
                    return None
            found |= stamped
        return found

    def behind_seconds(self) -> float:
        return self._client.behind_seconds

    # Mapping -------------------------------------------------------------------------------

    def to_canonical(self, record: RawRecord, lookups: Lookups) -> tuple[Row, ...]:
        """Rows of canonical tables, accounts and items by SAP's codes. None for what decides no price any more: an
        item that is not for sale, a partner that is no customer. Raises BadRecord."""
        return self.mapper(lookups)(record)

    def mapper(self, lookups: Lookups) -> Callable[[RawRecord], tuple[Row, ...]]:
        """`to_canonical` for many records."""
        values = {"connection": self._client.connection.name}
        return TermsMapper(self._mappings, Context(self._client.connection, lookups, values)).rows

    # Pages ---------------------------------------------------------------------------------

    def _unstamped(self, company: Company) -> Iterator[list[RawRecord]]:
        for table in UNSTAMPED:
            yield from self._pages(table, company, operation="price_terms.changed", version=_HOUR)
        yield [self._rates(company, version=_HOUR)]

    def _stamped(self, table: Table, company: Company, window: Window) -> Iterator[list[RawRecord]]:
        where = self._since(table, window)
        return self._pages(table, company, where, operation="price_terms.changed", version="", poll=True)

    def _since(self, table: Table, window: Window) -> str:
        since = odata.changed_since(window.start, self._zone)
        # Of partners a lead may become a customer and the other way round, a supplier stays one (unconfirmed).
        return since if table is ITEMS else odata.every(since, "CardType ne 'cSupplier'")

    def _of(
        self, table: Table, field: str, values: Sequence[str], company: Company, *, operation: str
    ) -> Iterator[list[RawRecord]]:
        """Rows whose field has one of the values, as they were asked for: a database that takes upper and lower case
        for the same gives others, too."""
        wanted = set(values)
        for some in (values[at : at + MOST_IN_FILTER] for at in range(0, len(values), MOST_IN_FILTER)):
            for page in self._pages(table, company, odata.any_of(field, some), operation=operation):
                if asked := [one for one in page if one.payload[field] in wanted]:
                    yield asked

    def _pages(
        self,
        table: Table,
        company: Company,
        where: str = "",
        *,
        operation: str,
        version: str = _MINUTE,
        poll: bool = False,
    ) -> Iterator[list[RawRecord]]:
        """`version`: how the time of reading is written in versions; "" for the record's own stamp."""
        started = self._clock()
        for rows in self._client.pages(self._query(table, where, table.select), operation=operation, poll=poll):
            today = self._today(started)
            yield [self._record(table, with_names(table, row, company, today), started, version) for row in rows]
            started = self._clock()

    def _query(self, table: Table, where: str, select: tuple[str, ...]) -> Query:
        given = odata.every(where, table.where) if where or table.where else ""
        return Query(entity_set=table.entity_set, key=table.key, where=given, select=select, page=table.page)

    def _record(self, table: Table, payload: dict[str, Any], started: datetime, version: str) -> RawRecord:
        name = native_id(table.entity_set, *(payload[one] for one in table.key))
        if table.stamped and not version:
            at = utc_of(payload.get("UpdateDate"), payload.get("UpdateTime"), self._zone)
            return RawRecord(native_id=name, version=_stamp(payload), source_time=at, payload=payload)
        return RawRecord(native_id=name, version=f"{started.strftime(version)} {digest(payload)}", payload=payload)

    def _rates(self, company: Company, version: str = _MINUTE) -> RawRecord:
        """Setting ``rate_currencies`` (ISO codes) chooses; else all that the company has."""
        started = self._clock()
        day, local = self._today(started), company.local_iso
        wanted = {str(one) for one in self._client.connection.settings.get("rate_currencies") or ()}
        codes = [code for code, iso in company.currencies.items() if iso != local and (not wanted or iso in wanted)]
        rates = {company.currencies[code]: f"{rate:f}" for code, rate in read_rates(self._client, codes, day).items()}
        payload = {"day": day.isoformat(), "local": local, "rates": rates, "direct": company.direct_rates}
        version = f"{started.strftime(version)} {digest(payload)}"
        return RawRecord(native_id=native_id(RATES, local), version=version, payload=payload)

    def _customers(self) -> set[str]:
        query = self._query(ACCOUNTS, CUSTOMERS, ("CardCode",))
        return {row["CardCode"] for row in self._client.rows(query, operation="price_terms.read_customers")}

    def _today(self, at: datetime) -> date:
        return at.astimezone(ZoneInfo(self._zone)).date()


def _ranges(accounts: Sequence[str]) -> list[str]:
    """Conditions, of which every special price passes one. The accounts are in the order in which SAP sorts them, which
    is how it compares them, too."""
    ends = accounts[_ACCOUNTS_A_READ - 1 : -1 : _ACCOUNTS_A_READ]
    if not ends:
        return [""]
    after = [f"CardCode gt {odata.literal(one)}" for one in ends]
    until = [f"CardCode le {odata.literal(one)}" for one in ends]
    between = [odata.every(low, high) for low, high in zip(after, until[1:], strict=False)]
    return [until[0], *between, after[-1]]


def _sales(page: list[RawRecord], accounts: set[str]) -> list[RawRecord]:
    """Special prices of a supplier are what we pay."""
    return [one for one in page if one.payload["CardCode"].startswith("*") or one.payload["CardCode"] in accounts]


def _fresh(page: list[RawRecord], news: News) -> list[RawRecord]:
    wanted = news({one.native_id: one.version for one in page})
    return [one for one in page if one.native_id in wanted]


def _items_of(agreement: Mapping[str, Any]) -> set[str]:
    return {str(line.get("ItemNo") or "") for line in agreement.get("BlanketAgreements_ItemsLines") or ()}


def _made_since(partner: Mapping[str, Any], day: date) -> bool:
    made = partner.get("CreateDate")
    return bool(made) and str(made)[:10] >= day.isoformat()


def _stamp(row: Mapping[str, Any]) -> str:
    return f"{stamp_text(row)} {row.get('DataVersion') or ''}".strip()
