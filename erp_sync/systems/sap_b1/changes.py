"""Documents by their stamps: what changed since, what was created, single ones by number.

A stamp is a date and a time of day in the server's zone, with seconds; a page is read on by DocEntry, so that nothing
is skipped by what changes meanwhile. The end of a window is not asked for: what comes after it is only read earlier.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from erp_sync.ports.raw import News, RawRecord, Window
from erp_sync.systems.sap_b1 import odata
from erp_sync.systems.sap_b1.client import MOST_IN_FILTER, Query, ServiceLayerClient

Row = dict[str, Any]
STAMPS = ("CreationDate", "DocTime", "UpdateDate", "UpdateTime", "DataVersion")


class Documents(msgspec.Struct, frozen=True, kw_only=True):
    """One entity set of documents.

    Attributes:
        select: fields besides key and stamps.
        where: always true of what is read.
        page: rows a call; documents come with all fields of all their lines.
    """

    entity_set: str
    select: tuple[str, ...]
    operation: str
    where: str = ""
    page: int = 100


class DocumentReader:
    """Reads one kind of document. Thread-safe; keeps nothing. Every method raises the TransportError tree."""

    def __init__(self, client: ServiceLayerClient, kind: Documents) -> None:
        self._client, self._kind = client, kind
        self._zone = client.connection.time_zone

    def changed(self, window: Window, *, poll: bool = True) -> Iterator[list[Row]]:
        return self._pages(odata.changed_since(window.start, self._zone), poll=poll)

    def of(self, ids: Sequence[str]) -> Iterator[list[Row]]:
        """Documents of these numbers; what is no number cannot exist."""
        numbers = list(dict.fromkeys(int(one) for one in ids if one.isdigit()))
        for some in (numbers[at : at + MOST_IN_FILTER] for at in range(0, len(numbers), MOST_IN_FILTER)):
            yield from self._pages(odata.any_of("DocEntry", some))

    def created(self, window: Window) -> Iterator[Row]:
        """Those created in the window, by CreationDate and DocTime, which has minutes (that it is when the document was
        made is unconfirmed)."""
        first, last = (at.astimezone(ZoneInfo(self._zone)).date() for at in (window.start, window.end))
        days = odata.every(f"CreationDate ge '{first}'", f"CreationDate le '{last}'")
        start = window.start.replace(second=0, microsecond=0)
        for rows in self._pages(days):
            for row in rows:
                at = self._utc(row, "CreationDate", "DocTime")
                if at is None or start <= at < window.end:
                    yield row

    def _pages(self, condition: str, *, poll: bool = False) -> Iterator[list[Row]]:
        kind = self._kind
        query = Query(
            entity_set=kind.entity_set,
            key=("DocEntry",),
            where=odata.every(condition, kind.where) if kind.where else condition,
            select=("DocEntry", *STAMPS, *kind.select),
            page=kind.page,
        )
        return self._client.pages(query, operation=kind.operation, poll=poll)

    def version(self, row: Mapping[str, Any]) -> str:
        """Grows with each change: the stamp, which has seconds, and SAP's own count of changes."""
        return f"{stamp_text(row)} {row.get('DataVersion') or ''}".strip()

    def raw(self, row: Row, *, native_id: str = "", payload: Row | None = None) -> RawRecord:
        return RawRecord(
            native_id=native_id or str(row["DocEntry"]),
            version=self.version(row),
            source_time=ordered_time(row, self._zone),
            created_time=self._utc(row, "CreationDate", "DocTime"),
            payload=row if payload is None else payload,
        )

    def fresh(self, rows: Sequence[Row], news: News) -> list[Row]:
        """Rows whose version is news."""
        wanted = news({str(row["DocEntry"]): self.version(row) for row in rows})
        return [row for row in rows if str(row["DocEntry"]) in wanted]

    def _utc(self, row: Mapping[str, Any], day: str, clock: str) -> datetime | None:
        return utc_of(row.get(day), row.get(clock), self._zone)


def utc_of(day: Any, clock: Any, zone: str) -> datetime | None:
    """None where there is none, or what stands there is none: the mapping names that record, the others go."""
    try:
        return odata.stamp(day, clock, zone) if day else None
    except ValueError:
        return None


def ordered_time(row: Mapping[str, Any], zone: str) -> datetime | None:
    """When a record was last changed, so that its versions come in their order also in the hour that clocks pass twice;
    None where that cannot be read. See `odata.ordered`."""
    if not row.get("UpdateDate"):
        return None
    count = row.get("DataVersion")
    try:
        return odata.ordered(
            row["UpdateDate"], row.get("UpdateTime"), zone, count if isinstance(count, int) and count > 0 else 0
        )
    except ValueError:
        return None


def stamp_text(row: Mapping[str, Any]) -> str:
    """``2026-01-15 00:31:07``, in the server's zone."""
    return f"{str(row.get('UpdateDate') or '')[:10]} {row.get('UpdateTime') or ''}".strip()
