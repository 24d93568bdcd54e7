"""The ledger's statements on SQLite without SQLAlchemy's bookkeeping, which costs several times what SQLite does.

A seed executes thousands of small statements. `Engine` stands in the place of an engine of SQLAlchemy's: statements
are built, compiled and their values converted by SQLAlchemy itself, transactions begin as the ledger's own engine
begins them; pools, events, cursors and their results are left out. `test_quick_sql` holds it against the real one.
What the ledger does not use is not there: an AttributeError says so.
"""

from __future__ import annotations

import sqlite3
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from functools import partial
from itertools import count
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Row
from sqlalchemy.engine.result import SimpleResultMetaData
from sqlalchemy.inspection import _inspects

from erp_sync.ledger.columns import Utc
from erp_sync.packing import prepare

STATEMENTS_KEPT = 1000  # by SQLite's driver, on each connection; all of the ledger's
_numbers = count(1)  # of databases in memory


class Engine:
    """Gives connections to the database of `real`, an engine of SQLAlchemy's on a file of SQLite.

    Args:
        memory: read the file once, when the first connection is opened, and leave it as it is: transactions on a
            database in this process's memory cost half of those on a file, which are locked and logged for others.
            In such a database nobody can commit while somebody else reads. After its end its rows are those of the file
            again, and its connections stay: they know the statements, which take longer to prepare than to execute.
    """

    def __init__(self, real: sa.Engine, memory: bool = False) -> None:
        self._real = real
        with real.connect():
            pass  # the dialect asks the first connection what it may do
        self.dialect = real.dialect
        self._file = real.url.database or ""
        self._memory = f"file:/{next(_numbers)}?vfs=memdb" if memory else ""
        self._beginning: _Beginning | None = None
        self._ended = False
        self._idle: list[sqlite3.Connection] = []
        self._all: list[sqlite3.Connection] = []

    def connect(self) -> Connection:
        return Connection(self, self.opened())

    def opened(self) -> sqlite3.Connection:
        """A connection of the driver's own, until it is given back."""
        if self._ended and self._beginning is not None:
            self._beginning.restore()
        self._ended = False
        if self._idle:
            return self._idle.pop()
        if self._memory and self._beginning is None:
            self._beginning = _Beginning(self._file, self._memory)
        name = self._memory or self._file
        raw = sqlite3.connect(
            name, isolation_level=None, cached_statements=STATEMENTS_KEPT, uri=bool(self._memory), timeout=1.0
        )
        for setting in ("foreign_keys=OFF", "synchronous=OFF", "temp_store=MEMORY", "cache_size=-16000"):
            raw.execute(f"PRAGMA {setting}")
        if self._memory:
            raw.execute("PRAGMA journal_mode=MEMORY")
        prepare(raw)
        self._all.append(raw)
        return raw

    def give_back(self, raw: sqlite3.Connection) -> None:
        if raw.in_transaction:
            raw.execute("ROLLBACK")
        self._idle.append(raw)

    def dispose(self) -> None:
        """As an engine of SQLAlchemy's does: nothing of the database is lost by it, so one in memory stays."""
        if not self._memory:
            self.end()

    def end(self) -> None:
        """Nothing of what was written to a database in memory stays; connections to a file are closed, and those that
        nobody gave back."""
        kept = self._idle if self._memory else []
        for raw in self._all:
            if raw not in kept:
                raw.close()
        self._all, self._idle, self._ended = [*kept], [*kept], True
        self._real.dispose()


class _Beginning:
    """What a file held, beside a database in memory that began with it. No table comes or goes meanwhile."""

    def __init__(self, file: str, memory: str) -> None:
        beginning = f"file:/{next(_numbers)}?vfs=memdb"
        self._raw = sqlite3.connect(memory, isolation_level=None, uri=True, cached_statements=STATEMENTS_KEPT)
        with closing(sqlite3.connect(file)) as there, closing(sqlite3.connect(beginning, uri=True)) as copy:
            there.backup(self._raw)
            there.backup(copy)
            self._raw.execute("ATTACH ? AS beginning", [beginning])
        found = self._raw.execute("SELECT name FROM beginning.sqlite_master WHERE type = 'table'").fetchall()
        self._tables = [(name, self._raw.execute(f'SELECT 1 FROM beginning."{name}"').fetchone()) for (name,) in found]

    def restore(self) -> None:
        self._raw.execute("BEGIN IMMEDIATE")
        for name, filled in self._tables:
            self._raw.execute(f'DELETE FROM main."{name}"')
            if filled:
                self._raw.execute(f'INSERT INTO main."{name}" SELECT * FROM beginning."{name}"')
        self._raw.execute("COMMIT")


