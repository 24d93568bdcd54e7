"""Tables of the exchange log, and what their rows are called elsewhere."""

from __future__ import annotations

from datetime import UTC, date, datetime

import msgspec
import sqlalchemy as sa

from erp_sync.packing import CALLS, PackedText


class _Utc(sa.TypeDecorator[datetime]):
    """UTC in, UTC out, on databases without time zones as well."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


metadata = sa.MetaData()
_Number = sa.BigInteger().with_variant(sa.Integer, "sqlite")

schema_table = sa.Table("exchange_schema", metadata, sa.Column("version", sa.Integer, primary_key=True))

segments = sa.Table(
    "exchange_segment",
    metadata,
    sa.Column("id", _Number, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("last_at", _Utc, nullable=False, index=True),
)

exchanges = sa.Table(
    "exchange",
    metadata,
    sa.Column("id", _Number, primary_key=True),
    sa.Column("time", _Utc, nullable=False, index=True),
    sa.Column("connection", sa.Text, nullable=False),
    sa.Column("operation", sa.Text, nullable=False),
    sa.Column("document", sa.Text, nullable=False),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("route", sa.Text, nullable=False),
    sa.Column("flow", sa.Text, nullable=False),
    sa.Column("lane", sa.Text, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("method", sa.Text, nullable=False),
    sa.Column("url", PackedText(CALLS), nullable=False),
    sa.Column("status", sa.Integer),
    sa.Column("verdict", sa.Text, nullable=False),
    sa.Column("error", sa.Text, nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("request_headers", PackedText(CALLS), nullable=False),
    sa.Column("response_headers", PackedText(CALLS), nullable=False),
    sa.Column("segment_id", _Number, sa.ForeignKey("exchange_segment.id"), index=True),
    sa.Column("request_size", sa.Integer, nullable=False),
    sa.Column("request_offset", _Number),
    sa.Column("request_length", sa.Integer),
    sa.Column("response_size", sa.Integer, nullable=False),
    sa.Column("response_offset", _Number),
    sa.Column("response_length", sa.Integer),
    sa.Index("exchange_document", "document", "time"),
    sa.Index("exchange_run", "run_id", "time"),
    sa.Index("exchange_connection", "connection", "time"),
)

empty_polls = sa.Table(
    "empty_poll",
    metadata,
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("connection", sa.Text, primary_key=True),
    sa.Column("operation", sa.Text, primary_key=True),
    sa.Column("route", sa.Text, primary_key=True),
    sa.Column("polls", _Number, nullable=False),
    sa.Column("last_at", _Utc, nullable=False),
)


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """One request and its answer, redacted.

    Attributes:
        time: when sending started, UTC.
        verdict: ``ok``, ``authentication`` (a token was fetched), or the name of the error raised.
        error: what went wrong, in words.
        seconds: to the last byte of the answer.
        status: None where no answer came.
        attempt: 1 for the first.
        request_size, response_size: bytes of the bodies, before cutting and compression.
        host: of the machine that has the segment file of the bodies.
    """

    id: int
    time: datetime
    connection: str
    operation: str
    document: str
    run_id: str
    route: str
    flow: str
    lane: str
    attempt: int
    method: str
    url: str
    status: int | None
    verdict: str
    error: str
    seconds: float
    request_headers: list[tuple[str, str]]
    response_headers: list[tuple[str, str]]
    request_size: int
    response_size: int
    segment: str | None
    host: str | None
    request_offset: int | None
    request_length: int | None
    response_offset: int | None
    response_length: int | None


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """The last exchange that was looked through."""

    id: int = 0
    time: datetime | None = None


class EmptyPolls(msgspec.Struct, frozen=True, kw_only=True):
    """How often a poll found nothing on one day (UTC), and when last."""

    day: date
    connection: str
    operation: str
    route: str
    polls: int
    last_at: datetime


class Calls(msgspec.Struct, frozen=True, kw_only=True):
    """How many requests one flow made of a connection, all with one verdict. `route` as recorded: several may share a
    read (``us,eu``)."""

    connection: str
    route: str
    flow: str
    verdict: str
    count: int


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """Where a body stands in its segment. `side` is request or response."""

    exchange: int
    side: str
    offset: int
    length: int
