"""Reading rows by SuiteQL in keyset pages, and what every reading here shares."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from erp_sync.ports.raw import News, RawRecord, Window
from erp_sync.systems.netsuite import suiteql
from erp_sync.systems.netsuite.client import PAGE, NetSuiteClient, chunks

Row = dict[str, Any]


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """A query by one table's key.

    Attributes:
        operation: for the exchange log.
        columns: after SELECT; must give ``id`` and what else is wanted.
        tables: after FROM, with joins.
        condition: always true of what is read; "" for none.
        key: numeric column that orders the rows and is unique among them; its value is column ``id``.
        modified, created: time columns; ``modified`` and ``created`` in the rows.
    """

    operation: str
    columns: str
    tables: str
    condition: str = ""
    key: str
    modified: str
    created: str = ""


class RowReader:
    """Runs one `Reading`. Times are read in the connection's zone."""

    def __init__(self, client: NetSuiteClient, reading: Reading) -> None:
        self._client, self._reading = client, reading
        self.zone = ZoneInfo(client.connection.time_zone)

    def within(self, window: Window, column: str = "") -> str:
        return suiteql.within(column or self._reading.modified, window, self.zone)

    def pages(self, condition: str = "", *, poll: bool = False) -> Iterator[list[Row]]:
        """All rows that meet the condition, ordered by key. Raises the TransportError tree."""
        return self._client.pages(
            lambda last: self.statement(condition, last),
            lambda row: str(row["id"]),
            operation=self._reading.operation,
            poll=poll,
        )

    def news(
        self, condition: str, version: Callable[[Row], str], news: News, *, poll: bool = False
    ) -> Iterator[list[Row]]:
        """`pages` without the rows whose version is no news."""
        for rows in self.pages(condition, poll=poll):
            wanted = news({str(row["id"]): version(row) for row in rows})
            yield [row for row in rows if str(row["id"]) in wanted]

    def first(self, condition: str) -> list[Row]:
        """One page of them: less than `PAGE` rows are all of them. A poll."""
        return self._client.query(self.statement(condition, ""), operation=self._reading.operation, poll=True)

    def of(self, values: Sequence[str], column: str, literals: Callable[[Sequence[str]], str]) -> Iterator[list[Row]]:
        """Rows with one of these values in a column."""
        for some in chunks(list(dict.fromkeys(values))):
            yield from self.pages(f"{column} IN ({literals(some)})")

    def statement(self, condition: str, last: str) -> str:
        reading = self._reading
        conditions = [one for one in (reading.condition, condition) if one]
        if last:
            conditions.append(f"{reading.key} > {suiteql.number(last)}")
        columns = [reading.columns, suiteql.time_column(reading.modified, "modified")]
        if reading.created:
            columns.append(suiteql.time_column(reading.created, "created"))
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        return f"SELECT {', '.join(columns)} FROM {reading.tables}{where} ORDER BY {reading.key}"

    def utc(self, value: Any) -> datetime | None:
        """A row's time in UTC; None where it is empty. Raises ValueError."""
        return suiteql.utc(str(value), self.zone) if value else None


def numbers(values: Sequence[str]) -> str:
    """A list of id literals for IN. Raises ValueError for what is no internal id."""
    return ", ".join(suiteql.number(value) for value in values)


def seen(rows: Sequence[Row], version: Callable[[Row], str]) -> dict[str, str] | None:
    """Ids and versions of one page; None where there may be more."""
    return None if len(rows) >= PAGE else {str(row["id"]): version(row) for row in rows}


def raw(reader: RowReader, row: Row, version: str, payload: dict[str, Any] | None = None) -> RawRecord:
    return RawRecord(
        native_id=str(row["id"]),
        version=version,
        source_time=reader.utc(row.get("modified")),
        created_time=reader.utc(row.get("created")),
        payload=row if payload is None else payload,
    )


def time_version(reader: RowReader, row: Row, status: str, read_at: datetime) -> str:
    """Version of a document: its time of last change, which has seconds only, and its status.

    Two changes of one second carry the same time. What is read before its second has ended gets a version of
    its own, so that the overlap of windows reads it once more and the later change is not taken for the earlier.
    """
    changed = reader.utc(row.get("modified"))
    early = changed is not None and changed >= read_at.replace(microsecond=0)
    return f"{row.get('modified', '')} {status}{' early' if early else ''}".strip()


def content_version(row: Row, changed: str, leave_out: Sequence[str] = ()) -> str:
    """Version of state: its time of change, which has seconds only or misses some changes, and what it says."""
    left = {changed, *leave_out}
    said = "|".join(f"{name}={row[name]}" for name in sorted(row) if name not in left)
    return f"{row.get(changed) or ''} {hashlib.sha256(said.encode()).hexdigest()[:12]}".strip()