class Connection:
    """As far as the ledger uses one of SQLAlchemy's."""

    def __init__(self, engine: Engine, raw: sqlite3.Connection) -> None:
        self._engine, self._raw, self.dialect = engine, raw, engine.dialect
        self._begin = "BEGIN DEFERRED"

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self._engine.give_back(self._raw)

    def execution_options(self, *, ledger_begin: str = "", **_: Any) -> Connection:
        if ledger_begin:
            self._begin = f"BEGIN {ledger_begin}"
        return self

    def begin(self) -> _Transaction:
        self._raw.execute(self._begin)
        return _Transaction(self._raw)

    def execute(self, statement: Any, parameters: Any = None, *, execution_options: Any = None) -> Result:
        many = parameters if isinstance(parameters, list) else [parameters] if parameters else []
        plan = _plan(statement, many[0] if many else {}, self.dialect)
        return plan.execute(self._raw, statement, many)

    def scalar(self, statement: Any, parameters: Any = None) -> Any:
        return self.execute(statement, parameters).scalar()

    def scalars(self, statement: Any, parameters: Any = None) -> Any:
        return self.execute(statement, parameters).scalars()

    def exec_driver_sql(self, sql: str, parameters: Any = None, *, execution_options: Any = None) -> Result:
        if isinstance(parameters, list):
            return Result(None, [], self._raw.executemany(sql, parameters).rowcount)
        cursor = self._raw.execute(sql, parameters or ())
        return Result(_named(cursor), cursor.fetchall() if cursor.description else [], cursor.rowcount)

    def has_table(self, name: str) -> bool:
        """What is asked of `sa.inspect(connection)`."""
        query = sa.text("SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = :name")
        return bool(self.scalar(query, {"name": name}))


_inspects(Connection)(lambda connection: connection)


class _Transaction:
    def __init__(self, raw: sqlite3.Connection) -> None:
        self._raw = raw

    def __enter__(self) -> _Transaction:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._raw.execute("COMMIT" if kind is None else "ROLLBACK")


# -- statements --------------------------------------------------------------------------------------


# The name by which a value is given, the converted value itself where none is, its converter, whether it is a list.
_Source = tuple[str | None, Any, Callable[[Any], Any] | None, bool]


class _Plan:
    """A compiled statement, and how its values and rows are converted."""

    def __init__(self, compiled: Any, dialect: Any) -> None:
        if compiled.insert_prefetch or compiled.update_prefetch:
            raise NotImplementedError(f"defaults of Python's own: {compiled.string}")
        self.compiled = compiled
        self._places = _places_of(compiled)
        lists = [one[2] for one in self._places if one[2] in compiled.post_compile_params]
        self.has_lists = bool(lists)
        # Texts by how long the lists are, whose values then stand where their list stood.
        self._texts: dict[tuple[int, ...], str] = {}
        self._simple = not compiled.literal_execute_params and not any(
            one.type._is_tuple_type or one.literal_execute for one in lists
        )
        self.metadata: SimpleResultMetaData | None = None
        if columns := compiled._result_columns:
            converters = [
                one.type.dialect_impl(dialect).result_processor(dialect, None) if one.type is not None else None
                for one in columns
            ]
            names = [one.keyname for one in columns]
            extra = [tuple(thing for thing in one.objects if thing != one.keyname) for one in columns]
            self.metadata = SimpleResultMetaData(names, extra, converters if any(converters) else None)

    def sources(self, names: Sequence[str], extracted: Any) -> list[_Source] | None:
        """Where the statement's values come from, by position, when these are given; None where only SQLAlchemy knows.

        What `construct_params` finds out with every execution.
        """
        if not self._simple:
            return None
        found: list[_Source] = []
        for key, name, parameter, place, convert in self._places:
            is_list = parameter in self.compiled.post_compile_params
            given = key if key in names else name if name in names else None
            value = None
            if given is None:
                if parameter.required:
                    raise sa.exc.InvalidRequestError(f"A value is required for bind parameter {key!r}")
                if parameter.callable:
                    return None
                value = (extracted[place] if extracted and place is not None else parameter).value
                if convert is not None and not is_list:
                    value = convert(value)
            found.append((given, value, convert, is_list))
        return found

    def text(self, lengths: tuple[int, ...], values: Mapping[str, Any] | None, extracted: Any) -> str:
        """The statement for lists as long as these."""
        if (text := self._texts.get(lengths)) is None:
            text = self._texts[lengths] = self.by_sqlalchemy(values, extracted, None)[0]
        return text

    def by_sqlalchemy(
        self, values: Mapping[str, Any] | None, extracted: Any, collected: Any
    ) -> tuple[str, tuple[Any, ...]]:
        compiled = self.compiled
        given = compiled.construct_params(
            values, extracted_parameters=extracted, escape_names=False, _collected_params=collected
        )
        text, places, converters = compiled.string, compiled.positiontup, compiled._bind_processors
        if compiled.literal_execute_params or compiled.post_compile_params:
            expanded = compiled._process_parameters_for_postcompile(given)
            text, places, given = expanded.statement, expanded.positiontup, {**given, **expanded.parameters}
            converters = {**converters, **expanded.processors}
        return text, tuple([converters[one](given[one]) if one in converters else given[one] for one in places])


