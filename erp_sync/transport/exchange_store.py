"""What is done with the tables of the exchange log (`exchange_tables`). A database of its own: SQLite or PostgreSQL."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from erp_sync.model.advice import Advice
from erp_sync.model.personal import PersonalTexts
from erp_sync.places import place
from erp_sync.statements import statements
from erp_sync.transport.exchange_tables import (
    Body,
    Calls,
    EmptyPolls,
    Exchange,
    Position,
    empty_polls,
    exchanges,
    metadata,
    schema_table,
    segments,
)
from erp_sync.transport.exchange_turns import ExchangeLogError

__all__ = [
    "Body",
    "Calls",
    "EmptyPolls",
    "Exchange",
    "Store",
    "WrongExchangeLog",
    "empty_polls",
    "exchanges",
    "metadata",
    "schema_table",
    "segments",
]

SCHEMA_VERSION = 2
"""Since 2 addresses and headers are packed on SQLite; rows of 1 are read as they stand."""
_READABLE = 1


class WrongExchangeLog(ExchangeLogError):
    """The database was written by another version of the exchange log. Attributes: found, expected."""

    advice = Advice(
        means="The log of calls is of another version than the program. Business goes on once it is away.",
        look=("ls $ERP_SYNC_HOME/exchanges",),
        do="Move folder exchanges of the home aside and start again: a new one is made, the old one stays for reading. "
        "An erasure does not look into a folder that was moved: where one is under way, delete it.",
    )

    def __init__(self, url: str, found: int) -> None:
        self.found, self.expected = found, SCHEMA_VERSION
        super().__init__(
            f"the exchange log at {url} has schema {found}, this version writes {SCHEMA_VERSION}; "
            "move its folder away, a new one is made"
        )


class Store:
    """The database of an exchange log. An engine must not be carried through a fork: make a new Store."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self._folder = url, folder
        self.engine = _engine(url)
        self._upsert = sqlite.insert if self.engine.dialect.name == "sqlite" else postgresql.insert
        self._found_segment = self._segment_statement()

    def prepare(self) -> None:
        """Create what is missing. Safe in many processes at once. Raises WrongExchangeLog."""
        found = self._version()
        if found is None:
            with self._one_at_a_time() as connection:
                metadata.create_all(connection)
                found = connection.scalar(sa.select(schema_table.c.version))
                if found is None:
                    connection.execute(schema_table.insert().values(version=SCHEMA_VERSION))
                    return
        if found == _READABLE:
            with self._one_at_a_time() as connection:
                connection.execute(schema_table.update().values(version=SCHEMA_VERSION))
            return
        if found != SCHEMA_VERSION:
            raise WrongExchangeLog(place(self.engine.url), found)

    def _version(self) -> int | None:
        """Of the tables that are there, which it nearly always finds: every run of a flow is a process of its own."""
        try:
            with self.engine.connect() as connection:
                return connection.scalar(sa.select(schema_table.c.version))
        except (sa.exc.OperationalError, sa.exc.ProgrammingError):
            return None  # nothing is there, or it does not answer, which creating it will tell

    @contextmanager
    def _one_at_a_time(self) -> Iterator[sa.Connection]:
        if self.engine.dialect.name != "sqlite":
            with self.engine.begin() as connection:
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(7203401)"))
                yield connection
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        with open(self._folder / "create.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with self.engine.connect() as plain:
                # Outside a transaction; takes effect for a database without tables only.
                plain.connection.driver_connection.execute("PRAGMA auto_vacuum=INCREMENTAL")  # type: ignore[union-attr]
                plain.connection.driver_connection.execute("PRAGMA journal_mode=WAL")  # type: ignore[union-attr]
            with self.engine.begin() as connection:
                yield connection

    def write(
        self,
        segment: str | None,
        host: str,
        rows: Sequence[Mapping[str, Any]],
        polls: Iterable[Mapping[str, Any]],
    ) -> None:
        """Rows of `exchange` (their bodies are in `segment`) and of `empty_poll`, in one transaction."""
        with self.engine.begin() as connection:
            if rows:
                last = max(row["time"] for row in rows)
                identity = self._segment(connection, segment, host, last) if segment else None
                self._insert(connection, [{**row, "segment_id": identity} for row in rows])
            for poll in polls:
                insert = self._upsert(empty_polls).values(**poll)
                connection.execute(
                    insert.on_conflict_do_update(
                        index_elements=list(empty_polls.primary_key.columns),
                        set_={
                            "polls": empty_polls.c.polls + insert.excluded.polls,
                            "last_at": insert.excluded.last_at,
                        },
                    )
                )

    def _insert(self, connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """SQLAlchemy's own way over the rows takes longer than SQLite does: here only the values are converted that
        have to be."""
        if self.engine.dialect.name != "sqlite":
            connection.execute(exchanges.insert(), rows)
            return
        sql, converters = self._insertion
        connection.exec_driver_sql(
            sql, [tuple([convert(row[name]) if convert else row[name] for name, convert in converters]) for row in rows]
        )

    @cached_property
    def _insertion(self) -> tuple[str, list[tuple[str, Callable[[Any], Any] | None]]]:
        """The statement, and its parameters in their order with what makes of each what the database keeps."""
        dialect = self.engine.dialect
        columns = [column for column in exchanges.c if not column.primary_key]
        statement = exchanges.insert().compile(dialect=dialect, column_keys=[column.name for column in columns])
        converters: list[tuple[str, Callable[[Any], Any] | None]] = [
            (one.name, one.type.dialect_impl(dialect).bind_processor(dialect)) for one in columns
        ]
        return str(statement), converters

    def _segment(self, connection: sa.Connection, name: str, host: str, last: datetime) -> int:
        values = {"name": name, "host": host, "last_at": last}
        return int(connection.execute(self._found_segment, values).scalar_one())

    def _segment_statement(self) -> sa.Executable:
        """Built once: it is part of every batch."""
        insert = self._upsert(segments)
        excluded = insert.excluded.last_at
        return insert.on_conflict_do_update(
            index_elements=[segments.c.name],
            set_={"last_at": sa.case((segments.c.last_at > excluded, segments.c.last_at), else_=excluded)},
        ).returning(segments.c.id)

    def search(self, conditions: Sequence[sa.ColumnElement[bool]], limit: int) -> list[Exchange]:
        """The newest `limit` that fulfil all conditions, oldest first."""
        columns = [column for column in exchanges.c if column.name != "segment_id"]
        statement = (
            sa.select(*columns, segments.c.name.label("segment"), segments.c.host)
            .select_from(exchanges.outerjoin(segments))
            .where(*conditions)
            .order_by(exchanges.c.time.desc(), exchanges.c.id.desc())
            .limit(limit)
        )
        with self.engine.connect() as connection:
            found = [_exchange(row._asdict()) for row in connection.execute(statement)]
        return found[::-1]

    def span(self, run: str) -> tuple[datetime, datetime] | None:
        """Times of a run's first and last exchange; None where there is none."""
        mine = sa.select(exchanges.c.time).where(exchanges.c.run_id == run).limit(1)
        with self.engine.connect() as connection:
            first = connection.execute(mine.order_by(exchanges.c.time)).scalar()
            last = connection.execute(mine.order_by(exchanges.c.time.desc())).scalar()
        return (first, last) if first is not None and last is not None else None

    def count(self, since: datetime, until: datetime) -> list[Calls]:
        """Requests begun in the window, by connection, route, flow and verdict."""
        names = (exchanges.c.connection, exchanges.c.route, exchanges.c.flow, exchanges.c.verdict)
        statement = (
            sa.select(*names, sa.func.count().label("count"))
            .where(exchanges.c.time >= since, exchanges.c.time < until)
            .group_by(*names)
            .order_by(*names)
        )
        with self.engine.connect() as connection:
            return [
                Calls(connection=row[0], route=row[1], flow=row[2], verdict=row[3], count=row[4])
                for row in connection.execute(statement)
            ]

    def polls(self, conditions: Sequence[sa.ColumnElement[bool]]) -> list[EmptyPolls]:
        statement = sa.select(empty_polls).where(*conditions).order_by(*empty_polls.primary_key.columns)
        with self.engine.connect() as connection:
            return [EmptyPolls(**row._asdict()) for row in connection.execute(statement)]

    def drop_segments(self, older_than: datetime, before: datetime) -> list[str]:
        """Forget counters of old polls, and segments that nothing refers to any more; gives their names. Younger ones
        than `before` may be open."""
        used = sa.exists().where(exchanges.c.segment_id == segments.c.id)
        with self.engine.begin() as connection:
            connection.execute(empty_polls.delete().where(empty_polls.c.day < older_than.astimezone(UTC).date()))
            names = connection.scalars(
                segments.delete().where(segments.c.last_at < before, ~used).returning(segments.c.name)
            ).all()
        if self.engine.dialect.name == "sqlite":
            with self.engine.connect() as plain:
                plain.connection.driver_connection.execute("PRAGMA incremental_vacuum")  # type: ignore[union-attr]
        return list(names)

    def referred(self, before: datetime) -> list[tuple[int, str, int]]:
        """Segments whose exchanges are all older: id, name, bytes that exchanges refer to."""
        length = sa.func.coalesce(exchanges.c.request_length, 0) + sa.func.coalesce(exchanges.c.response_length, 0)
        query = (
            sa.select(segments.c.id, segments.c.name, sa.func.sum(length))
            .join(exchanges, exchanges.c.segment_id == segments.c.id)
            .where(segments.c.last_at < before)
            .group_by(segments.c.id, segments.c.name)
        )
        with self.engine.connect() as connection:
            return [(row[0], row[1], int(row[2])) for row in connection.execute(query)]

    def bodies(self, segment: int) -> tuple[datetime, list[Body]]:
        """When the last exchange of a segment was, and where the bodies of all that refer to it stand."""
        found = []
        with self.engine.connect() as connection:
            last = connection.scalars(sa.select(segments.c.last_at).where(segments.c.id == segment)).one()
            for row in connection.execute(sa.select(exchanges).where(exchanges.c.segment_id == segment)):
                for side in ("request", "response"):
                    offset, length = row._mapping[f"{side}_offset"], row._mapping[f"{side}_length"]
                    if offset is not None and length is not None:
                        found.append(Body(exchange=row.id, side=side, offset=offset, length=length))
        return last, found

    def move(self, segment: int, name: str, host: str, last: datetime, moved: Sequence[tuple[Body, int]]) -> bool:
        """These bodies stand in another file, at these offsets, and nothing in the old one. False, and nothing is
        changed, where it is not as it was read: an exchange was forgotten or its body wiped meanwhile."""
        with self.engine.begin() as connection:
            identity = self._segment(connection, name, host, last)
            for body, offset in moved:
                column = exchanges.c[f"{body.side}_offset"]
                mine = sa.and_(
                    exchanges.c.id == body.exchange, exchanges.c.segment_id == segment, column == body.offset
                )
                if connection.execute(exchanges.update().where(mine).values({column: offset})).rowcount != 1:
                    connection.rollback()
                    return False
            connection.execute(exchanges.update().where(exchanges.c.segment_id == segment).values(segment_id=identity))
            connection.execute(segments.delete().where(segments.c.id == segment))
        return True

    def every(self, chunk: int = 1000, after: int = 0, until: int | None = None) -> Iterator[Exchange]:
        """All exchanges, or those since one (`after`), up to one (`until`), oldest first."""
        last = after
        while until is None or last < until:
            end = last + chunk if until is None else min(last + chunk, until)
            yield from self.search([exchanges.c.id > last, exchanges.c.id <= end], chunk)
            with self.engine.connect() as connection:
                following = connection.scalar(sa.select(sa.func.min(exchanges.c.id)).where(exchanges.c.id > end))
            if following is None:
                return
            last = following - 1

    def without_body(self, identity: int, side: str) -> None:
        with self.engine.begin() as connection:
            nothing = {f"{side}_offset": None, f"{side}_length": None}
            connection.execute(exchanges.update().where(exchanges.c.id == identity).values(**nothing))

    def last(self) -> Position:
        """The newest exchange by its number."""
        with self.engine.connect() as connection:
            query = sa.select(exchanges.c.id, exchanges.c.time).order_by(exchanges.c.id.desc()).limit(1)
            row = connection.execute(query).one_or_none()
        return Position(id=row.id, time=row.time) if row else Position()

    def since(self, position: Position) -> int:
        """After which number one goes on from there; 0 where the position is not of this log, as after a restore."""
        with self.engine.connect() as connection:
            time = connection.scalar(sa.select(exchanges.c.time).where(exchanges.c.id == position.id))
        return position.id if time is not None and time == position.time else 0

    def extents(self, segment: str) -> list[tuple[int, int]]:
        """Where bodies stand in a file that exchanges refer to: offset and length, in no order."""
        found = []
        with self.engine.connect() as connection:
            for side in ("request", "response"):
                offset, length = exchanges.c[f"{side}_offset"], exchanges.c[f"{side}_length"]
                query = sa.select(offset, length).select_from(exchanges.join(segments))
                for row in connection.execute(query.where(segments.c.name == segment, offset.is_not(None))):
                    found.append((row[0], row[1]))
        return found

    def reword(self, identity: int, words: Mapping[str, str]) -> None:
        """Other words in the row of one exchange."""
        with self.engine.begin() as connection:
            connection.execute(exchanges.update().where(exchanges.c.id == identity).values(**words))

    def replace(
        self, person: PersonalTexts, but: Collection[int] = (), after: int = 0, until: int | None = None
    ) -> int:
        """Take the person out of the words of every row (those of `every`), `but` these; gives how many changed."""
        names = ("document", "url", "error", "request_headers", "response_headers")
        changed = 0
        for one in self.every(after=after, until=until):
            if one.id in but:
                continue
            with self.engine.connect() as connection:
                row = connection.execute(
                    sa.select(*(exchanges.c[name] for name in names)).where(exchanges.c.id == one.id)
                )
                if (there := row.one_or_none()) is None:
                    continue  # it had its time just now
                words = dict(there._mapping)
            new = {name: person.without(text, own=person.mentions(text)) for name, text in words.items()}
            if new != words:
                with self.engine.begin() as connection:
                    connection.execute(exchanges.update().where(exchanges.c.id == one.id).values(**new))
                changed += 1
        return changed

    def vacuum(self) -> None:
        """Nothing of what was there stays in the database's file."""
        if self.engine.dialect.name == "sqlite":
            with self.engine.connect() as plain:
                raw: Any = plain.connection.driver_connection
                raw.execute("VACUUM")
                raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def segment_names(self) -> set[str]:
        with self.engine.connect() as connection:
            return set(connection.scalars(sa.select(segments.c.name)))

    def ends(self, suffix: str) -> dict[str, int]:
        """Of segments whose name ends so: where the last body ends that an exchange refers to."""
        end = {
            side: sa.func.coalesce(
                sa.func.max(exchanges.c[f"{side}_offset"] + exchanges.c[f"{side}_length"]),
                0,
            )
            for side in ("request", "response")
        }
        query = (
            sa.select(segments.c.name, end["request"], end["response"])
            .select_from(segments.outerjoin(exchanges, exchanges.c.segment_id == segments.c.id))
            .where(segments.c.name.endswith(suffix))
            .group_by(segments.c.name)
        )
        with self.engine.connect() as connection:
            return {row[0]: max(row[1], row[2]) for row in connection.execute(query)}

    def close(self) -> None:
        self.engine.dispose()


def _exchange(values: dict[str, Any]) -> Exchange:
    for name in ("request_headers", "response_headers"):
        values[name] = msgspec.json.decode(values[name], type=list[tuple[str, str]])
    return Exchange(**values)


def _engine(url: str) -> sa.Engine:
    engine = sa.create_engine(url, execution_options={"compiled_cache": statements})
    if engine.dialect.name == "sqlite":

        @sa.event.listens_for(engine, "connect")
        def _connected(connection: Any, record: Any) -> None:
            # Transactions are begun below: sqlite3 itself would commit in between. Every writing one begins
            # with a write, so that it waits for its turn; one that reads first could only fail.
            connection.isolation_level = None
            connection.execute("PRAGMA busy_timeout=30000")
            connection.execute("PRAGMA synchronous=NORMAL")

        @sa.event.listens_for(engine, "begin")
        def _begun(connection: sa.Connection) -> None:
            connection.exec_driver_sql("BEGIN")

    return engine
