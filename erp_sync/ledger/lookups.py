"""Look-up tables with history: SKU map, payment methods, carriers, tax codes ... per route.

CSV is their import and export. Columns: ``key``, ``value`` (both needed), ``rule``, ``note``. Rules:

exact     the key itself (the default)
prefix    keys that begin with ``key``: it is replaced by ``value``
suffix    keys that end with ``key``: it is replaced by ``value``
pattern   keys that match the regular expression ``key`` as a whole; ``value`` may use ``\\1`` ...
default   where nothing else answers; its ``key`` is empty

An exact row beats rules, rules beat the default. Two rules that match are an error that names both.
An import replaces the table as a whole or, where the file has an error, not at all.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa

from erp_sync.ledger.errors import BadLookupFile
from erp_sync.ledger.schema import lookups
from erp_sync.ledger.sql import chunks
from erp_sync.ports.raw import MappingProblem

if TYPE_CHECKING:
    from erp_sync.ledger.engine import Database

#: Where a row came from that a person accepted as the remedy of a dead letter.
REMEMBERED = "remembered"

RULES = ("exact", "prefix", "suffix", "pattern", "default")
_COLUMNS = ("key", "value", "rule", "note")


class LookupRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row; `file` and `line` tell where it came from (line 1 is the header)."""

    key: str
    value: str
    rule: str = "exact"
    note: str = ""
    file: str = ""
    line: int = 0


class LookupVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A row of a table's history: it was in force from `valid_from` until `valid_to` (None: still)."""

    table: str
    row: LookupRow
    valid_from: datetime
    valid_to: datetime | None
    who: str


class Imported(msgspec.Struct, frozen=True):
    added: int
    changed: int
    removed: int
    unchanged: int


def parse_csv(text: str, file: str) -> list[LookupRow]:
    """Rows of a look-up file. Raises BadLookupFile with every problem's line and column."""
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff")), strict=True)
    problems: list[tuple[int, str, str]] = []
    rows: list[LookupRow] = []
    seen: dict[tuple[str, str], int] = {}
    header: list[str] | None = None
    try:
        for cells in reader:
            line = reader.line_num
            if header is None:
                header = [cell.strip() for cell in cells]
                for name in header:
                    if name not in _COLUMNS:
                        problems.append((line, name, f"no such column; there are {', '.join(_COLUMNS)}"))
                for name in ("key", "value"):
                    if name not in header:
                        problems.append((line, name, "the column is missing"))
                if len(set(header)) != len(header):
                    problems.append((line, header[0], "a column is there twice"))
                if problems:
                    break
                continue
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                wrong = f"the row has {len(cells)} cells, the header {len(header)}"
                problems.append((line, header[min(len(cells), len(header) - 1)], wrong))
                continue
            values = dict(zip(header, cells, strict=True))
            row = LookupRow(
                key=values["key"],
                value=values["value"],
                rule=values.get("rule", "").strip() or "exact",
                note=values.get("note", ""),
                file=file,
                line=line,
            )
            problem = _problem(row)
            if problem is not None:
                problems.append((line, *problem))
                continue
            first = seen.setdefault((row.rule, row.key), line)
            if first != line:
                problems.append((line, "key", f"{row.rule} {row.key!r} is in line {first} already"))
                continue
            rows.append(row)
    except csv.Error as error:
        problems.append((reader.line_num, "key", f"not CSV: {error}"))
    if header is None:
        problems.append((1, "key", "the file is empty; expected a header with key,value"))
    if problems:
        raise BadLookupFile(file, problems)
    return rows


def _problem(row: LookupRow) -> tuple[str, str] | None:
    if row.rule not in RULES:
        return "rule", f"{row.rule!r} is no rule; there are {', '.join(RULES)}"
    if row.rule == "default" and row.key:
        return "key", f"a default has no key, found {row.key!r}"
    if row.rule != "default" and not row.key:
        return "key", "empty"
    if row.key != row.key.strip():
        return "key", f"{row.key!r} begins or ends with a space"
    if row.rule in ("exact", "default", "pattern") and not row.value:
        return "value", "empty"
    if row.rule == "pattern":
        try:
            pattern = re.compile(row.key)
        except re.error as error:
            return "key", f"no regular expression: {error}"
        missing = [group for group in re.findall(r"\\(\d+)", row.value) if int(group) > pattern.groups]
        if missing:
            return "value", f"the pattern has no group {missing[0]}"
    return None


