"""The warehouse's list of what it shipped by hand, read row by row. What is wrong is named with file, line and column,
and the good rows go on."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path

import msgspec

from erp_sync.operations.choosing import CannotDo

NEEDED = ("order", "sku", "quantity", "carrier", "tracking")
OPTIONAL = ("location", "shipped_on")
_ROUNDED = re.compile(r"\d+([.,]\d+)?E\+?\d+", re.IGNORECASE)
MOST_BYTES = 20_000_000
#: Where a day begins first it is so much later than UTC: a warehouse there writes its own date.
EASTERNMOST = timedelta(hours=14)


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """A row that does not go on. `do`: how to mend it."""

    file: str
    line: int
    column: str
    problem: str
    do: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}, {self.column}: {self.problem}. {self.do}"


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One row that can be understood. `line` counts from the header, which is 1."""

    line: int
    order: str
    sku: str
    quantity: Decimal
    carrier: str
    tracking: str
    location: str = ""
    shipped_on: date | None = None


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """`empty`: rows that nobody filled in: not shipped."""

    rows: list[Row]
    problems: list[Problem]
    empty: int
    ignored_columns: tuple[str, ...]


def read_list(file: Path) -> Listed:
    """Raises CannotDo for a file that is no such list at all."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise CannotDo(f"cannot read {file}: {error.strerror}") from error
    if len(data) > MOST_BYTES:
        raise CannotDo(f"{file} is larger than {MOST_BYTES // 1_000_000} MB: no list of shipments; divide it")
    return parse(_decoded(data, file), str(file))


def _decoded(data: bytes, file: Path) -> str:
    """Spreadsheets write UTF-8 with a mark, or the code page of Western Windows."""
    if b"\0" in data:
        raise CannotDo(f"{file} is no text; save the list as CSV")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def parse(text: str, file: str) -> Listed:
    """See `read_list`."""
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    header = [cell.strip().lower() for cell in next(reader, [])]
    missing = [name for name in NEEDED if name not in header]
    if missing:
        raise CannotDo(
            f"{file}:1: no column {', '.join(missing)}; the first line names the columns: {', '.join(NEEDED)}, and if "
            f"you like {', '.join(OPTIONAL)}"
        )
    rows: list[Row] = []
    problems: list[Problem] = []
    empty = 0
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            problems.append(_problem(file, reader.line_num, "row", str(error), "Correct the quotes of this line."))
            break
        if cells is None:
            break
        values = {name: cell.strip().removeprefix("'") for name, cell in zip(header, cells, strict=False)}
        if not any(values.get(name) for name in ("carrier", "tracking")):
            empty += 1
            continue
        row = _row(values, file, reader.line_num, delimiter)
        if isinstance(row, Problem):
            problems.append(row)
        else:
            rows.append(row)
    ignored = tuple(name for name in header if name and name not in NEEDED + OPTIONAL)
    return Listed(rows=rows, problems=problems, empty=empty, ignored_columns=ignored)


def _row(values: Mapping[str, str], file: str, line: int, delimiter: str) -> Row | Problem:
    for name in NEEDED:
        if not values.get(name):
            return _problem(
                file, line, name, "it is empty", f"Fill in {name}, or leave carrier and tracking empty too."
            )
    if _ROUNDED.fullmatch(values["tracking"]):
        return _problem(
            file,
            line,
            "tracking",
            f"{values['tracking']} was rounded by the spreadsheet",
            "Make the column a text, and enter the number again from the parcel.",
        )
    quantity = _quantity(values["quantity"], delimiter)
    if quantity is None or quantity <= 0:
        return _problem(
            file, line, "quantity", f"{values['quantity']!r} is no quantity above zero", "Enter what was shipped."
        )
    shipped_on = None
    if values.get("shipped_on"):
        try:
            shipped_on = date.fromisoformat(values["shipped_on"])
        except ValueError:
            words = f"{values['shipped_on']!r} is no date"
            return _problem(file, line, "shipped_on", words, "Write it like 2026-11-29.")
        if shipped_on > (datetime.now(UTC) + EASTERNMOST).date():
            words = f"{values['shipped_on']} is still to come"
            return _problem(file, line, "shipped_on", words, "Enter the day on which the carrier took it.")
    return Row(
        line=line,
        order=values["order"],
        sku=values["sku"],
        quantity=quantity,
        carrier=values["carrier"],
        tracking=values["tracking"],
        location=values.get("location", ""),
        shipped_on=shipped_on,
    )


def _quantity(text: str, delimiter: str) -> Decimal | None:
    """Where columns are parted by semicolons the comma is the decimal sign."""
    try:
        quantity = Decimal(text.replace(",", ".") if delimiter == ";" else text)
    except InvalidOperation:
        return None
    return quantity if quantity.is_finite() else None


def _problem(file: str, line: int, column: str, problem: str, do: str) -> Problem:
    return Problem(file=file, line=line, column=column, problem=problem, do=do)


def together(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Rows by order, in the order of the list."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.order, []).append(row)
    return found