def _places_of(compiled: Any) -> list[tuple[str, str, Any, int | None, Any]]:
    """Of each parameter by position: key, name, itself, its place among those of the cache key, converter."""
    matches = compiled._cache_key_bind_match[0] if compiled.cache_key else {}
    places: dict[Any, int] = {}
    for place, one in enumerate(compiled.cache_key[1] if compiled.cache_key else ()):
        places.update({parameter: place for parameter in matches[one]})
    parameters = {name: parameter for parameter, name in compiled.bind_names.items()}
    times = {
        name: _time_converter(one.type, compiled.dialect) for name, one in parameters.items() if type(one.type) is Utc
    }
    converters = {**compiled._bind_processors, **times}
    return [
        (one.key, name, one, places.get(one), converters.get(name))
        for name in compiled.positiontup
        for one in [parameters[name]]
    ]


def _time_converter(kind: Utc, dialect: Any) -> Callable[[datetime | None], str | None]:
    """SQLAlchemy's for SQLite fills a form with each part of a time, which takes three times as long."""

    def converted(value: datetime | None) -> str | None:
        found = kind.process_bind_param(value, dialect)
        return None if found is None else found.isoformat(" ", "microseconds")

    return converted


class _Prepared:
    """A statement with its plan, for values of these names."""

    def __init__(self, plan: _Plan, extracted: Any, collected: Any, names: Sequence[str]) -> None:
        self._plan, self._extracted, self._collected = plan, extracted, collected
        self._sources = plan.sources(names, extracted) if not collected else None

    def bound(self, values: Mapping[str, Any]) -> tuple[str, tuple[Any, ...]]:
        """The statement's text and its values by position."""
        plan, sources = self._plan, self._sources
        if sources is None:
            return plan.by_sqlalchemy(values, self._extracted, self._collected)
        if not plan.has_lists:
            return plan.compiled.string, tuple(
                [
                    value if name is None else values[name] if convert is None else convert(values[name])
                    for name, value, convert, _ in sources
                ]
            )
        found: list[Any] = []
        lengths: list[int] = []
        for name, value, convert, is_list in sources:
            one = value if name is None else values[name]
            if is_list:
                some = list(one)
                found += some if convert is None else map(convert, some)
                lengths.append(len(some))
            else:
                found.append(one if name is None or convert is None else convert(one))
        return plan.text(tuple(lengths), values, self._extracted), tuple(found)

    def execute(self, raw: sqlite3.Connection, statement: Any, many: Sequence[Any]) -> Result:
        plan = self._plan
        if len(many) < 2:
            return self._once(raw, many[0] if many else {})
        bound = [self.bound(values) for values in many]
        try:
            if plan.metadata is None:
                return Result(None, [], raw.executemany(bound[0][0], [values for _, values in bound]).rowcount)
            rows: list[Any] = []
            count = 0
            metadata = plan.metadata
            for text, values in bound:
                cursor = raw.execute(text, values)
                if cursor.description is not None:
                    rows += cursor.fetchall()
                    metadata = metadata or _named(cursor)
                count += max(0, cursor.rowcount)
            return Result(metadata, rows, count)
        except sqlite3.IntegrityError as error:
            raise sa.exc.IntegrityError(bound[0][0], None, error) from error
        except sqlite3.OperationalError as error:
            raise sa.exc.OperationalError(bound[0][0], None, error) from error

    def _once(self, raw: sqlite3.Connection, values: Any) -> Result:
        """The same for one set of values, as most are."""
        plan = self._plan
        text, bound = self.bound(values)
        try:
            cursor = raw.execute(text, bound)
            if cursor.description is None:
                return Result(plan.metadata, [], max(0, cursor.rowcount))
            rows = cursor.fetchall()
        except sqlite3.IntegrityError as error:
            raise sa.exc.IntegrityError(text, None, error) from error
        except sqlite3.OperationalError as error:
            raise sa.exc.OperationalError(text, None, error) from error
        return Result(plan.metadata or _named(cursor), rows, max(0, cursor.rowcount))