class RouteLookups:
    """The tables of one route as they were at one moment: `erp_sync.ports.lookups.Lookups`. Reads nothing."""

    def __init__(self, route: str, rows: Sequence[tuple[str, LookupRow]]) -> None:
        self.route = route
        self._exact: dict[str, dict[str, LookupRow]] = {}
        self._rules: dict[str, list[tuple[LookupRow, Callable[[str], str | None] | None]]] = {}
        self._default: dict[str, LookupRow] = {}
        self._reversed: dict[str, dict[str, list[str]]] = {}
        for table, row in rows:
            self._exact.setdefault(table, {})
            if row.rule == "exact":
                self._exact[table][row.key] = row
            elif row.rule == "default":
                self._default[table] = row
            else:
                compiled = _replacement(row.key, row.value) if row.rule == "pattern" else None
                self._rules.setdefault(table, []).append((row, compiled))

    @property
    def tables(self) -> tuple[str, ...]:
        return tuple(sorted(self._exact))

    def get(self, table: str, key: str) -> str | None:
        """The mapped value; None where nothing answers. Raises MappingProblem where two rules match."""
        exact = self._exact.get(table, {}).get(key)
        if exact is not None:
            return exact.value
        answers = [(row, value) for row, value in self._answers(table, key) if value is not None]
        if len(answers) > 1:
            places = " and ".join(
                f"{row.rule} {row.key!r} ({row.file or table}, line {row.line})" for row, _ in answers[:3]
            )
            raise MappingProblem(f"ambiguous_{table}", table, key, f"several rules match: {places}")
        if answers:
            return answers[0][1]
        default = self._default.get(table)
        return default.value if default is not None else None

    def require(self, table: str, key: str) -> str:
        """Like `get`. Raises MappingProblem with code ``unmapped_<table>`` where nothing answers."""
        found = self.get(table, key)
        if found is None:
            raise MappingProblem(f"unmapped_{table}", table, key, f"look-up table {table} has no row or rule for it")
        return found

    def reverse(self, table: str, value: str) -> list[str]:
        """Keys that the table maps to this value: exact rows, the value itself, and what prefix and suffix
        rules could have been applied to. Patterns are not turned round. Without the table: the value itself.
        """
        if table not in self._exact:
            return [value]
        if table not in self._reversed:
            turned: dict[str, list[str]] = {}
            for key, row in self._exact[table].items():
                turned.setdefault(row.value, []).append(key)
            self._reversed[table] = turned
        found = list(self._reversed[table].get(value, ()))
        candidates = [value]
        for row, _ in self._rules.get(table, ()):
            if row.rule == "prefix" and value.startswith(row.value):
                candidates.append(row.key + value[len(row.value) :])
            elif row.rule == "suffix" and value.endswith(row.value):
                candidates.append(value[: len(value) - len(row.value)] + row.key)
        found += [one for one in candidates if one not in found and self.get(table, one) == value]
        return found

    def _answers(self, table: str, key: str) -> list[tuple[LookupRow, str | None]]:
        answers: list[tuple[LookupRow, str | None]] = []
        for row, pattern in self._rules.get(table, ()):
            if row.rule == "prefix" and key.startswith(row.key):
                answers.append((row, row.value + key[len(row.key) :]))
            elif row.rule == "suffix" and key.endswith(row.key):
                answers.append((row, key[: -len(row.key)] + row.value))
            elif pattern is not None:
                found = pattern(key)
                if found is not None:
                    answers.append((row, found))
        return answers


def _replacement(pattern: str, value: str) -> Callable[[str], str | None]:
    """What a pattern makes of a whole text, None where it does not match.

    `Match.expand` reads its template anew each time; one of plain groups is read once here.
    """
    fullmatch = re.compile(pattern).fullmatch
    texts = re.split(r"\\([1-9]\d?)", value)
    if any("\\" in text for text in texts[::2]):
        return lambda key: match.expand(value) if (match := fullmatch(key)) else None
    parts: list[str | int] = [int(text) if at % 2 else text for at, text in enumerate(texts)]

    def replaced(key: str) -> str | None:
        match = fullmatch(key)
        if match is None:
            return None
        return "".join(part if isinstance(part, str) else match[part] or "" for part in parts)

    return replaced


# What `_row` needs and no more: every batch reads all tables, and a time costs more than the rest of its row.
_SHOWN = [lookups.c[name] for name in ("lookup", "key", "value", "rule", "note", "file", "line")]
_OF_ROUTE = sa.select(*_SHOWN).where(lookups.c.route == sa.bindparam("of_route")).order_by(lookups.c.id)
_IN_FORCE = _OF_ROUTE.where(lookups.c.valid_to.is_(None))


