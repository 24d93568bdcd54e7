"""Texts that repeat themselves as they lie in a database: packed, and unpacked wherever they are read.

An order as a store sends it is 30 to 50 kB of JSON that says little, and an event of Dagster's 2 kB of which 200 bytes
are its own. SQLite keeps what it is given, so these columns pack it. PostgreSQL compresses long values by itself
(TOAST) and searches in them as they are written; there the columns leave them alone.

A packed value begins with a byte that no text begins with. What is written without it, by an earlier version or since
it is too short to gain, is read as it stands. A dictionary has what such texts have in common: a file beside this
module, never changed once something was packed with it, since nothing can be read without it; better ones get a number
of their own.
"""

from __future__ import annotations

import zlib
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa

_MARK = b"\x00z"
_LEVEL = 6
_FOLDER = Path(__file__).with_name("dictionaries")

DOCUMENTS = 1
"""Records of vendors and canonical documents."""
EVENTS = 2
"""What Dagster keeps of runs."""
CALLS = 3
"""Addresses and headers of HTTP."""

WORTH_IT = 96
"""Shorter values stay as they are: marks for what was forgotten or erased can be compared in SQL."""

UNPACKED = "erp_sync_unpacked"
"""SQLite's name for `unpacked`."""


@cache
def _dictionary(number: int) -> bytes:
    return (_FOLDER / f"{number}.txt").read_bytes()


@cache
def _compressor(number: int) -> Any:
    """One that has read its dictionary, to be copied: reading it takes longer than most values do."""
    return zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS, zdict=_dictionary(number))


def packed(value: bytes, dictionary: int) -> bytes:
    """The value as SQLite keeps it. Always the same for the same value."""
    if len(value) < WORTH_IT and not value.startswith(_MARK):
        return value
    compressor = _compressor(dictionary).copy()
    small: bytes = _MARK + bytes((dictionary,)) + compressor.compress(value) + compressor.flush()
    return small if len(small) < len(value) or value.startswith(_MARK) else value


def unpacked(value: Any) -> Any:
    """What was packed, or the value itself where it was not. Raises zlib.error where it is damaged."""
    if not isinstance(value, bytes) or not value.startswith(_MARK):
        return value
    numbered = len(_MARK)
    decompressor = zlib.decompressobj(-zlib.MAX_WBITS, zdict=_dictionary(value[numbered]))
    whole = decompressor.decompress(value[numbered + 1 :])
    if not decompressor.eof:
        raise zlib.error("a packed value ends too early")
    return whole


def prepare(connection: Any) -> None:
    """Let SQL on this connection of SQLite's driver look into packed values (`content`)."""
    connection.create_function(UNPACKED, 1, unpacked, deterministic=True)


class _Kept:
    """What both kinds of columns are. `dictionary` is that of what they write; they read any."""

    def __init__(self, dictionary: int = DOCUMENTS) -> None:
        super().__init__()
        self.dictionary = dictionary


class Packed(_Kept, sa.types.TypeDecorator[bytes]):
    """Bytes that are packed on SQLite. Search in them by `content`; in SQL compare with short values only."""

    impl = sa.LargeBinary
    cache_ok = True

    def process_bind_param(self, value: bytes | None, dialect: sa.Dialect) -> bytes | None:
        return packed(value, self.dictionary) if value is not None and dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> bytes | None:
        return None if value is None else unpacked(bytes(value))


class PackedText(_Kept, sa.types.TypeDecorator[str]):
    """Text that is packed on SQLite, where a column of texts may hold bytes as well."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> Any:
        if value is None or dialect.name != "sqlite" or len(value) < WORTH_IT:
            return value
        written = value.encode()
        small = packed(written, self.dictionary)
        return value if small is written else small

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> str | None:
        return unpacked(value).decode() if isinstance(value, bytes) else value


def content(column: sa.ColumnElement[Any], sqlite: bool) -> sa.ColumnElement[Any]:
    """A packed column as it was written, for searching in it in SQL."""
    kind = sa.Text if isinstance(column.type, PackedText) else sa.LargeBinary
    return sa.func.erp_sync_unpacked(column, type_=kind) if sqlite else sa.type_coerce(column, kind)
