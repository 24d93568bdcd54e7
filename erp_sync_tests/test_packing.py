"""Texts that repeat themselves are kept packed on SQLite, read as they were written, and found by what they say."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from erp_sync import packing
from erp_sync.packing import CALLS, DOCUMENTS, EVENTS, Packed, PackedText, content, packed, unpacked

DICTIONARIES = Path(packing.__file__).with_name("dictionaries")
ORDER = b'{"increment_id":"000000015","items":[' + b'{"sku":"MUG","qty_ordered":1},' * 200 + b"{}]}"

metadata = sa.MetaData()
kept = sa.Table(
    "kept",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("body", Packed(DOCUMENTS), nullable=True),
    sa.Column("words", PackedText(EVENTS), nullable=True),
)


@pytest.fixture
def database() -> Iterator[sa.Connection]:
    engine = sa.create_engine("sqlite://")
    sa.event.listen(engine, "connect", lambda raw, _record: packing.prepare(raw))
    with engine.connect() as connection:
        metadata.create_all(connection)
        yield connection
    engine.dispose()


@given(value=st.binary(max_size=400) | st.binary(max_size=400).map(lambda some: b"\x00z" + some))
@pytest.mark.parametrize("dictionary", [DOCUMENTS, EVENTS, CALLS])
def test_whatever_is_packed_is_read_as_it_was_written(dictionary: int, value: bytes) -> None:
    assert unpacked(packed(value, dictionary)) == value
    assert len(packed(value, dictionary)) <= len(value) + 40


def test_what_repeats_itself_takes_a_tenth_and_the_same_value_always_the_same() -> None:
    assert len(packed(ORDER, DOCUMENTS)) < len(ORDER) / 10
    assert packed(ORDER, DOCUMENTS) == packed(bytes(bytearray(ORDER)), DOCUMENTS)


def test_short_values_stay_so_that_they_can_be_compared_in_sql(database: sa.Connection) -> None:
    database.execute(sa.insert(kept), [{"id": 1, "body": b'{"erased":true}'}, {"id": 2, "body": ORDER}])
    assert database.execute(sa.select(kept.c.id).where(kept.c.body == b'{"erased":true}')).scalars().all() == [1]


def test_texts_and_bytes_are_packed_in_the_file_and_whole_for_whoever_reads(database: sa.Connection) -> None:
    words = '{"__class__": "EventLogEntry", "message": "Grüße"}' * 20
    database.execute(sa.insert(kept), {"id": 1, "body": ORDER, "words": words})
    assert database.execute(sa.select(kept.c.body, kept.c.words)).one() == (ORDER, words)
    raw = database.exec_driver_sql("SELECT body, words FROM kept").one()
    assert all(isinstance(value, bytes) and len(value) < 200 for value in raw)
    assert database.execute(sa.select(sa.func.coalesce(kept.c.body, kept.c.body))).scalar() == ORDER


def test_what_an_earlier_version_wrote_is_read_as_it_stands(database: sa.Connection) -> None:
    database.exec_driver_sql("INSERT INTO kept (id, body, words) VALUES (1, ?, ?)", (ORDER, ORDER.decode()))
    assert database.execute(sa.select(kept.c.body, kept.c.words)).one() == (ORDER, ORDER.decode())
    assert database.execute(sa.select(kept.c.id).where(kept.c.words.is_(None))).all() == []


def test_sql_finds_what_stands_in_packed_values(database: sa.Connection) -> None:
    database.execute(
        sa.insert(kept), [{"id": 1, "body": ORDER, "words": ORDER.decode()}, {"id": 2, "body": b"x" * 99, "words": ""}]
    )
    database.exec_driver_sql("INSERT INTO kept (id, body) VALUES (3, ?)", (ORDER,))
    found = sa.select(kept.c.id).where(sa.func.instr(content(kept.c.body, True), b'"sku":"MUG"') > 0)
    assert database.execute(found.order_by(kept.c.id)).scalars().all() == [1, 3]
    words = sa.cast(content(kept.c.words, True), sa.Text).icontains("mug")
    assert database.execute(sa.select(kept.c.id).where(words)).scalars().all() == [1]


def test_a_damaged_value_is_no_shorter_one() -> None:
    small = packed(ORDER, DOCUMENTS)
    with pytest.raises(zlib.error):
        unpacked(small[: len(small) // 2])


SUMS = {DOCUMENTS: 0x1084B237, EVENTS: 0xD45C987D, CALLS: 0x8FA0E750}


@pytest.mark.parametrize("dictionary", SUMS)
def test_no_dictionary_ever_changes(dictionary: int) -> None:
    """Nothing that was packed with it could be read any more: a better one gets another number."""
    assert zlib.crc32((DICTIONARIES / f"{dictionary}.txt").read_bytes()) == SUMS[dictionary]