class LookupTables:
    """`ledger.lookups`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, route: str, at: datetime | None = None) -> RouteLookups:
        """The route's tables in force now, or at a past moment (UTC). Take it once a run."""
        if at is not None:
            current = sa.and_(lookups.c.valid_from <= at, sa.or_(lookups.c.valid_to.is_(None), lookups.c.valid_to > at))
        query = _OF_ROUTE.where(current) if at is not None else _IN_FORCE
        with self._database.read() as read:
            found = read.execute(query, {"of_route": route})
            # By position: by their names the columns of a row take longer than the database does.
            return RouteLookups(
                route,
                [
                    (table, LookupRow(key=key, value=value, rule=rule, note=note, file=file, line=line))
                    for table, key, value, rule, note, file, line in found
                ],
            )

    def rows(self, route: str, table: str) -> list[LookupRow]:
        """The rows in force."""
        query = sa.select(lookups).where(
            lookups.c.route == route, lookups.c.lookup == table, lookups.c.valid_to.is_(None)
        )
        with self._database.read() as read:
            return [_row(row) for row in read.execute(query.order_by(lookups.c.rule, lookups.c.key))]

    def remember(self, route: str, table: str, key: str, value: str, *, who: str, note: str = "") -> Imported:
        """Add an exact row, or change it. It outlives imports by `init`. Raises BadLookupFile for an empty one."""
        row = LookupRow(key=key, value=value, note=note, file=REMEMBERED)
        others = [one for one in self.rows(route, table) if (one.rule, one.key) != ("exact", key)]
        return self.replace(route, table, [*others, row], who)

    def replace(
        self, route: str, table: str, rows: Sequence[LookupRow], who: str, keep_remembered: bool = False
    ) -> Imported:
        """Make these the table's rows. Rows that stay keep their history; others end now.

        Args:
            keep_remembered: rows that `remember` added stay where these have no other for their key.

        Raises BadLookupFile where a row is wrong.
        """
        problems = [(row.line, *problem) for row in rows if (problem := _problem(row)) is not None]
        if problems:
            raise BadLookupFile(rows[0].file or table, problems)
        wanted = {(row.rule, row.key): row for row in rows}
        if len(wanted) != len(rows):
            raise ValueError(f"look-up table {table}: a key is there twice")
        added = changed = unchanged = 0
        with self._database.write(durable=True) as write:
            self._database.exclude(write, "lookups", route, table)
            now = self._database.now()
            in_force = write.execute(
                sa.select(lookups).where(
                    lookups.c.route == route, lookups.c.lookup == table, lookups.c.valid_to.is_(None)
                )
            ).all()
            existing = {(row.rule, row.key): row for row in in_force}
            if keep_remembered:
                kept = {key: _row(old) for key, old in existing.items() if old.file == REMEMBERED}
                wanted = kept | wanted
            ended: list[int] = []
            moved: list[dict[str, Any]] = []
            for key, old in existing.items():
                new = wanted.get(key)
                if new is not None and (new.value, new.note) == (old.value, old.note):
                    unchanged += 1
                    if (new.file, new.line) != (old.file, old.line):
                        moved.append({"row": old.id, "to_file": new.file, "to_line": new.line})
                    continue
                changed += new is not None
                ended.append(old.id)
            if moved:
                place: dict[str, Any] = {"file": sa.bindparam("to_file"), "line": sa.bindparam("to_line")}
                write.execute(sa.update(lookups).where(lookups.c.id == sa.bindparam("row")).values(place), moved)
            for some in chunks(ended):
                write.execute(sa.update(lookups).where(lookups.c.id.in_(some)).values(valid_to=now))
            gone = set(ended)
            fresh: list[dict[str, Any]] = []
            for key, new in wanted.items():
                old_row = existing.get(key)
                if old_row is not None and old_row.id not in gone:
                    continue
                added += old_row is None
                fresh.append(
                    {
                        "route": route,
                        "lookup": table,
                        "rule": new.rule,
                        "key": new.key,
                        "value": new.value,
                        "note": new.note,
                        "file": new.file,
                        "line": new.line,
                        "valid_from": now,
                        "who": who,
                    }
                )
            if fresh:
                write.execute(sa.insert(lookups), fresh)
        return Imported(added, changed, len(ended) - changed, unchanged)

    def import_csv(self, route: str, table: str, file: Path, who: str, keep_remembered: bool = False) -> Imported:
        """Replace a table by a CSV file. Raises BadLookupFile naming file, line and column; nothing changes then."""
        try:
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            line = file.read_bytes()[: error.start].count(b"\n") + 1
            raise BadLookupFile(str(file), [(line, "key", "not UTF-8")]) from error
        return self.replace(route, table, parse_csv(text, str(file)), who, keep_remembered)

    def export_csv(self, route: str, table: str, file: Path) -> int:
        """Write the table in force as CSV; importing it again changes nothing. Gives the number of rows."""
        query = (
            sa.select(lookups)
            .where(lookups.c.route == route, lookups.c.lookup == table, lookups.c.valid_to.is_(None))
            .order_by(lookups.c.rule, lookups.c.key)
        )
        with self._database.read() as read:
            rows = [_row(row) for row in read.execute(query)]
        with file.open("w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out, lineterminator="\n")
            writer.writerow(_COLUMNS)
            writer.writerows((row.key, row.value, row.rule, row.note) for row in rows)
        return len(rows)

    def history(self, route: str, table: str, key: str | None = None) -> list[LookupVersion]:
        """All rows that were ever in force, oldest first."""
        query = sa.select(lookups).where(lookups.c.route == route, lookups.c.lookup == table)
        if key is not None:
            query = query.where(lookups.c.key == key)
        with self._database.read() as read:
            return [
                LookupVersion(
                    table=row.lookup,
                    row=_row(row),
                    valid_from=row.valid_from,
                    valid_to=row.valid_to,
                    who=row.who,
                )
                for row in read.execute(query.order_by(lookups.c.valid_from, lookups.c.id))
            ]


def _row(row: sa.Row) -> LookupRow:
    return LookupRow(key=row.key, value=row.value, rule=row.rule, note=row.note, file=row.file, line=row.line)
