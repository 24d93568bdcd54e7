"""Parquet files below one folder: written once, never changed, found through manifests only.

A file gets its name when it is whole and on disk, and counts once its manifest names it. What a crash
leaves behind in between is never read, and swept later. Compaction and erasure write replacements and
swap them in with one line of the manifest; what was swapped out stays for readers under way until the
sweep, which has the manifest forget its name. The replacement says in its own footer which files its rows
came from, so that the manifest is as long as the lake has files, not as long as it ever had.
One machine's processes share a lake on a local (or mounted) folder.
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import reduce
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from erp_sync.lake.errors import DamagedFile, LakeError, NotInManifest, room_for
from erp_sync.lake.manifest import Change, FileEntry, Manifest, sync_folder
from erp_sync.lake.origins import Part, packed, unpacked

#: Rows a compacted file has at most.
COMPACTED_ROWS = 200_000
#: How long files stay that no manifest names: longer than any reader and writer works.
SWEEP_AFTER = timedelta(days=1)

#: Takes as long as the level before it, and a quarter less space.
_LEVEL = 9

_NAME = re.compile(r"[A-Za-z0-9_.-]+")


class Lake:
    """Raw records of all connections.

    Args:
        root: folder; created when first written to.
        clock: gives the time, with a time zone.
    """

    def __init__(self, root: Path | str, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.root = Path(root)
        self._clock = clock

    def write(self, connection: str, entity: str, run_id: str, table: pa.Table) -> str:
        """Add a table; gives the file's name below the root. Visible to readers once this returns.

        Not idempotent: the caller knows what it wrote already (the ledger's received ids).
        Raises LakeFull where the disk has no room.
        """
        folder = self._folder(connection, entity)
        now = self._now()
        name = f"{now:%Y/%m/%d}/{now:%H%M%S}-{uuid.uuid4().hex[:12]}.parquet"
        entry = self._put(folder, name, table, now, None, run_id, ())
        Manifest(folder).change(lambda _: Change(at=now, add=(entry,)))
        return entry.file

    def entities(self) -> list[tuple[str, str]]:
        """(connection, entity) pairs that have files."""
        found = self.root.glob("*/*/manifest.jsonl")
        return sorted((path.parent.parent.name, path.parent.name) for path in found)

    def files(
        self,
        connection: str,
        entity: str,
        since: datetime | None = None,
        until: datetime | None = None,
        run_id: str | None = None,
    ) -> list[FileEntry]:
        """Files with rows received in [since, until), oldest first. UTC. A run's id is lost by compaction."""
        entries = Manifest(self._folder(connection, entity)).entries()
        chosen = [
            entry
            for entry in entries
            if (since is None or entry.written_at >= since)
            and (until is None or entry.earliest < until)
            and (run_id is None or entry.run_id == run_id)
        ]
        return sorted(chosen, key=lambda entry: (entry.earliest, entry.file))

    def paths(self, connection: str, entity: str, run_id: str) -> list[Path]:
        """Files that this run wrote, oldest first. Raises DamagedFile, which names the file."""
        return [self._checked(entry) for entry in self.files(connection, entity, run_id=run_id)]

    def scan(
        self,
        connection: str,
        entity: str,
        since: datetime | None = None,
        until: datetime | None = None,
        run_id: str | None = None,
    ) -> duckdb.DuckDBPyRelation:
        """The rows of these files as a DuckDB relation in memory; columns of all files, by name.

        Whole files are taken: rows of a compacted file may lie outside the window.

        Raises:
            DamagedFile: names the file.
            LakeError: there is no file for this.
        """
        entries = self.files(connection, entity, since, until, run_id)
        if not entries:
            raise LakeError(f"the lake has no {entity} of {connection} for this")
        paths = [str(self._checked(entry)) for entry in entries]
        database = duckdb.connect(":memory:")
        database.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
        try:
            return database.read_parquet(paths, union_by_name=True)
        except duckdb.Error as error:
            self._name_damage(entries)
            raise LakeError(f"{entity} of {connection} cannot be read: {error}") from error

    def table(
        self,
        connection: str,
        entity: str,
        since: datetime | None = None,
        until: datetime | None = None,
        run_id: str | None = None,
        columns: Sequence[str] | None = None,
    ) -> pa.Table:
        """The rows of these files as one Arrow table, in order; empty (no columns) where there is no file.

        Raises DamagedFile, which names the file.
        """
        tables = [self._read(entry, columns) for entry in self.files(connection, entity, since, until, run_id)]
        return pa.concat_tables(tables, promote_options="default") if tables else pa.table({})

    def row(self, file: str, number: int) -> dict[str, object]:
        """One row by the file it was written to, also after compaction. For `trace`.

        Raises NotInManifest, DamagedFile, IndexError.
        """
        entry, offset, rows = self._locate(file)
        if not 0 <= number < rows:
            raise IndexError(f"{file} has {rows} rows, none is number {number}")
        return self._read(entry).slice(offset + number, 1).to_pylist()[0]

    def compact(
        self,
        connection: str,
        entity: str,
        before: datetime,
        smaller_than: int = COMPACTED_ROWS // 4,
        rows: int = COMPACTED_ROWS,
    ) -> int:
        """Join small files of before `before` into larger ones. Gives how many files were replaced.

        Safe beside readers and writers, and beside another compaction: the swap that comes second finds its
        files gone and leaves everything as it is.
        """
        small = [
            entry for entry in self.files(connection, entity, until=before) if entry.rows < smaller_than or entry.parts
        ]
        groups: list[list[FileEntry]] = [[]]
        for entry in small:
            if sum(one.rows for one in groups[-1]) + entry.rows > rows:
                groups.append([])
            groups[-1].append(entry)
        replaced = 0
        for group in groups:
            if len(group) < 2 and not any(entry.parts for entry in group):
                continue
            table = pa.concat_tables([self._read(entry) for entry in group], promote_options="default")
            if self._swap(connection, entity, group, table):
                replaced += len(group)
        return replaced

    def erase(
        self,
        connection: str,
        entity: str,
        native_ids: Sequence[str],
        keep: Sequence[str] = ("native_id", "scope", "version", "source_time", "created_time"),
    ) -> int:
        """Empty every column but `keep` of these records, in every file. Gives the number of rows erased; those that
        are empty already do not count, and their files are left as they are.

        Rows stay in their place, so that what refers to them by number stays right. The files that held the
        data are removed at once, not by the sweep.
        """
        erased = 0
        wanted = pa.array(sorted(set(native_ids)), pa.string())
        for entry in self.files(connection, entity):
            table = self._read(entry)
            matches = pc.is_in(table["native_id"], value_set=wanted)
            held = [pc.is_valid(table[name]) for name in table.column_names if name not in keep]
            matches = pc.and_(matches, reduce(pc.or_, held)) if held else matches
            count = pc.sum(matches).as_py() or 0
            if not count:
                continue
            for position, name in enumerate(table.column_names):
                if name not in keep:
                    column = table[name]
                    table = table.set_column(position, name, pc.if_else(matches, pa.scalar(None, column.type), column))
            if not self._swap(connection, entity, [entry], table):
                raise LakeError(f"{entry.file} was replaced meanwhile: erase again")
            (self.root / entry.file).unlink(missing_ok=True)
            erased += count
        # What a compaction before this one swapped out may hold the data too.
        for name in Manifest(self._folder(connection, entity)).removed():
            (self.root / name).unlink(missing_ok=True)
        return erased

    def matching(self, connection: str, entity: str, concerns: Callable[[str], bool]) -> list[str]:
        """Native ids of the records whose payload is so, in any file."""
        found: set[str] = set()
        for entry in self.files(connection, entity):
            table = self._read(entry, ("native_id", "payload"))
            found |= {
                str(row["native_id"]) for row in table.to_pylist() if row["payload"] and concerns(str(row["payload"]))
            }
        return sorted(found)

    def remove(self, connection: str, entity: str, before: datetime) -> int:
        """Retention: forget files all of whose rows were received before `before`. Gives how many."""
        folder = self._folder(connection, entity)
        now = self._now()

        def decide(current: dict[str, FileEntry]) -> Change | None:
            old = tuple(name for name, entry in current.items() if entry.written_at < before)
            return Change(at=now, remove=old) if old else None

        change = Manifest(folder).change(decide)
        return len(change.remove) if change is not None else 0

    def sweep(self, older_than: timedelta = SWEEP_AFTER) -> int:
        """Delete files that no manifest names: swapped out, removed, or never finished. Gives how many."""
        limit = self._now() - older_than
        count = 0
        for connection, entity in self.entities():
            folder = self._folder(connection, entity)
            manifest = Manifest(folder)
            current = {entry.file for entry in manifest.entries()}
            removed = manifest.removed()
            for path in [*folder.rglob("*.parquet"), *folder.rglob("*.part")]:
                name = str(path.relative_to(self.root))
                if name in current:
                    continue
                since = removed.get(name) or datetime.fromtimestamp(path.stat().st_mtime, UTC)
                if since < limit:
                    path.unlink(missing_ok=True)
                    count += 1
            manifest.rewrite(limit)
        return count

    def verify(self, connection: str, entity: str) -> int:
        """Read every page of every file, checksums too. Gives the number of rows. Raises DamagedFile."""
        return sum(self._read(entry, checksums=True).num_rows for entry in self.files(connection, entity))

    def _swap(self, connection: str, entity: str, old: Sequence[FileEntry], table: pa.Table) -> bool:
        folder = self._folder(connection, entity)
        now = self._now()
        written = max(entry.written_at for entry in old)
        first = min(entry.earliest for entry in old)
        parts = tuple(part for entry in old for part in self._origins(entry))
        name = f"{written:%Y/%m/%d}/{now:%H%M%S}-{uuid.uuid4().hex[:12]}.parquet"
        run_id = old[0].run_id if len(old) == 1 else ""
        entry = self._put(folder, name, table, written, first, run_id, parts)
        names = tuple(one.file for one in old)

        def decide(current: dict[str, FileEntry]) -> Change | None:
            if not all(one in current for one in names):
                return None
            return Change(at=now, add=(entry,), remove=names)

        if Manifest(folder).change(decide) is not None:
            return True
        (self.root / entry.file).unlink()
        return False

    def _put(
        self,
        folder: Path,
        name: str,
        table: pa.Table,
        written_at: datetime,
        first_at: datetime | None,
        run_id: str,
        parts: tuple[Part, ...],
    ) -> FileEntry:
        path = folder / name
        unfinished = path.with_suffix(".part")
        with room_for(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                size = _written(unfinished, table, parts)
                os.replace(unfinished, path)
            finally:
                unfinished.unlink(missing_ok=True)  # of a full disk it would take more
            sync_folder(path.parent)
        return FileEntry(
            file=str(path.relative_to(self.root)),
            rows=table.num_rows,
            bytes=size,
            written_at=written_at,
            first_at=first_at if first_at != written_at else None,
            run_id=run_id,
            joined=len(parts),
        )

    def _checked(self, entry: FileEntry) -> Path:
        """The file's path; its size is looked at, and that it ends as Parquet does."""
        path = self.root / entry.file
        try:
            with path.open("rb") as content:
                size = content.seek(0, os.SEEK_END)
                if size != entry.bytes:
                    raise DamagedFile(entry.file, f"{size} bytes, the manifest says {entry.bytes}")
                content.seek(-4, os.SEEK_END)
                if content.read(4) != b"PAR1":
                    raise DamagedFile(entry.file, "its end is not that of a Parquet file")
        except FileNotFoundError:
            raise DamagedFile(entry.file, "it is missing") from None
        return path

    def _read(self, entry: FileEntry, columns: Sequence[str] | None = None, checksums: bool = False) -> pa.Table:
        path = self._checked(entry)
        try:
            with pq.ParquetFile(path, page_checksum_verification=checksums) as file:
                table = file.read(columns=list(columns) if columns is not None else None)
        except (pa.ArrowException, OSError) as error:
            raise DamagedFile(entry.file, str(error)) from error
        if table.num_rows != entry.rows:
            raise DamagedFile(entry.file, f"{table.num_rows} rows, the manifest says {entry.rows}")
        return table

    def _name_damage(self, entries: Sequence[FileEntry]) -> None:
        for entry in entries:
            self._read(entry, checksums=True)

    def _locate(self, file: str) -> tuple[FileEntry, int, int]:
        """The file that has the rows of `file` now, the number of the first of them there, and how many they are."""
        parts = Path(file).parts
        if len(parts) < 3 or Path(file).is_absolute() or ".." in parts:
            raise NotInManifest(file)
        entries = Manifest(self.root / parts[0] / parts[1]).entries()
        for entry in entries:
            if entry.file == file:
                return entry, 0, entry.rows
        day = "/".join(parts[2:5])
        for entry in entries:
            if not f"{entry.earliest:%Y/%m/%d}" <= day <= f"{entry.written_at:%Y/%m/%d}":
                continue
            offset = 0
            for part in self._origins(entry):
                if part.file == file:
                    return entry, offset, part.rows
                offset += part.rows
        raise NotInManifest(file)

    def _origins(self, entry: FileEntry) -> tuple[Part, ...]:
        """The files that the rows of a file were received in, in order: most often itself. Raises DamagedFile."""
        if entry.parts or not entry.joined:
            return entry.parts or (Part(entry.file, entry.rows),)
        try:
            return unpacked(pq.read_metadata(self._checked(entry)).metadata)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise DamagedFile(entry.file, str(error)) from error

    def _folder(self, connection: str, entity: str) -> Path:
        for name in (connection, entity):
            if not _NAME.fullmatch(name) or name.startswith("."):
                raise ValueError(f"{name!r} is no name for a folder of the lake: letters, digits, _ . -")
        return self.root / connection / entity

    def _now(self) -> datetime:
        now = self._clock()
        if now.tzinfo is None:
            raise ValueError("the lake's clock must give times with a time zone")
        return now.astimezone(UTC)


def _written(path: Path, table: pa.Table, parts: tuple[Part, ...]) -> int:
    """The table as a file that is on the disk; gives its bytes."""
    with path.open("wb") as out:
        # Most files are of a few records: smallest and largest record of each, repeated in three places, and a
        # second description of the columns were more than half of them.
        with pq.ParquetWriter(
            out,
            table.schema,
            compression="zstd",
            compression_level=_LEVEL,
            use_dictionary=False,
            write_statistics=[name for name in table.column_names if name != "payload"],
            store_schema=False,
            write_page_checksum=True,
        ) as writer:
            writer.write_table(table)
            if parts:
                writer.add_key_value_metadata(packed(parts))
        out.flush()
        os.fsync(out.fileno())
        return out.tell()
