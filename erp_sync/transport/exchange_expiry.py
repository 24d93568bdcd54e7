"""What the exchange log forgets: exchanges that have had their time and whose document is settled, with their bodies.

A file of bodies goes once no exchange refers to it. Where some do that are kept for long, their bodies move to another
file, and the rest of the old one goes with it: what is forgotten stands nowhere any more.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from erp_sync.model.still_open import StillOpen
from erp_sync.transport.exchange_store import Body, Store, exchanges
from erp_sync.transport.segments import GATHERED, SUFFIX, SegmentWriter, this_host

#: Beyond its time: of one document the newest so many are kept, as a trace tells them; of one run's calls to a system;
#: and of all together. What is older goes, open or not.
MOST_OF_DOCUMENT = 500
MOST_OF_RUN = 100
MOST_KEPT = 100_000
#: Bodies are written before the rows that lead to them, at midnight to a file of the day before: the database may be
#: slow, or away for a while.
WRITTEN_AFTER = timedelta(hours=1)


def keeper(still: StillOpen, most: int = MOST_KEPT) -> Callable[[Any], bool]:
    """Whether a row (connection, document, run_id) is kept; to be asked of the newest first."""
    counts: Counter[tuple[str, ...]] = Counter()

    def whose(row: Any) -> tuple[tuple[str, ...], int] | None:
        if row.document and row.document in still.names:
            return (row.document,), MOST_OF_DOCUMENT
        if row.document and (row.connection, row.document) in still.ids:
            return (row.connection, row.document), MOST_OF_DOCUMENT
        place = (row.connection, row.run_id)
        if row.run_id in still.runs or (not row.document and place in still.reads):
            return ("run", *place), MOST_OF_RUN
        return None

    def keep(row: Any) -> bool:
        found = whose(row)
        if found is None or counts[found[0]] >= found[1] or counts[()] >= most:
            return False
        counts[found[0]] += 1
        counts[()] += 1
        return True

    return keep


def forget_rows(store: Store, older_than: datetime, keep: Callable[[Any], bool], chunk: int = 5000) -> tuple[int, int]:
    """Delete old rows that are not to be kept, in short transactions; gives how many, and how many stay."""
    deleted = kept = 0
    for rows in _old(store, older_than, chunk):
        gone = [row.id for row in rows if not keep(row)]
        kept += len(rows) - len(gone)
        if gone:
            with store.engine.begin() as connection:
                deleted += connection.execute(exchanges.delete().where(exchanges.c.id.in_(gone))).rowcount
    return deleted, kept


def _old(store: Store, older_than: datetime, chunk: int) -> Iterator[list[Any]]:
    """Newest first, so that the newest of a document are those that stay."""
    columns = (exchanges.c.id, exchanges.c.time, exchanges.c.connection, exchanges.c.document, exchanges.c.run_id)
    query = sa.select(*columns).order_by(exchanges.c.time.desc(), exchanges.c.id.desc()).limit(chunk)
    after: Any = exchanges.c.time < older_than
    while True:
        with store.engine.connect() as connection:
            rows = list(connection.execute(query.where(after)))
        if rows:
            yield rows
        if len(rows) < chunk:
            return
        time, identity = rows[-1].time, rows[-1].id
        after = sa.and_(exchanges.c.time <= time, sa.or_(exchanges.c.time < time, exchanges.c.id < identity))


def delete(paths: Iterable[Path]) -> list[int]:
    """Delete files; gives the bytes of each that was here. Another machine's will be found there without a row."""
    freed = []
    for path in paths:
        try:
            size = path.stat().st_size
            path.unlink()
        except FileNotFoundError:
            continue
        freed.append(size)
    return freed


def sweep(store: Store, folder: Path, now: datetime) -> list[int]:
    """Take away what stands in files of this machine and no row leads to; gives bytes of the files that went whole.

    That is what somebody left who was killed as bodies moved or files were deleted, or before the first rows of a file
    were written. No erasure would find it: it goes by the rows. Call it where nobody gathers meanwhile.

    Args:
        now: aware; a file of this day may have rows in a moment, and stays.
    """
    here = list(folder.glob(f"????????-{this_host()}-*{SUFFIX}"))
    known, ends = store.segment_names(), store.ends(GATHERED)
    today = f"{(now - WRITTEN_AFTER).astimezone(UTC):%Y%m%d}"
    for path in here:
        if (end := ends.get(path.name)) is not None:
            _end_at(path, end)
    return delete(
        path for path in here if path.name not in known and (path.name.endswith(GATHERED) or path.name[:8] < today)
    )


def _end_at(path: Path, end: int) -> None:
    """Beyond its last body a gathered file has copies of bodies that still stand in another one."""
    try:
        with open(path, "r+b") as file:
            if os.fstat(file.fileno()).st_size > end:
                file.truncate(end)
                os.fsync(file.fileno())
    except FileNotFoundError:
        return  # its exchanges had their time just now, and somebody else deleted it


def gather(store: Store, folder: Path, before: datetime, today: datetime) -> list[int]:
    """Move bodies that are kept out of old files that hold others, too, and delete these; gives their bytes.

    Call it where nobody erases bodies meanwhile. A file that was cut short, by a power failure, is left as it is. Each
    goes as soon as its bodies have moved, so that no more room is needed than for those of one. Raises OSError where
    that is not to be had: nothing stays of what was copied in vain.
    """
    freed: list[int] = []
    writer = SegmentWriter(folder, suffix=GATHERED)
    try:
        for identity, name, used in store.referred(before):
            path = folder / name
            if not path.exists() or path.stat().st_size <= used:
                continue
            last, bodies = store.bodies(identity)
            if any(body.offset + body.length > path.stat().st_size for body in bodies):
                continue
            writer.turn_to(today.date())
            referred = writer.size
            try:
                moved = [(body, _copied(path, body, writer)) for body in bodies]
                writer.sync()
            except OSError:
                writer.cut(referred)
                raise
            if store.move(identity, writer.name, this_host(), last, moved):
                freed += delete([path])
            else:
                writer.cut(referred)
    finally:
        writer.close()
    return freed


def _copied(path: Path, body: Body, writer: SegmentWriter) -> int:
    with open(path, "rb") as file:
        return writer.append_packed(os.pread(file.fileno(), body.length, body.offset))