_places: dict[int, list[tuple[int, tuple[str, ...]]]] = {}
_plans: dict[Any, tuple[Any, _Plan]] = {}
_compiled: dict[Any, Any] = {}
_prepared: dict[tuple[int, tuple[str, ...]], _Prepared] = {}
_seen: dict[int, weakref.ref[Any]] = {}


def _plan(statement: Any, values: Mapping[str, Any], dialect: Any) -> _Prepared:
    """By the statement's own identity, where it is one of a module's; else by SQLAlchemy's key."""
    names = tuple(values) if values else ()
    place = (id(statement), names)
    if (found := _prepared.get(place)) is not None:
        return found
    compiled, extracted, collected, _ = statement._compile_w_cache(
        dialect=dialect, compiled_cache=_compiled, column_keys=sorted(names), for_executemany=False
    )
    known = _plans.get(id(compiled))
    if known is None or known[0] is not compiled:
        known = _plans[id(compiled)] = (compiled, _Plan(compiled, dialect))
    made = _Prepared(known[1], extracted, collected, names)
    _prepared[place] = made
    if id(statement) not in _seen:
        _seen[id(statement)] = weakref.ref(statement, _forget(id(statement)))
    _places.setdefault(id(statement), []).append(place)
    return made


def _forget(number: int) -> Callable[[Any], None]:
    # Their own names: the interpreter may be on its way out, and the module's gone.
    def gone(_: Any, seen: Any = _seen, places: Any = _places, prepared: Any = _prepared) -> None:
        seen.pop(number, None)
        for place in places.pop(number, ()):
            prepared.pop(place, None)

    return gone


def _named(cursor: sqlite3.Cursor) -> SimpleResultMetaData | None:
    return SimpleResultMetaData([one[0] for one in cursor.description]) if cursor.description else None


# -- rows --------------------------------------------------------------------------------------------


class Result:
    """Rows of SQLAlchemy's own kind, read to the end."""

    def __init__(self, metadata: SimpleResultMetaData | None, rows: list[Any], count: int) -> None:
        self._metadata, self._rows, self.rowcount = metadata, rows, count

    def _row(self) -> Callable[[Any], Row[Any]]:
        metadata = self._metadata
        assert metadata is not None, "the statement gives no rows"
        return partial(Row, metadata, metadata._processors, metadata._key_to_index)

    def __iter__(self) -> Iterator[Row[Any]]:
        rows, self._rows = self._rows, []
        return map(self._row(), rows) if rows else iter(())

    def all(self) -> list[Row[Any]]:
        return list(self)

    def first(self) -> Row[Any] | None:
        return self._row()(self._rows[0]) if self._rows else None

    def one_or_none(self) -> Row[Any] | None:
        if len(self._rows) > 1:
            raise sa.exc.MultipleResultsFound("several rows where one was asked for")
        return self.first()

    def one(self) -> Row[Any]:
        if (row := self.one_or_none()) is None:
            raise sa.exc.NoResultFound("no row where one was asked for")
        return row

    def scalar(self) -> Any:
        row = self.first()
        return row[0] if row is not None else None

    def scalar_one(self) -> Any:
        return self.one()[0]

    def scalar_one_or_none(self) -> Any:
        row = self.one_or_none()
        return row[0] if row is not None else None

    def scalars(self) -> Scalars:
        return Scalars(row[0] for row in self)


class Scalars:
    def __init__(self, values: Iterator[Any]) -> None:
        self._values = values

    def __iter__(self) -> Iterator[Any]:
        return self._values

    def all(self) -> list[Any]:
        return list(self._values)

    def first(self) -> Any:
        return next(self._values, None)

    def one(self) -> Any:
        (value,) = self._values
        return value

    def one_or_none(self) -> Any:
        values = list(self._values)
        if len(values) > 1:
            raise sa.exc.MultipleResultsFound("several rows where one was asked for")
        return values[0] if values else None
